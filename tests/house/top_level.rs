//! The files and folders at the top of the tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// All that may be there, but for names that begin with a dot.
const ALLOWED: [&str; 8] = ["Cargo.toml", "Cargo.lock", "src", "tests", "benches", "examples", "README.md", "LICENSE"];
/// What Cargo makes there, in a checkout and in an unpacked package.
const MADE: [&str; 2] = ["target", "Cargo.toml.orig"];

#[test]
fn nothing_else_is_at_the_top_of_the_tree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let others: BTreeSet<String> = names
        .filter(|name| !name.starts_with('.'))
        .filter(|name| !ALLOWED.contains(&&**name) && !MADE.contains(&&**name))
        .collect();
    assert_eq!(others, BTreeSet::new(), "a file or folder that no room is meant for");
}
