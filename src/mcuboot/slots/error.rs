//! The refusals of damaged images.

use crate::dfu::Error;
use crate::mcuboot;

impl From<mcuboot::Error> for Error {
    fn from(error: mcuboot::Error) -> Self {
        match error {
            mcuboot::Error::NoTlvs => Self::NoTlvs,
            mcuboot::Error::InvalidTlv => Self::InvalidTlv,
            mcuboot::Error::MultipleHashes => Self::MultipleHashes,
            mcuboot::Error::HashLength => Self::TlvInvalidSize,
            mcuboot::Error::NoHash => Self::HashNotFound,
            _ => Self::NoImage,
        }
    }
}
