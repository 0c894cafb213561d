//! The options of all programs side by side, as their help shows them: options with the same
//! meaning have the same name, value, unit and words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

const PROGRAMS: [(&str, &str); 6] = [
    ("smp", env!("CARGO_BIN_EXE_smp")),
    ("bsmp", env!("CARGO_BIN_EXE_bsmp")),
    ("s3mp", env!("CARGO_BIN_EXE_s3mp")),
    ("smp-device", env!("CARGO_BIN_EXE_smp-device")),
    ("bsmp-node", env!("CARGO_BIN_EXE_bsmp-node")),
    ("s3mp-slave", env!("CARGO_BIN_EXE_s3mp-slave")),
];

/// Options whose name means something else in another command, and why that is right.
const OTHER_MEANINGS: [(&str, &str); 7] = [
    ("udp", "SMP has a usual port, BSMP has none; a device waits where a tool connects"),
    ("tcp", "a device waits where a tool connects"),
    ("group", "a group of commands in SMP, a group of variables in BSMP"),
    ("force", "of a reset, and of an image that does not look like one"),
    ("version", "of the program, and of an image that is made"),
    ("timeout", "answer and response, each in the words of its protocol"),
    ("retries", "answer and response, each in the words of its protocol"),
];

/// The words of an option's value: a unit, or what it is.
const VALUES: [&str; 26] = [
    "",
    "MS",
    "S",
    "N",
    "G",
    "V",
    "ID",
    "BYTES",
    "BYTES/MS",
    "PATH",
    "FILE",
    "DIR",
    "NAME",
    "KIND",
    "TYPE",
    "INDEX",
    "HOST:PORT",
    "HOST[:PORT]",
    "VID:PID[:INTERFACE]",
    "1|2",
    "FORM",
    "ADDRESS",
    "TOKEN",
    "OP",
    "SHA256",
    "FILE|BYTES",
];

/// An option as a help shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    name: String,
    short: Option<char>,
    value: String,
    /// Its description, up to the first mark that ends a clause.
    says: String,
}

/// A program, or a command of one, and what its help shows.
struct Page {
    words: String,
    options: Vec<Shown>,
    arguments: Vec<String>,
    /// Those of the program, which each of its commands has too.
    of_all: Vec<String>,
}

fn help(path: &str, words: &[String]) -> String {
    let output =
        Command::new(path).args(words).arg("--help").env("COLUMNS", "400").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The entries of a help: the line of an option, and the lines of its description.
fn options(text: &str) -> Vec<Shown> {
    let mut list: Vec<Shown> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if (2..=6).contains(&indent) && trimmed.starts_with('-') {
            let short = trimmed.strip_prefix('-').and_then(|rest| rest.chars().next()).filter(|first| *first != '-');
            let long = trimmed.split_once("--").unwrap().1;
            let (name, rest) = long.split_once(' ').unwrap_or((long, ""));
            let (value, says) = match rest.trim().strip_prefix('<') {
                Some(rest) => {
                    let (value, says) = rest.split_once('>').unwrap();
                    (value.to_owned(), says.trim().to_owned())
                }
                None => (String::new(), rest.trim().to_owned()),
            };
            list.push(Shown { name: name.to_owned(), short, value, says });
            is_open = true;
        } else if indent >= 10 && is_open && !trimmed.starts_with('[') && !trimmed.starts_with("- ") {
            if trimmed.starts_with("Possible values") {
                is_open = false;
            } else if let Some(last) = list.last_mut() {
                last.says = format!("{} {trimmed}", last.says).trim().to_owned();
            }
        } else if !trimmed.is_empty() && indent < 10 {
            is_open = false;
        }
    }
    for shown in &mut list {
        let end = shown.says.find(['.', ';', ',', ':', '(', '[']).unwrap_or(shown.says.len());
        shown.says = shown.says[..end].trim().to_owned();
    }
    list
}

/// The names of arguments without dashes.
fn arguments(text: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| *line != "Arguments:").skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
    let names = lines.filter_map(|line| {
        line.trim_start().split(['<', '[', '>', ']']).nth(1).map(str::to_lowercase).filter(|_| {
            let trimmed = line.trim_start();
            trimmed.starts_with(['<', '[']) && line.len() - trimmed.len() == 2
        })
    });
    names.collect()
}

/// The help of a command and of all below it.
fn walk(path: &str, words: &[String], program: &str, of_all: &[String], pages: &mut Vec<Page>) {
    let text = help(path, words);
    let options = options(&text);
    let name = [&[program.to_owned()], words].concat().join(" ");
    let of_all = if words.is_empty() { options.iter().map(|it| it.name.clone()).collect() } else { of_all.to_vec() };
    pages.push(Page { words: name, arguments: arguments(&text), options, of_all: of_all.clone() });
    let commands = text.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in commands.take_while(|line| line.is_empty() || line.starts_with("  ")) {
        let command = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
        if let Some(command) = command.and_then(|rest| rest.split_whitespace().next()).filter(|name| *name != "help") {
            walk(path, &[words, &[command.to_owned()]].concat(), program, &of_all, pages);
        }
    }
}

fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    for (program, path) in PROGRAMS {
        walk(path, &[], program, &[], &mut pages);
    }
    assert!(pages.len() > 100, "{}", pages.len());
    pages
}

#[test]
fn one_meaning_has_one_name_one_unit_and_the_same_words_in_every_program() {
    let pages = pages();
    let mut wrong = Vec::new();
    let (mut by_name, mut by_words) = (BTreeMap::<_, BTreeMap<_, _>>::new(), BTreeMap::<_, BTreeMap<_, _>>::new());
    for page in &pages {
        for shown in &page.options {
            let shape = (shown.short, shown.value.clone(), shown.says.clone());
            by_name.entry(shown.name.clone()).or_default().entry(shape).or_insert(&page.words);
            by_words.entry(shown.says.clone()).or_default().entry(shown.name.clone()).or_insert(&page.words);
            if !VALUES.contains(&shown.value.as_str()) {
                wrong.push(format!("{}: --{} <{}>", page.words, shown.name, shown.value));
            }
            assert!(!shown.says.is_empty(), "{}: --{} says nothing", page.words, shown.name);
        }
    }
    let mut used = BTreeSet::new();
    for (name, shapes) in &by_name {
        if shapes.len() > 1 {
            match OTHER_MEANINGS.iter().find(|(known, _)| known == name) {
                Some((known, _)) => drop(used.insert(*known)),
                None => wrong.push(format!("--{name} is not the same everywhere: {shapes:?}")),
            }
        }
        // The letter and the unit are the same in any case.
        let units: BTreeSet<_> = shapes.keys().map(|(short, value, _)| (short, value)).collect();
        if units.len() > 1 && !matches!(name.as_str(), "udp" | "group" | "framing" | "version") {
            wrong.push(format!("--{name} has several units: {units:?}"));
        }
    }
    for (says, names) in &by_words {
        if names.len() > 1 {
            wrong.push(format!("{says:?} has several names: {names:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What is listed as an exception is one.
    for (name, why) in OTHER_MEANINGS {
        assert!(used.contains(name), "--{name} needs no reason any more: {why}");
    }
}

#[test]
fn what_each_program_should_have_it_has() {
    let pages = pages();
    let has = |words: &str| -> BTreeSet<String> {
        let page = pages.iter().find(|page| page.words == words).unwrap_or_else(|| panic!("{words}"));
        page.options.iter().map(|shown| shown.name.clone()).collect()
    };
    for tool in ["smp", "bsmp", "s3mp"] {
        for name in [
            "serial",
            "usb",
            "tcp",
            "baud",
            "simulated",
            "timeout",
            "retries",
            "json",
            "verbose",
            "quiet",
            "log-file",
            "help",
            "version",
        ] {
            assert!(has(tool).contains(name), "{tool} has no --{name}");
        }
        assert!(pages.iter().any(|page| page.words == format!("{tool} completion")), "{tool}");
    }
    for device in ["smp-device", "bsmp-node", "s3mp-slave"] {
        for name in ["pty", "tcp", "help", "version"] {
            assert!(has(device).contains(name), "{device} has no --{name}");
        }
    }
    for watch in ["bsmp watch", "bsmp poll", "s3mp watch", "s3mp subscribe"] {
        for name in ["duration", "count", "csv", "lines"] {
            assert!(has(watch).contains(name), "{watch} has no --{name}");
        }
    }
}

/// clap keeps one value for one name, so an argument would be read as the option.
#[test]
fn no_argument_of_a_command_has_the_name_of_an_option_of_all() {
    let mut count = 0;
    for page in pages() {
        for argument in &page.arguments {
            assert!(!page.of_all.contains(argument), "{}: {argument}", page.words);
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}
