//! The effects of features: CI may leave out a suite only for features that do not affect it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::kit::source::files;

/// The features that code names, but for those of tests beside it.
fn named(code: &str) -> BTreeSet<String> {
    let words = code.split("feature = \"").skip(1);
    words.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// `.ci/run` builds the suite `framing` for each set of features and runs it where one of these is
/// on: no other one may change what a framing does.
#[test]
fn framings_depend_on_no_feature_but_those_with_which_their_suite_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(run) = std::fs::read_to_string(root.join(".ci/run")) else { return };
    let said = run.lines().find_map(|line| line.strip_prefix("FRAMED=(")?.strip_suffix(')')).unwrap();
    let said: BTreeSet<String> = said.split(' ').map(str::to_owned).collect();
    let mut found = BTreeSet::new();
    let is_part = |file: &Path| {
        let inside = file.strip_prefix(root.join("src")).unwrap();
        ["framing", "cobs", "checksum", "bytes", "time", "shown"]
            .iter()
            .any(|room| inside.starts_with(room) || inside == Path::new(room).with_extension("rs"))
    };
    let mut count = 0;
    for (_, text) in files("src").into_iter().filter(|(file, _)| is_part(file)) {
        count += 1;
        // A CRC that continues from an earlier one is a function more, which no framing calls.
        let text = text.replace("#[cfg(feature = \"dfu\")]\n    pub(crate) const fn at(", "");
        found.extend(named(&text));
    }
    assert!(count > 20, "{count} files");
    assert_eq!(found, said);
    // Nor does the suite have tests of another one.
    for (file, text) in files("tests/framing") {
        assert!(named(&text).is_subset(&said), "{}", file.display());
    }
}

/// The files that may name the feature `small`. In `framing` and `checksum` they choose a form,
/// and other code calls what they chose: so all forms compile, and are tested, everywhere.
const SMALL: [&str; 3] = ["cbor/reader/narrow.rs", "checksum.rs", "framing/console/base64.rs"];

#[test]
fn the_feature_small_is_named_in_few_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let named = files("src").into_iter().filter(|(_, text)| named(text).contains("small"));
    let found: BTreeSet<_> =
        named.map(|(file, _)| file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/")).collect();
    assert_eq!(found, SMALL.map(str::to_owned).into(), "a file that chooses a form, or one that no longer does");
}
