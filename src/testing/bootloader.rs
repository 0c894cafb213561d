//! A boot loader that acts at a reset as MCUboot does.
//!
//! It has MCUboot's modes, one or two images, and its rules: it checks hash, flags, length and
//! dependencies of an image, follows the decision table, keeps the swap status in the trailers, and
//! completes a swap that a power cut has interrupted. Where MCUboot erases an image, or leaves a
//! mark that it does not follow, the model does the same. `tests/mcuboot/boot.rs` compares it with
//! recorded boots of MCUboot itself.
//!
//! ```
//! # #[cfg(feature = "sha2")] {
//! use anysmp::mcuboot::Version;
//! use anysmp::mcuboot::build::Builder;
//! use anysmp::mcuboot::digest::Sha256;
//! use anysmp::mcuboot::slots::{BootMode, Region};
//! use anysmp::mcuboot::trailer::Layout;
//! use anysmp::testing::bootloader::{Boot, Bootloader};
//!
//! const SLOT: usize = 16 << 10;
//! let slots = [0, SLOT as u32].map(|start| Region::new(start, SLOT as u32));
//! // Writes of 4 bytes, sectors of 1 KiB.
//! let bootloader = Bootloader::new(BootMode::SwapMove, Layout::new(8).unwrap(), [4, 1024], slots);
//!
//! let mut memory = vec![0xFF; 2 * SLOT];
//! assert_eq!(bootloader.reset(&mut Sha256::new(), &mut memory)[0], Boot::Refused);
//! Builder::new(Version::new(1, 0, 0)).build(b"body", &mut Sha256::new(), &mut memory).unwrap();
//! assert_eq!(bootloader.reset(&mut Sha256::new(), &mut memory)[0], Boot::Stayed);
//! # }
//! ```
//!
//! # Limits
//!
//! It checks no signature, and has no key: [`Bootloader::encrypted`] accepts encrypted images as
//! they are. All sectors have the same length. Its own work is not interrupted by planned faults of
//! the flash. Use it in tests and simulated devices only.
//!
//! Source: MCUboot's *Bootloader design*, `boot/bootutil` and, for the modes with one application,
//! `boot/zephyr/single_loader.c` and `firmware_loader.c`, as of June 2026.

mod due;
mod equal;
mod flash;
mod image;
mod loader;
mod overwrite;
mod single;
mod status;
mod steps;
mod swap;
mod trailer;

use embedded_storage::nor_flash::NorFlash;

use crate::mcuboot::Digest;
use crate::mcuboot::slots::{BootMode, Region};
use flash::Flash;

pub use loader::{Boot, Bootloader};

impl Bootloader {
    /// Performs a reset. `memory` is the flash, from address 0 to the end of the last slot at
    /// least. Returns the result for each image; the result for an image that does not exist means
    /// nothing.
    ///
    /// Slots that do not fit `memory`, or are not made of whole sectors, refuse to start.
    #[must_use]
    pub fn reset<D: Digest>(&self, digest: &mut D, memory: &mut [u8]) -> [Boot; Self::IMAGES] {
        self.run(digest, memory).0
    }

    /// Performs a reset of a device with this flash. `memory` is as long as for
    /// [`reset`](Self::reset). Returns the result for the first image.
    ///
    /// # Errors
    ///
    /// The flash's own error. The slots may be inconsistent afterwards.
    pub fn boot<F: NorFlash, D: Digest>(
        &self,
        flash: &mut F,
        digest: &mut D,
        memory: &mut [u8],
    ) -> Result<Boot, F::Error> {
        self.areas().try_for_each(|area| flash.read(area.start, of(memory, area)))?;
        let ([boot, _], changed) = self.run(digest, memory);
        if changed {
            self.areas().try_for_each(|area| self.store(flash, area, of(memory, area)))?;
        }
        Ok(boot)
    }

    /// Performs a reset; the second value is true if it has changed the flash.
    fn run<D: Digest>(&self, digest: &mut D, memory: &mut [u8]) -> ([Boot; Self::IMAGES], bool) {
        let refused = ([Boot::Refused; Self::IMAGES], false);
        let Some(mut flash) = Flash::new(self, memory) else { return refused };
        let boots = match self.mode {
            BootMode::SwapMove | BootMode::SwapOffset | BootMode::SwapScratch | BootMode::OverwriteOnly => {
                flash.boot_swapping(digest)
            }
            BootMode::DirectXip | BootMode::DirectXipRevert | BootMode::RamLoad | BootMode::RamLoadRevert => {
                flash.boot_equal(digest)
            }
            BootMode::FirmwareUpdater | BootMode::SingleSlot => flash.boot_single(digest),
        };
        (boots.unwrap_or(refused.0), flash.changed())
    }

    fn areas(&self) -> impl Iterator<Item = Region> {
        [self.primary, self.secondary].into_iter().chain(self.second.into_iter().flatten()).chain(self.scratch)
    }

    /// Writes contents into an area. Write units that stay erased are not written.
    fn store<F: NorFlash>(&self, flash: &mut F, area: Region, contents: &[u8]) -> Result<(), F::Error> {
        flash.erase(area.start, area.start.saturating_add(area.len))?;
        let mut address = area.start;
        for unit in contents.chunks(F::WRITE_SIZE.max(1)) {
            if unit.iter().any(|byte| *byte != self.erased) {
                flash.write(address, unit)?;
            }
            address = address.saturating_add(u32::try_from(unit.len()).unwrap_or(0));
        }
        Ok(())
    }
}

/// Returns the bytes of an area; none if they are not all there.
fn of(memory: &mut [u8], area: Region) -> &mut [u8] {
    let size = |len: u32| usize::try_from(len).unwrap_or(usize::MAX);
    memory.get_mut(size(area.start)..).and_then(|rest| rest.get_mut(..size(area.len))).unwrap_or(&mut [])
}
