//! What SMP needs of CBOR (RFC 8949), small enough for a boot loader.
//!
//! Reading is done by a cursor that knows the peers: maps with text keys in any order, definite and indefinite lengths mixed
//! at will (Zephyr sends only indefinite ones, and a skipper must get past them without an allocator), integers of any width,
//! values of any kind, nested at most [`DEPTH`] deep whether their keys are known or not.
//!
//! ```text
//!   payload ──▶ Reader ── entries()/more() ──▶ key ─┬─ known:   Reader::item ──▶ Item ──▶ Value::of
//!                                                   └─ unknown: Reader::skip
//!   payload ◀── Writer ◀── Value::write  (definite lengths, keys in the order of the struct;
//!                                         lists that were read, as they came)
//! ```
//!
//! An item is read without regard to what it should be, and has the same few forms for every command: firmware has one
//! reader for all of them, and a field of a struct is a `match`. What stands inside of a list or a map is read again by its type.
//!
//! Nothing is copied: [`Text`], [`Bytes`], [`List`] and [`Table`] lend from the payload. They were checked to the end
//! when they were read, so going through them cannot fail.
//!
//! `minicbor` is the oracle in tests, and can write into a [`Writer`]; the crate's own commands do not use it, for its size.
//!
//! # Interpretation
//!
//! * Bytes behind the map are ignored, as real servers do; an empty payload is an empty map.
//! * A known key that comes twice is an error in a request (a server must not guess which one was meant) and read once,
//!   the first time, in a response.
//! * `null` for an optional key means that the key is absent. Tags and simple values are only ever skipped; floats are read where a
//!   vendor's command has one.
//! * Text need not be UTF-8: no server checks it.

mod float;
mod keys;
mod list;
mod reader;
mod string;
mod writer;

#[doc(inline)]
pub use crate::__cbor_keys as keys;
pub use keys::Keys;
pub use list::{List, Table};
pub use reader::{DEPTH, Item, Items, Reader};
pub use string::{Bytes, Chunks, Text};
pub use writer::{Fields, Writer};

/// The payload is not what the protocol says: the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Malformed;

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the payload is malformed")
    }
}

impl core::error::Error for Malformed {}

/// The bytes do not fit the buffer that was given: our fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BufferFull;

impl core::fmt::Display for BufferFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the message does not fit its buffer")
    }
}

impl core::error::Error for BufferFull {}

/// A value inside a CBOR payload: a field of a map, or an element of a list.
pub trait Value<'b>: Sized {
    /// The value that an item is; a key that is missing is [`Item::Null`].
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is something else.
    fn of(item: Item<'b>) -> Result<Self, Malformed>;

    /// Reads the value that stands next.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if something else stands there.
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        Self::of(reader.item()?)
    }

    /// Writes the value.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] if it does not fit.
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull>;

    /// Whether the key is left out when the value is written.
    fn is_missing(&self) -> bool {
        false
    }
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Value<'_> for $type {
            fn of(item: Item<'_>) -> Result<Self, Malformed> {
                match item {
                    Item::Unsigned(number) => Self::try_from(number).or(Err(Malformed)),
                    _ => Err(Malformed),
                }
            }

            fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
                writer.unsigned(u64::from(*self))
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

macro_rules! signed {
    ($($type:ty),*) => {$(
        impl Value<'_> for $type {
            fn of(item: Item<'_>) -> Result<Self, Malformed> {
                match item {
                    Item::Unsigned(number) => Self::try_from(number).or(Err(Malformed)),
                    Item::Negative(number) => {
                        let number = i64::try_from(number).or(Err(Malformed))?;
                        Self::try_from(!number).or(Err(Malformed))
                    }
                    _ => Err(Malformed),
                }
            }

            fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
                writer.signed(i64::from(*self))
            }
        }
    )*};
}
signed!(i32, i64);

/// A flag that is missing, or `null`, is a flag that is not set.
impl Value<'_> for bool {
    fn of(item: Item<'_>) -> Result<Self, Malformed> {
        match item {
            Item::Boolean(value) => Ok(value),
            Item::Null => Ok(false),
            _ => Err(Malformed),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        writer.boolean(*self)
    }
}

impl<'b, T: Value<'b>> Value<'b> for Option<T> {
    fn of(item: Item<'b>) -> Result<Self, Malformed> {
        match item {
            Item::Null => Ok(None),
            item => T::of(item).map(Some),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self {
            Some(value) => value.write(writer),
            None => Ok(()),
        }
    }

    fn is_missing(&self) -> bool {
        self.is_none()
    }
}
