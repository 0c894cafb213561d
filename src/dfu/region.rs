//! The regions of the flash, and the places that may be written.
//!
//! Every write and every erase requires a [`Writable`]: a region and an offset that is checked
//! against it.

use super::flash::Geometry;

/// A part of the flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "start and length are all of it")]
pub struct Region {
    /// The first address.
    pub start: u32,
    /// The length in bytes.
    pub len: u32,
}

impl Region {
    /// A region of `len` bytes from `start` on.
    #[must_use]
    pub const fn new(start: u32, len: u32) -> Self {
        Self { start, len }
    }

    pub(crate) fn fits(self, geometry: &Geometry) -> bool {
        let end = self.start.checked_add(self.len);
        let aligned = down(self.start, geometry.erase) == self.start && down(self.len, geometry.erase) == self.len;
        self.len > 0 && aligned && end.is_some_and(|end| end <= geometry.capacity)
    }

    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.start < other.start.saturating_add(other.len) && other.start < self.start.saturating_add(self.len)
    }
}

/// A slot that may be written: never the running one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target(Region);

impl Target {
    /// A slot that does not run, which the caller ensures.
    pub(crate) const fn new(region: Region) -> Self {
        Self(region)
    }

    /// An empty slot, in which nothing fits.
    pub(crate) const NONE: Self = Self(Region::new(0, 0));

    pub(crate) const fn at(self, offset: u32) -> Writable {
        Writable { region: self.0, offset }
    }

    pub(crate) const fn region(self) -> Region {
        self.0
    }
}

/// The flash region for upload checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogRegion(pub(crate) Region);

impl LogRegion {
    pub(crate) const fn at(self, offset: u32) -> Writable {
        Writable { region: self.0, offset }
    }

    pub(crate) const fn region(self) -> Region {
        self.0
    }
}

/// A place that may be written or erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writable {
    region: Region,
    offset: u32,
}

impl Writable {
    /// A place in a region that may be written there, which the caller ensures.
    #[cfg(feature = "mcuboot")]
    pub(crate) const fn new(region: Region, offset: u32) -> Self {
        Self { region, offset }
    }

    /// Returns the address of the place; `None` if `len` bytes would leave the region.
    pub(crate) fn address(self, len: u32) -> Option<u32> {
        self.offset.checked_add(len).filter(|end| *end <= self.region.len)?;
        // Regions end within the flash, so this cannot overflow.
        Some(self.region.start.wrapping_add(self.offset))
    }
}

/// The length of a record of the checkpoint log in bytes, before it is padded to the write size.
pub(crate) const RECORD_LEN: usize = 64;

/// The distance from one such record to the next: [`RECORD_LEN`] or one write unit.
pub(crate) const fn record_len(geometry: &Geometry) -> u32 {
    if geometry.write > 64 { geometry.write } else { 64 }
}

/// Rounds `value` down to a multiple of `unit`, a power of two.
pub(crate) const fn down(value: u32, unit: u32) -> u32 {
    value & !unit.wrapping_sub(1)
}

/// Rounds `value` up to a multiple of `unit`, a power of two.
pub(crate) const fn up(value: u32, unit: u32) -> u32 {
    down(value.wrapping_add(unit.wrapping_sub(1)), unit)
}
