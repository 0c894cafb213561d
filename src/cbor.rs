//! The part of CBOR (RFC 8949) that device protocols need, small enough for a boot loader.
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
//! * Bytes after the map are ignored, as real servers do; an empty payload is an empty map.
//! * A known key that comes twice is an error in a request, because a server must not guess which
//!   one was meant. In a response the first one counts.
//! * `null` for an optional key means that the key is absent. Tags and simple values are skipped;
//!   floats are read where a vendor's command has them.
//! * Text need not be UTF-8: no server checks it.

mod float;
pub(crate) mod head;
mod keys;
mod level;
mod list;
mod reader;
mod string;
mod value;
#[cfg(target_pointer_width = "64")]
mod width;
#[cfg(test)]
pub(crate) mod work;
mod writer;

#[doc(inline)]
pub use crate::__cbor_keys as keys;
#[doc(hidden)] // Named by `keys!`.
pub use keys::Front;
pub use keys::Keys;
pub use list::{Elements, List, Rows, Table};
pub use reader::{DEPTH, Item, Items, Reader};
pub use string::{Bytes, Chunks, Pieces, Text};
pub use value::{Fields, Optional, Value};
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

// Only in a checkout.
#[path = "../tests/unit/cbor"]
#[cfg(test)]
mod tests {
    #[cfg(all(anysmp_checkout, target_pointer_width = "64"))]
    mod twins;
}
