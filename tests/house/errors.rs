//! Each variant of each public error: its doc states whose fault it is, and a test names it.
//!
//! A name counts only if it resolves, through the imports of its file and the re-exports of the
//! crate, to that very enum: five enums have a `Malformed`. Whether the test produces the error is
//! not checked here; a variant that is only matched counts too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::kit::source;

/// A path, as its parts.
type Path = Vec<String>;

/// Who can be at fault; the first words of a doc, up to a colon or with it.
const BLAMED: &[&str] = &[
    "We",
    "The caller",
    "The peer",
    "The line",
    "The port",
    "The protocol",
    "Time",
    "The device",
    "The image",
    "The file",
    "The flash",
    "The application",
    "The client",
    "The server",
    "The master",
    "The slave",
    "The node",
    "The test",
];

/// Enums that are errors by another name.
const OTHERS: &[&str] = &["Refusal", "Damage", "Doubt"];

/// The words of a doc, as one line.
fn doc(attributes: &[syn::Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        if let syn::Meta::NameValue(syn::MetaNameValue { value: syn::Expr::Lit(literal), .. }) = &attribute.meta
            && let syn::Lit::Str(line) = &literal.lit
        {
            text.push_str(&line.value());
        }
    }
    text.trim().to_owned()
}

/// Whether a doc begins with who is at fault: `We: …`, `The peer, or the line: …`.
fn blames(doc: &str) -> bool {
    doc.split_once(':').is_some_and(|(who, _)| {
        BLAMED
            .iter()
            .any(|name| who == *name || who.starts_with(&format!("{name}, ")) || who.starts_with(&format!("{name} ")))
    })
}

/// What a file imports or declares, by the name that it has there.
#[derive(Default)]
struct Names(BTreeMap<String, BTreeSet<Path>>);

impl Names {
    fn tree(&mut self, tree: &syn::UseTree, front: &Path) {
        let with = |name: &syn::Ident| [&front[..], &[name.to_string()]].concat();
        let (name, path) = match tree {
            syn::UseTree::Path(path) => return self.tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Group(group) => return group.items.iter().for_each(|tree| self.tree(tree, front)),
            syn::UseTree::Glob(_) => ("*".to_owned(), front.clone()),
            syn::UseTree::Name(name) if name.ident == "self" => (front.last().unwrap().clone(), front.clone()),
            syn::UseTree::Name(name) => (name.ident.to_string(), with(&name.ident)),
            syn::UseTree::Rename(name) if name.ident == "self" => (name.rename.to_string(), front.clone()),
            syn::UseTree::Rename(name) => (name.rename.to_string(), with(&name.ident)),
        };
        self.0.entry(name).or_default().insert(path);
    }

    /// The paths that one can mean, by what was imported: of its first name, or all of a module.
    fn meant(&self, path: &[String]) -> Vec<Path> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let named = self.0.get(first).into_iter().flatten().map(|target| [&target[..], rest].concat());
        let all = self.0.get("*").into_iter().flatten().map(|target| [&target[..], path].concat());
        named.chain(all).filter(|target| target != path).collect()
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &Path::new());
    }

    /// `type Error = anysmp::line::Error<…>`
    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        if let syn::Type::Path(path) = &*item.ty {
            let path = path.path.segments.iter().map(|part| part.ident.to_string()).collect();
            self.0.entry(item.ident.to_string()).or_default().insert(path);
        }
        visit::visit_item_type(self, item);
    }
}

/// Every `a::b::c` of some tokens, those in macros too; `a::<T>::b` is `a::b`.
fn paths(tokens: TokenStream, found: &mut BTreeSet<Path>) {
    let (mut path, mut colons, mut depth) = (Path::new(), 0, 0);
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if depth > 0 => {
                depth += match punct.as_char() {
                    '<' => 1,
                    '>' => -1,
                    _ => 0,
                };
                continue;
            }
            TokenTree::Ident(_) if depth > 0 => continue,
            TokenTree::Punct(punct) if punct.as_char() == '<' && colons == 2 => {
                (depth, colons) = (1, 0);
                continue;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                colons += 1;
                continue;
            }
            TokenTree::Ident(name) if colons == 2 => {
                path.push(name.to_string());
                colons = 0;
                continue;
            }
            _ => {}
        }
        found.insert(std::mem::take(&mut path));
        colons = 0;
        match token {
            TokenTree::Ident(name) => path.push(name.to_string()),
            TokenTree::Group(group) => paths(group.stream(), found),
            _ => {}
        }
    }
    found.insert(path);
}

/// The crate: what each module re-exports, and its error enums with their variants.
struct Crate {
    exports: BTreeMap<Path, Names>,
    /// By the path of the enum: the doc of the enum, and those of its variants by name.
    errors: BTreeMap<Path, (String, BTreeMap<String, String>)>,
}

impl Crate {
    fn read() -> Self {
        let (mut exports, mut errors) = (BTreeMap::new(), BTreeMap::new());
        for (module, file) in source::modules() {
            let mut names = Names::default();
            for item in &file.items {
                match item {
                    syn::Item::Use(import) => names.visit_item_use(import),
                    syn::Item::Enum(item) if matches!(item.vis, syn::Visibility::Public(_)) => {
                        let name = item.ident.to_string();
                        if name.ends_with("Error") || OTHERS.contains(&&*name) {
                            let variants = item.variants.iter().map(|one| (one.ident.to_string(), doc(&one.attrs)));
                            let path = [&module[..], &[name]].concat();
                            errors.insert(path, (doc(&item.attrs), variants.collect()));
                        }
                    }
                    _ => {}
                }
            }
            exports.insert(module, names);
        }
        Self { exports, errors }
    }

    /// Follows a path, which begins below the crate or with `crate`, `super` or `self` as seen from
    /// a module, to the enums that it can mean; adds what it names of them.
    fn resolve(&self, from: &Path, path: &[String], depth: usize, found: &mut BTreeSet<(Path, String)>) {
        let mut module = from.clone();
        let mut rest = path;
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => drop(module.pop()),
                _ => break,
            }
            rest = after;
        }
        while let [first, after @ ..] = rest {
            let inner = [&module[..], std::slice::from_ref(first)].concat();
            if let ([variant, ..], Some((_, variants))) = (after, self.errors.get(&inner)) {
                if variants.contains_key(variant) {
                    found.insert((inner, variant.clone()));
                }
                return;
            }
            if let Some(names) = self.exports.get(&module)
                && depth < 8
            {
                for target in names.meant(rest) {
                    self.resolve(&module, &target, depth + 1, found);
                }
            }
            if !self.exports.contains_key(&inner) {
                return;
            }
            (module, rest) = (inner, after);
        }
    }
}

/// The names of each file of the tests.
fn test_files() -> BTreeMap<PathBuf, (Names, TokenStream)> {
    let folders =
        ["tests/framing", "tests/line", "tests/smp", "tests/bsmp", "tests/s3mp", "tests/mcuboot", "tests/sim"];
    let is_source = |(file, _): &(PathBuf, String)| file.extension().is_some_and(|extension| extension == "rs");
    let files = folders.iter().flat_map(|folder| source::files(folder)).filter(is_source);
    let parsed = files.map(|(file, text)| {
        let mut names = Names::default();
        names.visit_file(&syn::parse_file(&text).unwrap());
        (file, (names, text.parse().unwrap()))
    });
    parsed.collect()
}

#[test]
fn the_doc_of_each_error_says_whose_fault_it_is() {
    let mut wrong = Vec::new();
    let errors = Crate::read().errors;
    for (path, (own, variants)) in &errors {
        let silent =
            |(name, doc): (&String, &String)| (!blames(doc)).then(|| format!("{}::{name}: {doc}", path.join("::")));
        if !blames(own) {
            wrong.extend(variants.iter().filter_map(silent));
        }
    }
    assert!(errors.len() >= 20, "{} enums", errors.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_test_names_each_variant_of_each_error() {
    let library = Crate::read();
    let files = test_files();
    let mut named = BTreeSet::new();
    for (file, (names, tokens)) in &files {
        // What a file takes from the one above is looked up there.
        let above = files.get(&file.parent().unwrap().with_extension("rs"));
        let above = above.or_else(|| files.get(&file.with_file_name("main.rs"))).map(|(names, _)| names);
        for path in used(names, tokens.clone()) {
            expand(&path, names, above, 0, &mut |path| library.resolve(&Path::new(), path, 0, &mut named));
        }
    }
    // Unit tests are at the end of their file.
    for (file, text) in source::files("src") {
        let Some((_, tests)) = text.split_once("\n#[cfg(test)]\nmod tests {") else { continue };
        let inside =
            file.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap().with_extension("").join("tests");
        let inside: Path = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        let tests = format!("mod tests {{{tests}");
        let mut names = Names::default();
        names.visit_file(&syn::parse_file(&tests).unwrap());
        for path in used(&names, tests.parse().unwrap()) {
            names.meant(&path).iter().for_each(|path| library.resolve(&inside, path, 0, &mut named));
        }
    }
    let all = library.errors.iter().flat_map(|(path, (_, variants))| variants.keys().map(move |name| (path, name)));
    let missing = all.filter(|(path, name)| !named.contains(&((*path).clone(), (*name).clone())));
    let missing: Vec<_> = missing.map(|(path, name)| format!("{}::{name}", path.join("::"))).collect();
    assert!(named.len() > 100, "{} names were resolved", named.len());
    assert!(missing.is_empty(), "no test names {missing:#?}");
}

/// The paths that are used; imported variants count where they are imported.
fn used(names: &Names, tokens: TokenStream) -> BTreeSet<Path> {
    let mut used: BTreeSet<Path> = names.0.values().flatten().cloned().collect();
    paths(tokens, &mut used);
    used
}

/// Hands on each path below the crate that a path of a test can mean.
fn expand(path: &[String], names: &Names, above: Option<&Names>, depth: usize, found: &mut dyn FnMut(&[String])) {
    let Some((first, rest)) = path.split_first() else { return };
    if depth > 4 {
        return;
    }
    match (first.as_str(), above) {
        ("anysmp", _) => found(rest),
        ("super", Some(above)) => expand(rest, above, None, depth + 1, found),
        ("super" | "self" | "crate", _) => expand(rest, names, above, depth + 1, found),
        _ => {
            names.meant(path).iter().for_each(|path| expand(path, names, above, depth + 1, found));
            // A file that is included has the names of the one that includes it.
            if let (None, Some(above)) = (names.0.get(first), above) {
                above.meant(path).iter().for_each(|path| expand(path, above, None, depth + 1, found));
            }
        }
    }
}
