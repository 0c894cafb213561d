//! Writing, on top of `minicbor`.

use minicbor::Encoder;
use minicbor::encode::Write;

use super::BufferFull;
use crate::shown::shown;

/// Writes a payload into a buffer, front to back.
pub struct Writer<'b> {
    out: &'b mut [u8],
    len: usize,
    /// Whether the first map gets `rc: 0` put in front of its keys.
    rc: bool,
}

shown!(Writer<'_>, |writer| "Writer({} of {} bytes)", writer.len, writer.out.len());

impl Write for Writer<'_> {
    type Error = BufferFull;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        let room = self.reserve(bytes.len())?;
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

impl<'b> Writer<'b> {
    /// A writer at the front of `out`.
    pub const fn new(out: &'b mut [u8]) -> Self {
        Self { out, len: 0, rc: false }
    }

    /// How many bytes were written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
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
    /// [`BufferFull`] if fewer are left.
    pub fn reserve(&mut self, len: usize) -> Result<&mut [u8], BufferFull> {
        let end = self.len.checked_add(len).ok_or(BufferFull)?;
        let room = self.out.get_mut(self.len..end).ok_or(BufferFull)?;
        self.len = end;
        Ok(room)
    }

    /// Writes bytes as they are: a payload that is no CBOR, or items that are encoded already.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        self.write_all(bytes)
    }

    fn encoder(&mut self) -> Encoder<&mut Self> {
        Encoder::new(self)
    }

    /// Writes an unsigned integer in its shortest form.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn unsigned(&mut self, value: u64) -> Result<(), BufferFull> {
        self.encoder().u64(value).map(drop).or(Err(BufferFull))
    }

    /// Writes an integer in its shortest form.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn signed(&mut self, value: i64) -> Result<(), BufferFull> {
        self.encoder().i64(value).map(drop).or(Err(BufferFull))
    }

    /// Writes `true` or `false`.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn boolean(&mut self, value: bool) -> Result<(), BufferFull> {
        self.encoder().bool(value).map(drop).or(Err(BufferFull))
    }

    /// Writes text in one piece.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn text(&mut self, text: &str) -> Result<(), BufferFull> {
        self.encoder().str(text).map(drop).or(Err(BufferFull))
    }

    /// Writes a byte string in one piece.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        self.encoder().bytes(bytes).map(drop).or(Err(BufferFull))
    }

    /// Writes the head of a byte string; `len` bytes have to follow.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn bytes_head(&mut self, len: usize) -> Result<(), BufferFull> {
        self.head(0x40, len)
    }

    /// Writes the head of text; `len` bytes have to follow.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn text_head(&mut self, len: usize) -> Result<(), BufferFull> {
        self.head(0x60, len)
    }

    /// The head of a string is that of an unsigned integer with another major type in its first byte.
    fn head(&mut self, major: u8, len: usize) -> Result<(), BufferFull> {
        let at = self.len;
        self.unsigned(len as u64)?;
        if let Some(initial) = self.out.get_mut(at) {
            *initial |= major;
        }
        Ok(())
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
        if core::mem::take(&mut self.rc) {
            self.encoder().map(keys.saturating_add(1)).map(drop).or(Err(BufferFull))?;
            self.text("rc")?;
            self.unsigned(0)
        } else {
            self.encoder().map(keys).map(drop).or(Err(BufferFull))
        }
    }

    /// Starts an array of so many elements, which have to follow.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn array(&mut self, elements: u64) -> Result<(), BufferFull> {
        self.encoder().array(elements).map(drop).or(Err(BufferFull))
    }

    /// Starts a map whose number of keys is not known yet; [`end`](Self::end) closes it.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn begin_map(&mut self) -> Result<(), BufferFull> {
        self.encoder().begin_map().map(drop).or(Err(BufferFull))?;
        if core::mem::take(&mut self.rc) {
            self.text("rc")?;
            self.unsigned(0)?;
        }
        Ok(())
    }

    /// Starts an array whose number of elements is not known yet; [`end`](Self::end) closes it.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn begin_array(&mut self) -> Result<(), BufferFull> {
        self.encoder().begin_array().map(drop).or(Err(BufferFull))
    }

    /// Closes the innermost map or array that was begun without a number.
    ///
    /// # Errors
    ///
    /// [`BufferFull`]
    pub fn end(&mut self) -> Result<(), BufferFull> {
        self.encoder().end().map(drop).or(Err(BufferFull))
    }
}
