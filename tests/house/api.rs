//! The conveniences that every public type has: a value that must not be dropped is marked so, a
//! value for people can be printed, a collection can be iterated over, and an error leads to the
//! error that caused it.

use std::collections::{BTreeMap, BTreeSet};

use crate::kit::source::{is_test, modules};

/// What the walk over the sources collects. Types are identified by their last name: no two of
/// those that matter here have the same one.
#[derive(Default)]
struct Seen {
    /// Public types that carry `#[must_use]`.
    must_use: BTreeSet<String>,
    /// Public functions of types, as `Type::function`, with their signature and attributes.
    functions: Vec<(String, syn::ImplItemFn)>,
    /// Public enums with their variants.
    enums: BTreeMap<String, syn::ItemEnum>,
    /// Traits of each type, and whether that of a reference: `("IntoIterator", "&Notes")`.
    traits: BTreeSet<(String, String)>,
    /// Types whose `Error` has a `source`.
    sources: BTreeSet<String>,
}

fn name_of(ty: &syn::Type) -> String {
    match ty {
        syn::Type::Path(path) => path.path.segments.last().unwrap().ident.to_string(),
        syn::Type::Reference(reference) => format!("&{}", name_of(&reference.elem)),
        _ => String::new(),
    }
}

fn has(attrs: &[syn::Attribute], name: &str) -> bool {
    attrs.iter().any(|attribute| attribute.path().is_ident(name))
}

fn is_public(vis: &syn::Visibility) -> bool {
    matches!(vis, syn::Visibility::Public(_))
}

impl Seen {
    fn items(&mut self, items: Vec<syn::Item>) {
        for item in items {
            match item {
                syn::Item::Mod(item) if !is_test(&item.attrs) => {
                    self.items(item.content.map_or_else(Vec::new, |(_, items)| items));
                }
                syn::Item::Struct(item) if is_public(&item.vis) && has(&item.attrs, "must_use") => {
                    self.must_use.insert(item.ident.to_string());
                }
                syn::Item::Enum(item) if is_public(&item.vis) => {
                    if has(&item.attrs, "must_use") {
                        self.must_use.insert(item.ident.to_string());
                    }
                    self.enums.insert(item.ident.to_string(), item);
                }
                syn::Item::Impl(item) => self.implementation(item),
                _ => {}
            }
        }
    }

    fn implementation(&mut self, item: syn::ItemImpl) {
        let of = name_of(&item.self_ty);
        let functions = item.items.into_iter().filter_map(|part| match part {
            syn::ImplItem::Fn(function) => Some(function),
            _ => None,
        });
        match &item.trait_ {
            Some((_, path, _)) => {
                let name = path.segments.last().unwrap().ident.to_string();
                if name == "Error" && functions.map(|function| function.sig.ident).any(|ident| ident == "source") {
                    self.sources.insert(of.clone());
                }
                self.traits.insert((name, of));
            }
            None => self.functions.extend(
                functions
                    .filter(|function| is_public(&function.vis) && !is_test(&function.attrs))
                    .map(|function| (of.clone(), function)),
            ),
        }
    }

    fn is(&self, name: &str, of: &str) -> bool {
        self.traits.contains(&(name.to_owned(), of.to_owned()))
    }
}

fn seen() -> Seen {
    let mut seen = Seen::default();
    for (_, file) in modules() {
        seen.items(file.items);
    }
    assert!(seen.functions.len() > 400 && seen.enums.len() > 60, "the sources were not found");
    seen
}

/// The names in a type, at any depth.
fn names(ty: &syn::Type) -> Vec<String> {
    struct Names(Vec<String>);
    impl<'ast> syn::visit::Visit<'ast> for Names {
        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.0.push(segment.ident.to_string());
            syn::visit::visit_path_segment(self, segment);
        }
    }
    let mut names = Names(Vec::new());
    syn::visit::Visit::visit_type(&mut names, ty);
    names.0
}

/// A constructor or a builder, or a question: a call of it whose result is dropped does nothing.
fn only_returns(signature: &syn::Signature) -> bool {
    match signature.receiver() {
        None => !signature.inputs.iter().any(|input| match input {
            syn::FnArg::Typed(argument) => matches!(&*argument.ty, syn::Type::Reference(it) if it.mutability.is_some()),
            syn::FnArg::Receiver(_) => false,
        }),
        Some(receiver) => receiver.mutability.is_none() || receiver.reference.is_none(),
    }
}

#[test]
fn no_value_that_a_call_was_made_for_can_be_dropped_unnoticed() {
    let seen = seen();
    let mut dropped = Vec::new();
    for (of, function) in &seen.functions {
        let syn::ReturnType::Type(_, result) = &function.sig.output else { continue };
        let of_type = [of.clone()];
        let names: Vec<String> = names(result);
        let is_marked = |name: &String| {
            let name = if name == "Self" { &of_type[0] } else { name };
            name == "Result" || name == "Iterator" || seen.must_use.contains(name)
        };
        let is_place = matches!(&**result, syn::Type::Reference(it) if it.mutability.is_some());
        if only_returns(&function.sig) && !is_place && !has(&function.attrs, "must_use") && !names.iter().any(is_marked)
        {
            dropped.push(format!("{of}::{}", function.sig.ident));
        }
    }
    assert_eq!(dropped, Vec::<String>::new(), "without `#[must_use]`");
}

/// Functions that turn a value into another one of its type, and are no builders.
const CONVERSIONS: &[&str] = &[
    "Answer::then",
    "Counter::next",
    "Error::widen",
    "Function::function",
    "Heard::map",
    "Op::response",
    "RamNor::blank",
    "Slot::other",
    "Span::eighth",
    "Span::saturating_add",
    "Span::saturating_sub",
    "Version::release",
];

#[test]
fn a_builder_is_named_with() {
    let seen = seen();
    let is_named = |of: &String, function: &syn::ImplItemFn| {
        let name = format!("{of}::{}", function.sig.ident);
        function.sig.ident.to_string().starts_with("with_") || CONVERSIONS.contains(&&*name)
    };
    let is_builder = |of: &String, function: &syn::ImplItemFn| {
        let by_value = function.sig.receiver().is_some_and(|receiver| receiver.reference.is_none());
        let syn::ReturnType::Type(_, result) = &function.sig.output else { return false };
        by_value && [of.as_str(), "Self"].contains(&&*name_of(result))
    };
    let builders: Vec<_> = seen.functions.iter().filter(|(of, function)| is_builder(of, function)).collect();
    assert!(builders.len() > 80, "{}", builders.len());
    let others: Vec<_> = builders.into_iter().filter(|(of, function)| !is_named(of, function)).collect();
    let others: Vec<_> = others.iter().map(|(of, function)| format!("{of}::{}", function.sig.ident)).collect();
    assert_eq!(others, Vec::<String>::new(), "builders without `with_`");
}

#[test]
fn what_a_person_reads_prints_itself() {
    let seen = seen();
    let is_read =
        |name: &&String| ["Outcome", "Phase", "Plan", "Note", "Doubt", "Place"].iter().any(|end| name.ends_with(end));
    let read: Vec<_> = seen.enums.keys().filter(is_read).collect();
    assert!(read.len() >= 12, "{read:?}");
    let silent: Vec<_> = read.into_iter().filter(|name| !seen.is("Display", name)).collect();
    assert_eq!(silent, Vec::<&String>::new(), "without `Display`");
}

#[test]
fn what_has_an_iterator_can_be_iterated_over() {
    let seen = seen();
    let holders: BTreeSet<_> =
        seen.functions.iter().filter(|(_, function)| function.sig.ident == "iter").map(|(of, _)| of.clone()).collect();
    assert!(holders.len() >= 8, "{holders:?}");
    for of in holders {
        for of in [of.clone(), format!("&{of}")] {
            assert!(seen.is("IntoIterator", &of), "`for` does not accept {of}");
        }
    }
}

#[test]
fn an_error_leads_to_the_error_that_caused_it() {
    let seen = seen();
    let mut lost = Vec::new();
    for (name, item) in &seen.enums {
        if !seen.is("Error", name) {
            continue;
        }
        let generics: Vec<_> = item.generics.type_params().map(|param| param.ident.to_string()).collect();
        let holds_an_error = item.variants.iter().flat_map(|variant| &variant.fields).any(|field| {
            let name = name_of(&field.ty);
            generics.contains(&name) || seen.is("Error", &name)
        });
        if holds_an_error && !seen.sources.contains(name) {
            lost.push(name);
        }
    }
    assert_eq!(lost, Vec::<&String>::new(), "without `source`");
}
