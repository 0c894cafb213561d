//! CONTRIBUTING is true: its places exist, and it says what each step of `.ci/run` proves.

use std::path::Path;

/// A file of the checkout; `None` where the tests run from the published package, which has none of these.
fn read(name: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).ok()
}

#[test]
fn every_place_that_contributing_names_exists() {
    let Some(text) = read(".github/CONTRIBUTING.md") else { return };
    let words = text.split('`').skip(1).step_by(2);
    let is_place = |word: &&str| {
        let folders = ["src/", "tests/", "examples/", "benches/", ".ci/", ".cargo/"];
        folders.iter().any(|folder| word.starts_with(folder))
            && !word.contains(['*', ' ', '{'])
            && !word.contains("NAME")
    };
    let mut count = 0;
    for place in words.filter(is_place) {
        count += 1;
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(place).exists(), "{place} does not exist");
    }
    assert!(count >= 30, "{count} places");
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
