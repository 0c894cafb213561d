//! The modes with one application: a single slot, or an updater in the other one.

use super::Boot;
use super::flash::{Flash, Refused};
use super::image::Place;
use crate::mcuboot::Digest;
use crate::mcuboot::slots::BootMode;
use crate::mcuboot::slots::Slot;

impl Flash<'_, '_> {
    /// Performs a reset. Nothing is ever written.
    pub(super) fn boot_single<D: Digest>(&self, digest: &mut D) -> Result<[Boot; 2], Refused> {
        let pair = self.pair(0);
        let mut good = |slot| {
            let place = Place { area: pair.slot(slot), offset: 0 };
            let longest = self.longest(0, place.area);
            !self.not_bootable(place) && self.is_good(place, longest, digest)
        };
        let order = match self.loader.mode {
            BootMode::SingleSlot => [Slot::Primary, Slot::Primary],
            _ if self.loader.enter_updater => [Slot::Secondary, Slot::Primary],
            _ => [Slot::Primary, Slot::Secondary],
        };
        let started = order.into_iter().find(|slot| good(*slot)).ok_or(Refused)?;
        Ok([Boot::Started(started), Boot::Stayed])
    }
}
