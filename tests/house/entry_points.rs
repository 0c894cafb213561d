//! The proof of `tests/panicfree` calls every public entry point: its source names each public
//! function of the crate.
//!
//! This check sees only names. A function of a type that has no `self` has to be named with the
//! type (`Slots::new`); for a method, a trait's function or a free function, it is enough that
//! something of this name is called or implemented.

use std::collections::BTreeSet;
use std::path::Path;

use syn::visit::{self, Visit};

use crate::kit::source::is_test;

/// Not named, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("Value::is_missing", "the maps of requests call it"),
    ("Value::read_beside", "every codec of `payload!` reads by it"),
    ("Value::write_entry", "`Fields::field` calls it, on a host"),
    ("Reader::fields_beside", "`Reader::fields` calls it"),
    ("Decode::decode_response", "`Request::response` calls it"),
    ("payload::decode_response", "`Request::response` calls it, on a host"),
    ("Keys::has_refusal", "`payload!` has the compiler run it"),
    ("Keys::encode", "`keys!` has the compiler run it"),
    ("Keys::fronts", "`keys!` has the compiler run it"),
    ("Keys::len_of", "`keys!` has the compiler run it"),
    ("Keys::new", "`keys!` has the compiler run it"),
];

/// `Type::function`, `module::function`, `.method`.
#[derive(Default)]
struct Offered {
    module: String,
    of: Option<String>,
    /// And whether its bare name is enough.
    names: BTreeSet<(String, bool)>,
}

fn is_public(vis: &syn::Visibility) -> bool {
    matches!(vis, syn::Visibility::Public(_))
}

impl Offered {
    fn add(&mut self, of: &str, signature: &syn::Signature, bare: bool) {
        self.names.insert((format!("{of}::{}", signature.ident), bare || signature.receiver().is_some()));
    }
}

impl<'ast> Visit<'ast> for Offered {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if is_public(&item.vis) {
            let module = self.module.clone();
            self.add(&module, &item.sig, true);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let (None, syn::Type::Path(target)) = (&item.trait_, &*item.self_ty) else { return };
        self.of = Some(target.path.segments.last().unwrap().ident.to_string());
        visit::visit_item_impl(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if is_public(&item.vis) {
            let of = self.of.clone().unwrap();
            self.add(&of, &item.sig, false);
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        if is_public(&item.vis) {
            for part in &item.items {
                if let syn::TraitItem::Fn(function) = part {
                    self.add(&item.ident.to_string(), &function.sig, true);
                }
            }
        }
    }
}

/// Every name that the proof uses: `first::second` of each path, and methods.
#[derive(Default)]
struct Used {
    paths: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Used {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.paths.extend(names.windows(2).map(|two| two.join("::")));
        self.names.extend(names.last().cloned());
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.names.insert(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    /// What the image implements, the crate calls.
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.names.insert(item.sig.ident.to_string());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        fn walk(tree: &syn::UseTree, before: &str, paths: &mut BTreeSet<String>) {
            match tree {
                syn::UseTree::Path(path) => walk(&path.tree, &path.ident.to_string(), paths),
                syn::UseTree::Name(name) => {
                    paths.insert(format!("{before}::{}", name.ident));
                }
                syn::UseTree::Group(group) => group.items.iter().for_each(|item| walk(item, before, paths)),
                _ => {}
            }
        }
        walk(&item.tree, "", &mut self.paths);
    }
}

#[test]
fn the_proof_names_every_public_function() {
    // The published package has the tests, without the proof.
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/panicfree/src").is_dir() {
        return;
    }
    let mut used = Used::default();
    crate::kit::source::files("tests/panicfree/src")
        .iter()
        .for_each(|(_, text)| used.visit_file(&syn::parse_file(text).unwrap()));
    let (mut missing, mut count) = (Vec::new(), 0);
    let mut left_out: BTreeSet<_> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
    for (path, file) in crate::kit::source::modules() {
        // A flash and a boot loader for tests, and ports that need an operating system.
        if path.first().is_some_and(|first| first == "testing") || path == ["port", "std"] {
            continue;
        }
        let mut offered = Offered { module: path.last().cloned().unwrap_or_default(), ..Offered::default() };
        offered.visit_file(&file);
        let module = path.join("::");
        for (path, bare) in offered.names {
            count += 1;
            let called =
                if bare { used.names.contains(path.rsplit("::").next().unwrap()) } else { used.paths.contains(&path) };
            if !called && !left_out.remove(path.as_str()) {
                missing.push(format!("{path} ({module})"));
            }
        }
    }
    assert!(count > 300, "the source was read: {count}");
    assert_eq!(missing, [""; 0], "{} of {count} are not called in tests/panicfree", missing.len());
    assert_eq!(left_out, BTreeSet::new(), "called after all, or gone");
}
