//! Writes CBOR.
//!
//! The writer encodes heads itself, because with one error type and no indirection it takes less
//! flash than `minicbor`'s encoder, which is the oracle in tests. A [`Writer`] is also a
//! [`minicbor::encode::Write`], for payloads that derive their encoding.

use super::{BufferFull, Keys, Value};
use crate::bytes::copy;
use crate::shown::shown;

// Major types, RFC 8949 section 3.1, in the high bits of the first byte.
const NEGATIVE: u8 = 0x20;
pub(super) const BYTES: u8 = 0x40;
pub(super) const TEXT: u8 = 0x60;
const ARRAY: u8 = 0x80;
const MAP: u8 = 0xA0;
/// The low bits of a first byte whose items end with a break.
const INDEFINITE: u8 = 0x1F;

/// A writer that encodes a payload into a buffer, front to back.
///
/// After a write that did not fit, every later struct fails too, because the payload is incomplete.
pub struct Writer<'b> {
    out: &'b mut [u8],
    /// The start of the payload: in a server, the end of the header.
    start: usize,
    /// The position of the next byte.
    len: usize,
    /// True if the first map is to begin with `rc: 0`.
    rc: bool,
    /// True if something did not fit. A struct checks it once at its end instead of after each
    /// field.
    full: bool,
}

shown!(Writer<'_>, |writer| "Writer({} of {} bytes)", writer.len, writer.out.len());

/// `minicbor` can write into the rest of the buffer: `minicbor::encode(value, &mut writer)`.
impl minicbor::encode::Write for Writer<'_> {
    type Error = BufferFull;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        self.raw(bytes)
    }
}

impl<'b> Writer<'b> {
    /// A writer at the front of `out`.
    #[must_use]
    pub const fn new(out: &'b mut [u8]) -> Self {
        Self { out, start: 0, len: 0, rc: false, full: false }
    }

    /// A writer that leaves room for a header of `start` bytes. If the header does not fit, no
    /// write does.
    pub(crate) const fn behind(start: usize, out: &'b mut [u8]) -> Self {
        if out.len() < start { Self::new(&mut []) } else { Self { out, start, len: start, rc: false, full: false } }
    }

    /// Returns the bytes of payload written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len.saturating_sub(self.start)
    }

    /// Returns true if nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the end of the payload, counted from the front of the buffer.
    pub(crate) const fn end_of_payload(&self) -> usize {
        self.len
    }

    /// Returns the number of bytes left.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.out.len().saturating_sub(self.len)
    }

    /// Returns the next `len` bytes of the buffer for the caller to fill, for example with data
    /// read from flash.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`] if fewer are left. Check [`room`](Self::room) first if there is something
    /// shorter to write: see [`Writer`].
    pub fn reserve(&mut self, len: usize) -> Result<&mut [u8], BufferFull> {
        let end = self.len.checked_add(len);
        match end.and_then(|end| Some((end, self.out.get_mut(self.len..end)?))) {
            Some((end, room)) => {
                self.len = end;
                Ok(room)
            }
            None => {
                self.full = true;
                Err(BufferFull)
            }
        }
    }

    /// Writes bytes unchanged: encoded items, or a payload that is not CBOR.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        copy(bytes, self.reserve(bytes.len())?);
        Ok(())
    }

    /// Writes one byte.
    fn byte(&mut self, byte: u8) -> Result<(), BufferFull> {
        self.raw(&[byte])
    }

    /// Writes a first byte and its argument, in the shortest form.
    pub(super) fn head(&mut self, major: u8, argument: u64) -> Result<(), BufferFull> {
        let Ok(narrow) = u32::try_from(argument) else {
            self.byte(major | 27)?;
            return self.raw(&argument.to_be_bytes());
        };
        let [b3, b2, b1, b0] = narrow.to_be_bytes();
        match narrow {
            0..=23 => self.raw(&[major | b0]),
            24..=0xFF => self.raw(&[major | 24, b0]),
            0x100..=0xFFFF => self.raw(&[major | 25, b1, b0]),
            _ => self.raw(&[major | 26, b3, b2, b1, b0]),
        }
    }

    /// Writes an unsigned integer in its shortest form.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn unsigned(&mut self, value: u64) -> Result<(), BufferFull> {
        self.head(0, value)
    }

    /// Writes an integer in its shortest form.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn signed(&mut self, value: i64) -> Result<(), BufferFull> {
        // CBOR stores -1 - n for a negative n, which is n with all bits inverted.
        self.head(if value < 0 { NEGATIVE } else { 0 }, (value ^ (value >> 63)).cast_unsigned())
    }

    /// Writes `true` or `false`.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn boolean(&mut self, value: bool) -> Result<(), BufferFull> {
        self.byte(0xF4 | u8::from(value))
    }

    /// Writes text in one piece.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn text(&mut self, text: &str) -> Result<(), BufferFull> {
        self.string(TEXT, text.as_bytes())
    }

    /// Writes a byte string in one piece.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        self.string(BYTES, bytes)
    }

    /// Writes the head of a byte string; `len` bytes must follow.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn bytes_head(&mut self, len: usize) -> Result<(), BufferFull> {
        self.head(BYTES, len as u64)
    }

    /// Writes the head of text; `len` bytes must follow.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn text_head(&mut self, len: usize) -> Result<(), BufferFull> {
        self.head(TEXT, len as u64)
    }

    /// Writes a string in one piece.
    fn string(&mut self, major: u8, bytes: &[u8]) -> Result<(), BufferFull> {
        self.head(major, bytes.len() as u64)?;
        self.raw(bytes)
    }

    /// Returns the first `N` bytes of the buffer, for a header.
    pub(crate) fn front<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        self.out.first_chunk_mut()
    }

    /// Replaces header and payload by a whole message.
    pub(crate) fn replace(&mut self, message: &[u8]) -> Result<(), BufferFull> {
        self.len = 0;
        self.raw(message)
    }

    /// Clears the payload, and cancels [`prefix_rc`](Self::prefix_rc).
    pub(crate) const fn restart(&mut self) {
        self.len = self.start;
        (self.rc, self.full) = (false, false);
    }

    /// Makes the first map begin with `rc: 0`, which old clients require.
    pub(crate) const fn prefix_rc(&mut self) {
        self.rc = true;
    }

    /// Starts a map of `keys` keys; keys and values must follow.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn map(&mut self, keys: u64) -> Result<(), BufferFull> {
        let prefix = self.rc;
        self.head(MAP, keys.saturating_add(prefix.into()))?;
        self.prefix()
    }

    /// Writes `rc: 0` if [`prefix_rc`](Self::prefix_rc) asked for it.
    fn prefix(&mut self) -> Result<(), BufferFull> {
        if core::mem::take(&mut self.rc) { self.raw(b"\x62rc\x00") } else { Ok(()) }
    }

    /// Starts a map of the `keys` of a struct; see [`Fields`].
    pub(crate) fn fields(&mut self, keys: Keys) -> Fields<'_, 'b> {
        let head = self.len;
        let _ = if core::mem::take(&mut self.rc) { self.raw(b"\xa1\x62rc\x00") } else { self.byte(MAP) };
        Fields { writer: self, keys, head }
    }

    /// Starts an array of `elements` elements, which must follow.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn array(&mut self, elements: u64) -> Result<(), BufferFull> {
        self.head(ARRAY, elements)
    }

    /// Starts a map whose number of keys is unknown; [`end`](Self::end) closes it.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn begin_map(&mut self) -> Result<(), BufferFull> {
        self.byte(MAP | INDEFINITE)?;
        self.prefix()
    }

    /// Starts an array whose number of elements is unknown; [`end`](Self::end) closes it.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn begin_array(&mut self) -> Result<(), BufferFull> {
        self.byte(ARRAY | INDEFINITE)
    }

    /// Closes the innermost map or array that was started without a number.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn end(&mut self) -> Result<(), BufferFull> {
        self.byte(0xFF)
    }
}

/// A writer for the fields of a struct, as a map in the order of its keys.
///
/// A missing field shows only when its turn comes, so the head of the map is incremented for each
/// key written.
pub(crate) struct Fields<'w, 'b> {
    writer: &'w mut Writer<'b>,
    /// The keys that are still to come.
    keys: Keys,
    /// The position of the head of the map.
    head: usize,
}

impl Fields<'_, '_> {
    /// Writes the next key and its value, unless it is missing. [`end`](Self::end) reports if
    /// everything fitted.
    pub(crate) fn field<'v, T: Value<'v>>(&mut self, value: &T) {
        if self.key(value.is_missing()) {
            // The writer remembers an error, and `end` returns it.
            let _ = value.write(self.writer);
        }
    }

    /// Writes the next key, unless its value is missing.
    fn key(&mut self, missing: bool) -> bool {
        let key = self.keys.take().unwrap_or_default();
        if !missing {
            if let Some(head) = self.writer.out.get_mut(self.head) {
                *head = head.wrapping_add(1);
            }
            let _ = self.writer.raw(key);
        }
        !missing
    }

    /// Ends the map.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`] if any of the map did not fit.
    pub(crate) fn end(self) -> Result<(), BufferFull> {
        if self.writer.full { Err(BufferFull) } else { Ok(()) }
    }
}
