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

/// The lookups of the device's offset in the middle of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookups {
    /// None. Exit: the first one, to `Some`.
    None,
    /// The last one came when `reached` bytes had been sent, after `count` others at which nothing
    /// new had been sent. No exit: a further one is counted here.
    Some { count: u8, reached: u64 },
}

impl Lookups {
    /// Counts one more lookup; fails if it is one too many.
    pub(super) fn again(&mut self, reached: u64, most: u8) -> Result<(), Error> {
        let count = match *self {
            Self::Some { count, reached: before } if reached <= before => count.saturating_add(1),
            _ => 0,
        };
        *self = Self::Some { count, reached };
        if count >= most { Err(Error::NoProgress) } else { Ok(()) }
    }
}
