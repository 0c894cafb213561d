//! The boot loader as its user describes it, and its result.

use crate::mcuboot::slots::{BootMode, Region, Slot};
use crate::mcuboot::trailer::{Field, Flag, Layout, Magic, SwapType, Trailer};

/// The result of a reset, for one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "what MCUboot can do")]
pub enum Boot {
    /// No image is started: one is missing or damaged, or MCUboot stops with an assertion.
    Refused,
    /// The primary slot's image runs; none was due to replace it.
    Stayed,
    /// The image that was in the secondary slot was swapped in, or copied, for this reason.
    Swapped(SwapType),
    /// Another image was due, but is not started: it is damaged, too long, not bootable, not newer
    /// where it has to be, or depends on an image that is not there. Its slot may be erased; where
    /// it is not, its mark may remain.
    Rejected,
    /// In the modes without a swap, the image of this slot runs.
    Started(Slot),
}

/// The boot loader, and the device that it was built for.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Bootloader {
    /// The way in which the boot loader starts an image.
    pub mode: BootMode,
    /// The layout of the trailers.
    pub layout: Layout,
    /// The smallest write of the flash, in bytes.
    pub write: u32,
    /// Bytes of a sector.
    pub erase: u32,
    /// The value of erased bytes.
    pub erased: u8,
    /// `BOOT_MAX_IMG_SECTORS`, which decides the length of the swap status.
    pub max_sectors: u32,
    /// The slot from which images run.
    pub primary: Region,
    /// The slot into which uploads go.
    pub secondary: Region,
    /// The two slots of the second image.
    pub second: Option<[Region; 2]>,
    /// The scratch area.
    pub scratch: Option<Region>,
    /// The RAM into which images may be loaded; `None` does not check the load address.
    pub ram: Option<Region>,
    /// Copies the whole slot in [`BootMode::OverwriteOnly`], not only the image; Zephyr builds
    /// MCUboot with `MCUBOOT_OVERWRITE_ONLY_FAST`, which does not.
    pub copies_all: bool,
    /// Starts the updater, in firmware-updater mode.
    pub enter_updater: bool,
    /// Accepts encrypted images, without decrypting them (`MCUBOOT_ENC_IMAGES`).
    pub encrypted: bool,
    /// The security counter that an image must have reached (`MCUBOOT_HW_ROLLBACK_PROT`).
    pub security_counter: Option<u32>,
    /// Erases a marked image with a lower version (`MCUBOOT_DOWNGRADE_PREVENTION`).
    pub prevents_downgrade: bool,
}

impl Bootloader {
    /// The maximum number of images in the model.
    pub const IMAGES: usize = 2;

    /// The boot loader of a device with one image, in a flash whose smallest write and whose
    /// sectors have these sizes in bytes, and whose erased bytes are FF. `slots` are the primary
    /// and the secondary one. Images have at most 128 sectors, MCUboot's default.
    #[must_use]
    pub const fn new(mode: BootMode, layout: Layout, [write, erase]: [u32; 2], slots: [Region; 2]) -> Self {
        let [primary, secondary] = slots;
        Self {
            mode,
            layout,
            write,
            erase,
            erased: 0xFF,
            max_sectors: 128,
            primary,
            secondary,
            second: None,
            scratch: None,
            ram: None,
            copies_all: false,
            enter_updater: false,
            encrypted: false,
            security_counter: None,
            prevents_downgrade: false,
        }
    }

    /// Sets the value of erased bytes.
    #[must_use]
    pub const fn with_erased(self, erased: u8) -> Self {
        Self { erased, ..self }
    }

    /// Sets `BOOT_MAX_IMG_SECTORS`.
    #[must_use]
    pub const fn with_max_sectors(self, max_sectors: u32) -> Self {
        Self { max_sectors, ..self }
    }

    /// Sets the scratch area, which [`BootMode::SwapScratch`] needs.
    #[must_use]
    pub const fn with_scratch(self, scratch: Region) -> Self {
        Self { scratch: Some(scratch), ..self }
    }

    /// Adds a second image with these slots, the primary and the secondary one.
    #[must_use]
    pub const fn with_second(self, slots: [Region; 2]) -> Self {
        Self { second: Some(slots), ..self }
    }

    /// Reads the trailer from the contents of a slot.
    #[must_use]
    pub fn trailer(&self, slot: &[u8]) -> Trailer {
        let field = |field| {
            let from_end = usize::try_from(self.layout.from_end(field)).unwrap_or(usize::MAX);
            slot.len().checked_sub(from_end).and_then(|at| slot.get(at..)).unwrap_or(&[])
        };
        let byte = |name| field(name).first().copied().unwrap_or(self.erased);
        Trailer {
            magic: self.layout.read_magic(field(Field::Magic), self.erased),
            image_ok: Flag::read(byte(Field::ImageOk), self.erased),
            copy_done: Flag::read(byte(Field::CopyDone), self.erased),
            swap_info: Some(byte(Field::SwapInfo(SwapType::None))).filter(|byte| *byte != self.erased),
        }
    }

    /// Returns true if the secondary slot is marked to be booted.
    #[must_use]
    pub fn is_marked(&self, secondary: &[u8]) -> bool {
        self.trailer(secondary).magic == Magic::Good
    }
}
