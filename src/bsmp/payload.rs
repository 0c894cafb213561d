//! Writing payloads: one bounded cursor for both ends.

use core::ops::RangeInclusive;

use super::Error;
use crate::bytes::copy;
use crate::shown::shown;

/// We: the payload does not fit the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add")]
pub struct Full;

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the payload does not fit the buffer")
    }
}

impl core::error::Error for Full {}

impl From<Full> for Error {
    fn from(Full: Full) -> Self {
        Self::BufferFull
    }
}

/// A payload under construction in a buffer of the caller.
pub struct Payload<'b> {
    rest: &'b mut [u8],
    len: usize,
}

impl<'b> Payload<'b> {
    /// An empty payload that can grow to fill `buffer`, or to 65,535 bytes, the maximum in a
    /// message.
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
        copy(bytes, self.take(bytes.len())?);
        Ok(())
    }

    /// Appends `len` bytes for the caller to fill.
    ///
    /// # Errors
    ///
    /// [`Full`] if they do not fit; nothing is appended then.
    pub fn take(&mut self, len: usize) -> Result<&'b mut [u8], Full> {
        if len > self.rest.len() {
            return Err(Full);
        }
        let (taken, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(len).ok_or(Full)?;
        self.rest = rest;
        self.len = self.len.wrapping_add(len);
        Ok(taken)
    }

    /// The unused room, as scratch memory of the server.
    pub(super) fn spare(&mut self) -> &mut [u8] {
        self.rest
    }

    /// The length so far, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there are no bytes yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

shown!(Payload<'_>, |payload| "Payload({} of {} bytes)", payload.len, payload.len.saturating_add(payload.rest.len()));

/// Writes the payload of a write: ids or codes, then values, whose length must be within `sizes`.
pub(super) fn put_values(
    payload: &mut Payload<'_>,
    codes: &[u8],
    values: &[u8],
    sizes: RangeInclusive<usize>,
) -> Result<(), Error> {
    if !sizes.contains(&values.len()) {
        return Err(Error::Argument);
    }
    payload.put(codes)?;
    Ok(payload.put(values)?)
}

/// Reads the values in an answer: as long as `size`, or within `sizes` if the size is not known.
pub(super) fn values(
    payload: &[u8],
    size: Option<impl Into<usize>>,
    sizes: RangeInclusive<usize>,
) -> Result<&[u8], Error> {
    let is_right = match size {
        Some(size) => payload.len() == size.into(),
        None => sizes.contains(&payload.len()),
    };
    if is_right { Ok(payload) } else { Err(Error::WrongSize) }
}
