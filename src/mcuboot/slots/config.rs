//! The configuration of a device, and its checks.

use super::layout::{Pair, Slot, scratch_len};
use super::mode::{BootMode, Mode, Sizes};
use crate::dfu::flash::{Device, Geometries, Geometry, TwoGeometries};
use crate::dfu::region::{LogRegion, Region, down, record_len};
use crate::mcuboot::trailer::Layout;
use crate::shown::shown;

/// The description of a device for [`Slots`](super::Slots). The fields are public: start from the
/// constructor of the boot loader's mode.
///
/// ```
/// use anysmp::mcuboot::slots::{Config, Geometry, Region};
///
/// // Writes of 4 bytes, sectors of 4 KiB, 1 MiB in all: or `flash::geometry(&flash)`.
/// let geometry = Geometry::new(1, 4, 4096, 1 << 20);
/// // A boot loader with `CONFIG_BOOT_MAX_IMG_SECTORS=128`.
/// let config = Config {
///     checkpoint: Some(Region::new(0xF_8000, 0x2000)),
///     ..Config::swap_move(geometry, 128)
/// };
/// # let _ = config;
/// ```
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Config<F = Geometry> {
    /// The sizes of the flash; [`with_spare_flash`](Config::with_spare_flash) adds those of a
    /// second one.
    pub geometry: F,
    /// The mode of the boot loader.
    pub mode: Mode,
    /// `BOOT_MAX_ALIGN` of the boot loader build; at least the write size of each flash.
    pub align: u32,
    /// `BOOT_MAX_IMG_SECTORS` of the boot loader build, in the swap modes. It determines the length
    /// of the swap status in a slot, so a number that is too small admits images that the boot
    /// loader never starts. With `BOOT_MAX_IMG_SECTORS_AUTO` it is the number of erase pages of the
    /// largest slot.
    pub max_sectors: u32,
    /// The length of the key that the boot loader keeps for each slot during a swap, and for which
    /// it keeps room below a loader, if it was built for encrypted images (`MCUBOOT_ENC_IMAGES`):
    /// 16 for AES-128, 32 for AES-256, and with `MCUBOOT_SWAP_SAVE_ENCTLV` that of the whole TLV.
    /// Otherwise 0.
    pub key_len: u32,
    /// The region that keeps the progress of an upload across a restart: one erase page or more,
    /// outside all slots. With two flash devices it is in the first one, unless
    /// [`TwoGeometries::records`] names the other. It costs one record for each erase page of the
    /// image.
    pub checkpoint: Option<Region>,
    /// The number of the pair to which the running program belongs: a confirmation without a hash
    /// and an erase without a slot mean this pair, and confirmations of the others need permission.
    /// 0 by default.
    pub active_image: u32,
    /// Allows a client to schedule the image of the other slot of the active pair permanently,
    /// untested. True by default; Zephyr always does.
    pub confirm_other_slot: bool,
    /// Allows a client to schedule the image of the spare slot of any other pair permanently
    /// (`MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_IMAGE_SECONDARY`). True by default.
    pub confirm_other_image: bool,
    /// Allows a client to confirm the running image of any other pair
    /// (`MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_IMAGE_ANY`), although that image may hang. False
    /// by default.
    pub confirm_other_running: bool,
    /// Allows a client to erase a slot that will be booted next, and to upload over it
    /// (`MCUMGR_GRP_IMG_ALLOW_ERASE_PENDING`). True by default: without it, a mark on which the
    /// boot loader does not act, for example of an image whose dependency is missing, stays
    /// forever.
    pub erase_pending: bool,
    /// Lets a client choose the slot of an upload (`MCUMGR_GRP_IMG_DIRECT_UPLOAD`): `image` 0 is
    /// the spare slot of the first pair, and n is slot n - 1 of all slots, if it is a spare one.
    /// Slot info reports these numbers. False by default, where `image` is the number of a pair.
    pub direct_upload: bool,
    /// Refuses an image for a fixed address (`imgtool --rom-fixed`) that is not the address of its
    /// slot (`MCUMGR_GRP_IMG_REJECT_DIRECT_XIP_MISMATCHED_SLOT`): the number is MCUboot's offset of
    /// address 0 of the slot's flash, often 0. By default it is `None`, without a check. In modes
    /// that move the image to the primary slot there is no check either.
    pub fixed_base: Option<u32>,
    /// Allows a client to mark an encrypted image, although its hash cannot be checked here.
    pub encrypted: bool,
    /// Compares the build number too, in every comparison of versions
    /// (`MCUMGR_GRP_IMG_VERSION_CMP_USE_BUILD_NUMBER`; set it exactly if the boot loader has
    /// `MCUBOOT_VERSION_CMP_USE_BUILD_NUMBER`).
    pub compare_build: bool,
}

impl Config {
    /// MCUboot with swap-move, built for `max_sectors` sectors per slot. The primary slot is as
    /// long as the secondary one, or longer by one erase page.
    #[must_use]
    pub const fn swap_move(geometry: Geometry, max_sectors: u32) -> Self {
        Self::new(geometry, Mode::SWAP_MOVE, max_sectors)
    }

    /// MCUboot with swap-scratch, built for `max_sectors` sectors per slot. Both slots have the
    /// same length.
    #[must_use]
    pub const fn swap_scratch(geometry: Geometry, max_sectors: u32) -> Self {
        Self::new(geometry, Mode::SWAP_SCRATCH, max_sectors)
    }

    /// MCUboot with swap-offset, built for `max_sectors` sectors per slot. The secondary slot is as
    /// long as the primary one, or longer by one erase page.
    #[must_use]
    pub const fn swap_offset(geometry: Geometry, max_sectors: u32) -> Self {
        Self::new(geometry, Mode::SWAP_OFFSET, max_sectors)
    }

    /// MCUboot with overwrite-only. Both slots have the same length.
    #[must_use]
    pub const fn overwrite_only(geometry: Geometry) -> Self {
        Self::new(geometry, Mode::OVERWRITE_ONLY, 0)
    }

    /// MCUboot with direct XIP.
    #[must_use]
    pub const fn direct_xip(geometry: Geometry) -> Self {
        Self::new(geometry, Mode::newer(BootMode::DirectXip), 0)
    }

    /// MCUboot with direct XIP and revert.
    #[must_use]
    pub const fn direct_xip_revert(geometry: Geometry) -> Self {
        Self::new(geometry, Mode::newer_marked(BootMode::DirectXipRevert), 0)
    }

    /// MCUboot with RAM load.
    #[must_use]
    pub const fn ram_load(geometry: Geometry) -> Self {
        Self::new(geometry, Mode::newer(BootMode::RamLoad), 0)
    }

    /// MCUboot with RAM load and revert.
    #[must_use]
    pub const fn ram_load_revert(geometry: Geometry) -> Self {
        Self::new(geometry, Mode::newer_marked(BootMode::RamLoadRevert), 0)
    }

    /// The updater of MCUboot's firmware-updater mode, which runs from the secondary slot: declare
    /// that with [`Pair::with_running`].
    #[must_use]
    pub const fn firmware_updater(geometry: Geometry) -> Self {
        Self::new(geometry, Mode::loader(BootMode::FirmwareUpdater), 0)
    }

    /// A recovery loader of a device with one slot: [`Slots::recovery`](super::Slots::recovery).
    #[must_use]
    pub const fn single_slot(geometry: Geometry) -> Self {
        Self::new(geometry, Mode::loader(BootMode::SingleSlot), 0)
    }

    /// Puts the secondary slots of all pairs on another flash device with these sizes. The
    /// addresses of their regions begin at 0 of that flash. The executor is given both:
    /// [`flash::Two`](crate::dfu::flash::Two).
    ///
    /// The swap status needs the larger write size of the two, and so does `align`. Swap-move and
    /// swap-offset need the same erase size on both: MCUboot refuses others, and so does
    /// [`Slots::new`](super::Slots::new).
    ///
    /// ```
    /// # #[cfg(feature = "sha2")] {
    /// use anysmp::mcuboot::digest::Sha256;
    /// use anysmp::mcuboot::slots::{Config, Geometry, Pair, Region, Slots, scratch_len};
    ///
    /// // Internal flash: 1 MiB. External chip: 8 MiB, written byte by byte.
    /// let internal = Geometry::new(1, 4, 4096, 1 << 20);
    /// let external = Geometry::new(1, 1, 4096, 8 << 20);
    /// let config = Config::swap_move(internal, 128).with_spare_flash(external);
    /// let mut pairs = [Pair::new(Region::new(0x1_0000, 0x8_0000), Region::new(0, 0x8_0000))];
    /// let mut scratch = [0; scratch_len(1, 4)];
    /// let slots = Slots::new(config, &mut pairs, &mut scratch, Sha256::new());
    /// assert!(slots.is_ok()); // flash::run(job, &mut flash::Two::new(&mut inner, &mut outer))
    /// # }
    /// ```
    #[must_use]
    pub const fn with_spare_flash(self, spare: Geometry) -> Config<TwoGeometries> {
        Config {
            geometry: TwoGeometries::new(self.geometry, spare),
            mode: self.mode,
            align: if spare.write > self.align { spare.write } else { self.align },
            max_sectors: self.max_sectors,
            key_len: self.key_len,
            checkpoint: self.checkpoint,
            active_image: self.active_image,
            confirm_other_slot: self.confirm_other_slot,
            confirm_other_image: self.confirm_other_image,
            confirm_other_running: self.confirm_other_running,
            erase_pending: self.erase_pending,
            direct_upload: self.direct_upload,
            fixed_base: self.fixed_base,
            encrypted: self.encrypted,
            compare_build: self.compare_build,
        }
    }

    /// This mode with an alignment of 8, or of the write size if that is larger, without a
    /// checkpoint, and with Zephyr's defaults for the rest.
    const fn new(geometry: Geometry, mode: Mode, max_sectors: u32) -> Self {
        Self {
            geometry,
            mode,
            align: if geometry.write > 8 { geometry.write } else { 8 },
            max_sectors,
            key_len: 0,
            checkpoint: None,
            active_image: 0,
            confirm_other_slot: true,
            confirm_other_image: true,
            confirm_other_running: false,
            erase_pending: true,
            direct_upload: false,
            fixed_base: None,
            encrypted: false,
            compare_build: false,
        }
    }
}

impl<F: Geometries> Config<F> {
    /// Returns the layout of a trailer. [`check`] has accepted the alignment.
    pub(super) const fn layout(&self) -> Layout {
        Layout::of(self.align)
    }

    pub(super) const fn has_log(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// Returns the offset at which an upload starts in its slot.
    pub(super) fn shift(&self) -> u32 {
        // In the other modes the sizes are not looked at.
        if self.mode.kind == BootMode::SwapOffset { self.geometry.of(Device::Spare).erase } else { 0 }
    }
}

shown!(
    [F: Geometries] Config<F>,
    |it| "Config({:?}, {:?}, align: {})", it.geometry, it.mode, it.align
);

/// The caller: a mistake in the configuration that [`Slots::new`](super::Slots::new) refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConfigError {
    /// A size of a flash is not a power of two, or reads or writes are larger than 512 bytes or
    /// than the erase size.
    Geometry,
    /// There is no pair, no pair with the number of the active one, or more than 2^31 pairs.
    Pairs,
    /// A region is empty, not made of whole erase pages, or ends past the flash.
    Region,
    /// Two regions overlap.
    Overlap,
    /// The alignment of the trailer is not one of MCUboot's, or below the write size of the flash.
    Alignment,
    /// A slot has no room for its trailer and a header, or the checkpoint region none for a record.
    TooSmall,
    /// The scratch slice is shorter than [`scratch_len`].
    Scratch,
    /// The slot configured as running cannot run in this mode: in the swap modes the primary one
    /// runs, and in firmware-updater mode the updater from the secondary one.
    Running,
    /// The boot loader refuses slots of these lengths, or sectors of these sizes, or has fewer
    /// sectors, so that it would never start an upload: see the constructors of [`Config`].
    Incompatible,
    /// A single slot outside [`Slots::recovery`](super::Slots::recovery), or another mode there.
    Mode,
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
            Self::Running => "this slot cannot run in this boot mode",
            Self::Incompatible => "the boot loader would never start an image in slots of these lengths",
            Self::Mode => "this boot mode needs the other constructor",
        })
    }
}

impl core::error::Error for ConfigError {}

/// The length of an image header in bytes: [`Header::LEN`](crate::mcuboot::Header::LEN).
const HEADER_LEN: u32 = 32;

/// Returns the slot with this number, primary first, or the checkpoint region after all slots.
fn region(pairs: &[Pair], log: Option<Region>, number: usize) -> Option<Region> {
    match pairs.get(number >> 1) {
        Some(pair) => Some(if number & 1 == 0 { pair.primary } else { pair.secondary }),
        None => log.filter(|_| number >> 1 == pairs.len() && number & 1 == 0),
    }
}

/// Returns the flash device of the region with this number.
fn device<F: Geometries>(geometry: &F, pairs: &[Pair], number: usize) -> Device {
    match pairs.get(number >> 1) {
        Some(_) => if number & 1 == 0 { Slot::Primary } else { Slot::Secondary }.device(),
        None => geometry.records(),
    }
}

/// Checks a configuration, computes the largest images, and turns the checkpoint region into one
/// that may be written.
pub(super) fn check<F: Geometries>(
    config: &Config<F>,
    pairs: &mut [Pair],
    scratch: usize,
) -> Result<LogRegion, ConfigError> {
    let Config { geometry, checkpoint: log, mode, .. } = config;
    let layout = Layout::new(config.align).filter(|_| config.align >= geometry.largest_write());
    let layout = layout.ok_or(ConfigError::Alignment)?;
    // Everything below aligns to these sizes, so they are checked first.
    let is_valid = |device| geometry.of(device).is_valid();
    if !is_valid(Device::Active) || F::ARE_TWO && !is_valid(Device::Spare) {
        return Err(ConfigError::Geometry);
    }
    // Two slots of each pair are numbered, in 32 bits.
    if u32::try_from(pairs.len()).map_or(true, |pairs| pairs > 1 << 31 || config.active_image >= pairs) {
        return Err(ConfigError::Pairs);
    }
    let mut number = 0_usize;
    while let Some(one) = region(pairs, *log, number) {
        // A single slot has no second one.
        let is_absent = mode.kind == BootMode::SingleSlot && number & 1 == 1;
        if !is_absent && !one.fits(geometry.of(device(geometry, pairs, number))) {
            return Err(ConfigError::Region);
        }
        let mut before = number;
        while let Some(other) = region(pairs, *log, before.wrapping_sub(1)) {
            // The same addresses in another flash device are other bytes.
            let apart =
                F::ARE_TWO && device(geometry, pairs, number) != device(geometry, pairs, before.wrapping_sub(1));
            if one.overlaps(other) && !apart {
                return Err(ConfigError::Overlap);
            }
            before = before.wrapping_sub(1);
        }
        number = number.wrapping_add(1);
    }
    let widest = geometry.widest();
    // Both are at most 512, so the casts keep their values.
    if scratch < scratch_len(widest.read as usize, widest.write as usize) {
        return Err(ConfigError::Scratch);
    }
    // A record must not cross an erase page: the page is erased for its first record only.
    let records = geometry.of(geometry.records());
    let record = record_len(records);
    if log.is_some_and(|log| record > records.erase || log.len < record) {
        return Err(ConfigError::TooSmall);
    }
    let Config { max_sectors, key_len, .. } = *config;
    // A swap sector by sector, without a scratch area, needs equal sectors on both sides.
    let is_by_sector = matches!(mode.kind, BootMode::SwapMove | BootMode::SwapOffset);
    if F::ARE_TWO && is_by_sector && geometry.of(Device::Active).erase != geometry.of(Device::Spare).erase {
        return Err(ConfigError::Incompatible);
    }
    let sizes = Sizes { geometry: widest, layout, max_sectors, key_len };
    for pair in pairs {
        // The offsets of the trailer are counted from the end of the slot in units of the
        // alignment.
        let is_odd = |len| down(len, config.align) != len;
        if is_odd(pair.primary.len) || is_odd(pair.secondary.len) {
            return Err(ConfigError::Alignment);
        }
        // Otherwise uploads would be written to the running slot.
        if !mode.kind.is_in_place() && (pair.running() == Slot::Primary) == mode.kind.is_loader() {
            return Err(ConfigError::Running);
        }
        let spare = pair.spare().region().len;
        // A slot that cannot hold a header and its trailer holds no image.
        let is_small = |len| len > 0 && len < layout.len().saturating_add(HEADER_LEN);
        if is_small(pair.primary.len) || is_small(pair.secondary.len) {
            return Err(ConfigError::TooSmall);
        }
        let max = (mode.max)(&sizes, pair.primary.len, spare).filter(|max| *max >= HEADER_LEN);
        let max = max.ok_or(ConfigError::Incompatible)?;
        pair.limit(max);
    }
    Ok(LogRegion(log.unwrap_or(Region::new(0, 0))))
}
