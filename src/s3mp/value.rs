//! Values as S3MP likes them: one complete CBOR item (RFC 8949), and nothing behind it.
//!
//! A [`Value`] is bytes from the wire that nobody has looked at; each method reads them as one type, or says that they are
//! not that. Peers that send something else than CBOR are served by [`Value::bytes`]. [`encode`] writes one item.

use core::fmt;

use minicbor::encode::write::{Cursor, EndOfSlice};

/// Why bytes are not the value that was asked for, or why a value has no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The peer: not exactly one complete CBOR item.
    Malformed,
    /// The peer: an item of another type, or a number that is out of range.
    Type,
    /// We: the item does not fit the buffer.
    BufferFull,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not exactly one CBOR item",
            Self::Type => "a value of another type",
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

    /// The bytes as they came.
    #[must_use]
    pub const fn bytes(self) -> &'m [u8] {
        self.0
    }

    /// No bytes at all, as the answer to STATUS of a slave without a clock.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// A boolean.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the bytes are not exactly one item, [`Error::Type`] if it is another one. So in all methods below.
    pub fn bool(self) -> Result<bool, Error> {
        match self.head()? {
            (SIMPLE, FALSE, _) => Ok(false),
            (SIMPLE, TRUE, _) => Ok(true),
            _ => Err(Error::Type),
        }
    }

    /// Whether it is null.
    ///
    /// # Errors
    ///
    /// As for [`bool`](Self::bool).
    pub fn is_null(self) -> Result<bool, Error> {
        Ok(matches!(self.head()?, (SIMPLE, NULL, _)))
    }

    /// A whole number from 0.
    ///
    /// # Errors
    ///
    /// As for [`bool`](Self::bool).
    pub fn u64(self) -> Result<u64, Error> {
        match self.head()? {
            (UNSIGNED, _, number) => Ok(number),
            _ => Err(Error::Type),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    ///
    /// As for [`bool`](Self::bool).
    pub fn i64(self) -> Result<i64, Error> {
        let (major, _, number) = self.head()?;
        let number = i64::try_from(number).map_err(|_range| Error::Type)?;
        match major {
            UNSIGNED => Ok(number),
            NEGATIVE => Ok(!number),
            _ => Err(Error::Type),
        }
    }
}

/// Writes `value` as one CBOR item to the front of `out` and returns its length.
///
/// `value` is anything that [`minicbor`] encodes: numbers, `bool`, `&str`, byte slices, or a type of your own.
///
/// # Errors
///
/// [`Error::BufferFull`], after which `out` holds nothing of use.
pub fn encode<T: minicbor::Encode<()>>(value: T, out: &mut [u8]) -> Result<usize, Error> {
    let mut cursor = Cursor::new(out);
    let done: Result<(), minicbor::encode::Error<EndOfSlice>> = minicbor::encode(value, &mut cursor);
    done.map_err(|_end| Error::BufferFull)?;
    Ok(cursor.position())
}
