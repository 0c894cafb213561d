//! Upgrades a device from end to end, and reports what it really runs afterwards.
//!
//! ```text
//!   look ─┬─ absent ─▶ upload ─▶ look ─▶ mark for test ─┐
//!         ├─ stored ───────────────────▶ mark for test ─┤ (refused as damaged: upload, once)
//!         ├─ pending ───────────────────────────────────┴▶ reset ═ Reopen ═▶ rest ─▶ look, until
//!         │                                                                          it answers
//!         ├─ on trial ───────────────────────────▶ confirm ◀── the new one runs, on trial ──┤
//!         │                                           └▶ look ─▶ Confirmed                  │
//!         └─ runs and stays ─▶ AlreadyRunning              Reverted ◀── another one runs ───┘
//! ```
//!
//! A look reads the list of images. The image is recognised by the hash in its TLV area; where a
//! device lists none, by its version.
//!
//! # The reset
//!
//! After the reset the routine asks for [`Step::Reopen`]: `run` returns, and the caller closes the
//! port, waits until it is back (USB takes a second or two), builds a new link and runs the same
//! routine with the same client. If the port fails while the phase is [`Phase::Resetting`], the
//! device was faster: do the same then.
//!
//! The routine then stays silent for the [rest](Upgrade::with_rest), since a boot loader that
//! receives a request while it starts may stay in its recovery mode, and asks for the list until
//! the [boot time](Upgrade::with_boot_time) has passed.
//!
//! # Servers with fewer commands
//!
//! | the device | so |
//! |---|---|
//! | lists no images | upload, mark, reset; the outcome is unknown |
//! | has no mark for test (RAM load, serial recovery) | reset without it |
//! | lists no image as running (serial recovery) | no mark: what was uploaded is in the primary slot, and some boot loaders would mark the other one |
//! | has no confirmation | the outcome is [`Testing`](UpgradeOutcome::Testing) |
//!
//! What was left out is in the report's [`Notes`].
//!
//! Specification: Zephyr Project, *Application/software image management group* and *Default / OS
//! Management Group*; MCUboot, *Bootloader design*, image swapping.
//!
//! # Interpretation
//!
//! * A reset that is not answered has happened: it is not repeated, and the list shows its outcome.
//!   If the image is still pending afterwards, the device is reset again, at most twice.
//! * When a device refuses the upload or the mark while another image is on trial or pending, which
//!   an earlier run may have left, the device is reset, at most twice, so that the trial ends, and
//!   the upgrade starts from scratch.
//! * When a device has the image but refuses to mark it as one that is damaged, for example by an
//!   interrupted write, the image is uploaded over it. If the mark is refused then, or after any
//!   other upload, that is the end.
//! * Confirmed means that the list said so after the confirmation.

use core::time::Duration;

use super::Upload;
use super::outcome::{Doubt, Note, Notes, Phase, UpgradeEvent, UpgradeOutcome, UpgradeReport};
use super::survey::Survey;
use crate::mcuboot::{FileError, ImageFile};
use crate::routine::{Routine, Step};
use crate::smp::client::{self, Client};
use crate::smp::image::{ReadState, WriteState};
use crate::smp::os::{Force, Reset};
use crate::smp::{self, Request};
use crate::source::Source;

mod decide;
mod stage;

use stage::{Moment, Settings, Stage, boot, look};

/// The number of times that a device is reset again, and that another image is moved out of the
/// way.
const AGAIN: u8 = 2;

/// The least time for which an attempt counts while the device boots, so that the boot time ends
/// also for a client that does not wait.
const LEAST_ATTEMPT: Duration = Duration::from_millis(1);

/// Upgrades a device to an image file. Build it, then have a driver `run` it.
pub struct Upgrade<S> {
    upload: Upload<S>,
    file: ImageFile,
    settings: Settings,
    stage: Stage,
    notes: Notes,
    foreign: u32,
    /// True if the last list showed another image on trial or pending.
    in_the_way: bool,
    /// True if the image that ran before has the same version, on a device that lists no hashes.
    look_alike: bool,
    /// The number of times that another image may still be moved out of the way.
    settles: u8,
    /// The number of times that the reset may still be repeated.
    resets: u8,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Upgrade<&[u8]>>() <= 584);

impl<S: Source> Upgrade<S> {
    /// An upgrade to the image that `upload` holds. Padding after the image is not uploaded; a
    /// `sha` that was computed with it is dropped.
    ///
    /// # Errors
    ///
    /// The fault of the file.
    pub fn new(mut upload: Upload<S>) -> Result<Self, FileError> {
        let file = ImageFile::read(upload.source())?;
        Ok(Self {
            upload: upload.with_len(file.len()),
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

    /// Sets the image number on a device with several images; by default 0.
    #[must_use]
    pub fn with_image(mut self, number: u32) -> Self {
        self.settings.number = number;
        self.upload = self.upload.with_image(number);
        self
    }

    /// Sets whether to confirm the image once it runs; by default it is. Without it the device
    /// falls back at the next reset, unless the image confirms itself.
    #[must_use]
    pub fn with_confirm(mut self, confirm: bool) -> Self {
        self.settings.confirm = confirm;
        self
    }

    /// Sets whether to reset the device even if its application refuses; by default not.
    #[must_use]
    pub fn with_force(mut self, force: bool) -> Self {
        self.settings.force = force;
        self
    }

    /// Sets whether only to look, and to report what would be done; by default all is done.
    #[must_use]
    pub fn with_plan_only(mut self, only: bool) -> Self {
        self.settings.plan_only = only;
        self
    }

    /// Sets whether to reset a device that refuses because another image is on trial or pending; by
    /// default it is reset.
    #[must_use]
    pub fn with_settle(mut self, settle: bool) -> Self {
        self.settings.settle = settle;
        self
    }

    /// Sets the time that the device may take until it answers again, the swap of the images
    /// included: by default 60 s.
    #[must_use]
    pub fn with_boot_time(mut self, time: Duration) -> Self {
        self.settings.boot_time = time;
        self
    }

    /// Sets the time to stay silent after the reset: by default 2 s. It has to be longer than a
    /// boot loader waits for a request, or that stays in its recovery mode.
    #[must_use]
    pub fn with_rest(mut self, time: Duration) -> Self {
        self.settings.rest = time;
        self
    }

    /// Takes one step; `None` if the stage has changed and has to be asked again.
    fn step(&mut self, client: &mut Client, tx: &mut [u8]) -> Option<Step> {
        let usual = client.timeout();
        let step = match &mut self.stage {
            Stage::Looking { call, .. } => call.poll(client, &ReadState {}, usual.max(ReadState::TIMEOUT), tx),
            Stage::Booting { call, boot, .. } => {
                boot.attempt = usual.max(LEAST_ATTEMPT);
                call.poll(client, &ReadState {}, usual, tx)
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

    /// Handles a message; returns whether it was one of ours.
    fn hear(&mut self, client: &mut Client, message: &[u8]) -> bool {
        let retries = client.retries();
        let heard = match &mut self.stage {
            Stage::Uploading => self.upload.receive(client, message).is_some(),
            Stage::Looking { call, moment } | Stage::Booting { call, moment, .. } => {
                let moment = *moment;
                call.receive(client, message).then(|list| {
                    let seen = list.map(|list| Survey::new(&self.file, self.settings.number, &list));
                    self.looked(moment, seen, retries);
                })
            }
            Stage::Marking(call, moment) => {
                let moment = *moment;
                let version = client.version();
                call.receive(client, message).then(|marked| match marked {
                    Ok(_) => self.reset(),
                    // Such devices start what was uploaded without a mark.
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
                    // A response that makes no sense comes from a device that is going down
                    // already.
                    Ok(_) | Err(_) => self.stage = Stage::Reopening(moment),
                })
            }
            Stage::Confirming(call) => call.receive(client, message).then(|confirmed| match confirmed {
                Err(client::Error::Remote(smp::Error::NOT_SUPPORTED)) => {
                    self.notes.add(Note::NoConfirm);
                    self.end(UpgradeOutcome::Testing);
                }
                Err(client::Error::Remote(error)) => self.end(UpgradeOutcome::Refused(error)),
                // Only the list proves that the image stays.
                Ok(_) | Err(_) => self.stage = look(Moment::Confirmed, retries),
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
    /// The image file.
    #[must_use]
    pub const fn file(&self) -> &ImageFile {
        &self.file
    }

    /// The current phase.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.stage {
            Stage::Booting { .. } | Stage::Reopening(_) | Stage::Resting { .. } => Phase::Booting,
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
            Stage::Booting { call, boot, .. } => {
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
