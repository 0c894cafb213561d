//! The message that a decoder of S3MP puts together.

/// The bytes of a message. The length of a message that does not fit is one more than the buffer's.
pub(super) struct Buffer<'b> {
    pub(super) bytes: &'b mut [u8],
    pub(super) len: usize,
}

impl Buffer<'_> {
    pub(super) fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len = self.len.wrapping_add(1);
            }
            None => self.overrun(),
        }
    }

    /// Notes that a byte does not fit.
    pub(super) const fn overrun(&mut self) {
        self.len = self.bytes.len().wrapping_add(1);
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.len..).unwrap_or_default()
    }

    pub(super) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl core::fmt::Debug for Buffer<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} of {} bytes", self.len, self.bytes.len())
    }
}
