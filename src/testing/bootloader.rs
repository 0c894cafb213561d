//! What MCUboot's swap mode does at a reset, as a client sees it.
//!
//! Trailers are read, the decision table is followed, the image that is to come is checked against
//! its hash, and the slots change their contents by way of RAM. It does not survive a power cut of
//! its own, keeps no swap status and checks no signature: a partner for tests, no bootloader.

use embedded_storage::nor_flash::NorFlash;

use crate::mcuboot::slots::Region;
use crate::mcuboot::trailer::{Field, Flag, Layout, Magic, SwapType, Trailer};
use crate::mcuboot::{Digest, Image};

/// What a reset led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Boot {
    /// The primary slot's image runs; nothing was swapped.
    Stayed,
    /// The slots were swapped for this reason, and the image that was in the secondary slot runs.
    Swapped(SwapType),
    /// A swap was asked for, but the secondary slot's image is damaged. Its trailer was erased.
    Rejected,
}

/// The two slots and how their trailers are laid out.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
    /// Boots. `memory` has room for the contents of both slots.
    ///
    /// # Errors
    ///
    /// Those of the flash. The slots are in disorder then.
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
        // The trailer of the shorter slot has come to lie in the middle of the longer one.
        for slot in [&mut *primary, &mut *secondary] {
            let shared = size(self.primary.len.min(self.secondary.len).saturating_sub(self.layout.len()));
            slot.get_mut(shared..).unwrap_or(&mut []).fill(self.erased);
        }
        self.set(primary, Field::Magic);
        self.set(primary, Field::CopyDone);
        self.set(primary, Field::SwapInfo(kind));
        if kind != SwapType::Test {
            self.set(primary, Field::ImageOk);
        }
        self.store(flash, self.primary, primary)?;
        self.store(flash, self.secondary, secondary)?;
        Ok(Boot::Swapped(kind))
    }

    /// The trailer in the contents of a slot.
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

    /// Whether the secondary slot is marked to be booted.
    #[must_use]
    pub fn is_marked(&self, secondary: &[u8]) -> bool {
        self.trailer(secondary).magic == Magic::Good
    }

    fn place(&self, slot: usize, field: Field) -> Option<usize> {
        slot.checked_sub(usize::try_from(self.layout.from_end(field)).ok()?)
    }

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

    fn clear(&self, slot: &mut [u8]) {
        if let Some(place) = self.place(slot.len(), Field::SwapSize).and_then(|at| slot.get_mut(at..)) {
            place.fill(self.erased);
        }
    }

    /// Puts contents into a slot; write units that stay erased are left alone.
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
