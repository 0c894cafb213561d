//! CONTRIBUTING and README are true: their places exist, and each step of `.ci/run` is explained.

use std::path::Path;

/// A file of the checkout; `None` where the tests run from the published package, which has none of these.
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
