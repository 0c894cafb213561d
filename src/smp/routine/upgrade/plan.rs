//! The plan, before anything is sent: the steps for each image, and the faults found in advance.

use core::cmp::Ordering;

use super::Upgrade;
use super::stage::Stage;
use crate::smp::image::{ImageSlots, SlotInfoResponse};
use crate::smp::routine::item::{Item, Origin, Place, Seen, Task};
use crate::smp::routine::outcome::{Note, Plan, UpgradeOutcome};
use crate::smp::routine::survey::Survey;
use crate::smp::routine::{Call, Error};
use crate::source::Source;

impl<S: Source, I: AsRef<[Item<S>]> + AsMut<[Item<S>]>> Upgrade<S, I> {
    pub(super) fn plan(&mut self, survey: Option<Survey>, retries: u8) {
        for item in self.items.as_mut() {
            let Seen { place, by_version, .. } = item.seen;
            item.look_alike = by_version && place >= Place::OnTrial;
            item.task = match (survey, place) {
                // A version alone does not prove that it is the same image.
                (None, _) | (_, Place::Absent) => Task::Upload,
                _ if by_version => Task::Upload,
                (_, Place::Confirmed | Place::Pending) => Task::None,
                (_, Place::OnTrial) => Task::Confirm,
                (Some(Survey { active: false, .. }), Place::Primary) => Task::None,
                // A boot loader answers and the image is in the other slot, which it will not
                // start.
                (Some(Survey { active: false, .. }), _) => Task::Upload,
                (_, Place::Stored | Place::Primary) => Task::Mark(Origin::Found),
            };
            if item.task == Task::Upload {
                // The image that was found does not count: the uploaded one has yet to be started.
                item.seen.place = Place::Absent;
            }
        }
        if survey.is_some_and(|survey| survey.others_pending) {
            self.notes.add(Note::OthersPending);
        }
        let is_unknown = survey.is_some() && self.find(|item| !item.seen.is_known).is_some();
        if is_unknown || self.find(|item| item.task == Task::Upload).is_some() {
            self.stage = Stage::Measuring(Call::new(retries));
        } else {
            self.begin(retries);
        }
    }

    /// Compares the images with the slots that the device has reported.
    pub(super) fn measure(&mut self, slots: &SlotInfoResponse<'_>) {
        let mut too_large = None;
        for (at, item) in self.items.as_mut().iter_mut().enumerate() {
            let Some(slots) = slots.images.iter().find(|slots| slots.image == item.image()) else { continue };
            item.seen.is_known = true;
            if item.task == Task::Upload && largest(&slots).is_some_and(|largest| item.len() > largest) {
                too_large.get_or_insert(at);
            }
        }
        if let Some(at) = too_large {
            self.at = at;
            self.end(UpgradeOutcome::Failed(Error::TooLarge));
        }
    }

    /// Called when the device has reported its slots, or has refused to.
    pub(super) fn measured(&mut self, retries: u8) {
        if let Stage::Ended(..) = self.stage {
            return;
        }
        // A device without image numbers has image 0. Without a list nothing is known.
        let is_blind = self.notes.contains(Note::NoState);
        if self.at(|item| !item.seen.is_known && item.image() != 0 && !is_blind) {
            return self.end(UpgradeOutcome::Failed(Error::NoSuchImage));
        }
        self.begin(retries);
    }

    /// Begins the plan, unless only the plan was requested.
    fn begin(&mut self, retries: u8) {
        let is_older = |item: &Item<S>, most| {
            item.seen.place < Place::OnTrial && item.seen.against.is_some_and(|against| against <= most)
        };
        if self.at(|item| is_older(item, Ordering::Less)) {
            self.notes.add(Note::Downgrade);
        }
        if self.settings.upgrade_only && self.at(|item| is_older(item, Ordering::Equal)) {
            return self.end(UpgradeOutcome::Failed(Error::NotNewer));
        }
        let Some(plan) = self.planned() else { return self.end(UpgradeOutcome::AlreadyRunning) };
        // Before the first request that changes the device.
        if self.settings.plan_only {
            if self.find(|item| item.seen.in_the_way).is_some() {
                self.notes.add(Note::InTheWay);
            }
            return self.end(UpgradeOutcome::Planned(plan));
        }
        if plan != Plan::Upload {
            self.notes.add(Note::NoUpload);
        }
        if !self.settings.confirm {
            // Only the confirmation is left, which was not requested.
            if plan == Plan::Confirm {
                return self.end(UpgradeOutcome::Testing);
            }
            for item in self.items.as_mut() {
                item.task = if item.task == Task::Confirm { Task::None } else { item.task };
            }
        }
        self.next(retries);
    }

    /// Returns the first of the remaining steps, with all those after it.
    fn planned(&self) -> Option<Plan> {
        let any = |is_it: fn(&Item<S>) -> bool| self.find(is_it).is_some();
        match () {
            () if any(|item| item.task == Task::Upload) => Some(Plan::Upload),
            () if any(|item| matches!(item.task, Task::Mark(_))) => Some(Plan::Test),
            () if any(|item| item.seen.place < Place::OnTrial) => Some(Plan::Reset),
            () if any(|item| item.task == Task::Confirm) => Some(Plan::Confirm),
            () => None,
        }
    }
}

/// Returns the length of the largest image that the slots of one number can hold.
fn largest(slots: &ImageSlots<'_>) -> Option<u64> {
    slots.max_image_size.or_else(|| slots.slots.iter().filter_map(|slot| slot.size).max())
}
