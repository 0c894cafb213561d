//! The modes with equal slots: the newest image is started in its slot, or copied to RAM.

use super::flash::{Flash, Refused};
use super::image::Place;
use super::trailer::size;
use super::{Boot, Bootloader};
use crate::mcuboot::slots::BootMode;
use crate::mcuboot::slots::Slot;
use crate::mcuboot::trailer::{Field, Flag, Magic};
use crate::mcuboot::{Digest, Flags};

/// The slots of an image that may still be chosen, and the chosen one.
#[derive(Debug, Clone, Copy)]
struct Choice {
    usable: [Option<Slot>; 2],
    active: Option<Slot>,
}

impl Choice {
    const NONE: Self = Self { usable: [None; 2], active: None };

    fn drop(&mut self, slot: Slot) {
        self.usable.iter_mut().filter(|usable| **usable == Some(slot)).for_each(|usable| *usable = None);
        self.active = None;
    }
}

type Choices = [Choice; Bootloader::IMAGES];

impl Flash<'_, '_> {
    pub(super) fn boot_equal<D: Digest>(&mut self, digest: &mut D) -> Result<[Boot; 2], Refused> {
        let mut choices = [Choice::NONE; Bootloader::IMAGES];
        for (image, choice) in choices.iter_mut().enumerate().take(self.images()) {
            let usable = |slot| self.header(self.place(image, slot)).map(|_| slot);
            choice.usable = [Slot::Primary, Slot::Secondary].map(usable);
        }
        loop {
            for (image, choice) in choices.iter_mut().enumerate().take(self.images()) {
                self.choose(image, choice, digest)?;
            }
            // An image whose dependency is not met makes way for the image in its other slot.
            let unmet = (0..self.images()).find(|image| self.images() > 1 && !self.is_met(*image, &choices));
            let Some(choice) = unmet.and_then(|image| choices.get_mut(image)) else { break };
            let Some(slot) = choice.active else { break };
            choice.drop(slot);
        }
        Ok(choices.map(|choice| choice.active.map_or(Boot::Stayed, Boot::Started)))
    }

    fn place(&self, image: usize, slot: Slot) -> Place {
        Place { area: self.pair(image).slot(slot), offset: 0 }
    }

    /// Chooses a slot, unless one is chosen.
    fn choose<D: Digest>(&mut self, image: usize, choice: &mut Choice, digest: &mut D) -> Result<(), Refused> {
        while choice.active.is_none() {
            let newest = choice.usable.into_iter().flatten().reduce(|one, other| {
                let [version, than] = [other, one].map(|slot| self.version(self.place(image, slot)).release());
                // Of equal versions, the one in the primary slot wins.
                if version > than { other } else { one }
            });
            let slot = newest.ok_or(Refused)?;
            choice.active = Some(slot);
            if !self.start(self.place(image, slot), digest) {
                choice.drop(slot);
            }
        }
        Ok(())
    }

    /// Tries to start the image at a place; returns false if that is not possible.
    fn start<D: Digest>(&mut self, place: Place, digest: &mut D) -> bool {
        let Some(header) = self.header(place) else { return false };
        let loads = matches!(self.loader.mode, BootMode::RamLoad | BootMode::RamLoadRevert);
        let elsewhere = size(header.load_address()) != place.area.start;
        if !loads && header.flags().intersects(Flags::ROM_FIXED) && elsewhere {
            return false;
        }
        if self.loader.reverts_in_place() && !self.first_or_confirmed(place) {
            return false;
        }
        let longest = self.longest(0, place.area);
        let in_ram = !loads || self.fits_ram(place);
        if in_ram && self.not_bootable(place) {
            return false;
        }
        if !in_ram || !self.is_good(place, longest, digest) {
            self.erase(place.area.start, place.area.len);
            return false;
        }
        true
    }

    /// Returns true if the trailer allows a start, and records the start there. An image without a
    /// mark, or one that was started before and not confirmed, is erased.
    fn first_or_confirmed(&mut self, place: Place) -> bool {
        let trailer = self.trailer(place.area);
        let failed = trailer.copy_done == Flag::Set && trailer.image_ok != Flag::Set;
        if trailer.magic != Magic::Good || failed {
            self.erase(place.area.start, place.area.len);
            return false;
        }
        if trailer.copy_done != Flag::Set {
            self.write_flag(place.area, Field::CopyDone);
        }
        true
    }

    /// Returns true if the image is made for RAM, and for an address that exists.
    fn fits_ram(&self, place: Place) -> bool {
        let (Some(header), Some(len)) = (self.header(place), self.image_len(place)) else { return false };
        let start = size(header.load_address());
        let fits = self.loader.ram.is_none_or(|ram| {
            let ram = [ram.start, ram.start.saturating_add(ram.len)].map(size);
            start >= ram[0] && start.saturating_add(len) <= ram[1]
        });
        fits && header.flags().intersects(Flags::RAM_LOAD)
    }

    /// Returns true if the chosen image finds the versions that it depends on among the others.
    fn is_met(&self, image: usize, choices: &Choices) -> bool {
        let place = |image: usize| Some(self.place(image, choices.get(image)?.active?));
        let Some(mut dependencies) = place(image).and_then(|place| self.dependencies(place)) else { return false };
        dependencies.all(|dependency| {
            let other = dependency.filter(|dependency| dependency.image < self.images());
            let version = |image| place(image).map(|place| self.version(place));
            other.is_some_and(|other| version(other.image).is_some_and(|it| Bootloader::reaches(it, other.version)))
        })
    }
}
