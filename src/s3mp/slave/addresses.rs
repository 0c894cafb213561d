//! Sets of addresses.

use crate::s3mp::Address;

/// A set of addresses: one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Addresses([u8; 32]);

impl Addresses {
    pub(super) fn contains(&self, address: Address) -> bool {
        self.0.get(byte(address)).is_some_and(|bits| bits & bit(address) != 0)
    }

    pub(super) fn insert(&mut self, address: Address) {
        if let Some(bits) = self.0.get_mut(byte(address)) {
            *bits |= bit(address);
        }
    }

    pub(super) fn remove(&mut self, address: Address) {
        if let Some(bits) = self.0.get_mut(byte(address)) {
            *bits &= !bit(address);
        }
    }
}

const fn byte(address: Address) -> usize {
    (address.0 >> 3) as usize
}

const fn bit(address: Address) -> u8 {
    1 << (address.0 & 7)
}
