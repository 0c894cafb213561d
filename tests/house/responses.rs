//! Responses can get new fields: the crate defines those of SMP, and devices of other authors use
//! them.

use std::path::Path;

use crate::sizes::files;

/// The name of each payload that servers send, and whether a field of it is marked as required.
fn responses(source: &str) -> impl Iterator<Item = (&str, bool)> {
    source.split("\npayload!(response ").skip(1).map(|rest| {
        let name = rest.split(['<', ' ']).next().unwrap();
        (name, rest.split(");").next().unwrap().contains(" = \""))
    })
}

/// The attributes of a struct.
fn attributes<'s>(source: &'s str, name: &str) -> &'s str {
    let at = [' ', '<'].iter().find_map(|end| source.find(&format!("\npub struct {name}{end}")));
    let at = at.unwrap_or_else(|| panic!("{name} is not declared"));
    source[..at].rsplit("\n\n").next().unwrap()
}

#[test]
fn every_response_of_a_group_can_get_a_field_and_be_made_outside_of_the_crate() {
    let mut count = 0;
    for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/smp/group")) {
        let source = std::fs::read_to_string(&path).unwrap();
        for (name, has_new) in responses(&source) {
            count += 1;
            let attributes = attributes(&source, name);
            assert!(attributes.contains("#[non_exhaustive]"), "{name} is exhaustive");
            assert!(has_new || attributes.contains("Default"), "{name} has neither `new` nor `default`");
        }
    }
    assert!(count >= 40, "{count} responses");
}
