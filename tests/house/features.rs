//! The effects of features: CI may leave out a suite only for features that do not affect it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::kit::source::files;

/// The features that code names, but for those of tests beside it.
fn named(code: &str) -> BTreeSet<String> {
    let words = code.split("feature = \"").skip(1);
    words.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// The rooms of `src` that a suite tests: those with its name, and these.
fn rooms(suite: &str) -> Vec<&str> {
    let more: &[_] = match suite {
        "framing" | "no_heap" => &["framing", "cobs", "checksum", "bytes", "time", "shown"],
        "line" => &["port", "asynch", "blocking", "time"],
        "smp" => &["cbor", "routine", "source"],
        "bsmp" => &["envelope", "routine"],
        "s3mp" => &["routine"],
        _ => panic!("{suite} has no rooms here"),
    };
    [&[suite], more].concat()
}

/// `.ci/run` runs a suite only with the features that can change what it tests. These are the two
/// that change framings, which all suites use, and those that the rooms or the tests name: what any
/// other one adds, they cannot use.
#[test]
fn suites_run_with_each_feature_that_can_change_what_they_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(run) = std::fs::read_to_string(root.join(".ci/run")) else { return };
    let (_, list) = run.split_once("CHANGES=(\n").unwrap();
    let (list, _) = list.split_once("\n)").unwrap();
    let lines = list.lines().map(|line| line.trim().trim_matches('"').split(' '));
    let said = lines.map(|mut words| (words.next().unwrap(), words.collect()));
    let said: BTreeMap<_, BTreeSet<_>> = said.collect();
    assert_eq!(said.len(), 7, "{said:?}");
    // Its tests read the sources, and no feature changes those.
    assert_eq!(said["house"], BTreeSet::new());
    for (&suite, said) in said.iter().filter(|(suite, _)| **suite != "house") {
        let mut found = BTreeSet::from(["defmt".to_owned(), "small".to_owned()]);
        let mut count = 0;
        for (file, text) in files("src") {
            let inside = file.strip_prefix(root.join("src")).unwrap();
            if rooms(suite)
                .iter()
                .any(|room| inside.starts_with(room) || inside == Path::new(room).with_extension("rs"))
            {
                count += 1;
                // A CRC that goes on from an earlier one: a function more, that no framing calls.
                found.extend(named(&text.replace("#[cfg(feature = \"dfu\")]\n    pub(crate) const fn at(", "")));
            }
        }
        assert!(count >= 19, "{suite}: {count} files");
        let folder = format!("tests/{suite}");
        let tests = match std::fs::read_to_string(root.join(&folder).with_extension("rs")) {
            Ok(text) => vec![text],
            Err(_) => files(&folder).into_iter().map(|(_, text)| text).collect(),
        };
        tests.iter().for_each(|text| found.extend(named(text)));
        assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), *said, "{suite}");
    }
}

/// The other features only add: a condition that turns code off, or chooses between two, would
/// change suites that do not name it.
#[test]
fn only_the_features_that_choose_a_form_are_asked_for_by_code_that_is_always_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    for (file, text) in files("src") {
        for line in text.lines().map(str::trim_start) {
            if line.starts_with("//") || line.starts_with("#![") || line.starts_with("#[cfg_attr") {
                continue;
            }
            if line.contains("feature = \"") && (line.contains("not(") || line.contains("cfg!(")) {
                let file = file.strip_prefix(&root).unwrap().display().to_string();
                found.extend(named(line).into_iter().map(|feature| (file.clone(), feature)));
            }
        }
    }
    let found: BTreeSet<_> = found.iter().map(|(file, feature)| (file.as_str(), feature.as_str())).collect();
    let wanted = [
        ("cbor/keys.rs", "defmt"),
        ("cbor/reader.rs", "small"),
        ("cbor/reader/narrow.rs", "small"),
        ("checksum.rs", "small"),
        ("dfu/flash/devices.rs", "defmt"),
        ("framing/console/base64.rs", "small"),
    ];
    assert_eq!(found, wanted.into());
}

/// The files that may name the feature `small`. In `framing` and `checksum` they choose a form,
/// and other code calls what they chose: so all forms compile, and are tested, everywhere.
const SMALL: [&str; 4] = ["cbor/reader.rs", "cbor/reader/narrow.rs", "checksum.rs", "framing/console/base64.rs"];

#[test]
fn the_feature_small_is_named_in_few_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let named = files("src").into_iter().filter(|(_, text)| named(text).contains("small"));
    let found: BTreeSet<_> =
        named.map(|(file, _)| file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/")).collect();
    assert_eq!(found, SMALL.map(str::to_owned).into(), "a file that chooses a form, or one that no longer does");
}
