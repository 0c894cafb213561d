//! What was seen in a slot.

use super::error::Error;
use crate::mcuboot::Header;
use crate::mcuboot::digest::Hash;
use crate::mcuboot::tlv::Entry;
use crate::mcuboot::trailer::Trailer;

/// The longest read of a look: an entry with the longest hash.
pub(super) const MAX_READ: usize = Entry::LEN as usize + Hash::MAX_LEN;

/// What was seen in a slot.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Seen {
    pub(super) header: Option<Header>,
    pub(super) hash: Result<Hash, Error>,
    pub(super) trailer: Trailer,
}

impl Seen {
    pub(super) const NOTHING: Self = Self { header: None, hash: Err(Error::NoImage), trailer: Trailer::BLANK };

    /// The hash, or why there is none.
    pub(super) const fn hash(&self) -> Result<&Hash, Error> {
        match &self.hash {
            Ok(hash) => Ok(hash),
            Err(error) => Err(*error),
        }
    }

    /// Header and hash, if the slot has both.
    pub(super) fn image(&self) -> Option<(&Header, &Hash)> {
        Some((self.header.as_ref()?, self.hash.as_ref().ok()?))
    }
}
