//! Values of S3MP: one complete CBOR item (RFC 8949), and nothing after it.
//!
//! A [`Value`] is bytes from the wire that are not decoded yet; each method reads them as one type,
//! or fails. [`Value::bytes`] is for peers that send something other than CBOR. [`Value::encode`]
//! makes one to send; [`encode`] writes one into a response.
//!
//! ```
//! use anysmp::s3mp::value::{self, Value};
//!
//! let mut out = [0; 16];
//! let value = Value::encode(21.5_f32, &mut out)?;
//! assert_eq!(value.f64(), Ok(21.5));
//! assert_eq!(value.bool(), Err(value::Error::Mismatch));
//! # Ok::<(), value::Error>(())
//! ```

use core::fmt;

use super::Address;
use crate::cbor::{Bytes, Items, Malformed, Reader, Text, Writer};

/// The reason why bytes are not the requested value, or why a value cannot be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The peer: not exactly one item of this type, or a number out of range.
    Mismatch,
    /// We: the item does not fit the buffer.
    BufferFull,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mismatch => "not exactly one value of this type",
            Self::BufferFull => "the value does not fit the buffer",
        })
    }
}

impl core::error::Error for Error {}

/// The data of a message that carries a value; compared as bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value<'m>(&'m [u8]);

impl<'m> Value<'m> {
    /// Any bytes; nothing is checked yet.
    #[must_use]
    pub const fn new(bytes: &'m [u8]) -> Self {
        Self(bytes)
    }

    /// Writes `value` to the front of `out`, as [`encode`] does, and returns it as the data of a
    /// command.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`]; the content of `out` is then useless.
    pub fn encode<T: minicbor::Encode<()>>(value: T, out: &'m mut [u8]) -> Result<Self, Error> {
        let len = encode(value, out)?;
        Ok(Self(out.get(..len).unwrap_or_default()))
    }

    /// The bytes that were received.
    #[must_use]
    pub const fn bytes(self) -> &'m [u8] {
        self.0
    }

    /// Returns true if there are no bytes at all, for example in the response to STATUS of a slave
    /// without a clock.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if the value is exactly one complete item, of any type, nested no deeper than
    /// [`DEPTH`](crate::cbor::DEPTH).
    #[must_use]
    pub fn is_item(self) -> bool {
        self.read(Reader::skip).is_ok()
    }

    /// Returns true if the value is null.
    #[must_use]
    pub const fn is_null(self) -> bool {
        matches!(self.0, [0xF6])
    }

    /// A boolean.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`], as in all methods below.
    pub const fn bool(self) -> Result<bool, Error> {
        match self.0 {
            [0xF4] => Ok(false),
            [0xF5] => Ok(true),
            _ => Err(Error::Mismatch),
        }
    }

    /// A whole number of at least 0.
    ///
    /// # Errors
    ///
    /// See [`bool`](Self::bool).
    pub fn u64(self) -> Result<u64, Error> {
        self.read(Reader::unsigned)
    }

    /// A whole number.
    ///
    /// # Errors
    ///
    /// See [`bool`](Self::bool).
    pub fn i64(self) -> Result<i64, Error> {
        self.read(Reader::signed)
    }

    /// A number: a float of 16, 32 or 64 bits, or a whole number, since an encoder may write 21 for
    /// 21.0. A whole number that a double cannot hold is rounded.
    ///
    /// # Errors
    ///
    /// See [`bool`](Self::bool).
    #[expect(clippy::cast_precision_loss, reason = "rounding is documented")]
    pub fn f64(self) -> Result<f64, Error> {
        let whole = || self.i64().map(|number| number as f64).or_else(|_| self.u64().map(|number| number as f64));
        self.read(Reader::float).or_else(|_| whole())
    }

    /// Text, in one piece or in chunks.
    ///
    /// # Errors
    ///
    /// See [`bool`](Self::bool).
    pub fn text(self) -> Result<Text<'m>, Error> {
        self.read(Reader::text)
    }

    /// A byte string, in one piece or in chunks.
    ///
    /// # Errors
    ///
    /// See [`bool`](Self::bool).
    pub fn byte_string(self) -> Result<Bytes<'m>, Error> {
        self.read(Reader::bytes)
    }

    /// The map in a slave's response for [`Address::ALL`]: each address and its value.
    ///
    /// # Errors
    ///
    /// See [`bool`](Self::bool). The whole map is checked before this returns.
    pub fn entries(self) -> Result<Entries<'m>, Error> {
        let mut reader = Reader::new(self.0);
        let items = reader.entries().or(Err(Error::Mismatch))?;
        let entries = Entries { reader, items };
        let mut check = entries.clone();
        while check.entry().or(Err(Error::Mismatch))?.is_some() {}
        if self.is_empty() || !check.reader.rest().is_empty() { Err(Error::Mismatch) } else { Ok(entries) }
    }

    /// Reads the value with `read`; fails if anything follows it.
    fn read<T>(self, read: impl FnOnce(&mut Reader<'m>) -> Result<T, Malformed>) -> Result<T, Error> {
        let mut reader = Reader::new(self.0);
        match read(&mut reader) {
            Ok(value) if !self.is_empty() && reader.rest().is_empty() => Ok(value),
            _ => Err(Error::Mismatch),
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Value<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Value({=usize} bytes)", self.0.len());
    }
}

/// Iterates over addresses and their values: see [`Value::entries`].
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Entries<'m> {
    reader: Reader<'m>,
    items: Items,
}

impl<'m> Entries<'m> {
    fn entry(&mut self) -> Result<Option<(Address, Value<'m>)>, Malformed> {
        if !self.items.more(&mut self.reader)? {
            return Ok(None);
        }
        let address = u8::try_from(self.reader.unsigned()?).or(Err(Malformed))?;
        let start = self.reader.rest();
        self.reader.skip()?;
        let len = start.len().saturating_sub(self.reader.rest().len());
        Ok(Some((Address(address), Value(start.get(..len).unwrap_or_default()))))
    }
}

impl<'m> Iterator for Entries<'m> {
    type Item = (Address, Value<'m>);

    fn next(&mut self) -> Option<Self::Item> {
        self.entry().ok().flatten()
    }
}

/// Writes `value` as one CBOR item to the front of `out` and returns its length.
///
/// `value` is anything that [`minicbor`] encodes: numbers, `bool`, `&str`, byte slices, or a type
/// of your own.
///
/// # Errors
///
/// [`Error::BufferFull`]; the content of `out` is then useless.
pub fn encode<T: minicbor::Encode<()>>(value: T, out: &mut [u8]) -> Result<usize, Error> {
    // Not `minicbor`'s own cursor: at `opt-level = "z"` its `copy_from_slice` keeps a path to a
    // panic.
    let mut writer = Writer::new(out);
    minicbor::encode(value, &mut writer).or(Err(Error::BufferFull))?;
    Ok(writer.len())
}
