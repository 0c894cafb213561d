//! Writing.
//!
//! The heads are written here, since a writer that needs every width, one error and no indirection takes a fraction of the
//! flash of `minicbor`'s encoder. `minicbor` is the oracle in tests, and a [`Writer`] is a [`minicbor::encode::Write`], for
//! payloads that derive their encoding.

use super::{BufferFull, Keys, Value};
use crate::bytes::copy;
use crate::shown::shown;

/// The major types that are written, RFC 8949 section 3.1, in their place in the first byte.
const NEGATIVE: u8 = 0x20;
pub(super) const BYTES: u8 = 0x40;
pub(super) const TEXT: u8 = 0x60;
const ARRAY: u8 = 0x80;
const MAP: u8 = 0xA0;
/// In place of an argument: items follow until a break.
const INDEFINITE: u8 = 0x1F;

/// Writes a payload into a buffer, front to back.
///
/// After a write that did not fit, every struct that is written behind it fails too: the payload is not whole.
pub struct Writer<'b> {
    out: &'b mut [u8],
    /// Where the payload begins: behind a header, in a server.
    start: usize,
    /// Where the next byte goes.
    len: usize,
    /// Whether the first map gets `rc: 0` put in front of its keys.
    rc: bool,
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
        Self { out, start: 0, len: 0, rc: false, full: false }
    }

    /// A writer that leaves room for a header of `start` bytes. Where that does not fit, nothing will.
    pub(crate) const fn behind(start: usize, out: &'b mut [u8]) -> Self {
        if out.len() < start { Self::new(&mut []) } else { Self { out, start, len: start, rc: false, full: false } }
    }

    /// How many bytes of payload were written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len.saturating_sub(self.start)
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the payload ends, counted from the front of the buffer.
    pub(crate) const fn end_of_payload(&self) -> usize {
        self.len
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

    /// The room for the header, if it is that long.
    pub(crate) fn front<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        self.out.first_chunk_mut()
    }

    /// Writes a message that has its header, in place of header and payload.
    pub(crate) fn replace(&mut self, message: &[u8]) -> Result<(), BufferFull> {
        self.len = 0;
        self.raw(message)
    }

    /// Drops what was written, and the wish of [`prefix_rc`](Self::prefix_rc).
    pub(crate) const fn restart(&mut self) {
        self.len = self.start;
        (self.rc, self.full) = (false, false);
    }

    /// Makes the first map begin with `rc: 0`, which old clients want to see.
    pub(crate) const fn prefix_rc(&mut self) {
        self.rc = true;
    }

    /// Starts a map of so many keys; keys and values have to follow.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn map(&mut self, keys: u64) -> Result<(), BufferFull> {
        let prefix = self.rc;
        self.head(MAP, keys.saturating_add(prefix.into()))?;
        self.prefix()
    }

    /// Writes `rc: 0` where it was asked for.
    fn prefix(&mut self) -> Result<(), BufferFull> {
        if core::mem::take(&mut self.rc) { self.raw(b"\x62rc\x00") } else { Ok(()) }
    }

    /// Starts the map of a struct with these `keys`: see [`Fields`].
    pub fn fields(&mut self, keys: Keys) -> Fields<'_, 'b> {
        let head = self.len;
        let _ = if core::mem::take(&mut self.rc) { self.raw(b"\xa1\x62rc\x00") } else { self.byte(MAP) };
        Fields { writer: self, keys, head }
    }

    /// Starts an array of so many elements, which have to follow.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn array(&mut self, elements: u64) -> Result<(), BufferFull> {
        self.head(ARRAY, elements)
    }

    /// Starts a map whose number of keys is not known yet; [`end`](Self::end) closes it.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn begin_map(&mut self) -> Result<(), BufferFull> {
        self.byte(MAP | INDEFINITE)?;
        self.prefix()
    }

    /// Starts an array whose number of elements is not known yet; [`end`](Self::end) closes it.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn begin_array(&mut self) -> Result<(), BufferFull> {
        self.byte(ARRAY | INDEFINITE)
    }

    /// Closes the innermost map or array that was begun without a number.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn end(&mut self) -> Result<(), BufferFull> {
        self.byte(0xFF)
    }
}

/// Writes the fields of a struct as a map, in the order of its keys; made by [`Writer::fields`].
///
/// Call [`field`](Self::field) once for each key, then [`end`](Self::end).
/// [`smp::payload!`](crate::smp::payload) writes these calls.
// The head counts each key that is written: a field is known to be missing only when its turn comes.
#[must_use]
pub struct Fields<'w, 'b> {
    writer: &'w mut Writer<'b>,
    /// Those that are still to come.
    keys: Keys,
    /// Where the head of the map stands.
    head: usize,
}

shown!(Fields<'_, '_>, |fields| "Fields({:?})", fields.writer);

impl Fields<'_, '_> {
    /// Writes the next key and its value; a value that [is missing](Value::is_missing) leaves the key out.
    /// If they do not fit, [`end`](Self::end) says so.
    pub fn field<'v, T: Value<'v>>(&mut self, value: &T) {
        if self.key(value.is_missing()) {
            let _ = value.write(self.writer); // It fails as the writer does, which remembers it.
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
    /// [`BufferFull`] if any of it did not fit.
    pub fn end(self) -> Result<(), BufferFull> {
        if self.writer.full { Err(BufferFull) } else { Ok(()) }
    }
}
