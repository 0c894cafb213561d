//! The macros that declare typed values.

/// Declares the variables of a node, in the order of their ids: a constant
/// [`Typed`](crate::bsmp::typed::Typed) for each, and the list of all for
/// [`Table::new`](crate::bsmp::Table::new).
///
/// See [the module](crate::bsmp::typed).
// At the crate's root, where `macro_export` puts it; documented as `typed::variables!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __bsmp_variables {
    (
        $(#[$list_doc:meta])* $vis:vis $list:ident:
        $($(#[$doc:meta])* $name:ident: $type:ty $(, $writable:ident)?;)+
    ) => {
        $(
            $(#[$doc])*
            $vis const $name: $crate::bsmp::typed::Typed<$type> =
                $crate::__bsmp_variables!(@new $list::$name as u8 $(, $writable)?);
        )+
        // The id of a variable is the index of its name in the list.
        #[doc(hidden)]
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, clippy::exhaustive_enums, missing_docs)]
        #[repr(u8)]
        $vis enum $list { $($name),+ }
        $(#[$list_doc])*
        $vis const $list: [$crate::bsmp::variable::Variable; [$(stringify!($name)),+].len()] =
            [$($name.variable()),+];
    };
    (@new $id:expr) => { $crate::bsmp::typed::Typed::read_only($id) };
    (@new $id:expr, writable) => { $crate::bsmp::typed::Typed::writable($id) };
}

/// Declares a struct whose fields are [`Field`](crate::bsmp::typed::Field)s, one after the other
/// without gaps. The struct is a `Field` itself.
///
/// See [the module](crate::bsmp::typed).
#[doc(hidden)] // At the crate's root, where `macro_export` puts it; documented as `typed::fields!`.
#[macro_export]
macro_rules! __bsmp_fields {
    (
        $(#[$meta:meta])* $vis:vis struct $name:ident {
            $($(#[$doc:meta])* $field_vis:vis $field:ident: $type:ty),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$doc])* $field_vis $field: $type),+ }

        impl $crate::bsmp::typed::Field for $name {
            const SIZE: usize = 0 $(+ <$type as $crate::bsmp::typed::Field>::SIZE)+;
            const ZERO: Self = Self { $($field: <$type as $crate::bsmp::typed::Field>::ZERO),+ };

            fn emit(&self, bytes: &mut [u8]) -> bool {
                if bytes.len() != Self::SIZE {
                    return false;
                }
                let rest = bytes;
                $(
                    let Some((bytes, rest)) =
                        rest.split_at_mut_checked(<$type as $crate::bsmp::typed::Field>::SIZE)
                    else {
                        return false;
                    };
                    if !$crate::bsmp::typed::Field::emit(&self.$field, bytes) {
                        return false;
                    }
                )+
                rest.is_empty()
            }

            fn parse(bytes: &[u8]) -> Option<Self> {
                let rest = bytes;
                $(
                    let (bytes, rest) =
                        rest.split_at_checked(<$type as $crate::bsmp::typed::Field>::SIZE)?;
                    let $field = <$type as $crate::bsmp::typed::Field>::parse(bytes)?;
                )+
                rest.is_empty().then_some(Self { $($field),+ })
            }
        }
    };
}
