//! Writing payloads: one bounded cursor for both ends.

/// We: the payload does not fit the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Full;

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the payload does not fit the buffer")
    }
}

impl core::error::Error for Full {}

/// A payload under construction in a buffer of the caller.
pub struct Payload<'b> {
    rest: &'b mut [u8],
    len: usize,
}

impl<'b> Payload<'b> {
    /// An empty payload that can grow to fill `buffer`, or to 65,535 bytes, the most that a message can carry.
    #[must_use]
    pub fn new(buffer: &'b mut [u8]) -> Self {
        const MAX: usize = u16::MAX as usize;
        let room = buffer.len().min(MAX);
        Self { rest: buffer.get_mut(..room).unwrap_or_default(), len: 0 }
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    ///
    /// [`Full`] if they do not fit; nothing is appended then.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        for (place, byte) in self.take(bytes.len())?.iter_mut().zip(bytes) {
            *place = *byte;
        }
        Ok(())
    }

    /// Appends `length` bytes for the caller to fill.
    ///
    /// # Errors
    ///
    /// [`Full`] if they do not fit; nothing is appended then.
    pub fn take(&mut self, length: usize) -> Result<&'b mut [u8], Full> {
        if length > self.rest.len() {
            return Err(Full);
        }
        let (taken, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(length).ok_or(Full)?;
        self.rest = rest;
        self.len = self.len.wrapping_add(length);
        Ok(taken)
    }

    /// Room that is not used yet; may serve as scratch memory.
    pub fn spare(&mut self) -> &mut [u8] {
        self.rest
    }

    /// Bytes so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl core::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Payload({} of {})", self.len, self.len + self.rest.len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Payload<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Payload({=usize})", self.len);
    }
}
