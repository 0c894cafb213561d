//! The crate's own types, from its source: their contents and the traits that they implement.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use crate::kit::source::{is_test, modules};

/// A struct or an enum.
#[derive(Debug, Default)]
pub(crate) struct Type {
    pub(crate) public: bool,
    /// Traits that the compiler implements, `Format` only if the feature asks for it.
    pub(crate) derived: BTreeSet<String>,
    /// Traits that are implemented by hand.
    pub(crate) implemented: BTreeSet<String>,
    /// Its own type parameters.
    pub(crate) parameters: BTreeSet<String>,
    /// Names in the types of its fields, all variants' together; `[u8]` means bytes in a row.
    pub(crate) holds: BTreeSet<String>,
}

impl Type {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.derived.contains(name) || self.implemented.contains(name)
    }
}

/// By path, as `std::any::type_name` prints it.
pub(crate) type Types = BTreeMap<String, Type>;

/// Everything below `src`, without tests.
pub(crate) fn types() -> Types {
    let mut found = Types::new();
    let mut written = Vec::new();
    let mut aliases = BTreeMap::new();
    for (inside, file) in modules() {
        let path = std::iter::once("anysmp".to_owned()).chain(inside).collect();
        let mut reader = Reader { path, types: &mut found, written: &mut written, aliases: &mut aliases };
        reader.visit_file(&file);
    }
    for found in found.values_mut() {
        let meant: Vec<_> = found.holds.iter().filter_map(|name| aliases.get(name)).flatten().cloned().collect();
        found.holds.extend(meant);
    }
    for (path, name) in written {
        // An `impl` may be in another module than its type, as for the blocking and the async
        // colour.
        if let Some(found) = found.get_mut(&path) {
            found.implemented.insert(name);
        }
    }
    found
}

struct Reader<'t> {
    path: Vec<String>,
    types: &'t mut Types,
    written: &'t mut Vec<(String, String)>,
    /// The meanings of the names of `type … = …;`.
    aliases: &'t mut BTreeMap<String, BTreeSet<String>>,
}

impl Reader<'_> {
    fn add(
        &mut self,
        ident: &syn::Ident,
        vis: &syn::Visibility,
        attrs: &[syn::Attribute],
        generics: &syn::Generics,
        fields: Names,
    ) {
        let path = format!("{}::{ident}", self.path.join("::"));
        let mut derived = BTreeSet::new();
        for attribute in attrs {
            let mut names = Names::default();
            if attribute.path().is_ident("derive") {
                names.attribute(attribute);
            } else if attribute.path().is_ident("cfg_attr") {
                let list = attribute.meta.require_list().unwrap().tokens.to_string();
                if list.replace(' ', "") == "feature=\"defmt\",derive(defmt::Format)" {
                    derived.insert("Format".to_owned());
                }
            }
            derived.extend(names.0);
        }
        let parameters = generics.type_params().map(|parameter| parameter.ident.to_string()).collect();
        let public = matches!(vis, syn::Visibility::Public(_));
        let entry = Type { public, derived, implemented: BTreeSet::new(), parameters, holds: fields.0 };
        assert!(self.types.insert(path.clone(), entry).is_none(), "{path} stands twice");
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            self.path.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.path.pop();
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if is_test(&item.attrs) || item.attrs.iter().any(|a| a.path().is_ident("cfg") && quoted(a).contains("doctest"))
        {
            return;
        }
        let mut names = Names::default();
        names.visit_fields(&item.fields);
        self.add(&item.ident, &item.vis, &item.attrs, &item.generics, names);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        let mut names = Names::default();
        item.variants.iter().for_each(|variant| names.visit_fields(&variant.fields));
        self.add(&item.ident, &item.vis, &item.attrs, &item.generics, names);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        let mut names = Names::default();
        names.visit_type(&item.ty);
        self.aliases.insert(item.ident.to_string(), names.0);
    }

    /// `shown!` writes both.
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if item.mac.path.is_ident("shown") {
            let target = item.mac.parse_body_with(shown_type).unwrap();
            for name in ["Debug", "Format"] {
                self.written.push((format!("{}::{target}", self.path.join("::")), name.to_owned()));
            }
        }
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        panic!("a union: {}", item.ident);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let (Some((_, name, _)), syn::Type::Path(target)) = (&item.trait_, &*item.self_ty) else { return };
        let name = &name.segments.last().unwrap().ident;
        if name != "Debug" && name != "Format" {
            return;
        }
        if name == "Format" {
            assert!(
                item.attrs.iter().any(|a| a.path().is_ident("cfg") && quoted(a).contains("defmt")),
                "Format without its feature"
            );
        }
        let target = &target.path.segments.last().unwrap().ident;
        self.written.push((format!("{}::{target}", self.path.join("::")), name.to_string()));
    }
}

/// The type in `[generics] Type, …` or `Type, …`.
fn shown_type(input: syn::parse::ParseStream<'_>) -> syn::Result<syn::Ident> {
    if input.peek(syn::token::Bracket) {
        let generics;
        syn::bracketed!(generics in input);
        generics.parse::<proc_macro2::TokenStream>()?;
    }
    let target: syn::TypePath = input.parse()?;
    input.parse::<proc_macro2::TokenStream>()?;
    Ok(target.path.segments.last().unwrap().ident.clone())
}

fn quoted(attribute: &syn::Attribute) -> String {
    attribute.meta.require_list().unwrap().tokens.to_string()
}

/// Collects the names of types.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn attribute(&mut self, attribute: &syn::Attribute) {
        attribute
            .parse_nested_meta(|meta| {
                self.0.insert(meta.path.segments.last().unwrap().ident.to_string());
                Ok(())
            })
            .unwrap();
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_type(&mut self, ty: &'ast syn::Type) {
        let element = match ty {
            syn::Type::Slice(slice) => Some(&slice.elem),
            syn::Type::Array(array) => Some(&array.elem),
            _ => None,
        };
        if let Some(syn::Type::Path(path)) = element.map(|element| &**element)
            && path.path.is_ident("u8")
        {
            self.0.insert("[u8]".to_owned());
            return;
        }
        if let syn::Type::BareFn(_) = ty {
            return;
        }
        visit::visit_type(self, ty);
    }

    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        self.0.insert(segment.ident.to_string());
        visit::visit_path_segment(self, segment);
    }
}
