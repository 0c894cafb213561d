//! The effects of features: CI may leave out suites only for features that do not affect them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::kit::source::files;

/// The features that code names, but for those of tests beside it.
fn named(code: &str) -> BTreeSet<String> {
    let words = code.split("feature = \"").skip(1);
    words.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// With each feature alone `.ci/run` only compiles the suites; they run with none and with all, and
/// with `host`. That is enough as long as features add code: a condition that turns code off, or
/// chooses between two forms, is in one of the files listed here. None of them has conditions of
/// two features, so both forms of each run with none and with all.
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
    let chosen: BTreeSet<_> = found.iter().map(|(file, _)| file).collect();
    assert_eq!(chosen.len(), found.len(), "a file chooses by two features: {found:?}");
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
