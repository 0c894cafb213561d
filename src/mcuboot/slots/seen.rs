//! The last known contents of a slot.

use crate::dfu::Error;
use crate::mcuboot::Header;
use crate::mcuboot::digest::Hash;
use crate::mcuboot::tlv::Entry;
use crate::mcuboot::trailer::Trailer;

/// The longest read of a look, in bytes: an entry with the longest hash.
pub(super) const MAX_READ: usize = Entry::LEN as usize + Hash::MAX_LEN;

/// The contents of a slot, as last read.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Seen {
    /// The offset of the image in the slot: one erase page if swap-offset has not swapped it yet,
    /// else 0.
    pub(super) base: u32,
    pub(super) header: Option<Header>,
    pub(super) hash: Result<Hash, Error>,
    pub(super) trailer: Trailer,
}

impl Seen {
    pub(super) const NOTHING: Self = Self { base: 0, header: None, hash: Err(Error::NoImage), trailer: Trailer::BLANK };

    pub(super) const fn hash(&self) -> Result<&Hash, Error> {
        match &self.hash {
            Ok(hash) => Ok(hash),
            Err(error) => Err(*error),
        }
    }

    pub(super) fn image(&self) -> Option<(&Header, &Hash)> {
        Some((self.header.as_ref()?, self.hash.as_ref().ok()?))
    }
}
