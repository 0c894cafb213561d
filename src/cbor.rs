//! The part of CBOR (RFC 8949) that SMP needs, small enough for a boot loader.
//!
//! [`Reader`] is a cursor that accepts everything that peers send: maps with text keys in any
//! order, definite and indefinite lengths (Zephyr sends only indefinite ones), integers of any
//! width, and values of any kind, nested at most [`DEPTH`] deep under known and unknown keys. It
//! skips values without an allocator.
//!
//! ```text
//!   payload ──▶ Reader ── entries()/more() ──▶ key ─┬─ known:   Reader::item ─▶ Item ─▶ Value::of
//!                                                   └─ unknown: Reader::skip
//!   payload ◀── Writer ◀── Value::write  (definite lengths, keys in the order of the struct;
//!                                         lists that were read, byte for byte)
//! ```
//!
//! Items are decoded generically, then matched against the expected type: firmware has one reader
//! for all commands, and each field of a struct is one `match`. The contents of a list or a map are
//! decoded again when they are used.
//!
//! Nothing is copied: [`Text`], [`Bytes`], [`List`] and [`Table`] borrow from the payload. They are
//! checked to the end when they are read, so iterating over them cannot fail.
//!
//! `minicbor` is the oracle in tests, and can write into a [`Writer`]. The crate's own commands do
//! not use it, because it takes 6.9 KB to decode one upload request on a Cortex-M.
//!
//! # Interpretation
//!
//! * Bytes after the map are ignored, as real servers do; an empty payload is an empty map.
//! * A known key that comes twice is an error in a request, because a server must not guess which
//!   one was meant. In a response the first one counts.
//! * `null` for an optional key means that the key is absent. Floats, tags and simple values are
//!   skipped.
//! * Text need not be UTF-8: no server checks it.

mod keys;
mod list;
mod reader;
mod string;
mod writer;

pub(crate) use keys::{Keys, keys};
pub use list::{List, Table};
pub use reader::{DEPTH, Item, Items, Reader};
pub use string::{Bytes, Chunks, Text};
pub use writer::Writer;

/// The peer: the payload is not CBOR, or not the type that the protocol requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "codecs outside of the crate return it")]
pub struct Malformed;

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the payload is malformed")
    }
}

impl core::error::Error for Malformed {}

/// We: the bytes do not fit the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "codecs outside of the crate return it")]
pub struct BufferFull;

impl core::fmt::Display for BufferFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the message does not fit its buffer")
    }
}

impl core::error::Error for BufferFull {}

/// A value in a CBOR payload: a field of a map, or an element of a list.
pub trait Value<'b>: Sized {
    /// Converts an item; a missing key is [`Item::Null`].
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the item has another type.
    fn of(item: Item<'b>) -> Result<Self, Malformed>;

    /// Reads the next value.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the next item has another type.
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        Self::of(reader.item()?)
    }

    /// Writes the value.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`] if it does not fit.
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull>;

    /// Returns true if the key is left out when the value is written.
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
                    // CBOR stores -1 - n as n, which is the complement of the value.
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

/// A missing flag or `null` is false.
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
