//! Bytes for a [`Routine`](crate::routine::Routine) to send, readable at any offset.

/// Bytes that a routine sends. It reads them at any offset, possibly several times.
///
/// A slice is a source; a file, an external flash or a decoder of another file format needs a few
/// lines.
pub trait Source {
    /// Returns the length in bytes, which must not change.
    fn len(&self) -> u64;

    /// Fills `into` with the bytes from `offset` on. A routine never reads past [`len`](Self::len).
    ///
    /// # Errors
    ///
    /// We: [`SourceFailed`] if they cannot be read. A source that has details keeps them
    /// itself.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SourceFailed>;

    /// Returns true if there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A [`Source`] could not be read: our fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "sources outside of the crate return it")]
pub struct SourceFailed;

impl core::fmt::Display for SourceFailed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the data to send could not be read")
    }
}

impl core::error::Error for SourceFailed {}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SourceFailed> {
        // Checked although a routine stays within the length: the length may have changed.
        let start = usize::try_from(offset).or(Err(SourceFailed))?;
        let end = start.checked_add(into.len()).ok_or(SourceFailed)?;
        let bytes = self.get(start..end).ok_or(SourceFailed)?;
        crate::bytes::copy(bytes, into);
        Ok(())
    }
}

impl<S: Source + ?Sized> Source for &mut S {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SourceFailed> {
        (**self).read(offset, into)
    }
}
