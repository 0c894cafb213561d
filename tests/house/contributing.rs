//! CONTRIBUTING and README are true: the places that they name exist, and each step of `.ci/run` is
//! explained.

use std::path::Path;

/// A file of the checkout; `None` where the tests run from the published package, which has none of
/// these.
fn read(name: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).ok()
}

/// Whether these words are a path of the checkout.
fn is_place(word: &str) -> bool {
    let folders = ["src/", "tests/", "examples/", "benches/", ".ci/", ".cargo/"];
    folders.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', ' ', '{']) && !word.contains("NAME")
}

#[test]
fn every_place_that_contributing_and_the_readme_name_exists() {
    let (Some(contributing), Some(readme)) = (read(".github/CONTRIBUTING.md"), read("README.md")) else { return };
    for (text, least) in [(contributing, 25), (readme, 15)] {
        let places: Vec<_> = text.split('`').skip(1).step_by(2).filter(|word| is_place(word)).collect();
        for place in &places {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(place).exists(), "{place} does not exist");
        }
        assert!(places.len() >= least, "{} places", places.len());
    }
}

#[test]
fn contributing_says_what_each_step_of_the_checks_proves() {
    let (Some(text), Some(run)) = (read(".github/CONTRIBUTING.md"), read(".ci/run")) else { return };
    let steps = run.lines().filter_map(|line| line.strip_prefix("step_")?.split_once("()"));
    let mut count = 0;
    for (step, _) in steps {
        count += 1;
        assert!(text.contains(&format!("\n| `{step}` | ")), "the step {step} is not in CONTRIBUTING");
    }
    assert!(count >= 15, "{count} steps");
}

/// The walk of one request through the sources, as README lists it.
#[test]
fn the_walk_in_the_readme_is_at_most_eight_files_that_have_what_it_names() {
    let Some(readme) = read("README.md") else { return };
    let walk = readme.split_once("The path of one request").unwrap().1.split_once("## Try it").unwrap().0;
    let steps: Vec<&str> = walk.split("\n").filter(|line| line.starts_with(char::is_numeric)).collect();
    assert!((6..=8).contains(&steps.len()), "{} files", steps.len());
    for step in steps {
        let mut words = step.split('`').skip(1).step_by(2);
        let file = words.next().unwrap();
        let source = read(file).unwrap_or_else(|| panic!("{file} does not exist"));
        let names: Vec<&str> =
            words.filter(|word| word.chars().all(|c| c.is_alphanumeric() || "_:".contains(c))).collect();
        assert!(!names.is_empty(), "{step}");
        for name in names {
            assert!(source.contains(name.rsplit("::").next().unwrap()), "{name} is not in {file}");
        }
    }
}

#[test]
fn pages_and_the_comments_of_examples_wrap_at_100_columns() {
    let mut count = 0;
    for folder in [".github", "src/guide", "examples"] {
        let Ok(entries) = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            count += 1;
            let (text, is_page) = (std::fs::read_to_string(&path).unwrap(), path.extension().unwrap() == "md");
            let mut in_code = false;
            for (at, line) in text.lines().enumerate() {
                in_code ^= is_page && line.starts_with("```");
                // Code has its own width; a row of a table cannot be broken.
                let is_prose = if is_page { !in_code && !line.starts_with('|') } else { line.trim().starts_with("//") };
                assert!(!is_prose || line.chars().count() <= 100, "{}:{}: {line}", path.display(), at + 1);
            }
        }
    }
    assert!(count >= 15, "{count} files");
}
