//! What a device says of itself, and whether it can be so.

use super::layout::{Geometry, LogRegion, Pair, Region, Slot, down, record_len, scratch_len};
use crate::mcuboot::{Header, Version};

/// How the bootloader of this device works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum BootMode {
    /// It swaps the slots: scratch, move, or overwrite-only. The primary slot runs.
    Swap,
    /// It starts the newer image where it lies. No test, no confirmation.
    DirectXip,
    /// It copies the newer image to RAM. No test, no confirmation.
    RamLoad,
}

/// What [`Slots`](super::Slots) has to know about its device. The fields are public: start from [`Config::new`].
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// The rules of the flash.
    pub geometry: Geometry,
    /// How the bootloader works.
    pub mode: BootMode,
    /// `BOOT_MAX_ALIGN` of the bootloader build; at least the write size of the flash.
    pub align: u32,
    /// Bytes at the end of each slot that no image may use, when the bootloader needs more than the trailer down to
    /// `swap_size`: swap status, encryption keys.
    pub reserved: u32,
    /// Where the progress of an upload is kept for the case of a restart: one erase page or more, outside of all slots.
    /// Costs one record per erase page of the image.
    pub checkpoint: Option<Region>,
    /// Whether a client may schedule the other slot's image for good, untested.
    pub confirm_other_slot: bool,
    /// Whether a client may confirm images of pairs other than the first.
    pub confirm_other_image: bool,
    /// Whether a client may erase a slot that is to be booted next.
    pub erase_pending: bool,
    /// Whether an encrypted image may be marked although its hash cannot be checked here.
    pub encrypted: bool,
    /// Whether the build number counts when a client asks for an upgrade only.
    pub compare_build: bool,
    /// The device's own word on every upload: header of the file, version of the running image if it is known. `false`
    /// refuses it as not newer (27).
    pub accept: fn(&Header, Option<Version>) -> bool,
}

impl Config {
    /// Swap mode, an alignment of 8 or the write size if that is larger, no checkpoint, and every permission denied.
    #[must_use]
    pub const fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            mode: BootMode::Swap,
            align: if geometry.write > 8 { geometry.write } else { 8 },
            reserved: 0,
            checkpoint: None,
            confirm_other_slot: false,
            confirm_other_image: false,
            erase_pending: false,
            encrypted: false,
            compare_build: false,
            accept: |_, _| true,
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Config {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Config {{ {}, {}, align: {=u32} }}", self.geometry, self.mode, self.align);
    }
}

/// Why [`Slots::new`](super::Slots::new) refuses: always a mistake in the caller's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConfigError {
    /// The flash: a size is no power of two, reads or writes are larger than 512 bytes or than the erase size.
    Geometry,
    /// There is no pair, or more than 2^31 of them.
    Pairs,
    /// A region is empty, not whole erase pages, or reaches beyond the flash.
    Region,
    /// Two regions overlap.
    Overlap,
    /// The alignment of the trailer is none of MCUboot's, or below the write size of the flash.
    Alignment,
    /// A slot has no room for its trailer and a header.
    TooSmall,
    /// The scratch slice is shorter than [`scratch_len`].
    Scratch,
    /// Another slot than the primary is said to run, which the swap modes do not do.
    Running,
}

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

/// The slot with this number over all pairs, primary first, and behind them the checkpoint region.
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
    // Both are at most 512.
    if scratch < scratch_len(geometry.read as usize, geometry.write as usize) {
        return Err(ConfigError::Scratch);
    }
    let record = record_len(geometry);
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
