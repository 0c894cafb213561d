//! Where things are in the flash, and what may be written there.
//!
//! Every write and every erase takes a [`Writable`], a region and an offset that is checked against
//! it. There are three sources of one, all in this file: the slot of a pair that does *not* run,
//! the checkpoint region, and a single trailer field. None of them can name the body of the running
//! slot.

use embedded_storage::nor_flash::NorFlash;

use super::seen::{MAX_READ, Seen};
use crate::mcuboot::trailer::{Field, Layout};

/// A part of the flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Region {
    /// Its first address.
    pub start: u32,
    /// Its bytes.
    pub len: u32,
}

impl Region {
    /// The region of `len` bytes from `start` on.
    #[must_use]
    pub const fn new(start: u32, len: u32) -> Self {
        Self { start, len }
    }

    /// Whether the region is whole erase pages of the flash, at least one.
    pub(super) fn fits(self, geometry: &Geometry) -> bool {
        let end = self.start.checked_add(self.len);
        let aligned = down(self.start, geometry.erase) == self.start && down(self.len, geometry.erase) == self.len;
        self.len > 0 && aligned && end.is_some_and(|end| end <= geometry.capacity)
    }

    pub(super) const fn overlaps(self, other: Self) -> bool {
        self.start < other.start.saturating_add(other.len) && other.start < self.start.saturating_add(self.len)
    }
}

/// One of the two slots of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Slot {
    /// Slot 0 of the image.
    Primary,
    /// Slot 1 of the image.
    Secondary,
}

impl Slot {
    /// 0 or 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Primary => 0,
            Self::Secondary => 1,
        }
    }

    /// The other slot of the same image.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }
}

/// The two slots of one image, and what was last seen in them.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pair {
    pub(super) primary: Region,
    pub(super) secondary: Region,
    running: Slot,
    seen: [Seen; 2],
}

impl Pair {
    /// A pair whose primary slot runs, as always in the swap modes.
    #[must_use]
    pub const fn new(primary: Region, secondary: Region) -> Self {
        Self { primary, secondary, running: Slot::Primary, seen: [Seen::NOTHING; 2] }
    }

    /// The same pair with `running` as the slot from which the device was started.
    #[must_use]
    pub const fn running_from(self, running: Slot) -> Self {
        Self { running, ..self }
    }

    pub(super) const fn region(&self, slot: Slot) -> Region {
        match slot {
            Slot::Primary => self.primary,
            Slot::Secondary => self.secondary,
        }
    }

    pub(super) const fn running(&self) -> Slot {
        self.running
    }

    /// The slot that may be written.
    pub(super) const fn spare(&self) -> Target {
        Target(self.region(self.running.other()))
    }

    pub(super) const fn seen(&self, slot: Slot) -> &Seen {
        let [primary, secondary] = &self.seen;
        match slot {
            Slot::Primary => primary,
            Slot::Secondary => secondary,
        }
    }

    pub(super) const fn seen_mut(&mut self, slot: Slot) -> &mut Seen {
        let [primary, secondary] = &mut self.seen;
        match slot {
            Slot::Primary => primary,
            Slot::Secondary => secondary,
        }
    }

    /// The place of a trailer field in a slot.
    pub(super) const fn field(&self, slot: Slot, field: Field, layout: Layout, unit: u32) -> Writable {
        let region = self.region(slot);
        let offset = down(region.len.wrapping_sub(layout.from_end(field)), unit);
        Writable { region, offset }
    }
}

/// A slot that may be written: never the running one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target(Region);

impl Target {
    /// Nowhere: nothing fits in.
    pub(super) const NONE: Self = Self(Region::new(0, 0));

    pub(super) const fn at(self, offset: u32) -> Writable {
        Writable { region: self.0, offset }
    }

    pub(super) const fn region(self) -> Region {
        self.0
    }
}

/// The flash region for upload checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogRegion(pub(super) Region);

impl LogRegion {
    pub(super) const fn at(self, offset: u32) -> Writable {
        Writable { region: self.0, offset }
    }

    pub(super) const fn region(self) -> Region {
        self.0
    }
}

/// A place that may be written or erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Writable {
    region: Region,
    offset: u32,
}

impl Writable {
    /// The address of the place; `None` if `len` bytes would leave the region.
    pub(super) fn address(self, len: u32) -> Option<u32> {
        self.offset.checked_add(len).filter(|end| *end <= self.region.len)?;
        // Regions do not reach beyond the flash.
        Some(self.region.start.wrapping_add(self.offset))
    }
}

/// The rules of a flash, as values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Geometry {
    pub(super) read: u32,
    pub(super) write: u32,
    pub(super) erase: u32,
    pub(super) capacity: u32,
    pub(super) erased: u8,
}

impl Geometry {
    /// A flash of `capacity` bytes with these sizes of the smallest read, write and erase, each a
    /// power of two, whose erased bytes are FF.
    #[must_use]
    pub const fn new(read: u32, write: u32, erase: u32, capacity: u32) -> Self {
        Self { read, write, erase, capacity, erased: 0xFF }
    }

    /// The rules of this flash.
    #[must_use]
    pub fn of<F: NorFlash>(flash: &F) -> Self {
        Self::from_sizes([F::READ_SIZE, F::WRITE_SIZE, F::ERASE_SIZE, flash.capacity()])
    }

    /// The rules of this async flash.
    #[cfg(feature = "async")]
    #[must_use]
    pub fn of_async<F: embedded_storage_async::nor_flash::NorFlash>(flash: &F) -> Self {
        Self::from_sizes([F::READ_SIZE, F::WRITE_SIZE, F::ERASE_SIZE, flash.capacity()])
    }

    /// The same flash, with another value of erased bytes.
    #[must_use]
    pub const fn with_erased(self, erased: u8) -> Self {
        Self { erased, ..self }
    }

    fn from_sizes(sizes: [usize; 4]) -> Self {
        // A size beyond 32 bits is no power of two that fits, and `Slots::new` refuses 0.
        let [read, write, erase, capacity] = sizes.map(|size| u32::try_from(size).unwrap_or(0));
        Self::new(read, write, erase, capacity)
    }

    /// Whether reads, writes and erases are powers of two that divide each other as in every flash.
    pub(super) const fn is_valid(&self) -> bool {
        let powers = self.read.is_power_of_two() && self.write.is_power_of_two() && self.erase.is_power_of_two();
        powers && self.read <= 512 && self.write <= 512 && self.read <= self.erase && self.write <= self.erase
    }
}

/// Bytes of the scratch slice that [`Slots::new`](super::Slots::new) wants at least, for these
/// sizes of the smallest read and write. More makes hashing faster: each read of the flash fills
/// what is left over.
#[must_use]
pub const fn scratch_len(read: usize, write: usize) -> usize {
    let record = if write > RECORD_LEN { write } else { RECORD_LEN };
    let window = MAX_READ + 2 * read;
    write + if record > window { record } else { window }
}

/// Bytes of a record of the checkpoint log before it is padded to the write size.
pub(super) const RECORD_LEN: usize = 64;

/// Bytes from one such record to the next: [`RECORD_LEN`] or one write unit.
pub(super) const fn record_len(geometry: &Geometry) -> u32 {
    if geometry.write > 64 { geometry.write } else { 64 }
}

/// `value` rounded down to a multiple of `unit`, a power of two.
pub(super) const fn down(value: u32, unit: u32) -> u32 {
    value & !unit.wrapping_sub(1)
}

/// `value` rounded up to a multiple of `unit`, a power of two.
pub(super) const fn up(value: u32, unit: u32) -> u32 {
    down(value.wrapping_add(unit.wrapping_sub(1)), unit)
}
