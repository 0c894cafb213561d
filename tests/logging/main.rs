//! The printed text of the crate: every public type can be printed, none prints the content that it
//! carries, and each lost frame is one line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    reason = "a test that panics has failed, and nobody reads its docs"
)]

#[path = "../kit/mod.rs"]
mod kit;
#[cfg(feature = "defmt")]
mod lines;
#[cfg(all(
    feature = "std",
    feature = "hal",
    feature = "async",
    feature = "mcuboot",
    feature = "sha2",
    feature = "md5",
    feature = "testing"
))]
mod secrets;
mod source;

use core::fmt::Debug;
use std::collections::BTreeSet;

/// What can be printed at all in this build.
#[cfg(feature = "defmt")]
trait Printed: Debug + defmt::Format {}
#[cfg(feature = "defmt")]
impl<T: Debug + defmt::Format> Printed for T {}
#[cfg(not(feature = "defmt"))]
trait Printed: Debug {}
#[cfg(not(feature = "defmt"))]
impl<T: Debug> Printed for T {}

/// Types that print text or bytes which they hold themselves, or the type of a parameter, and
/// why they may.
const OPEN: &[(&str, &str)] = &[
    ("anysmp::bsmp::typed::field::Be", "a number"),
    ("anysmp::bsmp::list::Iter", "a list in an answer, which prints what is no secret"),
    (
        "anysmp::bsmp::routine::discovery::directory::Directory",
        "what a node has, and checksums of curves instead of their bytes",
    ),
    ("anysmp::line::error::Error", "the port's error and the protocol's"),
    ("anysmp::line::exchange::Exchange", "the client's value that recognises the response"),
    ("anysmp::line::run::Turn", "a report"),
    ("anysmp::line::states::Sending", "a time"),
    ("anysmp::port::TimedError", "the port's error"),
    ("anysmp::routine::Ended", "a report"),
    ("anysmp::s3mp::header::Header", "a code"),
    ("anysmp::s3mp::slave::addresses::Addresses", "which addresses are subscribed"),
    ("anysmp::s3mp::slave::resources::Refusal", "a word of the firmware's source"),
    ("anysmp::smp::routine::walk::SettingEvent", "the name that the caller gave"),
    ("anysmp::smp::group::stat::Set", "a name of the firmware's source"),
];

#[test]
fn every_public_type_prints_itself() {
    let types = source::types();
    assert!(types.values().filter(|found| found.public).count() > 300, "the source was read");
    let missing = |name: &str| -> Vec<_> {
        types.iter().filter(|(_, found)| found.public && !found.has(name)).map(|(path, _)| path.clone()).collect()
    };
    assert_eq!(missing("Debug"), [""; 0], "no Debug");
    assert_eq!(missing("Format"), [""; 0], "no defmt::Format with the feature `defmt`");
}

#[test]
fn nothing_that_is_derived_prints_bytes_or_text() {
    const RAW: [&str; 4] = ["[u8]", "str", "Vec", "String"];
    let mut open: BTreeSet<_> = OPEN.iter().map(|(path, _)| *path).collect();
    for (path, found) in &source::types() {
        if found.derived.contains("Debug") || found.derived.contains("Format") {
            let raw: Vec<_> = found
                .holds
                .iter()
                .filter(|name| RAW.contains(&name.as_str()) || found.parameters.contains(*name))
                .collect();
            assert!(raw.is_empty() || open.remove(path.as_str()), "{path} derives what it prints and holds {raw:?}");
        }
    }
    assert_eq!(open, BTreeSet::new(), "no exception needed");
}

/// Where the marker, or a part of it, shows in what a value prints.
fn leaks<T: Printed>(name: &str, value: &T) -> Vec<String> {
    /// Four bytes in a row that neither a type's name nor a number has: as text, in decimal, in
    /// hex.
    fn shows(printed: &str) -> bool {
        let plain: String = printed.to_lowercase().chars().filter(|letter| !"[], \n_".contains(*letter)).collect();
        // Base64 of the marker at any offset holds one of the last three.
        ["hunt", "ter2", "104117110116", "0x680x750x6e0x74", "68756e74", "ahvudgvy", "h1bnrlc", "odw50zx"]
            .iter()
            .any(|part| plain.contains(part))
    }
    let mut found = Vec::new();
    for printed in [format!("{value:?}"), format!("{value:#?}")] {
        if shows(&printed) {
            found.push(format!("{name}: Debug: {printed}"));
        }
    }
    #[cfg(feature = "defmt")]
    {
        let encoded = lines::of(|| defmt::println!("{}", value));
        assert!(!encoded.is_empty(), "{name}");
        if encoded.windows(4).any(|four| b"hunter2-hun".windows(4).any(|part| part == four)) {
            found.push(format!("{name}: Format: {encoded:02x?}"));
        }
    }
    found
}

/// The test above can fail.
#[test]
fn a_type_that_prints_what_it_carries_is_found() {
    #[derive(Debug)]
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    struct Careless(&'static [u8]);
    let careless = Careless(b"hunter2");
    assert_eq!(careless.0.len(), 7);
    let found = leaks("Careless", &careless);
    assert_eq!(found.len(), if cfg!(feature = "defmt") { 3 } else { 2 }, "{found:?}");
    assert_eq!(leaks("Careful", &Careless(b"7")), [""; 0]);
}
