//! The offset at which an upload of a file continues.

use super::super::Error;
use super::super::transfer::Flight;
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

/// The number of times that a device was asked for its offset while nothing new was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lookups {
    count: u8,
    /// The number of bytes that had been sent at the last lookup.
    reached: u64,
}

impl Lookups {
    /// Returns true if an offset has been looked up.
    pub(super) const fn any(&self) -> bool {
        self.reached > 0
    }

    /// Counts one more lookup; fails if it is one too many.
    pub(super) fn again(&mut self, reached: u64, most: u8) -> Result<(), Error> {
        self.count = if reached > self.reached { 0 } else { self.count.saturating_add(1) };
        self.reached = reached;
        if self.count >= most { Err(Error::NoProgress) } else { Ok(()) }
    }
}
