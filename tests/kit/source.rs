//! The crate's own source, as tests read it.

use std::path::{Path, PathBuf};

/// Every file below `folder`, a folder of the package, with its text.
pub fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found
}

fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

/// The modules of the crate, which are below `src`, each with its path, such as
/// `["smp", "routine"]`; that of `lib.rs` is empty.
pub fn modules() -> Vec<(Vec<String>, syn::File)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let module = |file: PathBuf, text: String| {
        let inside = file.strip_prefix(&root).unwrap().with_extension("");
        let inside = inside.iter().map(|part| part.to_str().unwrap().to_owned()).filter(|part| part != "lib");
        (inside.collect(), syn::parse_file(&text).unwrap())
    };
    // The pages of the guide are text.
    let is_source = |(file, _): &(PathBuf, String)| file.extension().is_some_and(|extension| extension == "rs");
    files("src").into_iter().filter(is_source).map(|(file, text)| module(file, text)).collect()
}

/// Returns true if an item exists only for tests.
pub fn is_test(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.meta.require_list().unwrap().tokens.to_string().contains("test")
    })
}
