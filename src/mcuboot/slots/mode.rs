//! The modes of MCUboot, and the largest image that each of them starts.

use crate::dfu::flash::Geometry;
use crate::dfu::region::{down, up};
use crate::mcuboot::trailer::{Field, Layout, SwapType};

/// The mode of the bootloader of this device: the way in which it starts a new image. It has to be
/// the one of the MCUboot build; [`boot_mode`](crate::guide::boot_mode) compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum BootMode {
    /// Swaps the slots, moving the primary one up by a sector first
    /// (`MCUBOOT_SWAP_USING_MOVE`). The primary slot runs.
    SwapMove,
    /// Swaps the slots by way of a scratch area (`MCUBOOT_SWAP_USING_SCRATCH`). The primary slot
    /// runs.
    SwapScratch,
    /// Swaps the slots; a new image starts one sector late in the secondary slot
    /// (`MCUBOOT_SWAP_USING_OFFSET`, Zephyr's default without a scratch area). The primary slot
    /// runs.
    SwapOffset,
    /// Copies the secondary slot over the primary one, which runs (`MCUBOOT_OVERWRITE_ONLY`). It
    /// cannot revert.
    OverwriteOnly,
    /// Starts the newer image in place (`MCUBOOT_DIRECT_XIP`). No test, no confirmation.
    DirectXip,
    /// Starts the newer image in place if it is marked, and erases it at the next start unless it
    /// is confirmed (`MCUBOOT_DIRECT_XIP_REVERT`).
    DirectXipRevert,
    /// Copies the newer image to RAM (`MCUBOOT_RAM_LOAD`). No test, no confirmation.
    RamLoad,
    /// Copies the newer image to RAM, with the rules of [`DirectXipRevert`](Self::DirectXipRevert)
    /// (`MCUBOOT_RAM_LOAD_REVERT`).
    RamLoadRevert,
    /// Starts the application in the primary slot, or on request the updater in the secondary one
    /// (`MCUBOOT_FIRMWARE_LOADER`). The updater has the slots, and replaces the application.
    FirmwareUpdater,
    /// Has one slot. A recovery loader replaces its image: see
    /// [`Slots::recovery`](super::Slots::recovery).
    SingleSlot,
}

impl BootMode {
    /// Returns true if an image can be marked: tested and confirmed.
    #[must_use]
    pub const fn has_marks(self) -> bool {
        !matches!(self, Self::DirectXip | Self::RamLoad | Self::FirmwareUpdater | Self::SingleSlot)
    }

    /// Returns true if the program that has the slots runs outside of the primary slot.
    pub(super) const fn is_loader(self) -> bool {
        matches!(self, Self::FirmwareUpdater | Self::SingleSlot)
    }

    /// Returns true if the image of either slot may be running.
    pub(super) const fn is_in_place(self) -> bool {
        matches!(self, Self::DirectXip | Self::DirectXipRevert | Self::RamLoad | Self::RamLoadRevert)
    }
}

/// The sizes on which the length of a trailer depends.
pub(super) struct Sizes {
    pub(super) geometry: Geometry,
    pub(super) layout: Layout,
    pub(super) max_sectors: u32,
    pub(super) key_len: u32,
}

/// Returns the bytes of the largest image that the bootloader starts from a spare slot of this
/// length; `None` if it never does, because it calls the lengths of the slots incompatible.
///
/// The formulas were checked against MCUboot with 2,000 geometries.
pub(super) fn max_image(mode: BootMode, sizes: &Sizes, primary: u32, spare: u32) -> Option<u32> {
    let Sizes { geometry: Geometry { write, erase, .. }, layout, max_sectors, key_len } = *sizes;
    // The fields down to `swap_size`, and below them the keys of both slots.
    let keys = up(key_len, layout.align()).checked_mul(2)?;
    let fields = layout.len().checked_add(keys)?;
    // The progress of a swap: for each sector this many states of one write unit.
    let status = |states: u32| max_sectors.checked_mul(states)?.checked_mul(write)?.checked_add(fields);
    let whole = |len: u32| Some(up(len.checked_add(erase)?, erase).wrapping_sub(erase));
    let larger_by_one = |larger: u32, smaller: u32| larger == smaller || Some(larger) == smaller.checked_add(erase);
    // More sectors than the bootloader was built for: it refuses to swap.
    let sectors = max_sectors.checked_mul(erase)?;
    let fits = primary <= sectors && spare <= sectors;
    match mode {
        BootMode::SwapMove if fits && larger_by_one(primary, spare) => {
            primary.checked_sub(erase)?.min(spare).checked_sub(whole(status(3)?)?)
        }
        BootMode::SwapOffset if fits && larger_by_one(spare, primary) => {
            primary.min(spare.checked_sub(erase)?).checked_sub(whole(status(2)?)?)
        }
        BootMode::SwapScratch if fits && primary == spare => {
            let trailer = status(3)?;
            // The last part of the image travels with the trailer, which must leave room for the
            // status of that step.
            let last = trailer.wrapping_sub(1) & erase.wrapping_sub(1);
            let step = write.checked_mul(3)?.checked_add(fields)?;
            primary.checked_sub(trailer)?.checked_sub(step.saturating_sub(last.wrapping_add(1)))
        }
        BootMode::SwapMove | BootMode::SwapOffset | BootMode::SwapScratch => None,
        BootMode::OverwriteOnly if primary != spare => None,
        // No swap, so no status and no `swap_size`.
        BootMode::OverwriteOnly
        | BootMode::DirectXip
        | BootMode::DirectXipRevert
        | BootMode::RamLoad
        | BootMode::RamLoadRevert => spare.checked_sub(layout.from_end(Field::SwapInfo(SwapType::None))),
        // No trailer at all.
        BootMode::FirmwareUpdater | BootMode::SingleSlot => Some(spare),
    }
    .filter(|max| down(*max, 32) > 0)
}
