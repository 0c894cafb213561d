//! Payloads: anything that can be put behind a header, and for most commands a CBOR map.

use crate::cbor::{BufferFull, Malformed, Writer};

/// A payload that can be written. Groups below 64 write CBOR; a vendor's group writes what it likes.
pub trait Encode {
    /// Writes the payload.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] if it does not fit.
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull>;
}

/// A payload that can be read. What it returns lends from the message.
pub trait Decode<'m>: Sized {
    /// Reads the payload.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is not what the command expects.
    fn decode(payload: &'m [u8]) -> Result<Self, Malformed>;
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        (**self).encode(writer)
    }
}

/// Writes the codec of a struct that is a CBOR map with text keys, in one place for both directions.
///
/// `map!(request Echo<'b> { text: "d" })` implements `Value`, `Encode` and `Decode` for a struct that is declared as
/// usual. A `request` refuses a known key that comes twice, a `response` takes the first one.
macro_rules! map {
    (request $($rest:tt)*) => { $crate::smp::map!(@ true, $($rest)*); };
    (response $($rest:tt)*) => { $crate::smp::map!(@ false, $($rest)*); };
    (@ $strict:literal, $type:ident $(<$b:lifetime>)? { $($field:ident : $key:literal),* $(,)? }) => {
        #[allow(unused_mut, reason = "not every map has keys")]
        impl<'b> $crate::cbor::Value<'b> for $crate::smp::map!(# $type $(<$b>)?) {
            fn of(item: $crate::cbor::Item<'b>) -> Result<Self, $crate::cbor::Malformed> {
                match item {
                    $crate::cbor::Item::Map(mut reader) => Self::read(&mut reader),
                    _ => Err($crate::cbor::Malformed),
                }
            }

            fn read(reader: &mut $crate::cbor::Reader<'b>) -> Result<Self, $crate::cbor::Malformed> {
                let mut values = [$crate::cbor::Item::Null; <[&str]>::len(&[$($key),*])];
                reader.fields($crate::cbor::keys![$($key),*], $strict, &mut values)?;
                let [$($field),*] = &values; // By reference: each is looked at where it stands.
                Ok(Self { $($field: $crate::cbor::Value::of(*$field)?,)* })
            }

            fn write(&self, writer: &mut $crate::cbor::Writer<'_>) -> Result<(), $crate::cbor::BufferFull> {
                let mut fields = writer.fields($crate::cbor::keys![$($key),*]);
                $(fields.field(&self.$field);)*
                fields.end()
            }
        }
        $crate::smp::map!(codec $type $(<$b>)?);
    };
    // `Encode` and `Decode` for what is a `Value` already.
    (codec $type:ident $(<$b:lifetime>)?) => {
        impl $crate::smp::Encode for $crate::smp::map!(# $type $(<$b>)? '_) {
            fn encode(&self, writer: &mut $crate::cbor::Writer<'_>) -> Result<(), $crate::cbor::BufferFull> {
                $crate::cbor::Value::write(self, writer)
            }
        }

        impl<'b> $crate::smp::Decode<'b> for $crate::smp::map!(# $type $(<$b>)?) {
            fn decode(payload: &'b [u8]) -> Result<Self, $crate::cbor::Malformed> {
                $crate::cbor::Value::read(&mut $crate::cbor::Reader::new(payload))
            }
        }
    };
    (# $type:ident) => { $type };
    (# $type:ident <$b:lifetime>) => { $type<'b> };
    (# $type:ident '_) => { $type };
    (# $type:ident <$b:lifetime> '_) => { $type<'_> };
}
pub(crate) use map;

/// A payload without keys: most write responses, and requests without arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Empty {}

map!(response Empty {});
