//! Writing.
//!
//! The heads are written here, since a writer that needs every width, one error and no indirection takes a fraction of the
//! flash of `minicbor`'s encoder. `minicbor` is the oracle in tests, and a [`Writer`] is a [`minicbor::encode::Write`], for
//! payloads that derive their encoding.

use super::{BufferFull, head};
use crate::bytes::copy;
use crate::shown::shown;

// The major types that are written, in their place in the first byte.
const NEGATIVE: u8 = head::NEGATIVE << 5;
const BYTES: u8 = head::BYTES << 5;
const TEXT: u8 = head::TEXT << 5;
const ARRAY: u8 = head::ARRAY << 5;
const MAP: u8 = head::MAP << 5;

/// Writes a payload into a buffer, front to back.
///
/// After a write that did not fit, every struct that is written behind it fails too: the payload is not whole.
pub struct Writer<'b> {
    out: &'b mut [u8],
    /// Where the next byte goes.
    len: usize,
    /// Whether something did not fit: what a struct asks at its end, instead of after each of its fields.
    full: bool,
}

shown!(Writer<'_>, |writer| "Writer({} of {} bytes)", writer.len, writer.out.len());

/// Lets `minicbor` write into the rest of the buffer: `minicbor::encode(value, &mut writer)`.
impl minicbor::encode::Write for Writer<'_> {
    type Error = BufferFull;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        self.raw(bytes)
    }
}

impl<'b> Writer<'b> {
    /// A writer at the front of `out`.
    pub const fn new(out: &'b mut [u8]) -> Self {
        Self { out, len: 0, full: false }
    }

    /// How many bytes were written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was written.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        self.out.get(..self.len).unwrap_or_default()
    }

    /// What was written, to be changed.
    pub fn written_mut(&mut self) -> &mut [u8] {
        self.out.get_mut(..self.len).unwrap_or_default()
    }

    /// Drops what was written, and that something did not fit.
    pub const fn clear(&mut self) {
        self.len = 0;
        self.full = false;
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.out.len().saturating_sub(self.len)
    }

    /// Takes the next `len` bytes of the buffer for the caller to fill, as for data that is read from flash.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] if fewer are left. Ask [`room`](Self::room) first if there is something shorter to write: see [`Writer`].
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

    /// Writes bytes as they are: a payload that is no CBOR, or items that are encoded already.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        copy(bytes, self.reserve(bytes.len())?);
        Ok(())
    }

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
    /// [`BufferFull`]
    pub fn unsigned(&mut self, value: u64) -> Result<(), BufferFull> {
        self.head(0, value)
    }

    /// Writes an integer in its shortest form.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn signed(&mut self, value: i64) -> Result<(), BufferFull> {
        // The magnitude of a negative number is stored less one: its bits turned over.
        self.head(if value < 0 { NEGATIVE } else { 0 }, (value ^ (value >> 63)).cast_unsigned())
    }

    /// Writes `true` or `false`.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn boolean(&mut self, value: bool) -> Result<(), BufferFull> {
        self.byte(0xF4 | u8::from(value))
    }

    /// Writes text in one piece.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn text(&mut self, text: &str) -> Result<(), BufferFull> {
        self.string(TEXT, text.as_bytes())
    }

    /// Writes a byte string in one piece.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        self.string(BYTES, bytes)
    }

    /// Writes the head of a byte string; `len` bytes have to follow.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn bytes_head(&mut self, len: usize) -> Result<(), BufferFull> {
        self.head(BYTES, len as u64)
    }

    /// Writes the head of text; `len` bytes have to follow.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn text_head(&mut self, len: usize) -> Result<(), BufferFull> {
        self.head(TEXT, len as u64)
    }

    fn string(&mut self, major: u8, bytes: &[u8]) -> Result<(), BufferFull> {
        self.head(major, bytes.len() as u64)?;
        self.raw(bytes)
    }

    /// Starts a map of so many keys; keys and values have to follow.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn map(&mut self, keys: u64) -> Result<(), BufferFull> {
        self.head(MAP, keys)
    }

    /// Starts an array of so many elements, which have to follow.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn array(&mut self, elements: u64) -> Result<(), BufferFull> {
        self.head(ARRAY, elements)
    }

    /// Starts a map that has no keys yet, and returns where it is: [`count_key`](Self::count_key) counts each one that follows.
    #[inline(never)] // 20 bytes for each kind of answer.
    pub(super) fn open_map(&mut self) -> usize {
        let head = self.len;
        let _ = self.byte(MAP); // `is_full` tells in the end.
        head
    }

    /// Counts one more key of a map whose head of one byte is at `head`.
    pub(super) fn count_key(&mut self, head: usize) {
        if let Some(head) = self.out.get_mut(head) {
            *head = head.wrapping_add(1);
        }
    }

    /// Whether something did not fit.
    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    /// Starts a map whose number of keys is not known yet; [`end`](Self::end) closes it.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn begin_map(&mut self) -> Result<(), BufferFull> {
        self.byte(MAP | head::INDEFINITE)
    }

    /// Starts an array whose number of elements is not known yet; [`end`](Self::end) closes it.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn begin_array(&mut self) -> Result<(), BufferFull> {
        self.byte(ARRAY | head::INDEFINITE)
    }

    /// Closes the innermost map or array that was begun without a number.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn end(&mut self) -> Result<(), BufferFull> {
        self.byte(head::BREAK)
    }
}
