//! The small examples do what they say, and stay small.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs, dead_code)]

#[path = "../examples/ble.rs"]
mod ble;
#[path = "../examples/vendor_group.rs"]
mod vendor_group;

#[test]
fn the_echo_comes_back_over_every_mtu() {
    let text = "x".repeat(400);
    for mtu in [23, 24, 185, 247, 517] {
        for len in [0, 1, 100, 400] {
            assert_eq!(ble::talk(mtu, &text[..len]).unwrap(), text[..len], "MTU {mtu}");
        }
    }
}

#[test]
fn a_vendor_command_works_and_takes_at_most_40_lines_at_both_ends() {
    assert_eq!(
        vendor_group::talk().unwrap(),
        [
            "switched",
            "not switched: the device refused: unknown code (group 64, rc 2)",
            "Ok(StatesResponse([0, 0, 1, 0]))"
        ]
    );
    let source = include_str!("../examples/vendor_group.rs");
    let section = source.split("\n// ---- ").find(|section| section.starts_with("a command in CBOR")).unwrap();
    let lines = section.lines().skip(1).filter(|line| !line.is_empty()).count();
    let in_match = source.matches("Switch::COMMAND) =>").count();
    assert!(in_match == 1 && lines + in_match <= 40, "{lines} lines for the type, both codecs and the request");
}
