//! A device gets a new firmware and runs it: the whole way, and the truth about how it ended.
//!
//! ```text
//!   look at the list ─┬─ absent ─────▶ upload ─▶ look ─▶ mark for test ─┐
//!                     ├─ stored ────────────────────────▶ mark for test ─┤ (refused as damaged: upload, once)
//!                     ├─ pending ────────────────────────────────────────┴▶ reset ═ Reopen ═▶ rest ─▶ look, until
//!                     │                                                                                  it answers
//!                     ├─ on trial ───────────────────────────────────▶ confirm ◀── the new one runs, on trial ─┤
//!                     │                                                   └▶ look ─▶ Confirmed                 │
//!                     └─ runs and stays ─▶ AlreadyRunning                                another one runs ─▶ Reverted
//! ```
//!
//! The image is known by the hash in its TLV area; where a device lists none, by its version.
//!
//! # The reset
//!
//! After the reset the routine asks for [`Step::Reopen`]: `run` returns, and the caller closes the port, waits until it is
//! back (USB takes a second or two), builds a new link and runs the same routine with the same client. If the port fails
//! while the phase is [`Phase::Resetting`] the device was faster: do the same then.
//!
//! The routine then stays silent for the [rest](Upgrade::with_rest), since a boot loader that hears a request while it
//! starts may stay in its recovery mode, and asks for the list until the [boot time](Upgrade::with_boot_time) is over.
//!
//! # Servers that know less
//!
//! | the device | so |
//! |---|---|
//! | lists no images | upload, mark, reset; the outcome is unknown |
//! | has no mark for test (RAM load, serial recovery) | reset without it |
//! | says of no image that it runs (serial recovery) | no mark: what was uploaded lies in the primary slot, and some boot loaders would mark the other one |
//! | has no confirmation | the outcome is [`Testing`](UpgradeOutcome::Testing) |
//!
//! What was left out is in the report's [`Notes`].
//!
//! # Interpretation
//!
//! * A reset that is not answered has happened. If the image is still pending afterwards, the device is reset again, at
//!   most twice.
//! * When a device refuses the upload or the mark while another image is on trial or pending, which an earlier run may
//!   have left, the device is reset, at most twice, so that the trial is over, and all begins anew.
//! * When a device has the image but refuses to mark it as one that is damaged, as by an interrupted write, the image is
//!   uploaded over it. If the mark is refused then, or after any other upload, that is the end.
//! * Confirmed means that the list said so after the confirmation.

use core::time::Duration;

use super::file::{FileError, ImageFile};
use super::outcome::{Doubt, Note, Notes, Phase, Plan, UpgradeEvent, UpgradeOutcome, UpgradeReport};
use super::survey::{Place, Survey};
use super::{Call, Error, Source, Upload, UploadOutcome};
use crate::routine::{Routine, Step};
use crate::smp::client::{self, Client};
use crate::smp::image::{ReadState, WriteState};
use crate::smp::os::{Force, Reset};
use crate::smp::{self, Request, Version};

/// How often a device is reset once more, and how often another image is got out of the way.
const AGAIN: u8 = 2;

/// Upgrades a device to an image file. Build it, then have a driver `run` it. 584 bytes on a 64-bit machine, fewer on a Cortex-M.
pub struct Upgrade<S> {
    upload: Upload<S>,
    file: ImageFile,
    settings: Settings,
    stage: Stage,
    notes: Notes,
    foreign: u32,
    /// Whether the last list showed another image on trial or pending.
    in_the_way: bool,
    /// Whether the image that ran before has the same version, on a device that lists no hashes.
    look_alike: bool,
    /// How often another image may still be got out of the way.
    settles: u8,
    /// How often the reset may still be tried again.
    resets: u8,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    number: u32,
    confirm: bool,
    force: bool,
    plan_only: bool,
    settle: bool,
    boot_time: Duration,
    rest: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Asks for the list. Out: whatever the list calls for.
    Looking { call: Call<ReadState>, moment: Moment, boot: Option<Boot> },
    /// The upload is at work. Out: `Looking`, `Resetting` (to settle), `Ended`.
    Uploading,
    /// Marks the image for test; `Before` if it was found there, `Uploaded` if it was sent. Out: `Resetting`, `Uploading`
    /// (what was found is damaged), `Ended`.
    Marking(Call<WriteState<'static>>, Moment),
    /// Resets. Out: `Reopening`, `Ended`.
    Resetting(Call<Reset>, Moment),
    /// The driver is to reopen the port. Out: `Resting`.
    Reopening(Moment),
    /// Silence while the device restarts. Out: `Looking`.
    Resting { moment: Moment },
    /// Confirms the running image. Out: `Looking`, `Ended`.
    Confirming(Call<WriteState<'static>>),
    /// Over; the phase is the last one before.
    Ended(UpgradeOutcome, Phase),
}

/// Why the list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// To see what is to be done.
    Before,
    /// To see where the upload went.
    Uploaded,
    /// To see what runs after the reset.
    Booted,
    /// To see whether the confirmation has come to stay.
    Confirmed,
}

/// The device restarts.
#[derive(Debug, Clone, Copy)]
struct Boot {
    waited: Duration,
    /// How long each attempt waits.
    attempt: Duration,
}

impl<S: Source> Upgrade<S> {
    /// Upgrades to the image that `upload` holds. Padding behind the image is not uploaded; a `sha` that was computed
    /// with it is dropped.
    ///
    /// # Errors
    ///
    /// What is wrong with the file.
    pub fn new(mut upload: Upload<S>) -> Result<Self, FileError> {
        let file = ImageFile::read(upload.source())?;
        Ok(Self {
            upload: upload.trimmed(file.len()),
            file,
            settings: Settings {
                number: 0,
                confirm: true,
                force: false,
                plan_only: false,
                settle: true,
                boot_time: Duration::from_secs(60),
                rest: Duration::from_secs(2),
            },
            stage: look(Moment::Before, 2),
            notes: Notes::default(),
            foreign: 0,
            in_the_way: false,
            look_alike: false,
            settles: AGAIN,
            resets: AGAIN,
        })
    }

    /// For which of the images of the device, 0 by default.
    #[must_use]
    pub fn with_image(mut self, number: u32) -> Self {
        self.settings.number = number;
        self.upload = self.upload.with_image(number);
        self
    }

    /// Whether to confirm the image once it runs. Without it, the device falls back at the next reset unless the image
    /// confirms itself.
    #[must_use]
    pub fn with_confirm(mut self, confirm: bool) -> Self {
        self.settings.confirm = confirm;
        self
    }

    /// Resets the device even if its application would rather not.
    #[must_use]
    pub fn with_force(mut self, force: bool) -> Self {
        self.settings.force = force;
        self
    }

    /// Only looks, and reports what it would do.
    #[must_use]
    pub fn with_plan_only(mut self, only: bool) -> Self {
        self.settings.plan_only = only;
        self
    }

    /// Whether to reset a device that refuses because another image is on trial or pending.
    #[must_use]
    pub fn with_settle(mut self, settle: bool) -> Self {
        self.settings.settle = settle;
        self
    }

    /// How long the device may take until it answers again, the swap of the images included: 60 s by default.
    #[must_use]
    pub fn with_boot_time(mut self, time: Duration) -> Self {
        self.settings.boot_time = time;
        self
    }

    /// How long to stay silent after the reset: 2 s by default. More than the time in which a boot loader waits for a
    /// request, or it stays in its recovery mode.
    #[must_use]
    pub fn with_rest(mut self, time: Duration) -> Self {
        self.settings.rest = time;
        self
    }

    /// One step; `None` if the stage has changed and is to be asked again.
    fn step(&mut self, client: &mut Client, tx: &mut [u8]) -> Option<Step> {
        let usual = client.timeout();
        let step = match &mut self.stage {
            Stage::Looking { call, boot, .. } => {
                let timeout = match boot {
                    Some(boot) => {
                        boot.attempt = usual;
                        usual
                    }
                    None => usual.max(ReadState::TIMEOUT),
                };
                call.poll(client, &ReadState {}, timeout, tx)
            }
            Stage::Uploading => match self.upload.poll(client, tx) {
                Step::Done => {
                    self.uploaded(client);
                    return None;
                }
                step => Ok(step),
            },
            Stage::Marking(call, _) => {
                let request = WriteState { hash: Some(self.file.hash().into()), confirm: false };
                call.poll(client, &request, usual.max(WriteState::TIMEOUT), tx)
            }
            Stage::Resetting(call, _) => {
                let request = Reset { force: self.settings.force.then_some(Force(true)), boot_mode: None };
                call.poll(client, &request, usual, tx)
            }
            Stage::Reopening(moment) => {
                self.stage = Stage::Resting { moment: *moment };
                Ok(Step::Reopen)
            }
            Stage::Resting { .. } => Ok(Step::Wait(self.settings.rest)),
            Stage::Confirming(call) => {
                let request = WriteState { hash: None, confirm: true };
                call.poll(client, &request, usual.max(WriteState::TIMEOUT), tx)
            }
            Stage::Ended(..) => Ok(Step::Done),
        };
        match step {
            Ok(step) => Some(step),
            Err(error) => {
                self.failed(error, client.retries());
                None
            }
        }
    }

    /// A step of our own got no answer, or did not fit.
    fn failed(&mut self, error: Error, repeats: u8) {
        match (&self.stage, error) {
            (Stage::Looking { boot: Some(_), .. }, Error::TimedOut) => self.doubt(Doubt::Silent),
            (Stage::Looking { moment: Moment::Booted | Moment::Confirmed, .. }, _) => {
                self.doubt(Doubt::Exchange(error))
            }
            (Stage::Resetting(_, moment), Error::TimedOut) => {
                self.notes.add(Note::ResetUnanswered);
                self.stage = Stage::Reopening(*moment);
            }
            // It may have been done: the list tells.
            (Stage::Confirming(_), Error::TimedOut) => self.stage = look(Moment::Confirmed, repeats),
            _ => self.end(UpgradeOutcome::Failed(error)),
        }
    }

    fn uploaded(&mut self, client: &Client) {
        match self.upload.report().outcome {
            UploadOutcome::Done { already_present, .. } => {
                if already_present {
                    self.notes.add(Note::NoUpload);
                }
                self.stage = look(Moment::Uploaded, client.retries());
            }
            UploadOutcome::Failed(Error::Remote(error)) => self.refused(client.version(), error, Moment::Uploaded),
            UploadOutcome::Failed(error) => self.end(UpgradeOutcome::Failed(error)),
            UploadOutcome::Unfinished => self.end(UpgradeOutcome::Failed(Error::NoProgress)),
        }
    }

    /// The device refused the upload or the mark: because of another image, because what was found there is damaged, or for
    /// good.
    fn refused(&mut self, version: Version, error: smp::Error, moment: Moment) {
        match self.settles.checked_sub(1) {
            Some(settles) if self.in_the_way && self.settings.settle && in_use(error) => {
                self.settles = settles;
                self.notes.add(Note::Settled);
                self.upload.restart();
                self.stage = Stage::Resetting(Call::new(0), Moment::Before);
            }
            _ if moment == Moment::Before && !self.notes.contains(Note::Damaged) && damaged(version, error) => {
                self.notes.remove(Note::NoUpload);
                self.notes.add(Note::Damaged);
                self.upload.restart();
                self.stage = Stage::Uploading;
            }
            _ => self.end(UpgradeOutcome::Refused(error)),
        }
    }

    fn reset(&mut self) {
        self.stage = Stage::Resetting(Call::new(0), Moment::Booted);
    }

    fn end(&mut self, outcome: UpgradeOutcome) {
        self.stage = Stage::Ended(outcome, self.phase());
    }

    fn doubt(&mut self, doubt: Doubt) {
        self.end(UpgradeOutcome::Unknown(doubt));
    }

    /// The list has come, or a refusal to give it.
    fn looked(&mut self, moment: Moment, seen: Result<Survey, client::Error>, repeats: u8) {
        let seen = match seen {
            Ok(survey) => {
                if survey.by_version && moment != Moment::Before {
                    self.notes.add(Note::ByVersion);
                }
                self.in_the_way = survey.in_the_way;
                Some(survey)
            }
            Err(client::Error::Remote(_)) => {
                self.notes.add(Note::NoState);
                None
            }
            Err(error) => return self.failed(error.into(), repeats),
        };
        match moment {
            Moment::Before => self.plan(seen, repeats),
            Moment::Uploaded => match seen {
                Some(Survey { place: Place::Pending, .. }) => self.reset(),
                // It runs, or will: there is nothing to mark.
                Some(
                    Survey { active: false, .. }
                    | Survey { place: Place::OnTrial | Place::Confirmed, by_version: false, .. },
                ) => {
                    self.notes.add(Note::NoTest);
                    self.reset();
                }
                _ => self.stage = Stage::Marking(Call::new(repeats), moment),
            },
            Moment::Booted => match (seen, self.resets.checked_sub(1)) {
                (None, _) => self.doubt(Doubt::NoState),
                (Some(Survey { place: Place::Confirmed, by_version: true, .. }), _) if self.look_alike => {
                    self.doubt(Doubt::SameVersion);
                }
                (Some(Survey { place: Place::Confirmed, .. }), _) => self.end(UpgradeOutcome::Confirmed),
                (Some(Survey { place: Place::OnTrial, .. }), _) if self.settings.confirm => {
                    self.stage = Stage::Confirming(Call::new(repeats));
                }
                (Some(Survey { place: Place::OnTrial, .. }), _) => self.end(UpgradeOutcome::Testing),
                (Some(Survey { active: false, .. }), _) => self.doubt(Doubt::NothingRuns),
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

    /// Decides what is to be done.
    fn plan(&mut self, seen: Option<Survey>, repeats: u8) {
        self.look_alike = seen.is_some_and(|seen| seen.by_version && seen.place >= Place::OnTrial);
        let plan = match seen {
            // A version alone does not prove that it is the same image.
            None | Some(Survey { place: Place::Absent, .. } | Survey { by_version: true, .. }) => Plan::Upload,
            Some(Survey { place: Place::Confirmed, .. }) => return self.end(UpgradeOutcome::AlreadyRunning),
            Some(Survey { place: Place::OnTrial, .. }) => Plan::Confirm,
            Some(Survey { place: Place::Pending, .. } | Survey { active: false, place: Place::Primary, .. }) => {
                Plan::Reset
            }
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
            Plan::Test => self.stage = Stage::Marking(Call::new(repeats), Moment::Before),
            Plan::Reset => self.reset(),
            Plan::Confirm if self.settings.confirm => self.stage = Stage::Confirming(Call::new(repeats)),
            Plan::Confirm => self.end(UpgradeOutcome::Testing),
        }
    }

    /// Whether the message was one of ours.
    fn hear(&mut self, client: &mut Client, message: &[u8]) -> bool {
        let repeats = client.retries();
        let heard = match &mut self.stage {
            Stage::Uploading => self.upload.receive(client, message).is_some(),
            Stage::Looking { call, moment, .. } => {
                let moment = *moment;
                call.receive(client, message).then(|list| {
                    let seen = list.map(|list| Survey::new(&self.file, self.settings.number, &list));
                    self.looked(moment, seen, repeats);
                })
            }
            Stage::Marking(call, moment) => {
                let moment = *moment;
                let version = client.version();
                call.receive(client, message).then(|marked| match marked {
                    Ok(_) => self.reset(),
                    Err(client::Error::Remote(smp::Error::NOT_SUPPORTED)) => {
                        self.notes.add(Note::NoTest);
                        self.reset();
                    }
                    Err(client::Error::Remote(error)) => self.refused(version, error, moment),
                    Err(error) => self.end(UpgradeOutcome::Failed(error.into())),
                })
            }
            Stage::Resetting(call, moment) => {
                let moment = *moment;
                call.receive(client, message).then(|reset| match reset {
                    Err(client::Error::Remote(error)) => self.end(UpgradeOutcome::Refused(error)),
                    Ok(_) | Err(_) => self.stage = Stage::Reopening(moment),
                })
            }
            Stage::Confirming(call) => call.receive(client, message).then(|confirmed| match confirmed {
                Err(client::Error::Remote(smp::Error::NOT_SUPPORTED)) => {
                    self.notes.add(Note::NoConfirm);
                    self.end(UpgradeOutcome::Testing);
                }
                Err(client::Error::Remote(error)) => self.end(UpgradeOutcome::Refused(error)),
                Ok(_) | Err(_) => self.stage = look(Moment::Confirmed, repeats),
            }),
            Stage::Resting { .. } | Stage::Reopening(_) | Stage::Ended(..) => false,
        };
        if !heard {
            self.foreign = self.foreign.wrapping_add(1);
        }
        heard
    }
}

impl<S> Upgrade<S> {
    /// What the file says about itself.
    #[must_use]
    pub const fn file(&self) -> &ImageFile {
        &self.file
    }

    /// What it is at.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.stage {
            Stage::Looking { boot: Some(_), .. } | Stage::Reopening(_) | Stage::Resting { .. } => Phase::Booting,
            Stage::Looking { moment: Moment::Confirmed, .. } => Phase::Verifying,
            Stage::Looking { .. } => Phase::Looking,
            Stage::Uploading => Phase::Uploading,
            Stage::Marking(..) => Phase::Marking,
            Stage::Resetting(..) => Phase::Resetting,
            Stage::Confirming(_) => Phase::Confirming,
            Stage::Ended(_, phase) => phase,
        }
    }
}

impl<S: Source> Routine for Upgrade<S> {
    type Client = Client;
    type Event<'m> = UpgradeEvent;
    type Report = UpgradeReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        loop {
            if let Some(step) = self.step(client, tx) {
                return step;
            }
        }
    }

    fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<UpgradeEvent> {
        self.hear(client, message).then(|| UpgradeEvent { phase: self.phase(), upload: self.upload.progress() })
    }

    fn timed_out(&mut self) {
        match &mut self.stage {
            Stage::Looking { call, boot: Some(boot), .. } => {
                boot.waited = boot.waited.saturating_add(boot.attempt);
                if boot.waited >= self.settings.boot_time {
                    self.doubt(Doubt::Silent);
                } else {
                    call.timed_out();
                }
            }
            Stage::Looking { call, .. } => call.timed_out(),
            Stage::Marking(call, _) | Stage::Confirming(call) => call.timed_out(),
            Stage::Resetting(call, _) => call.timed_out(),
            Stage::Uploading => self.upload.timed_out(),
            Stage::Resting { moment } => self.stage = boot(*moment),
            Stage::Reopening(_) | Stage::Ended(..) => {}
        }
    }

    fn report(&self) -> UpgradeReport {
        let outcome = match self.stage {
            Stage::Ended(outcome, _) => outcome,
            _ => UpgradeOutcome::Unfinished,
        };
        let (notes, foreign) = (self.notes, self.foreign);
        UpgradeReport { outcome, phase: self.phase(), notes, upload: self.upload.report(), foreign }
    }
}

impl<S> core::fmt::Debug for Upgrade<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { upload, file, stage, notes, .. } = self;
        f.debug_struct("Upgrade")
            .field("upload", upload)
            .field("file", file)
            .field("stage", stage)
            .field("notes", notes)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<S> defmt::Format for Upgrade<S> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Upgrade({}, {})", self.phase(), self.upload);
    }
}

/// Whether a refusal may mean that another image is in the way. Version 1 has no code of its own for that.
fn in_use(error: smp::Error) -> bool {
    use smp::error::{image, smp as flat};
    [image::NO_FREE_SLOT, image::IMAGE_ALREADY_PENDING, flat::BAD_STATE, flat::NO_MEMORY, flat::UNKNOWN]
        .contains(&error)
}

/// Whether a refusal to mark an image that the list shows may mean that it is damaged: its hash is read from the image, and
/// its contents are looked at only when it is to be started. Version 1 has no codes of its own for that.
fn damaged(version: Version, error: smp::Error) -> bool {
    use smp::error::{image, smp as flat};
    let told = [
        image::NO_IMAGE,
        image::NO_TLVS,
        image::INVALID_TLV,
        image::TLV_MULTIPLE_HASHES_FOUND,
        image::TLV_INVALID_SIZE,
        image::HASH_NOT_FOUND,
        image::INVALID_IMAGE_HEADER_MAGIC,
    ];
    let flat = [flat::INVALID, flat::NOT_FOUND, flat::UNKNOWN];
    told.contains(&error) || version == Version::V1 && flat.contains(&error)
}

const fn look(moment: Moment, repeats: u8) -> Stage {
    Stage::Looking { call: Call::new(repeats), moment, boot: None }
}

/// Asks for the list until the boot time is over.
const fn boot(moment: Moment) -> Stage {
    let boot = Boot { waited: Duration::ZERO, attempt: Duration::ZERO };
    Stage::Looking { call: Call::new(u8::MAX), moment, boot: Some(boot) }
}
