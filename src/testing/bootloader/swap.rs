//! The modes with a running slot: which images are due, and in which order they come.
//!
//! ```text
//!   for each image: complete an interrupted swap, or decide what is due and check it
//!   all dependencies met, or nothing is due
//!   for each image: swap or copy
//!   for each image: check what is in the primary slot now
//! ```

use super::due::Due;
use super::flash::{Flash, Refused};
use super::image::Place;
use super::status::{NoHeader, Status};
use super::{Boot, Bootloader};
use crate::mcuboot::Digest;
use crate::mcuboot::slots::BootMode;
use crate::mcuboot::trailer::{Field, SwapType};

/// The facts that were read about one image.
#[derive(Debug, Clone, Copy)]
struct Plan {
    due: Due,
    /// The offset of the image in the secondary slot.
    offset: usize,
    /// True if the trailer of the primary slot is already that of this swap.
    begun: bool,
    /// True if the header of the running image was not found.
    lost: bool,
    /// True if a swap was requested when the reset began.
    asked: bool,
    boot: Boot,
}

impl Plan {
    const NOTHING: Self =
        Self { due: Due::Nothing, offset: 0, begun: false, lost: false, asked: false, boot: Boot::Stayed };
}

type Plans = [Plan; Bootloader::IMAGES];

impl Flash<'_, '_> {
    pub(super) fn boot_swapping<D: Digest>(&mut self, digest: &mut D) -> Result<[Boot; 2], Refused> {
        let mut plans = [Plan::NOTHING; Bootloader::IMAGES];
        let mut upgrade = false;
        for image in 0..self.images() {
            let asked = self.next(image) != SwapType::None;
            let (mut plan, completed) = self.prepare(image, digest)?;
            plan.asked = asked;
            upgrade |= matches!(plan.due, Due::Swap(_));
            // An image that was swapped in a moment ago, before power failed, looks like one that
            // was not confirmed.
            if completed || !matches!(plan.due, Due::Nothing | Due::Swap(SwapType::Revert)) {
                for earlier in plans.iter_mut().take(image) {
                    if earlier.due == Due::Swap(SwapType::Revert) {
                        earlier.due = Due::Nothing;
                    }
                }
            }
            plans.iter_mut().skip(image).take(1).for_each(|place| *place = plan);
        }
        if self.images() > 1 && upgrade && !self.all_met(&plans) {
            plans.iter_mut().for_each(|plan| plan.due = Due::Nothing);
        }
        for (image, plan) in plans.iter_mut().enumerate().take(self.images()) {
            self.perform(image, plan)?;
        }
        for (image, plan) in plans.iter().enumerate().take(self.images()) {
            let pair = self.pair(image);
            let place = Place { area: pair.primary, offset: 0 };
            let longest = self.longest(image, pair.primary);
            let bootable = !plan.lost && !self.is_empty(place) && !self.not_bootable(place);
            if !bootable || !self.is_good(place, longest, digest) {
                return Err(Refused);
            }
        }
        Ok(plans.map(|plan| match plan.boot {
            Boot::Stayed if plan.asked => Boot::Rejected,
            boot => boot,
        }))
    }

    /// Completes an interrupted swap, or decides on the step that is due. The second value is true
    /// if a swap was completed.
    fn prepare<D: Digest>(&mut self, image: usize, digest: &mut D) -> Result<(Plan, bool), Refused> {
        let pair = self.pair(image);
        let nothing = (Plan::NOTHING, false);
        if !self.compatible(image) {
            return Ok(nothing);
        }
        let status = if self.loader.swaps() { self.status(image)? } else { Status::NONE };
        let headers = self.headers(image, &status);
        let primary = Place { area: pair.primary, offset: 0 };
        if status.rows > 0 {
            let headers = match headers {
                Ok(headers) => headers,
                Err(NoHeader { running }) => return Ok((Plan { lost: running, ..Plan::NOTHING }, false)),
            };
            self.complete(image, &status, headers)?;
            let boot = match status.due {
                Due::Swap(kind) => Boot::Swapped(kind),
                _ => Boot::Stayed,
            };
            return Ok((Plan { boot, ..Plan::NOTHING }, true));
        }
        // In the modes that move sectors, MCUboot gives up on a pair without a header in slot 0.
        if matches!(self.loader.mode, BootMode::SwapMove | BootMode::SwapOffset) && !self.has_magic(primary) {
            return Ok(nothing);
        }
        let secondary = self.secondary(image, status.due);
        let known = Plan { offset: secondary.offset, begun: status.in_primary, ..Plan::NOTHING };
        let due = match status.due {
            Due::Nothing => match self.next(image) {
                SwapType::None => Due::Nothing,
                kind if self.accept(image, secondary, status.due, kind, digest) => Due::from(kind),
                _ => Due::Nothing,
            },
            due if self.accept(image, secondary, due, SwapType::None, digest) => due,
            _ => Due::Failed,
        };
        Ok((Plan { due, ..known }, false))
    }

    fn secondary(&self, image: usize, due: Due) -> Place {
        let area = self.pair(image).secondary;
        let at = |offset| Place { area, offset };
        if self.loader.mode != BootMode::SwapOffset {
            return at(0);
        }
        // Before a revert it lies at the front, otherwise one sector up; if it is not there, at the
        // other place.
        let reverts = self.next(image) == SwapType::Revert;
        let places = [0, self.sector].map(at);
        let [front, up] = places;
        let expected = if reverts || due == Due::Swap(SwapType::Revert) { front } else { up };
        if self.has_magic(expected) {
            return expected;
        }
        if reverts { up } else { front }
    }

    /// Checks the image in the secondary slot. A bad one is erased; of one that is missing or not
    /// bootable, the swap modes erase the trailer.
    fn accept<D: Digest>(&mut self, image: usize, place: Place, due: Due, kind: SwapType, digest: &mut D) -> bool {
        let pair = self.pair(image);
        if self.is_empty(place) || self.not_bootable(place) {
            if self.loader.swaps() {
                self.clear_trailer(place.area);
            }
            // A revert to an image that is not there would be tried at every reset.
            let stuck = due == Due::Swap(SwapType::Revert) || self.next(image) == SwapType::Revert;
            if self.loader.mode == BootMode::SwapMove && stuck {
                self.clear_trailer(pair.primary);
            }
            return false;
        }
        let front = Place { area: place.area, offset: 0 };
        let marked = matches!(kind, SwapType::Test | SwapType::Permanent);
        let misplaced = self.loader.mode == BootMode::SwapOffset && marked && self.has_magic(front);
        let longest = self.longest(image, pair.secondary);
        let old = due != Due::Swap(SwapType::Revert) && self.is_downgrade(image, place, kind);
        if misplaced || old || !self.is_good(place, longest, digest) {
            self.erase(place.area.start, place.area.len);
            return false;
        }
        true
    }

    fn is_downgrade(&self, image: usize, place: Place, kind: SwapType) -> bool {
        let primary = Place { area: self.pair(image).primary, offset: 0 };
        let swaps_back = self.loader.swaps() && kind == SwapType::Revert;
        self.loader.prevents_downgrade
            && !swaps_back
            && !self.is_empty(primary)
            && !Bootloader::reaches(self.version(place), self.version(primary))
    }

    /// Returns true if each image finds the versions that it depends on, after the steps that are
    /// due.
    fn all_met(&self, plans: &Plans) -> bool {
        let place = |image: usize| {
            let plan = plans.get(image)?;
            let pair = self.pair(image);
            Some(match plan.due {
                _ if plan.lost => return None,
                Due::Swap(_) => Place { area: pair.secondary, offset: plan.offset },
                _ => Place { area: pair.primary, offset: 0 },
            })
        };
        let met = |image| {
            let mut dependencies = self.dependencies(place(image)?)?;
            Some(dependencies.all(|dependency| {
                let other = dependency.filter(|dependency| dependency.image < self.images());
                let version = |image| place(image).map(|place| self.version(place));
                other.is_some_and(|other| version(other.image).is_some_and(|it| Bootloader::reaches(it, other.version)))
            }))
        };
        (0..self.images()).all(|image| met(image).unwrap_or(false))
    }

    fn perform(&mut self, image: usize, plan: &mut Plan) -> Result<(), Refused> {
        let pair = self.pair(image);
        match plan.due {
            Due::Nothing => Ok(()),
            Due::Unknown => Err(Refused),
            // As if it had just been swapped back.
            Due::Failed => {
                if self.loader.swaps() {
                    self.confirm(pair.primary);
                }
                Ok(())
            }
            Due::Swap(kind) if self.loader.swaps() => {
                let begun = plan.begun && self.images() == 1;
                let swapped = self.swap(image, kind, plan.offset, begun)?;
                self.finish(image, kind);
                if swapped {
                    plan.boot = Boot::Swapped(kind);
                }
                Ok(())
            }
            Due::Swap(kind) => {
                self.overwrite(image)?;
                plan.boot = Boot::Swapped(kind);
                Ok(())
            }
        }
    }

    /// Writes the flags at the end of a swap: without `image_ok` the next reset swaps back.
    pub(super) fn finish(&mut self, image: usize, kind: SwapType) {
        let primary = self.pair(image).primary;
        if matches!(kind, SwapType::Revert | SwapType::Permanent) {
            self.confirm(primary);
        }
        if kind != SwapType::None {
            self.write_flag(primary, Field::CopyDone);
        }
    }
}
