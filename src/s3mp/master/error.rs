//! Errors of requests.

use crate::s3mp::{Header, ResponseCode};

/// The reason why a request has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// We: the request does not fit `tx`.
    BufferFull,
    /// The slave: it responded with this code instead of ACK. For ERROR, [`error_text`] reads the
    /// reason from the message.
    Remote(ResponseCode),
    /// The slave: it obeyed, but its data do not have the form that the command defines.
    Malformed,
}

const _: () = assert!(size_of::<Error>() <= 2);

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferFull => f.write_str("the request does not fit its buffer"),
            Self::Remote(code) => write!(f, "the slave responded {code}"),
            Self::Malformed => f.write_str("the response is malformed"),
        }
    }
}

impl core::error::Error for Error {}

/// The reason in an ERROR; empty for all other messages. Text by custom, but any bytes may come.
#[must_use]
pub fn error_text(message: &[u8]) -> &[u8] {
    match Header::<ResponseCode>::parse(message) {
        Some((header, text)) if header.code == ResponseCode::ERROR => text,
        _ => &[],
    }
}
