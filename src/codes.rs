//! Open sets of codes that take one byte on the wire.

/// Defines the constants of a newtype over `u8`, and its `name`, from one list.
///
/// The set is open: a code that is not in the list is a value like any other, without a name.
macro_rules! codes {
    ($type:ident, $($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl $type {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// The name of the code in its specification, if it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use codes;
