//! Bytes that can be read at an offset: what a [`Routine`](crate::routine::Routine) sends.

/// Bytes that a routine sends, which it can read at any offset, again and again.
///
/// A slice is one; a file, an external flash or a decoder of another file format need a few lines.
pub trait Source {
    /// How many bytes there are. Must not change.
    fn len(&self) -> u64;

    /// Fills `into` with the bytes from `offset` on. Never asked for bytes beyond
    /// [`len`](Self::len).
    ///
    /// # Errors
    ///
    /// [`SourceFailed`] if they cannot be read; what exactly went wrong is for the source to
    /// remember.
    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SourceFailed>;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A [`Source`] could not be read: our fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
        let start = usize::try_from(offset).or(Err(SourceFailed))?;
        let end = start.checked_add(into.len()).ok_or(SourceFailed)?;
        let bytes = self.get(start..end).ok_or(SourceFailed)?;
        into.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
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
