//! Writes CBOR.
//!
//! The writer encodes heads itself, because with one error type and no indirection it takes less
//! flash than `minicbor`'s encoder, which is the oracle in tests. A [`Writer`] is also a
//! [`minicbor::encode::Write`], for payloads that derive their encoding.

#[cfg(target_pointer_width = "64")]
use super::width::encoded;
use super::{BufferFull, head};
use crate::bytes::copy;
use crate::shown::shown;

// Major types in the high bits of the first byte.
const NEGATIVE: u8 = head::NEGATIVE << 5;
const BYTES: u8 = head::BYTES << 5;
const TEXT: u8 = head::TEXT << 5;
const ARRAY: u8 = head::ARRAY << 5;
const MAP: u8 = head::MAP << 5;

/// A writer that encodes a payload into a buffer, front to back.
///
/// After a write that did not fit, every later struct fails too, because the payload is incomplete.
pub struct Writer<'b> {
    out: &'b mut [u8],
    /// The position of the next byte to write, past the end if the head of a map did not fit, or
    /// the room in front of the payload.
    len: usize,
    state: State,
}

/// The state of a payload. A struct checks it once at its end instead of after each field.
#[derive(Clone, Copy)]
enum State {
    /// All writes have fitted. Exit: one that does not, to `Cut`.
    Whole,
    /// A part is missing, because it did not fit. Exit: `clear`, to `Whole`.
    Cut,
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
        Self { out, len: 0, state: State::Whole }
    }

    /// Returns the number of bytes written so far.
    ///
    /// In a server's response the header counts too: compare two lengths, not one with zero. After
    /// an error the number has no meaning.
    #[must_use]
    pub const fn len(&self) -> usize {
        // A host leaves room for the head of a map before it checks that there is any.
        if cfg!(target_pointer_width = "64") && self.len > self.out.len() { self.out.len() } else { self.len }
    }

    /// Returns true if nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes written so far, to change them, for example a header that depends on the
    /// payload.
    pub fn written_mut(&mut self) -> &mut [u8] {
        self.out.get_mut(..self.len()).unwrap_or_default()
    }

    /// Clears the bytes written so far, and the error of a write that did not fit.
    pub const fn clear(&mut self) {
        self.leave(0);
    }

    /// Does the work of [`clear`](Self::clear), and leaves room for `len` bytes in front of the
    /// payload. In a buffer that does not have it, nothing fits.
    pub(crate) const fn leave(&mut self, len: usize) {
        self.len = len;
        self.state = State::Whole;
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
    /// shorter to write instead: see [`Writer`].
    pub fn reserve(&mut self, len: usize) -> Result<&mut [u8], BufferFull> {
        let end = self.len.checked_add(len);
        match end.and_then(|end| Some((end, self.out.get_mut(self.len..end)?))) {
            Some((end, room)) => {
                self.len = end;
                Ok(room)
            }
            None => {
                self.state = State::Cut;
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

    fn byte(&mut self, byte: u8) -> Result<(), BufferFull> {
        let Some(place) = self.out.get_mut(self.len) else {
            self.state = State::Cut;
            return Err(BufferFull);
        };
        *place = byte;
        self.len = self.len.wrapping_add(1);
        Ok(())
    }

    /// Writes a first byte and its argument, in the shortest form.
    #[inline(always)]
    pub(super) fn head(&mut self, major: u8, argument: u64) -> Result<(), BufferFull> {
        #[cfg(target_pointer_width = "64")]
        return match argument {
            0..=23 => self.byte(major | argument.to_le_bytes()[0]),
            _ => self.wide_head(major, argument),
        };
        #[cfg(not(target_pointer_width = "64"))]
        self.narrow_head(major, argument)
    }

    /// Writes a first byte and its argument, which is more than 23.
    #[cfg(target_pointer_width = "64")]
    // One copy, so that its callers are inlined instead.
    #[inline(never)]
    fn wide_head(&mut self, major: u8, argument: u64) -> Result<(), BufferFull> {
        let (first, width, bytes) = encoded(major, argument);
        if let Some([place, places @ ..]) = self.out.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut::<9>) {
            (*place, *places) = (first, bytes);
            self.len = self.len.wrapping_add(width).wrapping_add(1);
            return Ok(());
        }
        self.byte(first)?;
        self.raw(bytes.get(..width).unwrap_or_default())
    }

    /// Writes a key, and a first byte and its argument, in the shortest form.
    #[cfg(target_pointer_width = "64")]
    #[inline(always)]
    pub(super) fn entry(&mut self, key: &[u8], major: u8, argument: u64) {
        // Two stores for a head of any width, where the buffer has the bytes of the widest.
        if let Some((to, rest)) = self.out.get_mut(self.len..).and_then(|rest| rest.split_at_mut_checked(key.len()))
            && let Some([place, places @ ..]) = rest.first_chunk_mut::<9>()
        {
            let (first, width, bytes) = encoded(major, argument);
            copy(key, to);
            (*place, *places) = (first, bytes);
            self.len = self.len.wrapping_add(key.len()).wrapping_add(1).wrapping_add(width);
            return;
        }
        self.last_entry(key, major, argument);
    }

    /// Does the work of [`entry`](Self::entry) near the end of the buffer.
    #[cfg(target_pointer_width = "64")]
    #[cold]
    #[inline(never)]
    fn last_entry(&mut self, key: &[u8], major: u8, argument: u64) {
        let (first, width, bytes) = encoded(major, argument);
        // `is_full` reports an error at the end.
        let _ = self
            .raw(key)
            .and_then(|()| self.byte(first))
            .and_then(|()| self.raw(bytes.get(..width).unwrap_or_default()));
    }

    /// Writes a first byte and its argument, in the shortest form.
    #[cfg(any(not(target_pointer_width = "64"), test))]
    pub(super) fn narrow_head(&mut self, major: u8, argument: u64) -> Result<(), BufferFull> {
        // 32-bit arithmetic for all but the rare long argument.
        let (code, len) = match u32::try_from(argument) {
            Ok(small @ 0..=23) => {
                let [small, ..] = small.to_le_bytes();
                return self.byte(major | small);
            }
            Ok(..=0xFF) => (24, 1),
            Ok(..=0xFFFF) => (25, 2),
            Ok(_) => (26, 4),
            Err(_) => (27, 8),
        };
        self.byte(major | code)?;
        // One write for all widths.
        self.raw(argument.to_be_bytes().get(8 - len..).unwrap_or_default())
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

    fn string(&mut self, major: u8, bytes: &[u8]) -> Result<(), BufferFull> {
        self.head(major, bytes.len() as u64)?;
        self.raw(bytes)
    }

    /// Starts a map of `keys` keys; keys and values must follow.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn map(&mut self, keys: u64) -> Result<(), BufferFull> {
        self.head(MAP, keys)
    }

    /// Starts an array of `elements` elements, which must follow.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn array(&mut self, elements: u64) -> Result<(), BufferFull> {
        self.head(ARRAY, elements)
    }

    /// Starts a map without keys and returns its position, for [`count_key`](Self::count_key).
    #[cfg(any(not(target_pointer_width = "64"), test))]
    pub(super) fn open_map(&mut self) -> usize {
        let head = self.len;
        // `is_full` reports an error at the end.
        let _ = self.byte(MAP);
        head
    }

    /// Counts one more key of the map at `head`, whose head has one byte.
    #[cfg(any(not(target_pointer_width = "64"), test))]
    pub(super) fn count_key(&mut self, head: usize) {
        if let Some(head) = self.out.get_mut(head) {
            *head = head.wrapping_add(1);
        }
    }

    /// Leaves room for a head of one byte, and returns its position, for
    /// [`write_head`](Self::write_head), which also checks that there is room.
    #[cfg(target_pointer_width = "64")]
    pub(super) const fn leave_head(&mut self) -> usize {
        let at = self.len;
        self.len = at.wrapping_add(1);
        at
    }

    #[cfg(target_pointer_width = "64")]
    pub(super) fn write_head(&mut self, at: usize, head: u8) {
        match self.out.get_mut(at) {
            Some(place) => *place = head,
            None => self.state = State::Cut,
        }
    }

    pub(crate) const fn is_full(&self) -> bool {
        matches!(self.state, State::Cut)
    }

    /// Starts a map whose number of keys is unknown; [`end`](Self::end) closes it.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn begin_map(&mut self) -> Result<(), BufferFull> {
        self.byte(MAP | head::INDEFINITE)
    }

    /// Starts an array whose number of elements is unknown; [`end`](Self::end) closes it.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn begin_array(&mut self) -> Result<(), BufferFull> {
        self.byte(ARRAY | head::INDEFINITE)
    }

    /// Closes the innermost map or array that was started without a number.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`].
    pub fn end(&mut self) -> Result<(), BufferFull> {
        self.byte(head::BREAK)
    }
}
