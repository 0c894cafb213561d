//! The maximum length of files and of their lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The most lines of a file of `src`: all of them, docs, comments and empty ones too, less its unit
/// tests.
const LINES: usize = 400;

/// Longer files, with the lines that they may have: each lane takes its own out, and no number may
/// grow.
const LONG_FILES: &[(&str, usize)] = &[];

/// The most columns of a line that holds a comment; rustfmt does not see them.
const COLUMNS: usize = 100;

/// The Rust files below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The files of some folders of the checkout, by their names from there.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let paths = folders.iter().flat_map(|folder| files(&root.join(folder)));
    let named = paths.map(|path| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        (name, std::fs::read_to_string(path).unwrap())
    });
    named.collect()
}

/// The lines of a file before its unit tests, which come last.
fn lines(source: &str) -> usize {
    source.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

/// The lines whose comment ends beyond the limit. Rows of tables, which Markdown cannot wrap, and a
/// single word that is too long, an address for example, may stay.
fn wide_comments(source: &str) -> usize {
    let is_wide = |line: &&str| {
        let begin = line.find("//").filter(|at| *at == 0 || line[..*at].ends_with(' '));
        let comment = begin.map_or("", |at| &line[at..]);
        let is_row = comment.trim_start_matches(['/', '!']).trim_start().starts_with('|');
        comment.split_whitespace().count() > 2 && !is_row && line.chars().count() > COLUMNS
    };
    source.lines().filter(is_wide).count()
}

/// Files with wide comments and how many, as far as they are not wrapped yet: one file a line. No
/// number may grow.
fn wide_exceptions() -> BTreeMap<&'static str, usize> {
    let lines = include_str!("wide_comments.txt").lines();
    lines.map(|line| line.split_once(' ').map(|(count, file)| (file, count.parse().unwrap())).unwrap()).collect()
}

#[test]
fn a_file_has_at_most_400_lines_without_its_tests() {
    let mut left: BTreeMap<&str, usize> = LONG_FILES.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, source) in sources(&["src"]) {
        let lines = lines(&source);
        match left.remove(&*file) {
            None if lines > LINES => wrong.push(format!("{file}: {lines} lines")),
            Some(_) if lines <= LINES => wrong.push(format!("{file} is short enough: take it out of the list")),
            Some(most) if lines > most => wrong.push(format!("{file}: {lines} lines, {most} before")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(left.is_empty(), "these are gone: {left:?}");
}

#[test]
fn comments_end_within_100_columns() {
    let mut left = wide_exceptions();
    let mut wrong = Vec::new();
    for (file, source) in sources(&["src", "tests", "examples", "benches"]) {
        match (wide_comments(&source), left.remove(&*file)) {
            (0, None) => {}
            (0, Some(_)) => wrong.push(format!("{file} is wrapped: take it out of wide_comments.txt")),
            (count, before) if count > before.unwrap_or(0) => {
                wrong.push(format!("{file}: {count} wide comments, {} before", before.unwrap_or(0)));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(left.is_empty(), "these are gone: {left:?}");
}

#[test]
fn lines_are_counted_as_they_are_meant() {
    assert_eq!(lines("//! docs\n\nfn f() {}\n\n#[cfg(test)]\nmod tests {}\n"), 4);
    let wide = |text: &str, columns: usize| format!("{text}{}", " x".repeat((columns - text.len()) / 2));
    assert_eq!(wide_comments(&wide("// a ", 101)), 1);
    assert_eq!(wide_comments(&wide("// ab", 101)), 1);
    assert_eq!(wide_comments(&wide("// abc", 100)), 0);
    assert_eq!(wide_comments(&wide("/// ab", 102)), 1);
    assert_eq!(wide_comments(&wide("let a = 1; // b", 103)), 1);
    assert_eq!(wide_comments(&wide("let a = 1; b", 104)), 0);
    assert_eq!(wide_comments(&format!("// https://{}", "x".repeat(100))), 0);
    assert_eq!(wide_comments(&wide("/// | a |", 103)), 0);
    assert_eq!(wide_comments(&format!("// {} ─", "─ ".repeat(47))), 0);
}
