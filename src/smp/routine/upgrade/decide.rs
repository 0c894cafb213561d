//! The transitions between the stages: what each list, refusal and silence leads to.

use super::Upgrade;
use super::stage::{Moment, Stage, look};
use crate::routine::Routine;
use crate::smp::client::{self, Client};
use crate::smp::routine::outcome::{Doubt, Note, Plan, UpgradeOutcome};
use crate::smp::routine::survey::{Place, Survey};
use crate::smp::routine::{Call, Error, UploadOutcome};
use crate::smp::{self, Version};
use crate::source::Source;

impl<S: Source> Upgrade<S> {
    /// A request of the upgrade itself had no response, or did not fit.
    pub(super) fn failed(&mut self, error: Error, retries: u8) {
        match (&self.stage, error) {
            // The boot time ends the wait, not the number of attempts that a call counts.
            (&Stage::Booting { moment, boot, .. }, Error::TimedOut) => {
                self.stage = Stage::Booting { call: Call::new(u8::MAX), moment, boot };
            }
            // The device was reset: which image it runs is unknown, so this is not a plain failure.
            (Stage::Looking { moment, .. } | Stage::Booting { moment, .. }, _)
                if matches!(moment, Moment::Booted | Moment::Confirmed) =>
            {
                self.doubt(Doubt::Exchange(error));
            }
            // A device often vanishes before its response is read. The reset is not repeated, since
            // it could interrupt the boot; the list shows whether it happened.
            (Stage::Resetting(_, moment), Error::TimedOut) => {
                self.notes.add(Note::ResetUnanswered);
                self.stage = Stage::Reopening(*moment);
            }
            // The image may be confirmed all the same: the list shows it.
            (Stage::Confirming(_), Error::TimedOut) => self.stage = look(Moment::Confirmed, retries),
            _ => self.end(UpgradeOutcome::Failed(error)),
        }
    }

    /// The upload has ended.
    pub(super) fn uploaded(&mut self, client: &Client) {
        match self.upload.report().outcome {
            UploadOutcome::Done { already_present, .. } => {
                if already_present {
                    self.notes.add(Note::NoUpload);
                }
                self.stage = look(Moment::Uploaded, client.retries());
            }
            UploadOutcome::Failed(Error::Remote(error)) => self.refused(client.version(), error, Moment::Uploaded),
            UploadOutcome::Failed(error) => self.end(UpgradeOutcome::Failed(error)),
            // It is done, so this cannot be; a device cannot cause it.
            UploadOutcome::Unfinished => self.end(UpgradeOutcome::Failed(Error::NoProgress)),
        }
    }

    /// The device refused the upload or the mark: because of another image, because what was found
    /// there is damaged, or for good.
    pub(super) fn refused(&mut self, version: Version, error: smp::Error, moment: Moment) {
        match self.settles.checked_sub(1) {
            // A reset ends the trial of the other image, or starts the pending one. Without the
            // list's evidence the refusal may mean anything else, and a reset would be for nothing.
            Some(settles) if self.in_the_way && self.settings.settle && in_use(error) => {
                self.settles = settles;
                self.notes.add(Note::Settled);
                self.upload.restart();
                self.stage = Stage::Resetting(Call::new(0), Moment::Before);
            }
            // Once only: what this run has uploaded is not damaged by an earlier one.
            _ if moment == Moment::Before && !self.notes.contains(Note::Damaged) && damaged(version, error) => {
                self.notes.remove(Note::NoUpload);
                self.notes.add(Note::Damaged);
                self.upload.restart();
                self.stage = Stage::Uploading;
            }
            _ => self.end(UpgradeOutcome::Refused(error)),
        }
    }

    /// Resets the device into the new image.
    pub(super) fn reset(&mut self) {
        // Not repeated: see `failed`.
        self.stage = Stage::Resetting(Call::new(0), Moment::Booted);
    }

    pub(super) fn end(&mut self, outcome: UpgradeOutcome) {
        self.stage = Stage::Ended(outcome, self.phase());
    }

    pub(super) fn doubt(&mut self, doubt: Doubt) {
        self.end(UpgradeOutcome::Unknown(doubt));
    }

    /// The list has come, or a refusal to give it.
    pub(super) fn looked(&mut self, moment: Moment, seen: Result<Survey, client::Error>, retries: u8) {
        let seen = match seen {
            Ok(survey) => {
                // Before the upload a version proves nothing, so it decides nothing: see `plan`.
                if survey.by_version && moment != Moment::Before {
                    self.notes.add(Note::ByVersion);
                }
                self.in_the_way = survey.in_the_way;
                Some(survey)
            }
            // Some boot loaders have no list; they can be upgraded blindly.
            Err(client::Error::Remote(_)) => {
                self.notes.add(Note::NoState);
                None
            }
            Err(error) => return self.failed(error.into(), retries),
        };
        match moment {
            Moment::Before => self.plan(seen, retries),
            Moment::Uploaded => match seen {
                Some(Survey { place: Place::Pending, .. }) => self.reset(),
                // Nothing runs: a boot loader answers, and a mark would go to the other slot. Or
                // the image runs already, and a mark would be refused.
                Some(
                    Survey { active: false, .. }
                    | Survey { place: Place::OnTrial | Place::Confirmed, by_version: false, .. },
                ) => {
                    self.notes.add(Note::NoTest);
                    self.reset();
                }
                _ => self.stage = Stage::Marking(Call::new(retries), moment),
            },
            Moment::Booted => match (seen, self.resets.checked_sub(1)) {
                (None, _) => self.doubt(Doubt::NoState),
                // The old image and the new one look the same in this list.
                (Some(Survey { place: Place::Confirmed, by_version: true, .. }), _) if self.look_alike => {
                    self.doubt(Doubt::SameVersion);
                }
                (Some(Survey { place: Place::Confirmed, .. }), _) => self.end(UpgradeOutcome::Confirmed),
                (Some(Survey { place: Place::OnTrial, .. }), _) if self.settings.confirm => {
                    self.stage = Stage::Confirming(Call::new(retries));
                }
                (Some(Survey { place: Place::OnTrial, .. }), _) => self.end(UpgradeOutcome::Testing),
                (Some(Survey { active: false, .. }), _) => self.doubt(Doubt::NothingRuns),
                // The reset was lost, or refused without a word.
                (Some(Survey { place: Place::Pending, .. }), Some(resets)) => {
                    self.resets = resets;
                    self.reset();
                }
                (Some(Survey { place: Place::Pending, .. }), None) => self.doubt(Doubt::NotStarted),
                _ => self.end(UpgradeOutcome::Reverted),
            },
            Moment::Confirmed => match seen {
                None => self.doubt(Doubt::NoState),
                Some(Survey { place: Place::Confirmed, .. }) => self.end(UpgradeOutcome::Confirmed),
                Some(Survey { place: Place::OnTrial, .. }) => self.doubt(Doubt::NotConfirmed),
                Some(_) => self.end(UpgradeOutcome::Reverted),
            },
        }
    }

    /// Decides what has to be done.
    pub(super) fn plan(&mut self, seen: Option<Survey>, retries: u8) {
        self.look_alike = seen.is_some_and(|seen| seen.by_version && seen.place >= Place::OnTrial);
        let plan = match seen {
            // A version alone does not prove that it is the same image.
            None | Some(Survey { place: Place::Absent, .. } | Survey { by_version: true, .. }) => Plan::Upload,
            Some(Survey { place: Place::Confirmed, .. }) => return self.end(UpgradeOutcome::AlreadyRunning),
            Some(Survey { place: Place::OnTrial, .. }) => Plan::Confirm,
            Some(Survey { place: Place::Pending, .. } | Survey { active: false, place: Place::Primary, .. }) => {
                Plan::Reset
            }
            // A boot loader answers and the image is in the other slot, which it will not start.
            Some(Survey { active: false, .. }) => Plan::Upload,
            Some(Survey { place: Place::Stored | Place::Primary, .. }) => Plan::Test,
        };
        if self.settings.plan_only {
            return self.end(UpgradeOutcome::Planned(plan));
        }
        if plan != Plan::Upload {
            self.notes.add(Note::NoUpload);
        }
        match plan {
            Plan::Upload => self.stage = Stage::Uploading,
            Plan::Test => self.stage = Stage::Marking(Call::new(retries), Moment::Before),
            Plan::Reset => self.reset(),
            Plan::Confirm if self.settings.confirm => self.stage = Stage::Confirming(Call::new(retries)),
            Plan::Confirm => self.end(UpgradeOutcome::Testing),
        }
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
