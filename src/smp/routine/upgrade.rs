//! Upgrades a device end to end, and reports what it actually runs afterwards.
//!
//! ```text
//!   look ─┬─ absent ─▶ slots ─▶ upload ─▶ look ─▶ mark for test ─┐
//!         ├─ stored ───────────────────▶ mark for test ─┤ (refused as damaged: upload, once)
//!         ├─ pending ───────────────────────────────────┴▶ reset ═ Reopen ═▶ rest ─▶ look, until
//!         │                                                                          it answers
//!         ├─ on trial ───────────────────────────▶ confirm ◀── the new one runs, on trial ──┤
//!         │                                           └▶ look ─▶ Confirmed                  │
//!         └─ runs and stays ─▶ AlreadyRunning              Reverted ◀── another one runs ───┘
//! ```
//!
//! A look reads the list of images. The image is recognised by the hash in its TLV area, or, if it
//! is compressed, by that of the decompressed image; if the device lists no hashes, by its version.
//!
//! # Several images
//!
//! A device with several cores runs one image of each number. An upgrade of several images uploads
//! all of them, marks all, resets once, and confirms when all run; [`Item::place`] shows how far
//! each has got. If one of them does not start, none is confirmed, and the device is reset again,
//! so that the others fall back: neither half of an upgrade stays.
//!
//! ```
//! # fn main() -> Result<(), anysmp::smp::routine::FileError> {
//! # use anysmp::mcuboot::{Version, build::Builder};
//! use anysmp::smp::routine::{Item, Upgrade};
//!
//! # #[cfg(feature = "sha2")] {
//! # let (mut app, mut net) = ([0; 256], [0; 256]);
//! # for file in [&mut app, &mut net] {
//! #     let builder = Builder::new(Version::new(2, 0, 0));
//! #     builder.build(b"program", &mut anysmp::mcuboot::digest::Sha256::new(), file).unwrap();
//! # }
//! let mut items = [Item::new(&app[..])?, Item::new(&net[..])?.with_image(1)];
//! let mut upgrade = Upgrade::several(&mut items);
//! // link.run(&mut client, &mut upgrade, |event| { … ControlFlow::Continue(()) })
//! # assert_eq!(upgrade.items()[1].image(), 1);
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # Before anything is sent
//!
//! The list and the slots reveal faults in advance: an image number that the device does not have
//! ([`Error::NoSuchImage`]), an image that does not fit ([`Error::TooLarge`]), and one that is not
//! newer ([`Error::NotNewer`], with [`with_upgrade_only`](Upgrade::with_upgrade_only)).
//!
//! # The reset
//!
//! After the reset the routine asks for [`Step::Reopen`]: `run` returns, and the caller closes the
//! port, waits until it is back (USB takes a second or two), builds a new link and runs the same
//! routine with the same client. If the port fails while the phase is [`Phase::Resetting`], the
//! device has restarted already: do the same.
//!
//! The routine then stays silent for the [rest](Upgrade::with_rest), since a boot loader that
//! receives a request while it starts may stay in its recovery mode, and asks for the list until
//! the [boot time](Upgrade::with_boot_time) has passed.
//!
//! # Servers with fewer commands
//!
//! | the device | consequence |
//! |---|---|
//! | lists no images | upload, mark, reset; the outcome is unknown |
//! | has no mark for test (RAM load, serial recovery) | reset without it |
//! | lists no image as running (serial recovery) | no mark: the uploaded image is in the primary slot, and some boot loaders would mark the other one |
//! | has no confirmation | the outcome is [`Testing`](UpgradeOutcome::Testing) |
//!
//! The steps that were left out are in the report's [`Notes`].
//!
//! Specification: Zephyr Project, *Application/software image management group* and *Default / OS
//! Management Group*; MCUboot, *Bootloader design*, image swapping.
//!
//! # Interpretation
//!
//! * Image 0 is confirmed without a hash, as the one that runs; every other number by its hash,
//!   since a confirmation without one would confirm image 0.
//! * Before Zephyr 3.5 only image 0 is ever listed as active. If any image is listed so, the
//!   primary slot of a number without an active one counts as running.
//! * If a mark is not answered, the list is read, once: the device may have restarted.
//! * A reset that is not answered counts as done: it is not repeated, and the list shows its
//!   outcome. If the image is still pending afterwards, the device is reset again, at most twice.
//! * When a device refuses the upload or the mark while another image is on trial or pending, which
//!   an earlier run may have left, the device is reset, at most twice, so that the trial ends, and
//!   the upgrade starts from scratch.
//! * When a device has the image but refuses to mark it because it is damaged, for example by an
//!   interrupted write, the image is uploaded over it. If the mark is then refused again, or is
//!   refused after any other upload, the upgrade ends.
//! * Confirmed means that the list showed it after the confirmation.

use core::marker::PhantomData;
use core::time::Duration;

use super::item::Item;
use super::outcome::{Doubt, Notes, Phase, UpgradeEvent, UpgradeOutcome, UpgradeReport};
use super::piece::Keys;
use super::upload::Job;
use super::{Error, Pacing, Upload};
use crate::mcuboot::FileError;
use crate::routine::{Routine, Step};
use crate::smp::client::Client;
use crate::source::Source;

mod decide;
mod plan;
mod stage;
mod steps;

use stage::{Moment, Settings, Stage, boot, look};

/// The number of times that a device is reset again, and that another image is moved out of the
/// way.
const AGAIN: u8 = 2;

/// Upgrades a device to an image file, or to several. Build it, then have a driver `run` it.
///
/// `I` holds the images: one of its own, or a slice of the caller's.
pub struct Upgrade<S, I = [Item<S>; 1]> {
    items: I,
    /// The index of the item of the current stage.
    at: usize,
    upload: Job,
    settings: Settings,
    stage: Stage,
    notes: Notes,
    foreign: u32,
    /// The number of times that another image may still be moved out of the way.
    settles: u8,
    /// The number of times that the reset may still be repeated.
    resets: u8,
    /// The number of times that a mark may still be looked up.
    marks: u8,
    source: PhantomData<fn() -> S>,
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
    pub fn new(upload: Upload<S>) -> Result<Self, FileError> {
        let (source, upload) = upload.into_parts();
        let mut item = Item::with_keys(source, upload.keys)?;
        // Both have the setting, so the device is asked to check it too.
        let upgrade_only = item.keys.upgrade;
        item.keys.upgrade = false;
        let pacing = upload.course.pacing;
        Ok(Self::several([item]).with_pacing(pacing).with_upgrade_only(upgrade_only))
    }

    /// Sets the image number on a device with several images; by default 0.
    #[must_use]
    pub fn with_image(mut self, number: u32) -> Self {
        let [item] = &mut self.items;
        item.keys.set_image(number);
        self
    }

    /// The image and its progress.
    #[must_use]
    pub const fn item(&self) -> &Item<S> {
        let [item] = &self.items;
        item
    }
}

impl<S: Source, I: AsRef<[Item<S>]> + AsMut<[Item<S>]>> Upgrade<S, I> {
    /// An upgrade of several images: an array, or a slice that the caller keeps.
    #[must_use]
    pub fn several(items: I) -> Self {
        let settings = Settings {
            confirm: true,
            force: false,
            plan_only: false,
            settle: true,
            upgrade_only: false,
            boot_time: Duration::from_secs(60),
            rest: Duration::from_secs(2),
        };
        let stage = if items.as_ref().is_empty() {
            Stage::Ended(UpgradeOutcome::Failed(Error::Empty), Phase::Looking)
        } else {
            look(Moment::Before, 2)
        };
        let (upload, notes, source) = (Job::new(0), Notes::default(), PhantomData);
        Self {
            items,
            at: 0,
            upload,
            settings,
            stage,
            notes,
            foreign: 0,
            settles: AGAIN,
            resets: AGAIN,
            marks: 1,
            source,
        }
    }

    /// Sets the pace of the uploads: see [`Pacing`]. Only the values set in it change.
    #[must_use]
    pub fn with_pacing(mut self, pacing: Pacing) -> Self {
        self.upload.course.pacing = pacing.over(self.upload.course.pacing);
        self
    }

    /// Sets whether to confirm the images once they run; by default they are. Without it the device
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

    /// Sets whether the upgrade stops at its plan: it reads the state of the device and reports
    /// what it would do. Off by default.
    #[must_use]
    pub fn with_plan_only(mut self, only: bool) -> Self {
        self.settings.plan_only = only;
        self
    }

    /// Sets whether the device may be reset to end the trial of another image, or to start a
    /// pending one, if it refuses because of that image; and to end the trial of images that have
    /// started when another one has not. By default it may.
    #[must_use]
    pub fn with_settle(mut self, settle: bool) -> Self {
        self.settings.settle = settle;
        self
    }

    /// Sets whether the upgrade accepts only images that are newer than the running ones; by
    /// default it accepts any, and reports an older one in its notes. Build numbers do not count.
    #[must_use]
    pub fn with_upgrade_only(mut self, only: bool) -> Self {
        self.settings.upgrade_only = only;
        self
    }

    /// Sets the time that the device may take until it answers again, the swap of the images
    /// included: by default 60 s.
    #[must_use]
    pub fn with_boot_time(mut self, time: Duration) -> Self {
        self.settings.boot_time = time;
        self
    }

    /// Sets the time to stay silent after the reset: by default 2 s. It has to be longer than the
    /// time for which a boot loader waits for a request: otherwise the boot loader stays in its
    /// recovery mode.
    #[must_use]
    pub fn with_rest(mut self, time: Duration) -> Self {
        self.settings.rest = time;
        self
    }

    /// The images and their progress.
    #[must_use]
    pub fn items(&self) -> &[Item<S>] {
        self.items.as_ref()
    }

    fn keys(&self, at: usize) -> Option<(u64, Keys)> {
        let item = self.items.as_ref().get(at)?;
        Some((item.len(), Keys { upgrade: self.settings.upgrade_only, ..item.keys }))
    }
}

impl<S, I> Upgrade<S, I> {
    /// The current phase.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.stage {
            Stage::Booting { .. } | Stage::Reopening(_) | Stage::Resting { .. } => Phase::Booting,
            Stage::Looking { moment: Moment::Confirmed, .. } => Phase::Verifying,
            Stage::Looking { .. } | Stage::Measuring(_) => Phase::Looking,
            Stage::Uploading => Phase::Uploading,
            Stage::Marking(_) => Phase::Marking,
            Stage::Resetting(_, Moment::Before) => Phase::Settling,
            Stage::Resetting(_, Moment::RolledBack) => Phase::RollingBack,
            Stage::Resetting(..) => Phase::Resetting,
            Stage::Confirming(_) => Phase::Confirming,
            Stage::Ended(_, phase) => phase,
        }
    }
}

impl<S: Source, I: AsRef<[Item<S>]> + AsMut<[Item<S>]>> Routine for Upgrade<S, I> {
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
        self.hear(client, message).then(|| UpgradeEvent {
            phase: self.phase(),
            item: self.at,
            notes: self.notes,
            upload: self.upload.progress(),
        })
    }

    fn tick(&mut self, elapsed: Duration) {
        if let Stage::Uploading = self.stage {
            self.upload.tick(elapsed);
        }
    }

    fn timed_out(&mut self) {
        match &mut self.stage {
            Stage::Booting { call, boot, moment } => {
                boot.waited = boot.waited.saturating_add(boot.attempt);
                if boot.waited < self.settings.boot_time {
                    call.timed_out();
                } else if *moment == Moment::Marked {
                    // The reset into the image is yet to come: a failure, not a doubt.
                    self.end(UpgradeOutcome::Failed(Error::TimedOut));
                } else {
                    self.doubt(Doubt::Silent);
                }
            }
            Stage::Looking { call, .. } => call.timed_out(),
            Stage::Measuring(call) => call.timed_out(),
            Stage::Marking(call) | Stage::Confirming(call) => call.timed_out(),
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
        UpgradeReport { outcome, phase: self.phase(), item: self.at, notes, upload: self.upload.report(), foreign }
    }
}

impl<S, I: core::fmt::Debug> core::fmt::Debug for Upgrade<S, I> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { items, stage, notes, .. } = self;
        f.debug_struct("Upgrade")
            .field("items", items)
            .field("upload", &self.upload.progress())
            .field("stage", stage)
            .field("notes", notes)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<S, I> defmt::Format for Upgrade<S, I> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Upgrade({}, {})", self.phase(), self.upload.progress());
    }
}
