//! The reason why a request has no response.

use crate::cbor::{BufferFull, Malformed};
use crate::smp::error;

/// The reason why a request has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// We: the request does not fit `tx`.
    BufferFull,
    /// The peer: its response does not have the form that the command defines.
    Malformed,
    /// The peer: it refused the request, with this error.
    Remote(error::Error),
}

const _: () = assert!(size_of::<Error>() <= 12);

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferFull => BufferFull.fmt(f),
            Self::Malformed => f.write_str("the response of the device is malformed"),
            Self::Remote(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Remote(error) => Some(error),
            Self::BufferFull | Self::Malformed => None,
        }
    }
}

impl From<BufferFull> for Error {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

impl From<Malformed> for Error {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}
