//! The two slots of an image, and the places in them that may be written.
//!
//! Every write and every erase requires a [`Writable`], a region and an offset that is checked
//! against it. It has three sources: the slot of a pair that does *not* run and a single trailer
//! field, both in this file, and the checkpoint region. None of them can name the body of the
//! running slot.

use super::seen::{MAX_READ, Seen};
use crate::dfu::flash::Device;
use crate::dfu::region::{RECORD_LEN, Region, Target, Writable, down};
use crate::mcuboot::trailer::{Field, Layout};

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

    /// Returns the flash device of these slots, if there are two devices.
    pub(super) const fn device(self) -> Device {
        match self {
            Self::Primary => Device::Active,
            Self::Secondary => Device::Spare,
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
    pub(super) primary: Region,
    pub(super) secondary: Region,
    running: Slot,
    /// The length of the largest image in an upload, in bytes.
    max: u32,
    seen: [Seen; 2],
}

impl Pair {
    /// A pair whose primary slot runs, as always in the swap modes.
    #[must_use]
    pub const fn new(primary: Region, secondary: Region) -> Self {
        Self { primary, secondary, running: Slot::Primary, max: u32::MAX, seen: [Seen::NOTHING; 2] }
    }

    /// The one slot of a device without a second one, for a recovery loader: see
    /// [`Slots::recovery`](super::Slots::recovery). An upload replaces its image.
    #[must_use]
    pub const fn single(slot: Region) -> Self {
        Self::new(slot, Region::new(0, 0)).with_running(Slot::Secondary)
    }

    /// Sets an upper limit for uploads, in bytes, if less is allowed than by the formula of the
    /// boot mode: for example the boot loader's own limit,
    /// [`max_application_size`](crate::mcuboot::shared_data::SharedData::max_application_size).
    #[must_use]
    pub const fn with_max_image(self, bytes: u32) -> Self {
        Self { max: bytes, ..self }
    }

    pub(super) fn limit(&mut self, max: u32) {
        self.max = self.max.min(max);
    }

    pub(super) const fn max(&self) -> u32 {
        self.max
    }

    /// Sets the slot from which the device was started.
    #[must_use]
    pub const fn with_running(self, running: Slot) -> Self {
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

    pub(super) const fn spare(&self) -> Target {
        Target::new(self.region(self.running.other()))
    }

    /// Returns the part of the spare slot that an upload fills, from `shift` bytes on.
    pub(super) const fn upload(&self, shift: u32) -> Target {
        let Region { start, len } = self.spare().region();
        Target::new(Region::new(start.saturating_add(shift), len.saturating_sub(shift)))
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
        // A field may begin in the middle of a write unit, which is written whole.
        let offset = down(region.len.wrapping_sub(layout.from_end(field)), unit);
        Writable::new(region, offset)
    }
}

/// Returns the minimum length of the scratch slice of [`Slots::new`](super::Slots::new), for these
/// smallest sizes of read and write; of two flash devices, for the larger of each. A longer slice
/// makes hashing faster, because each read of the flash fills the rest of it.
#[must_use]
pub const fn scratch_len(read: usize, write: usize) -> usize {
    let record = if write > RECORD_LEN { write } else { RECORD_LEN };
    let window = MAX_READ + 2 * read;
    write + if record > window { record } else { window }
}
