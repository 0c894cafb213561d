//! The offset at which an upload of a file continues.

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
        client::Error::Remote(error::fs::FILE_OFFSET_NOT_VALID) => "len",
        client::Error::Remote(smp::Error::INVALID) => "off",
        error => return Err(error),
    };
    match error::beside(payload, key) {
        Some(off) if off <= reached && off != flight.off => Ok(off),
        None if key == "off" => Err(error),
        _ => Ok(0),
    }
}
