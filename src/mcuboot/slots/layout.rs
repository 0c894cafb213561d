//! The regions of the flash, and the places that may be written.
//!
//! Every write and every erase requires a [`Writable`], a region and an offset that is checked
//! against it. It has three sources, all in this file: the slot of a pair that does *not* run, the
//! checkpoint region, and a single trailer field. None of them can name the body of the running
//! slot.

use super::look::Seen;
use super::{BootMode, Config};
use crate::mcuboot::flash::Geometry;
use crate::mcuboot::trailer::{Field, Layout};

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

    /// Returns true if the region consists of whole erase pages of the flash, at least one.
    fn fits(self, geometry: &Geometry) -> bool {
        let end = self.start.checked_add(self.len);
        let aligned = down(self.start, geometry.erase) == self.start && down(self.len, geometry.erase) == self.len;
        self.len > 0 && aligned && end.is_some_and(|end| end <= geometry.capacity)
    }

    /// Returns true if the regions have an address in common.
    const fn overlaps(self, other: Self) -> bool {
        self.start < other.start.saturating_add(other.len) && other.start < self.start.saturating_add(self.len)
    }
}

/// One of the two slots of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "an image has two")]
pub enum Slot {
    /// Slot 0 of the image.
    Primary,
    /// Slot 1 of the image.
    Secondary,
}

impl Slot {
    /// Returns 0 or 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Primary => 0,
            Self::Secondary => 1,
        }
    }

    /// Returns the other slot of the same image.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }
}

/// The two slots of one image, and their last known contents.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pair {
    primary: Region,
    secondary: Region,
    running: Slot,
    seen: [Seen; 2],
}

impl Pair {
    /// A pair whose primary slot runs, as always in the swap modes.
    #[must_use]
    pub const fn new(primary: Region, secondary: Region) -> Self {
        Self { primary, secondary, running: Slot::Primary, seen: [Seen::NOTHING; 2] }
    }

    /// Sets the slot from which the device was started.
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

    /// Returns the slot that may be written.
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

    /// Returns the place of a trailer field in a slot.
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
    /// An empty slot, in which nothing fits.
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
pub(super) struct LogRegion(Region);

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
    /// Returns the address of the place; `None` if `len` bytes would leave the region.
    pub(super) fn address(self, len: u32) -> Option<u32> {
        self.offset.checked_add(len).filter(|end| *end <= self.region.len)?;
        // Regions end within the flash, so this cannot overflow.
        Some(self.region.start.wrapping_add(self.offset))
    }
}

/// Returns the minimum bytes of the scratch slice of [`Slots::new`](super::Slots::new), for these
/// smallest sizes of read and write. More makes hashing faster, because each read of the flash
/// fills the rest.
#[must_use]
pub const fn scratch_len(read: usize, write: usize) -> usize {
    let record = if write > super::checkpoint::RECORD_LEN { write } else { super::checkpoint::RECORD_LEN };
    let window = super::look::MAX_READ + 2 * read;
    write + if record > window { record } else { window }
}

/// The caller: a mistake in the configuration that [`Slots::new`](super::Slots::new) refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConfigError {
    /// A size of the flash is not a power of two, or reads or writes are larger than 512 bytes or
    /// than the erase size.
    Geometry,
    /// There is no pair, or more than 2^31 of them.
    Pairs,
    /// A region is empty, not made of whole erase pages, or ends past the flash.
    Region,
    /// Two regions overlap.
    Overlap,
    /// The alignment of the trailer is not one of MCUboot's, or below the write size of the flash.
    Alignment,
    /// A slot has no room for its trailer and a header.
    TooSmall,
    /// The scratch slice is shorter than [`scratch_len`].
    Scratch,
    /// A secondary slot is configured as running, which is impossible in the swap modes.
    Running,
}

const _: () = assert!(size_of::<ConfigError>() == 1);

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Geometry => "the sizes of the flash are not supported",
            Self::Pairs => "there is no image pair",
            Self::Region => "a region does not fit the flash",
            Self::Overlap => "two regions overlap",
            Self::Alignment => "the trailer alignment does not fit the flash",
            Self::TooSmall => "a slot is too small for its trailer",
            Self::Scratch => "the scratch slice is too short",
            Self::Running => "in the swap modes the primary slot runs",
        })
    }
}

impl core::error::Error for ConfigError {}

/// Bytes of an image header: [`Header::LEN`](crate::mcuboot::Header::LEN).
const HEADER_LEN: u32 = 32;

/// Returns the slot with this number, primary first, or the checkpoint region after all slots.
fn region(pairs: &[Pair], log: Option<Region>, number: usize) -> Option<Region> {
    match pairs.get(number >> 1) {
        Some(pair) => Some(if number & 1 == 0 { pair.primary } else { pair.secondary }),
        None => log.filter(|_| number >> 1 == pairs.len() && number & 1 == 0),
    }
}

/// Checks a configuration, and turns the checkpoint region into one that may be written.
pub(super) fn check(config: &Config, pairs: &[Pair], reserved: u32, scratch: usize) -> Result<LogRegion, ConfigError> {
    let Config { geometry, checkpoint: log, .. } = config;
    if !geometry.is_valid() {
        return Err(ConfigError::Geometry);
    }
    if pairs.is_empty() || u32::try_from(pairs.len()).map_or(true, |pairs| pairs > 1 << 31) {
        return Err(ConfigError::Pairs);
    }
    let mut number = 0_usize;
    while let Some(region) = region(pairs, *log, number) {
        if !region.fits(geometry) {
            return Err(ConfigError::Region);
        }
        number = number.wrapping_add(1);
    }
    while let Some(one) = region(pairs, *log, number.wrapping_sub(1)) {
        number = number.wrapping_sub(1);
        let mut before = number;
        while let Some(other) = region(pairs, *log, before.wrapping_sub(1)) {
            if one.overlaps(other) {
                return Err(ConfigError::Overlap);
            }
            before = before.wrapping_sub(1);
        }
    }
    let least = reserved.saturating_add(HEADER_LEN);
    if pairs.iter().any(|pair| pair.primary.len < least || pair.secondary.len < least) {
        return Err(ConfigError::TooSmall);
    }
    // Both are at most 512, so the casts keep their values.
    if scratch < scratch_len(geometry.read as usize, geometry.write as usize) {
        return Err(ConfigError::Scratch);
    }
    let record = super::checkpoint::record_len(geometry);
    if log.is_some_and(|log| record > geometry.erase || log.len < record) {
        return Err(ConfigError::TooSmall);
    }
    let unaligned = |region: Region| down(region.len, config.align) != region.len;
    if pairs.iter().any(|pair| unaligned(pair.primary) || unaligned(pair.secondary)) {
        return Err(ConfigError::Alignment);
    }
    if config.mode == BootMode::Swap && pairs.iter().any(|pair| pair.running() != Slot::Primary) {
        return Err(ConfigError::Running);
    }
    Ok(LogRegion(log.unwrap_or(Region::new(0, 0))))
}

/// Rounds `value` down to a multiple of `unit`, a power of two.
pub(super) const fn down(value: u32, unit: u32) -> u32 {
    value & !unit.wrapping_sub(1)
}

/// Rounds `value` up to a multiple of `unit`, a power of two.
pub(super) const fn up(value: u32, unit: u32) -> u32 {
    down(value.wrapping_add(unit.wrapping_sub(1)), unit)
}
