//! Payloads: anything that can follow a header, and for most commands a CBOR map.

use super::{Error, client};
use crate::cbor::{BufferFull, Malformed, Writer};
#[cfg(target_pointer_width = "64")]
use crate::cbor::{Reader, Value};

/// A payload that can be written. Groups below 64 write CBOR; a vendor's group may write anything.
pub trait Encode {
    /// Writes the payload.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] if it does not fit.
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull>;
}

/// A payload that can be read. The result borrows from the message.
pub trait Decode<'m>: Sized {
    /// Reads the payload.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it does not have the form that the command expects.
    fn decode(payload: &'m [u8]) -> Result<Self, Malformed>;

    /// Reads the payload of a response that follows the common rule for `rc`, or its refusal.
    ///
    /// # Errors
    ///
    /// [`client::Error::Remote`] if the server refused, [`client::Error::Malformed`] if the payload
    /// does not have the form that the command expects.
    fn decode_response(payload: &'m [u8]) -> Result<Self, client::Error> {
        match Error::find(payload)? {
            Some(error) => Err(client::Error::Remote(error)),
            None => Ok(Self::decode(payload)?),
        }
    }
}

/// Does the work of [`Decode::decode_response`], and searches for a refusal only if the map has
/// keys that are not the value's: the search would skip a long list once more.
#[cfg(target_pointer_width = "64")]
#[doc(hidden)] // For `payload!`.
pub fn decode_response<'m, T: Value<'m>>(payload: &'m [u8]) -> Result<T, client::Error> {
    let mut others = false;
    let read = T::read_beside(&mut Reader::new(payload), &mut others);
    if (others || read.is_err())
        && let Some(error) = Error::find(payload)?
    {
        return Err(client::Error::Remote(error));
    }
    Ok(read?)
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        (**self).encode(writer)
    }
}

/// Writes the codec of a struct that is a CBOR map with text keys, once for both directions.
///
/// `payload!(request Type { field: "key", … })` implements [`Encode`], [`Decode`] and
/// [`cbor::Value`](crate::cbor::Value) for a struct that is declared as usual, so that it can be a
/// payload, or a value inside another one. Each field is a [`cbor::Value`](crate::cbor::Value): an
/// integer, `f32`, `f64`, `bool`, [`Text`](crate::cbor::Text), [`Bytes`](crate::cbor::Bytes), a
/// [`List`](crate::cbor::List) or a [`Table`](crate::cbor::Table) of values, another struct with
/// this codec, or an `Option` of one of them, whose key is left out for `None`. All fields must be
/// listed; a struct that borrows has one lifetime. At most 22 keys of at most 23 bytes.
///
/// `field: Type = "key"` marks a field that the struct always has. If there is one, the macro
/// writes a `const fn new` with these fields as arguments, in this order; the others must be
/// [`Optional`](crate::cbor::Optional), and start absent. So other crates can make a
/// `#[non_exhaustive]` struct, and a new optional key does not break them.
///
/// Keys may come in any order, and unknown ones are skipped. A known key that comes twice makes a
/// `request` [`Malformed`], since a server must not guess which one was meant; a `response` keeps
/// the first one. A missing key is malformed unless the field is an `Option` or a `bool`, which is
/// `false` then.
///
/// A command of a vendor, both ends:
///
/// ```
/// use anysmp::cbor::Text;
/// use anysmp::smp::server::{Incoming, Reply};
/// use anysmp::smp::{self, Client, Error, Group, Op, Request, server};
///
/// /// Regulates the temperature of a zone, in degrees Celsius.
/// struct Regulate<'b> { zone: Text<'b>, target: f32 }
/// #[non_exhaustive]
/// struct RegulateResponse { actual: f64, heating: Option<bool> }
///
/// smp::payload!(request Regulate<'b> { zone: "zone", target: "target" });
/// smp::payload!(response RegulateResponse { actual: f64 = "actual", heating: "heating" });
///
/// impl Request for Regulate<'_> {
///     const OP: Op = Op::Write;
///     const GROUP: Group = Group(64);
///     const COMMAND: u8 = 0;
///     type Kind = Regulate<'static>;
///     type Response<'m> = RegulateResponse;
/// }
///
/// let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| {
///     match (incoming.group(), incoming.op(), incoming.command()) {
///         (Regulate::GROUP, Regulate::OP, Regulate::COMMAND) => {
///             incoming.answer(reply, |request: Regulate<'_>| {
///                 if request.zone != "oven" {
///                     return Err(Error::NOT_FOUND);
///                 }
///                 Ok(RegulateResponse::new(21.25))
///             })
///         }
///         _ => reply.error(Error::NOT_SUPPORTED),
///     }
/// };
///
/// let (mut client, mut request, mut response) = (Client::new(0), [0; 64], [0; 64]);
/// let regulate = Regulate { zone: "oven".into(), target: 180.5 };
/// let (len, pending) = client.request(&regulate, &mut request)?;
/// let (len, _) = server::serve(handler, server::AllowAll, &request[..len], &mut response);
/// assert_eq!(pending.decode(&response[..len])?.actual, 21.25);
/// # Ok::<(), smp::client::Error>(())
/// ```
#[doc(hidden)] // At the crate's root, where `macro_export` puts it; documented as `smp::payload!`.
#[macro_export]
macro_rules! __smp_payload {
    (request $($rest:tt)*) => { $crate::__smp_payload!(@ true, $($rest)*); };
    (response $($rest:tt)*) => { $crate::__smp_payload!(@ false, $($rest)*); };
    (@ $strict:literal, $type:ident $(<$b:lifetime>)? { $($field:ident : $($of:ty =)? $key:literal),* $(,)? }) => {
        #[allow(unused_mut, reason = "not every map has keys")]
        impl<'b> $crate::cbor::Value<'b> for $crate::__smp_payload!(# $type $(<$b>)?) {
            fn of(item: $crate::cbor::Item<'b>) -> ::core::result::Result<Self, $crate::cbor::Malformed> {
                match item {
                    $crate::cbor::Item::Map(mut reader) => Self::read(&mut reader),
                    _ => ::core::result::Result::Err($crate::cbor::Malformed),
                }
            }

            fn read(reader: &mut $crate::cbor::Reader<'b>) -> ::core::result::Result<Self, $crate::cbor::Malformed> {
                Self::read_beside(reader, &mut false)
            }

            fn read_beside(
                reader: &mut $crate::cbor::Reader<'b>,
                others: &mut bool,
            ) -> ::core::result::Result<Self, $crate::cbor::Malformed> {
                let mut values = [$crate::cbor::Item::Null; <[&str]>::len(&[$($key),*])];
                *others = reader.fields_beside($crate::cbor::keys![$($key),*], $strict, &mut values)?
                    || const { $crate::cbor::Keys::has_refusal(&[$($key),*]) };
                // By reference: none of them is copied before it is read.
                let [$($field),*] = &values;
                ::core::result::Result::Ok(Self { $($field: $crate::cbor::Value::of(*$field)?,)* })
            }

            fn write(&self, writer: &mut $crate::cbor::Writer<'_>) -> ::core::result::Result<(), $crate::cbor::BufferFull> {
                let mut fields = writer.fields($crate::cbor::keys![$($key),*]);
                $(fields.field(&self.$field);)*
                fields.end()
            }
        }
        $crate::__smp_payload!(codec $type $(<$b>)?);
        $crate::__smp_payload!(new $type $(<$b>)? [$($($field: $of,)?)*] [$($field $(($of))?,)*]);
    };
    // Without a marked field there is no `new`.
    (new $type:ident $(<$b:lifetime>)? [] $fields:tt) => {};
    (new $type:ident $(<$b:lifetime>)? [$($argument:tt)+] [$($field:ident $(($of:ty))?,)*]) => {
        impl $(<$b>)? $type $(<$b>)? {
            /// Makes the struct from the fields that it must have. The others are absent until they
            /// are set.
            #[must_use]
            pub const fn new($($argument)+) -> Self {
                Self { $($field: $crate::__smp_payload!(or_absent $field $(($of))?),)* }
            }
        }
    };
    (or_absent $field:ident ($of:ty)) => { $field };
    (or_absent $field:ident) => { $crate::cbor::Optional::ABSENT };
    // `Encode` and `Decode` for a type that is a `Value`.
    (codec $type:ident $(<$b:lifetime>)?) => {
        impl $crate::smp::Encode for $crate::__smp_payload!(# $type $(<$b>)? '_) {
            fn encode(&self, writer: &mut $crate::cbor::Writer<'_>) -> ::core::result::Result<(), $crate::cbor::BufferFull> {
                $crate::cbor::Value::write(self, writer)
            }
        }

        impl<'b> $crate::smp::Decode<'b> for $crate::__smp_payload!(# $type $(<$b>)?) {
            fn decode(payload: &'b [u8]) -> ::core::result::Result<Self, $crate::cbor::Malformed> {
                $crate::cbor::Value::read(&mut $crate::cbor::Reader::new(payload))
            }

            #[cfg(target_pointer_width = "64")]
            fn decode_response(payload: &'b [u8]) -> ::core::result::Result<Self, $crate::smp::client::Error> {
                $crate::smp::decode_response(payload)
            }
        }
    };
    (# $type:ident) => { $type };
    (# $type:ident <$b:lifetime>) => { $type<'b> };
    (# $type:ident '_) => { $type };
    (# $type:ident <$b:lifetime> '_) => { $type<'_> };
}

/// A payload without keys: most write responses, and requests without arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add")]
pub struct Empty {}

super::payload!(response Empty {});
