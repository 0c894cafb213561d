//! The offset at which an upload of a file continues.

use super::super::Error;
use super::super::transfer::Flight;
use super::{FileUpload, State};
use crate::smp::fs::{Upload, UploadResponse};
use crate::smp::{self, Request, client, error};

/// Reads the offset that the device expects next from a response to `flight`.
pub(super) fn next(message: &[u8], flight: &Flight, reached: u64) -> Result<u64, client::Error> {
    let payload = client::payload(message)?;
    let error = match Upload::response(payload) {
        Ok(UploadResponse { off }) => return Ok(off),
        Err(error) => error,
    };
    let key = match error {
        // Version 1 has no code for another offset.
        client::Error::Remote(error::fs::FILE_OFFSET_NOT_VALID | smp::Error::UNKNOWN) => "len",
        client::Error::Remote(smp::Error::INVALID) => "off",
        error => return Err(error),
    };
    match error::beside(payload, key) {
        Some(off) if off <= reached && off != flight.off => Ok(off),
        None if error != client::Error::Remote(error::fs::FILE_OFFSET_NOT_VALID) => Err(error),
        _ => Ok(0),
    }
}

impl<S> FileUpload<'_, S> {
    /// Asks the device how much it has, and continues there.
    pub(super) fn look_up(&mut self) -> Result<(), Error> {
        self.lookups = if self.counts.reached > self.looked_at { 0 } else { self.lookups.saturating_add(1) };
        self.looked_at = self.counts.reached;
        if self.lookups >= self.settings.pacing.rounds() {
            return Err(Error::NoProgress);
        }
        (self.settings.resume, self.state) = (true, State::Idle);
        Ok(())
    }
}
