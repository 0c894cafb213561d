//! The part of CBOR (RFC 8949) that device protocols need, small enough for a boot loader.
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
//! ```
//! use anysmp::cbor::{Reader, Value, Writer};
//!
//! let mut bytes = [0; 32];
//! let mut writer = Writer::new(&mut bytes);
//! writer.map(2)?;
//! writer.text("lamp")?;
//! writer.unsigned(3)?;
//! writer.text("on")?;
//! writer.boolean(true)?;
//! let len = writer.len();
//! assert_eq!(&bytes[..len], b"\xa2\x64lamp\x03\x62on\xf5");
//!
//! let (mut lamp, mut reader) = (None, Reader::new(&bytes[..len]));
//! let mut entries = reader.entries()?;
//! while entries.more(&mut reader)? {
//!     match reader.text()?.as_str() {
//!         Some("lamp") => lamp = Some(u8::read(&mut reader)?),
//!         _ => reader.skip()?, // whatever it is
//!     }
//! }
//! assert_eq!(lamp, Some(3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
mod head;
mod keys;
mod list;
mod reader;
mod string;
mod value;
#[cfg(test)]
pub(crate) mod work;
mod writer;

#[doc(inline)]
pub use crate::__cbor_keys as keys;
pub use keys::Keys;
pub use list::{Elements, List, Rows, Table};
pub use reader::{DEPTH, Item, Items, Reader};
pub use string::{Bytes, Chunks, Pieces, Text};
pub use value::{Fields, Value};
pub use writer::Writer;

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
