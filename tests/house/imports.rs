//! The import graph of `src`: which file uses which, by its `use` declarations and paths.
//!
//! Imports count, and paths in code that begin with `crate`, `super`, `self`, a submodule or an
//! imported name, each followed through re-exports to the file that defines it. Doc comments, unit
//! tests, `mod` declarations, and re-exports of a file's own submodules, by which a folder shows
//! its contents, do not count, unless the file uses what it re-exports. Nothing is imported by a
//! glob, whose names could not be followed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// The path of a module below the crate.
type Module = Vec<String>;

/// Circles that are still there, each as one file of it. The list can only shrink.
const CIRCLES: &[&str] = &[];

#[derive(Default)]
struct File {
    /// Imported paths, and whether they are re-exported.
    paths: Vec<(bool, Module)>,
    /// What is re-exported, by its name here.
    exports: BTreeMap<String, Module>,
    /// All that is imported, by its name here.
    imports: BTreeMap<String, Module>,
    /// Paths in code that begin with a name of this file.
    relative: BTreeSet<Module>,
    /// Modules of which everything is imported.
    globs: Vec<Module>,
}

impl File {
    /// Adds the paths in code that begin with an imported name. What is used counts as imported for
    /// use, even if it is re-exported too.
    fn follow(&mut self, known: &BTreeSet<Module>) {
        for path in &self.relative {
            if let Some((first, rest)) = path.split_first()
                && let Some(target) = self.imports.get(first)
                // A lone name may be a variable's.
                && !(rest.is_empty() && known.contains(target))
            {
                self.paths.push((false, [&target[..], rest].concat()));
            }
        }
    }
}

/// Collects the paths of one file.
struct Collector<'m> {
    module: &'m Module,
    /// Inline modules that are open, as `pub mod os` in a macro-free file.
    inline: usize,
    known: &'m BTreeSet<Module>,
    file: File,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl Collector<'_> {
    /// The path from the crate's root on; `None` for other crates.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let (first, mut rest) = path.split_first()?;
        let mut base = self.module.clone();
        match first.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                let mut ups = 1;
                while rest.first().is_some_and(|next| next == "super") {
                    (ups, rest) = (ups + 1, &rest[1..]);
                }
                // In an inline module the first of them only leaves that.
                base.truncate(base.len().saturating_sub(ups - ups.min(self.inline)));
            }
            name => {
                base.push(name.to_owned());
                return self.known.contains(&base).then(|| [&base[..], rest].concat());
            }
        }
        Some([&base[..], rest].concat())
    }

    fn tree(&mut self, tree: &UseTree, front: &[String], public: bool) {
        let (name, alias) = match tree {
            UseTree::Path(path) => {
                let front = [front, &[path.ident.to_string()]].concat();
                return self.tree(&path.tree, &front, public);
            }
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.tree(tree, front, public)),
            UseTree::Glob(_) => {
                self.file.globs.extend(self.absolute(front));
                return;
            }
            UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(name) => (name.ident.to_string(), name.rename.to_string()),
        };
        let path = if name == "self" { front.to_vec() } else { [front, std::slice::from_ref(&name)].concat() };
        let alias = if alias == "self" { front.last().cloned().unwrap_or_default() } else { alias };
        if let Some(path) = self.absolute(&path) {
            if public && self.inline == 0 {
                self.file.exports.insert(alias.clone(), path.clone());
            }
            self.file.imports.insert(alias, path.clone());
            // Of a module only what is used counts.
            if !self.known.contains(&path) {
                self.file.paths.push((public, path));
            }
        }
    }

    /// The bodies of macros are no syntax yet: their tokens are searched for paths. `front` is the
    /// path before the braces in which they are.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream, front: &[String]) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens
            .into_iter()
            .chain([proc_macro2::TokenTree::Punct(proc_macro2::Punct::new(';', proc_macro2::Spacing::Alone))])
        {
            let mut next = None;
            match token {
                proc_macro2::TokenTree::Ident(name) if colons == 2 => {
                    path.push(name.to_string());
                    colons = 0;
                    continue;
                }
                // The first of a path, which may follow another word, `use` or `mut` for example.
                proc_macro2::TokenTree::Ident(name) => next = Some(name.to_string()),
                proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                proc_macro2::TokenTree::Group(group) => {
                    self.tokens(group.stream(), if colons == 2 { &path } else { &[] });
                }
                _ => {}
            }
            self.path(&path);
            path.clear();
            colons = 0;
            path.extend(next.into_iter().flat_map(|name| [front, &[name]].concat()));
        }
    }

    fn path(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        if path.len() > 1
            && let Some(path) = self.absolute(path)
        {
            self.file.paths.push((false, path));
        } else if !["crate", "super", "self"].contains(&first.as_str()) {
            self.file.relative.insert(path.to_vec());
        }
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(module) => &module.attrs,
            Item::Use(import) => &import.attrs,
            Item::Fn(function) => &function.attrs,
            Item::Impl(block) => &block.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.content.is_some() {
            self.inline += 1;
            visit::visit_item_mod(self, module);
            self.inline -= 1;
        }
    }

    fn visit_item_use(&mut self, import: &'ast syn::ItemUse) {
        self.tree(&import.tree, &[], !matches!(import.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(&names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.tokens(invocation.tokens.clone(), &[]);
        visit::visit_macro(self, invocation);
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}

/// The modules of the crate and what each uses.
struct Graph(BTreeMap<Module, BTreeSet<Module>>);

impl Graph {
    fn of(sources: &BTreeMap<Module, String>) -> Self {
        let known: BTreeSet<Module> = sources.keys().cloned().collect();
        let files: BTreeMap<&Module, File> = sources
            .iter()
            .map(|(module, source)| {
                let mut collector = Collector { module, inline: 0, known: &known, file: File::default() };
                collector.visit_file(&syn::parse_file(source).unwrap_or_else(|error| panic!("{module:?}: {error}")));
                assert!(collector.file.globs.is_empty(), "{module:?} imports all of {:?}", collector.file.globs);
                collector.file.follow(&known);
                (module, collector.file)
            })
            .collect();
        let mut edges = BTreeMap::new();
        for (module, file) in &files {
            let mut to = BTreeSet::new();
            for (public, path) in &file.paths {
                let target = resolve(&files, path, 0);
                let is_own = *public && target.starts_with(module);
                if target != **module && !is_own {
                    to.insert(target);
                }
            }
            edges.insert((*module).clone(), to);
        }
        Self(edges)
    }

    /// Everything that a module uses, directly or not.
    fn reach(&self, from: &Module) -> BTreeSet<&Module> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            for next in self.0.get(module).into_iter().flatten() {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen
    }

    /// The files that use themselves through others, in groups.
    fn circles(&self) -> BTreeSet<BTreeSet<&Module>> {
        let mut found = BTreeSet::new();
        for module in self.0.keys() {
            let circle: BTreeSet<&Module> =
                self.reach(module).into_iter().filter(|other| self.reach(other).contains(module)).collect();
            if !circle.is_empty() {
                found.insert(circle);
            }
        }
        found
    }

    /// The imports from a room in one list to a room in the other.
    fn between(&self, from: &[&str], to: &[&str]) -> Vec<String> {
        let is_in = |module: &Module, rooms: &[&str]| module.first().is_some_and(|room| rooms.contains(&room.as_str()));
        let edges = self.0.iter().flat_map(|(module, targets)| targets.iter().map(move |target| (module, target)));
        let wrong = edges.filter(|(module, target)| is_in(module, from) && is_in(target, to));
        wrong.map(|(module, target)| format!("{} uses {}", module.join("/"), target.join("/"))).collect()
    }
}

/// The module in which the item of a path is defined.
fn resolve(files: &BTreeMap<&Module, File>, path: &[String], depth: usize) -> Module {
    let len = (0..=path.len()).rev().find(|len| files.contains_key(&path[..*len].to_vec())).unwrap_or(0);
    let (module, rest) = (path[..len].to_vec(), &path[len..]);
    let (Some((name, behind)), true) = (rest.split_first(), depth < 10) else { return module };
    let Some(file) = files.get(&module) else { return module };
    match file.exports.get(name) {
        Some(target) => resolve(files, &[&target[..], behind].concat(), depth + 1),
        None => module,
    }
}

/// The sources by module. A file is a module, and so is the folder beside it.
fn sources() -> BTreeMap<Module, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    for path in super::sizes::files(&root) {
        let source = std::fs::read_to_string(&path).unwrap();
        let module = path.strip_prefix(&root).unwrap().with_extension("");
        let module: Module = module.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        found.insert(if module == ["lib"] { Module::new() } else { module }, source);
    }
    found
}

fn graph(files: &[(&str, &str)]) -> Graph {
    let module = |name: &str| name.split('/').map(str::to_owned).collect();
    Graph::of(&files.iter().map(|(name, source)| (module(name), (*source).to_owned())).collect())
}

const PROTOCOLS: [&str; 3] = ["smp", "bsmp", "s3mp"];
const FRAMINGS: [&str; 5] = ["framing", "cobs", "checksum", "cbor", "bytes"];
const PORTS: [&str; 1] = ["port"];

#[test]
fn no_two_files_import_each_other() {
    let sources = sources();
    let graph = Graph::of(&sources);
    assert!(graph.0.values().map(BTreeSet::len).sum::<usize>() > 300, "the sources were read");
    let circles = graph.circles();
    let known = |circle: &BTreeSet<&Module>| circle.iter().any(|module| CIRCLES.contains(&&*module.join("/")));
    let new: Vec<_> = circles.iter().filter(|circle| !known(circle)).collect();
    assert!(new.is_empty(), "{new:#?}");
    for exception in CIRCLES {
        let is_there = circles.iter().flatten().any(|module| module.join("/") == *exception);
        assert!(is_there, "{exception} is in no circle any more: take it out of the list");
    }
}

#[test]
fn a_protocol_names_no_framing_and_no_port() {
    let graph = Graph::of(&sources());
    assert_eq!(graph.between(&PROTOCOLS, &["framing", "cobs"]), Vec::<String>::new());
    assert_eq!(graph.between(&PROTOCOLS, &PORTS), Vec::<String>::new());
}

#[test]
fn a_protocol_names_no_other_protocol() {
    let graph = Graph::of(&sources());
    for one in PROTOCOLS {
        let others: Vec<&str> = PROTOCOLS.into_iter().filter(|other| *other != one).collect();
        assert_eq!(graph.between(&[one], &others), Vec::<String>::new());
    }
}

#[test]
fn a_framing_or_a_codec_names_no_protocol_no_line_and_no_port() {
    let graph = Graph::of(&sources());
    assert_eq!(graph.between(&FRAMINGS, &PROTOCOLS), Vec::<String>::new());
    assert_eq!(graph.between(&FRAMINGS, &["line", "port", "blocking", "asynch"]), Vec::<String>::new());
}

/// So that any protocol can be used without the others, and each of these rooms with any protocol.
#[test]
fn only_a_protocol_names_a_protocol() {
    let graph = Graph::of(&sources());
    let rooms: BTreeSet<&str> = graph.0.keys().filter_map(|module| module.first()).map(String::as_str).collect();
    let others: Vec<&str> = rooms.into_iter().filter(|room| !PROTOCOLS.contains(room)).collect();
    assert!(["line", "port", "dfu", "mcuboot", "testing", "asynch"].iter().all(|room| others.contains(room)));
    assert_eq!(graph.between(&others, &PROTOCOLS), Vec::<String>::new());
}

/// The identifiers of a source without its comments and docs that contain the name of a protocol.
fn names_of_protocols(source: &str) -> Vec<String> {
    let tokens = proc_macro2::TokenStream::from_str(source).unwrap();
    let mut found = Vec::new();
    let mut open = vec![tokens];
    while let Some(tokens) = open.pop() {
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(name) => {
                    let name = name.to_string();
                    if ["smp", "s3mp"].iter().any(|protocol| name.to_lowercase().contains(protocol)) {
                        found.push(name);
                    }
                }
                proc_macro2::TokenTree::Group(group) => open.push(group.stream()),
                _ => {}
            }
        }
    }
    found
}

#[test]
fn no_identifier_of_a_framing_or_a_codec_contains_the_name_of_a_protocol() {
    assert_eq!(names_of_protocols("// SMP\nstruct Head; const NAME: &str = \"smp\";"), Vec::<String>::new());
    assert_eq!(names_of_protocols("struct SmpHead; mod b { use s3mp; }"), ["SmpHead", "s3mp"]);
    for (module, source) in sources() {
        if module.first().is_some_and(|room| FRAMINGS.contains(&room.as_str())) {
            // What its own tests import may be anything.
            let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
            assert_eq!(names_of_protocols(code), Vec::<String>::new(), "{}", module.join("/"));
        }
    }
}

#[test]
fn circles_are_found_however_they_are_written() {
    let circles = |files: &[(&str, &str)]| graph(files).circles().len();
    assert_eq!(circles(&[("a", "use crate::b::X;"), ("b", "pub struct X;")]), 0);
    assert_eq!(circles(&[("a", "use crate::b::X; pub struct Y;"), ("b", "use super::a::Y; pub struct X;")]), 1);
    let through_paths = [("a", "fn f() { crate::b::g() }"), ("b", "pub fn g(_: crate::a::T) {}")];
    assert_eq!(circles(&through_paths), 1);
    let through_macros = [("a", "m!(crate::b::X);"), ("b", "fn f() { println!(\"{}\", crate::a::N) }")];
    assert_eq!(circles(&through_macros), 1);
    let three = [("a", "use crate::b::X;"), ("b", "use crate::c::X;"), ("c", "use crate::a::X;")];
    assert_eq!(circles(&three), 1);
    // A re-export leads to the file that it names, and showing one's own folder is no import.
    let shown = [("a", "mod b; mod c; pub use b::X;"), ("a/b", "pub struct X;"), ("a/c", "use super::X;")];
    assert_eq!(circles(&shown), 0);
    let used = [("a", "mod b; use b::X; pub struct Y;"), ("a/b", "use super::Y; pub struct X;")];
    assert_eq!(circles(&used), 1);
    // However a path begins: with a submodule, a name that is re-exported too, a module's alias.
    let child = [("a", "mod b; pub struct Y; fn f() -> b::X {}"), ("a/b", "use super::Y; pub struct X;")];
    assert_eq!(circles(&child), 1);
    let both = [("a", "mod b; pub use b::X; pub struct Y(X);"), ("a/b", "use super::Y; pub struct X;")];
    assert_eq!(circles(&both), 1);
    let alias = [("a", "use crate as root; fn f(_: root::b::X) {}"), ("b", "use crate::a::Y; pub struct X;")];
    assert_eq!(circles(&alias), 1);
    let through_a_module = [("a", "use crate::b; fn f(_: b::c::X) {}"), ("b", ""), ("b/c", "use crate::a::Y;")];
    assert_eq!(circles(&through_a_module), 1);
    let of_a_module = [("a", "use crate::b; fn f(_: b::c::X) {}"), ("b", "use crate::a::Y;"), ("b/c", "")];
    assert_eq!(circles(&of_a_module), 0);
    let in_braces = [("a", "macro_rules! m { () => { use crate::{b::X}; } }"), ("b", "use crate::a::Y;")];
    assert_eq!(circles(&in_braces), 1);
    let after_a_word = [("a", "m!(&mut crate::b::X);"), ("b", "use crate::a::Y;")];
    assert_eq!(circles(&after_a_word), 1);
    let tested = [("a", "#[cfg(test)] mod tests { use crate::b::X; }"), ("b", "use crate::a::Y;")];
    assert_eq!(circles(&tested), 0);
}

#[test]
fn rooms_that_use_each_other_are_found() {
    let graph = graph(&[
        ("smp/client", "use crate::framing::Error;"),
        ("framing", "use crate::smp::client; fn f(_: client::Error) {}"),
    ]);
    assert_eq!(graph.between(&PROTOCOLS, &FRAMINGS), ["smp/client uses framing"]);
    assert_eq!(graph.between(&FRAMINGS, &PROTOCOLS), ["framing uses smp/client"]);
}
