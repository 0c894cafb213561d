//! If any one protocol is removed, the rest of the crate builds, and nothing is left over.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &to) } else { std::fs::copy(&path, &to).map(drop).unwrap() }
    }
}

/// The library alone, in a folder of its own, without one protocol.
fn without(protocol: &str, root: &Path) -> PathBuf {
    let copied = root.join(format!("target/without/{protocol}"));
    let _ = std::fs::remove_dir_all(&copied);
    copy(&root.join("src"), &copied.join("src"));
    std::fs::copy(root.join("Cargo.lock"), copied.join("Cargo.lock")).unwrap();
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    // Neither the workspace's members nor tests, examples and benches, which are not copied.
    let sections = manifest.split("\n[").filter(|section| {
        !["[test]]", "[example]]", "[bench]]", "dev-dependencies]", "workspace]"]
            .iter()
            .any(|name| section.starts_with(name))
    });
    let manifest: Vec<&str> = sections.collect();
    std::fs::write(copied.join("Cargo.toml"), format!("{}\n[workspace]\n", manifest.join("\n["))).unwrap();
    std::fs::remove_file(copied.join(format!("src/{protocol}.rs"))).unwrap();
    std::fs::remove_dir_all(copied.join(format!("src/{protocol}"))).unwrap();
    let lib = copied.join("src/lib.rs");
    let source = std::fs::read_to_string(&lib).unwrap();
    let line = format!("pub mod {protocol};\n");
    assert_eq!(source.matches(&line).count(), 1);
    std::fs::write(lib, source.replace(&line, "")).unwrap();
    copied
}

/// 20 s, in the step `clippy`: `cargo test --features host --test house -- --ignored deletion`.
#[test]
#[ignore = "builds the library three times"]
fn without_any_one_protocol_the_crate_builds_and_has_no_dead_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for protocol in ["smp", "bsmp", "s3mp"] {
        let copied = without(protocol, root);
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(&copied).args(["check", "--lib", "--offline", "--features", "host"]);
        cargo.env("RUSTFLAGS", "-D warnings").env("CARGO_TARGET_DIR", root.join("target/without/target"));
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "without {protocol}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
}
