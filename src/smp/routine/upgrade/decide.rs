//! The transitions between the stages: the effects of lists, refusals and silence.

use super::stage::{Moment, Stage, look};
use super::{AGAIN, Upgrade};
use crate::smp::client::{self, Client};
use crate::smp::routine::item::{Item, Origin, Place, Seen, Task};
use crate::smp::routine::outcome::{Doubt, Note, UpgradeOutcome};
use crate::smp::routine::survey::Survey;
use crate::smp::routine::{Call, Error, UploadOutcome};
use crate::smp::{self, Version};
use crate::source::Source;

impl<S: Source, I: AsRef<[Item<S>]> + AsMut<[Item<S>]>> Upgrade<S, I> {
    /// Handles a request of the upgrade itself that had no response or did not fit.
    pub(super) fn failed(&mut self, error: Error, retries: u8) {
        match (&self.stage, error) {
            // The boot time ends the wait, not the number of attempts that a call counts.
            (&Stage::Booting { moment, boot, .. }, Error::TimedOut) => {
                self.stage = Stage::Booting { call: Call::new(u8::MAX), moment, boot };
            }
            // The device was reset: which image it runs is unknown, so this is not a plain failure.
            (Stage::Looking { moment, .. } | Stage::Booting { moment, .. }, _)
                if matches!(moment, Moment::Booted | Moment::Confirmed | Moment::RolledBack) =>
            {
                self.doubt(Doubt::Exchange(error));
            }
            // A device often vanishes before its response is read. The reset is not repeated, since
            // it could interrupt the boot; the list shows whether it happened.
            (Stage::Resetting(_, moment), Error::TimedOut) => {
                self.notes.add(Note::ResetUnanswered);
                self.stage = Stage::Reopening(*moment);
            }
            // The device may have made the mark and restarted: the list shows it.
            (Stage::Marking(_), Error::TimedOut) if self.marks > 0 => {
                self.marks = self.marks.saturating_sub(1);
                self.notes.add(Note::MarkUnanswered);
                self.stage = Stage::Reopening(Moment::Marked);
            }
            // The image may be confirmed all the same: the list shows it.
            (Stage::Confirming(_), Error::TimedOut) => {
                self.done(Task::None, None);
                self.next(retries);
            }
            _ => self.end(UpgradeOutcome::Failed(error)),
        }
    }

    pub(super) fn uploaded(&mut self, client: &Client) {
        match self.upload.report().outcome {
            UploadOutcome::Done { already_present, .. } => {
                if already_present {
                    self.notes.add(Note::NoUpload);
                }
                self.done(Task::Mark(Origin::Uploaded), None);
                if self.find(|item| item.task == Task::Upload).is_some() {
                    self.next(client.retries());
                } else {
                    self.stage = look(Moment::Uploaded, client.retries());
                }
            }
            UploadOutcome::Failed(Error::Remote(error)) => self.refused(client.version(), error, client.retries()),
            UploadOutcome::Failed(error) => self.end(UpgradeOutcome::Failed(error)),
            // The upload has ended, so this cannot happen, whatever a device sends.
            UploadOutcome::Unfinished => self.end(UpgradeOutcome::Failed(Error::NoProgress)),
        }
    }

    /// Handles the refusal of an upload or a mark: because of another image, because the image
    /// found there is damaged, or for any other reason.
    pub(super) fn refused(&mut self, version: Version, error: smp::Error, retries: u8) {
        let in_the_way = self.find(|item| item.seen.in_the_way).is_some();
        let was_found = self.items.as_ref().get(self.at).is_some_and(|item| item.task == Task::Mark(Origin::Found));
        match self.settles.checked_sub(1) {
            // A reset ends the trial of the other image, or starts the pending one. Without the
            // list's evidence the refusal may mean anything else, and a reset would be pointless.
            Some(settles) if in_the_way && self.settings.settle && in_use(error) => {
                self.settles = settles;
                // Noted in advance; the list has to show that the trial has ended.
                self.notes.add(Note::InTheWay);
                self.upload.restart();
                self.stage = Stage::Resetting(Call::new(0), Moment::Before);
            }
            // Once only: an image that this run has uploaded was not damaged by an earlier one.
            _ if was_found && !self.notes.contains(Note::Damaged) && damaged(version, error) => {
                self.notes.remove(Note::NoUpload);
                self.notes.add(Note::Damaged);
                self.done(Task::Upload, None);
                self.next(retries);
            }
            _ => self.end(UpgradeOutcome::Refused(error)),
        }
    }

    /// Sets the next task of the current item, and its place on the device.
    pub(super) fn done(&mut self, task: Task, place: Option<Place>) {
        if let Some(item) = self.items.as_mut().get_mut(self.at) {
            item.task = task;
            item.seen.place = place.unwrap_or(item.seen.place);
        }
    }

    /// Finds the first item for which `is_it` returns true.
    pub(super) fn find(&self, is_it: impl Fn(&Item<S>) -> bool) -> Option<usize> {
        self.items.as_ref().iter().position(is_it)
    }

    /// Makes the first item for which `is_it` returns true the current one; returns false if there
    /// is none.
    pub(super) fn at(&mut self, is_it: impl Fn(&Item<S>) -> bool) -> bool {
        let found = self.find(is_it);
        self.at = found.unwrap_or(self.at);
        found.is_some()
    }

    /// Begins the next step: all uploads, then all marks, then the reset, then all confirmations.
    pub(super) fn next(&mut self, retries: u8) {
        if self.at(|item| item.task == Task::Upload) {
            if let Some((len, keys)) = self.keys(self.at) {
                self.upload.restart_with(len, keys);
            }
            self.stage = Stage::Uploading;
        } else if self.at(|item| matches!(item.task, Task::Mark(_))) {
            self.stage = Stage::Marking(Call::new(retries));
        } else if let Some(at) = self.items.as_ref().iter().rposition(|item| item.task == Task::Confirm) {
            // Also before a reset, which would end the trial of an image that is to stay. The last
            // image comes first: devices are more likely to refuse the confirmation of another
            // image than that of image 0, which is then still on trial, so that both fall back
            // together.
            self.at = at;
            self.stage = Stage::Confirming(Call::new(retries));
        } else if self.at(|item| item.seen.place < Place::OnTrial) {
            self.reset();
        } else if self.find(|item| item.task != Task::Unconfirmed).is_none() {
            self.end(self.unconfirmed());
        } else {
            self.stage = look(Moment::Confirmed, retries);
        }
    }

    fn unconfirmed(&self) -> UpgradeOutcome {
        let is_denied = self.notes.contains(Note::ConfirmDenied);
        if is_denied { UpgradeOutcome::Denied } else { UpgradeOutcome::Testing }
    }

    fn reset(&mut self) {
        // Not repeated: see `failed`.
        self.stage = Stage::Resetting(Call::new(0), Moment::Booted);
    }

    pub(super) fn end(&mut self, outcome: UpgradeOutcome) {
        let is_early = matches!(outcome, UpgradeOutcome::Refused(_) | UpgradeOutcome::Failed(_));
        if is_early && self.find(|item| item.seen.place == Place::Pending).is_some() {
            self.notes.add(Note::LeftPending);
        }
        self.stage = Stage::Ended(outcome, self.phase());
    }

    pub(super) fn doubt(&mut self, doubt: Doubt) {
        self.end(UpgradeOutcome::Unknown(doubt));
    }

    /// Handles the list, or the refusal to send it.
    pub(super) fn looked(&mut self, moment: Moment, seen: Result<Survey, client::Error>, retries: u8) {
        let survey = match seen {
            Ok(survey) => {
                // Before the upload a version proves nothing, so it does not count: see `plan`.
                if moment != Moment::Before && self.find(|item| item.seen.by_version).is_some() {
                    self.notes.add(Note::ByVersion);
                }
                Some(survey)
            }
            // Some boot loaders have no list; they can be upgraded blindly.
            Err(client::Error::Remote(_)) => {
                self.notes.add(Note::NoState);
                self.items.as_mut().iter_mut().for_each(|item| item.seen = Seen::NOTHING);
                None
            }
            Err(error) => return self.failed(error.into(), retries),
        };
        match (moment, survey) {
            (Moment::Before, survey) => {
                if self.settles < AGAIN && survey.is_some() && self.find(|item| item.seen.in_the_way).is_none() {
                    self.notes.remove(Note::InTheWay);
                    self.notes.add(Note::Settled);
                }
                self.plan(survey, retries);
            }
            (Moment::Uploaded, survey) => self.stored(survey, retries),
            // Without a list nothing shows whether the mark was made.
            (Moment::Marked, None) => self.end(UpgradeOutcome::Failed(Error::TimedOut)),
            (Moment::Marked, Some(survey)) => match self.items.as_ref().get(self.at).map(|item| item.seen.place) {
                // The mark was made, and the device has restarted into the image.
                Some(Place::OnTrial | Place::Confirmed) => self.booted(survey, retries),
                Some(Place::Pending) => {
                    self.done(Task::None, None);
                    self.next(retries);
                }
                // The mark was not made, so it is requested again. A second one without a response
                // ends the upgrade.
                _ => self.next(retries),
            },
            (_, None) => self.doubt(Doubt::NoState),
            (Moment::Booted, Some(survey)) => self.booted(survey, retries),
            (Moment::RolledBack, Some(_)) => self.fallen_back(),
            (Moment::Confirmed, Some(_)) => self.verified(),
        }
    }

    /// Handles the list after the uploads: finds the images that have to be marked.
    fn stored(&mut self, survey: Option<Survey>, retries: u8) {
        for item in self.items.as_mut() {
            if item.task == Task::Mark(Origin::Uploaded) && needs_no_mark(&item.seen, survey) {
                item.task = Task::None;
                if item.seen.place != Place::Pending {
                    self.notes.add(Note::NoTest);
                    // It is started by a reset, wherever it is.
                    item.seen.place = Place::Primary;
                }
            }
        }
        self.next(retries);
    }

    /// Handles the list after the reset: checks that all images run.
    fn booted(&mut self, survey: Survey, retries: u8) {
        if !survey.active {
            return self.doubt(Doubt::NothingRuns);
        }
        // The reset was lost, or silently refused.
        if self.at(|item| item.seen.place == Place::Pending) {
            return match self.resets.checked_sub(1) {
                Some(resets) => {
                    self.resets = resets;
                    self.reset();
                }
                None => self.doubt(Doubt::NotStarted),
            };
        }
        if self.at(|item| item.seen.place < Place::OnTrial) {
            // The others would stay if they were confirmed: half an upgrade.
            if self.settings.settle && self.find(|item| item.seen.place == Place::OnTrial).is_some() {
                self.stage = Stage::Resetting(Call::new(0), Moment::RolledBack);
            } else {
                self.end(UpgradeOutcome::Reverted);
            }
            return;
        }
        // The old image and the new one look the same in this list.
        if self.at(|item| item.seen.place == Place::Confirmed && item.seen.by_version && item.look_alike) {
            return self.doubt(Doubt::SameVersion);
        }
        // None is on trial: nothing is left to confirm.
        if !self.at(|item| item.seen.place == Place::OnTrial) {
            return self.end(UpgradeOutcome::Confirmed);
        }
        if !self.settings.confirm {
            return self.end(UpgradeOutcome::Testing);
        }
        for item in self.items.as_mut() {
            item.task = if item.seen.place == Place::OnTrial { Task::Confirm } else { Task::None };
        }
        self.next(retries);
    }

    /// Handles the list after a second reset, made because not all images had started: checks that
    /// the others have fallen back.
    fn fallen_back(&mut self) {
        let runs = |place| self.find(|item| item.seen.place == place).is_some();
        match (runs(Place::OnTrial), self.resets.checked_sub(1)) {
            // The reset was lost.
            (true, Some(resets)) => {
                self.resets = resets;
                self.stage = Stage::Resetting(Call::new(0), Moment::RolledBack);
                return;
            }
            // The note claims that all have fallen back; a confirmed image has not.
            (false, _) if !runs(Place::Confirmed) => self.notes.add(Note::RolledBack),
            _ => {}
        }
        self.end(UpgradeOutcome::Reverted);
    }

    /// Handles the list after the confirmations: checks that every image stays.
    fn verified(&mut self) {
        if self.at(|item| item.seen.place < Place::OnTrial) {
            self.end(UpgradeOutcome::Reverted);
        } else if self.at(|item| item.seen.place == Place::OnTrial && item.task != Task::Unconfirmed) {
            self.doubt(Doubt::NotConfirmed);
        } else if self.at(|item| item.seen.place == Place::OnTrial) {
            self.end(self.unconfirmed());
        } else {
            self.end(UpgradeOutcome::Confirmed);
        }
    }
}

/// Returns true if an uploaded image is started without a mark, or is marked already.
fn needs_no_mark(seen: &Seen, survey: Option<Survey>) -> bool {
    match (survey, seen.place) {
        (None, _) => false,
        (_, Place::Pending) => true,
        // Nothing runs: a boot loader answers, and a mark would go to the other slot. Or the image
        // runs already, and a mark would be refused.
        (Some(Survey { active: false, .. }), _) => true,
        (_, Place::OnTrial | Place::Confirmed) => !seen.by_version,
        _ => false,
    }
}

/// Returns true if a refusal may mean that another image is in the way. Version 1 has no separate
/// code for that.
fn in_use(error: smp::Error) -> bool {
    use smp::error::{image, smp as flat};
    [image::NO_FREE_SLOT, image::IMAGE_ALREADY_PENDING, flat::BAD_STATE, flat::NO_MEMORY, flat::UNKNOWN]
        .contains(&error)
}

/// Returns true if a refusal to mark an image that is in the list may mean that it is damaged: the
/// list has the hash that the image claims, and its contents are checked only when it is marked or
/// started. Version 1 has no separate codes for that.
fn damaged(version: Version, error: smp::Error) -> bool {
    use smp::error::{image, smp as flat};
    let codes = [
        image::NO_IMAGE,
        image::NO_TLVS,
        image::INVALID_TLV,
        image::TLV_MULTIPLE_HASHES_FOUND,
        image::TLV_INVALID_SIZE,
        image::HASH_NOT_FOUND,
        image::INVALID_IMAGE_HEADER_MAGIC,
    ];
    let flat = [flat::INVALID, flat::NOT_FOUND, flat::UNKNOWN];
    codes.contains(&error) || version == Version::V1 && flat.contains(&error)
}
