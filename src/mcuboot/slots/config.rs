//! The configuration of a device, and its checks.

use super::layout::{LogRegion, Pair, Region, Slot, down, record_len, scratch_len};
use crate::mcuboot::flash::Geometry;
use crate::mcuboot::{Header, Version};

/// The mode of the bootloader of this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum BootMode {
    /// The bootloader swaps the slots: scratch, move, or overwrite-only. The primary slot runs.
    Swap,
    /// The bootloader starts the newer image in place. No test, no confirmation.
    DirectXip,
    /// The bootloader copies the newer image to RAM. No test, no confirmation.
    RamLoad,
}

/// The description of a device for [`Slots`](super::Slots). The fields are public: start from
/// [`Config::new`].
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Config {
    /// The sizes of the flash.
    pub geometry: Geometry,
    /// The mode of the bootloader.
    pub mode: BootMode,
    /// `BOOT_MAX_ALIGN` of the bootloader build; at least the write size of the flash.
    pub align: u32,
    /// Bytes at the end of each slot that no image may use, when the bootloader needs more than the
    /// trailer down to `swap_size`: swap status, encryption keys.
    pub reserved: u32,
    /// The region that keeps the progress of an upload over a restart: one erase page or more,
    /// outside of all slots. It costs one record for each erase page of the image.
    pub checkpoint: Option<Region>,
    /// Allows a client to schedule the image of the other slot permanently, untested.
    pub confirm_other_slot: bool,
    /// Allows a client to confirm images of pairs other than the first.
    pub confirm_other_image: bool,
    /// Allows a client to erase a slot that will be booted next.
    pub erase_pending: bool,
    /// Allows a client to mark an encrypted image, although its hash cannot be checked here.
    pub encrypted: bool,
    /// Compares the build number too when a client accepts only an upgrade.
    pub compare_build: bool,
    /// The device's decision on every upload, given the header of the file and the version of the
    /// running image if it is known. `false` refuses it as not newer (27).
    pub accept: fn(&Header, Option<Version>) -> bool,
}

impl Config {
    /// A configuration with swap mode, an alignment of 8 or the write size if that is larger, no
    /// checkpoint, and every permission denied.
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
    // Everything below aligns to these sizes, so they are checked first.
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
    // A slot that cannot hold a header and its trailer holds no image.
    let least = reserved.saturating_add(HEADER_LEN);
    if pairs.iter().any(|pair| pair.primary.len < least || pair.secondary.len < least) {
        return Err(ConfigError::TooSmall);
    }
    // Both are at most 512, so the casts keep their values.
    if scratch < scratch_len(geometry.read as usize, geometry.write as usize) {
        return Err(ConfigError::Scratch);
    }
    // A record must not cross an erase page: the page is erased for its first record only.
    let record = record_len(geometry);
    if log.is_some_and(|log| record > geometry.erase || log.len < record) {
        return Err(ConfigError::TooSmall);
    }
    // The offsets of the trailer are counted from the end of the slot in units of the alignment.
    let unaligned = |region: Region| down(region.len, config.align) != region.len;
    if pairs.iter().any(|pair| unaligned(pair.primary) || unaligned(pair.secondary)) {
        return Err(ConfigError::Alignment);
    }
    if config.mode == BootMode::Swap && pairs.iter().any(|pair| pair.running() != Slot::Primary) {
        return Err(ConfigError::Running);
    }
    Ok(LogRegion(log.unwrap_or(Region::new(0, 0))))
}
