//! The modes of MCUboot, and the largest image that each of them starts.

use super::layout::Pair;
use super::next;
use crate::dfu::flash::Geometry;
use crate::dfu::region::up;
use crate::mcuboot::trailer::{Field, Layout, SwapType};

/// The mode of the boot loader of this device: the way in which it starts a new image. It has to be
/// the one of the MCUboot build; [`boot_mode`](crate::guide::boot_mode) compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum BootMode {
    /// Swaps the slots, moving the primary one up by a sector first
    /// (`MCUBOOT_SWAP_USING_MOVE`). The primary slot runs.
    SwapMove,
    /// Swaps the slots through a scratch area (`MCUBOOT_SWAP_USING_SCRATCH`). The primary slot
    /// runs.
    SwapScratch,
    /// Swaps the slots; a new image starts one sector into the secondary slot
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
    /// (`MCUBOOT_FIRMWARE_LOADER`). The updater manages the slots, and replaces the application.
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

    /// Returns true if the program that manages the slots runs outside the primary slot.
    pub(super) const fn is_loader(self) -> bool {
        matches!(self, Self::FirmwareUpdater | Self::SingleSlot)
    }

    /// Returns true if the image of either slot may be running.
    pub(super) const fn is_in_place(self) -> bool {
        matches!(self, Self::DirectXip | Self::DirectXipRevert | Self::RamLoad | Self::RamLoadRevert)
    }
}

/// The rules of a mode. They are functions, so that a device links only those of its own mode: all
/// of them would take 600 bytes.
#[derive(Clone, Copy)]
pub struct Mode {
    pub(super) kind: BootMode,
    /// Returns the length of the largest image that the boot loader starts from a spare slot;
    /// `None` if it never starts one, because it considers the lengths of the slots (primary,
    /// spare) incompatible.
    pub(super) max: fn(&Sizes, u32, u32) -> Option<u32>,
    /// Returns the next action of the boot loader for a pair; `true` compares build numbers too.
    pub(super) next: fn(&Pair, bool) -> SwapType,
    /// Returns true if the image of the spare slot may be the one that starts.
    pub(super) starts: fn(&Pair, bool) -> bool,
}

impl Mode {
    /// Returns the name of the mode.
    #[must_use]
    pub const fn kind(self) -> BootMode {
        self.kind
    }

    /// A mode in which the primary slot runs, and marks decide.
    const fn swap(kind: BootMode, max: fn(&Sizes, u32, u32) -> Option<u32>, next: fn(&Pair, bool) -> SwapType) -> Self {
        Self { kind, max, next, starts: |_, _| true }
    }

    pub(super) const SWAP_MOVE: Self = Self::swap(BootMode::SwapMove, max_move, next::by_marks);
    pub(super) const SWAP_SCRATCH: Self = Self::swap(BootMode::SwapScratch, max_scratch, next::by_marks);
    pub(super) const SWAP_OFFSET: Self = Self::swap(BootMode::SwapOffset, max_offset, next::by_marks_with_offset);
    pub(super) const OVERWRITE_ONLY: Self = Self::swap(BootMode::OverwriteOnly, max_overwrite, next::by_marks);

    /// A mode in which the newer image starts.
    pub(super) const fn newer(kind: BootMode) -> Self {
        Self { kind, max: max_in_place, next: next::newer, starts: next::starts_instead }
    }

    /// A mode in which the newer image starts if it is marked.
    pub(super) const fn newer_marked(kind: BootMode) -> Self {
        Self { kind, max: max_in_place, next: next::newer_marked, starts: next::starts_instead }
    }

    /// A mode in which a loader manages the slots. MCUboot keeps the fields of a trailer free there
    /// too, although it never writes one.
    pub(super) const fn loader(kind: BootMode) -> Self {
        let max = |sizes: &Sizes, _, spare: u32| spare.checked_sub(sizes.fields()?);
        Self { kind, max, next: |_, _| SwapType::None, starts: |_, _| true }
    }
}

impl core::fmt::Debug for Mode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.kind.fmt(f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Mode {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", self.kind);
    }
}

/// The values that decide the length of a trailer.
pub(super) struct Sizes {
    pub(super) geometry: Geometry,
    pub(super) layout: Layout,
    pub(super) max_sectors: u32,
    pub(super) key_len: u32,
}

// The formulas of the largest images were checked against MCUboot with 2,000 geometries.
impl Sizes {
    /// The length of the fields down to `swap_size`, and of the keys of both slots below them.
    fn fields(&self) -> Option<u32> {
        self.layout.len().checked_add(up(self.key_len, self.layout.align()).checked_mul(2)?)
    }

    /// The length of a trailer that keeps this many states of one write unit for each sector.
    fn trailer(&self, states: u32) -> Option<u32> {
        // A checked product takes a multiplication of 64 bits on a Cortex-M0. Write sizes are at
        // most 512.
        let unit = self.geometry.write.wrapping_mul(states);
        let sectors = Some(self.max_sectors).filter(|sectors| *sectors < 1 << 20)?;
        sectors.wrapping_mul(unit).checked_add(self.fields()?)
    }

    /// Returns true if a slot has at most as many sectors as the boot loader was built for.
    fn has_sectors(&self, slot: u32) -> bool {
        // Slots are made of whole sectors, whose size is a power of two.
        slot >> (self.geometry.erase.trailing_zeros() & 31) <= self.max_sectors
    }

    /// The length of the trailer in whole sectors; `None` if a slot has more sectors than the
    /// boot loader was built for, or if the lengths differ and not by exactly one sector.
    fn sectors(&self, states: u32, longer: u32, shorter: u32) -> Option<u32> {
        let erase = self.geometry.erase;
        let is_pair = longer == shorter || Some(longer) == shorter.checked_add(erase);
        let trailer = self.trailer(states).filter(|_| is_pair && self.has_sectors(longer))?;
        Some(up(trailer.checked_add(erase)?, erase).wrapping_sub(erase))
    }
}

fn max_move(sizes: &Sizes, primary: u32, spare: u32) -> Option<u32> {
    let trailer = sizes.sectors(3, primary, spare)?;
    primary.checked_sub(sizes.geometry.erase)?.min(spare).checked_sub(trailer)
}

fn max_offset(sizes: &Sizes, primary: u32, spare: u32) -> Option<u32> {
    let trailer = sizes.sectors(2, spare, primary)?;
    primary.min(spare.checked_sub(sizes.geometry.erase)?).checked_sub(trailer)
}

fn max_scratch(sizes: &Sizes, primary: u32, spare: u32) -> Option<u32> {
    let Geometry { write, erase, .. } = sizes.geometry;
    if primary != spare || !sizes.has_sectors(primary) {
        return None;
    }
    let trailer = sizes.trailer(3)?;
    // The last part of the image travels with the trailer, which must leave room for the status of
    // that step.
    let last = trailer.wrapping_sub(1) & erase.wrapping_sub(1);
    let step = write.checked_mul(3)?.checked_add(sizes.fields()?)?;
    primary.checked_sub(trailer)?.checked_sub(step.saturating_sub(last.wrapping_add(1)))
}

fn max_overwrite(sizes: &Sizes, primary: u32, spare: u32) -> Option<u32> {
    if primary == spare { max_in_place(sizes, primary, spare) } else { None }
}

/// Returns the largest image in the modes without a swap, which have no status and no `swap_size`.
fn max_in_place(sizes: &Sizes, _: u32, spare: u32) -> Option<u32> {
    spare.checked_sub(sizes.layout.from_end(Field::SwapInfo(SwapType::None)))
}
