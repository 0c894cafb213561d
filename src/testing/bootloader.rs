//! A boot loader that behaves at a reset like MCUboot's swap mode, as far as a client can observe.
//!
//! It reads the trailers, follows the decision table, checks the next image against its hash, and
//! swaps the slots through RAM. It does not survive a power cut, keeps no swap status and checks no
//! signature: use it in tests only.

use embedded_storage::nor_flash::NorFlash;

use crate::mcuboot::slots::Region;
use crate::mcuboot::trailer::{Field, Flag, Layout, Magic, SwapType, Trailer};
use crate::mcuboot::{Digest, Image};

/// The result of a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the results of MCUboot's table")]
pub enum Boot {
    /// The primary slot's image runs; nothing was swapped.
    Stayed,
    /// The slots were swapped for this reason, and the image that was in the secondary slot runs.
    Swapped(SwapType),
    /// A swap was requested, but the image of the secondary slot is damaged. Its trailer was
    /// erased.
    Rejected,
}

/// The two slots and the layout of their trailers.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Bootloader {
    /// The slot from which images run.
    pub primary: Region,
    /// The slot into which uploads go.
    pub secondary: Region,
    /// The layout of both trailers.
    pub layout: Layout,
    /// The value of erased bytes.
    pub erased: u8,
}

impl Bootloader {
    /// Performs a reset. `memory` holds the contents of both slots.
    ///
    /// # Errors
    ///
    /// The flash: its error. The slots may be inconsistent then.
    pub fn boot<F: NorFlash, D: Digest>(
        &self,
        flash: &mut F,
        digest: &mut D,
        memory: &mut [u8],
    ) -> Result<Boot, F::Error> {
        let size = |len: u32| usize::try_from(len).unwrap_or(usize::MAX);
        let (primary, rest) = memory.split_at_mut_checked(size(self.primary.len)).unwrap_or((&mut [], &mut []));
        let secondary = rest.get_mut(..size(self.secondary.len)).unwrap_or(&mut []);
        flash.read(self.primary.start, primary)?;
        flash.read(self.secondary.start, secondary)?;

        let kind = SwapType::decide(&self.trailer(primary), &self.trailer(secondary));
        if kind == SwapType::None {
            return Ok(Boot::Stayed);
        }
        if Image::parse(secondary).and_then(|image| image.verify(digest)).is_err() {
            self.clear(secondary);
            self.store(flash, self.secondary, secondary)?;
            return Ok(Boot::Rejected);
        }
        for (one, other) in primary.iter_mut().zip(secondary.iter_mut()) {
            core::mem::swap(one, other);
        }
        // The trailer of the shorter slot is now in the middle of the longer one.
        for slot in [&mut *primary, &mut *secondary] {
            let shared = size(self.primary.len.min(self.secondary.len).saturating_sub(self.layout.len()));
            slot.get_mut(shared..).unwrap_or(&mut []).fill(self.erased);
        }
        self.set(primary, Field::Magic);
        self.set(primary, Field::CopyDone);
        self.set(primary, Field::SwapInfo(kind));
        // Without this mark the next reset swaps back.
        if kind != SwapType::Test {
            self.set(primary, Field::ImageOk);
        }
        self.store(flash, self.primary, primary)?;
        self.store(flash, self.secondary, secondary)?;
        Ok(Boot::Swapped(kind))
    }

    /// Reads the trailer from the contents of a slot.
    #[must_use]
    pub fn trailer(&self, slot: &[u8]) -> Trailer {
        let field = |field| self.place(slot.len(), field).and_then(|at| slot.get(at..)).unwrap_or(&[]);
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

    /// Returns the offset of a field in a slot of `slot` bytes.
    fn place(&self, slot: usize, field: Field) -> Option<usize> {
        slot.checked_sub(usize::try_from(self.layout.from_end(field)).ok()?)
    }

    /// Writes a field in the contents of a slot.
    fn set(&self, slot: &mut [u8], field: Field) {
        let Some(place) = self.place(slot.len(), field).and_then(|at| slot.get_mut(at..)) else {
            return;
        };
        match field {
            Field::Magic => place.iter_mut().zip(self.layout.magic()).for_each(|(to, from)| *to = from),
            Field::SwapInfo(kind) => place.iter_mut().take(1).for_each(|byte| *byte = kind as u8),
            _ => place.iter_mut().take(1).for_each(|byte| *byte = Flag::SET),
        }
    }

    /// Erases the trailer in the contents of a slot.
    fn clear(&self, slot: &mut [u8]) {
        if let Some(place) = self.place(slot.len(), Field::SwapSize).and_then(|at| slot.get_mut(at..)) {
            place.fill(self.erased);
        }
    }

    /// Writes contents into a slot. Write units that stay erased are not written.
    fn store<F: NorFlash>(&self, flash: &mut F, region: Region, contents: &[u8]) -> Result<(), F::Error> {
        flash.erase(region.start, region.start.saturating_add(region.len))?;
        let mut address = region.start;
        for unit in contents.chunks(F::WRITE_SIZE.max(1)) {
            if unit.iter().any(|byte| *byte != self.erased) {
                flash.write(address, unit)?;
            }
            address = address.saturating_add(u32::try_from(unit.len()).unwrap_or(0));
        }
        Ok(())
    }
}
