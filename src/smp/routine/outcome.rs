//! Reports of an upgrade: its phase, its outcome, and the steps that it left out.

use core::fmt;

use super::{Error, UploadEvent, UploadReport};
use crate::shown::shown;
use crate::smp;

/// The phase of an [`Upgrade`](super::Upgrade). `Display` prints the current activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Phase {
    /// Reads the list of images.
    Looking,
    /// Uploads the image.
    Uploading,
    /// Marks the image for test.
    Marking,
    /// Resets the device, so that the image starts.
    Resetting,
    /// Resets the device, so that the trial of another image ends, or a pending one starts.
    Settling,
    /// Resets the device, so that the images that have started fall back too.
    RollingBack,
    /// Waits until the device answers again.
    Booting,
    /// Confirms the image.
    Confirming,
    /// Checks that the image stays.
    Verifying,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Looking => "reading the list of images",
            Self::Uploading => "uploading the image",
            Self::Marking => "marking it for test",
            Self::Resetting => "resetting the device",
            Self::Settling => "another image is on trial or pending: resetting the device, which ends its trial",
            Self::RollingBack => "not all images came up: resetting the device, so that all fall back",
            Self::Booting => "waiting for the device",
            Self::Confirming => "the new image runs; confirming it",
            Self::Verifying => "checking that the new image stays",
        })
    }
}

/// The progress of an [`Upgrade`](super::Upgrade), after each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct UpgradeEvent {
    /// The current phase.
    pub phase: Phase,
    /// The index in the list of items of the image concerned.
    pub item: usize,
    /// The steps that were left out so far, and the uncertainties.
    pub notes: Notes,
    /// The progress of its upload.
    pub upload: UploadEvent,
}

/// The result of an [`Upgrade`](super::Upgrade).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct UpgradeReport {
    /// The outcome; `Unfinished` until it has ended.
    pub outcome: UpgradeOutcome,
    /// The phase in which it ended.
    pub phase: Phase,
    /// The index in the list of items of the image that decided the outcome.
    pub item: usize,
    /// The steps that were left out, and the uncertainties.
    pub notes: Notes,
    /// The result of the last upload.
    pub upload: UploadReport,
    /// The number of messages that were not the response to a request in flight, not counting those
    /// during the upload.
    pub foreign: u32,
}

/// The steps that an [`Upgrade`](super::Upgrade) would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Plan {
    /// Upload, mark for test, reset, confirm.
    Upload,
    /// The image is on the device: mark for test, reset, confirm.
    Test,
    /// The image will be started next: reset, confirm.
    Reset,
    /// The image runs on trial: confirm.
    Confirm,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upload => "would upload, mark for test, reset, confirm",
            Self::Test => "is on the device: would mark it for test, reset, confirm",
            Self::Reset => "will be started next: would reset, confirm",
            Self::Confirm => "runs on trial: would confirm",
        })
    }
}

/// The outcome of an [`Upgrade`](super::Upgrade). `Display` prints a sentence for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum UpgradeOutcome {
    /// Not ended; the routine may be run again.
    Unfinished,
    /// Nothing was done; these are the steps that would be taken.
    Planned(Plan),
    /// The device ran the image before, and keeps it. Nothing was done.
    AlreadyRunning,
    /// The device runs the image and keeps it.
    Confirmed,
    /// The device runs the image until the next reset: no confirmation was requested, or the device
    /// has no such command.
    Testing,
    /// The device runs the image until the next reset, and denied the confirmation: the image has
    /// to confirm itself.
    Denied,
    /// The device was reset and runs another image: the boot loader refused the new one, or it came
    /// up and fell back.
    Reverted,
    /// The peer: it refused a step, which the phase names.
    Refused(smp::Error),
    /// A step failed before the reset: the device runs the image that it ran before, unless it may
    /// have restarted, see [`Note::MarkUnanswered`].
    Failed(Error),
    /// The device was reset, and which image it runs is unknown.
    Unknown(Doubt),
}

impl fmt::Display for UpgradeOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "the upgrade has not ended",
            Self::Planned(plan) => return plan.fmt(f),
            Self::AlreadyRunning => "the image was already running: confirmed",
            Self::Confirmed => "the image runs: confirmed",
            Self::Testing => "the image runs until the next reset: not confirmed",
            Self::Denied => "the image runs, not confirmed: the device denied it",
            Self::Reverted => "another image runs: the boot loader refused the new one, or it came up and fell back",
            Self::Refused(error) => return error.fmt(f),
            Self::Failed(error) => return error.fmt(f),
            Self::Unknown(doubt) => return doubt.fmt(f),
        })
    }
}

/// The reason why it is unknown which image a device runs. `Display` prints a sentence for the
/// user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Doubt {
    /// Time, or the peer: it did not answer within the boot time.
    Silent,
    /// The peer: it does not list its images.
    NoState,
    /// The peer: it lists images, but none that runs, as a boot loader does.
    NothingRuns,
    /// The peer: it lists no hashes, and the image that ran before has the same version.
    SameVersion,
    /// The peer: the image is still pending after all resets.
    NotStarted,
    /// The peer: the image runs, but did not stay confirmed.
    NotConfirmed,
    /// We, the peer or time, as the error shows: an exchange after the reset failed.
    Exchange(Error),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "the device did not answer within the boot time after the reset",
            Self::NoState => "the device was reset, but does not list its images: which one runs is not known",
            Self::NothingRuns => "the device was reset, and a boot loader answers: which image will run is not known",
            Self::SameVersion => "the device lists no hashes, and the image that ran before has the same version",
            Self::NotStarted => "the new image is still pending after several resets",
            Self::NotConfirmed => "the new image runs, but the confirmation did not persist",
            Self::Exchange(error) => {
                return write!(f, "after the reset the exchange failed, and which image runs is not known: {error}");
            }
        })
    }
}

/// One step that an upgrade left out, or one thing that is uncertain. `Display` prints a few words
/// for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[non_exhaustive]
pub enum Note {
    /// No upload: the device had the image.
    NoUpload = 0,
    /// The device does not list its images.
    NoState = 1,
    /// No mark for test: the device has no such command, or starts an uploaded image anyway.
    NoTest = 2,
    /// No confirmation: the device has no such command.
    NoConfirm = 3,
    /// The reset was not answered. Devices often vanish before their response is read.
    ResetUnanswered = 4,
    /// The image was recognised by its version: the device lists no hashes.
    ByVersion = 5,
    /// An earlier run had left an image on trial or pending, so the device was reset first, and the
    /// list has shown that this has ended.
    Settled = 6,
    /// The device refused to mark the image that it had, because that is damaged: it has to be
    /// uploaded again.
    Damaged = 7,
    /// The image is older than the one that ran before.
    Downgrade = 8,
    /// Another image is on trial or pending: devices refuse an upload then, until a reset has ended
    /// its trial.
    InTheWay = 9,
    /// An image of another number is pending, and the reset starts it too.
    OthersPending = 10,
    /// The upgrade ended early, but an image is marked: the next reset starts it.
    LeftPending = 11,
    /// The device denied the confirmation.
    ConfirmDenied = 12,
    /// Not all images came up, so the device was reset, and the list has shown that all fell back.
    RolledBack = 13,
    /// The device did not answer a mark: the list shows whether it was made.
    MarkUnanswered = 14,
}

impl Note {
    const ALL: [Self; 15] = [
        Self::NoUpload,
        Self::NoState,
        Self::NoTest,
        Self::NoConfirm,
        Self::ResetUnanswered,
        Self::ByVersion,
        Self::Settled,
        Self::Damaged,
        Self::Downgrade,
        Self::InTheWay,
        Self::OthersPending,
        Self::LeftPending,
        Self::ConfirmDenied,
        Self::RolledBack,
        Self::MarkUnanswered,
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUpload => "upload skipped: the device already had the image",
            Self::NoState => "the device does not list its images",
            Self::NoTest => "mark for test skipped",
            Self::NoConfirm => "confirmation skipped",
            Self::ResetUnanswered => "the reset was not answered",
            Self::ByVersion => "recognised by its version only",
            Self::Settled => "reset first, because an image of an earlier run was on trial or pending",
            Self::Damaged => "the device refused to mark the image that it had, because it is damaged",
            Self::Downgrade => "the image is older than the running one",
            Self::InTheWay => "another image is on trial or pending: a reset has to end its trial first",
            Self::OthersPending => "an image of another number is pending: the reset starts it too",
            Self::LeftPending => "an image is still marked: the next reset starts it",
            Self::ConfirmDenied => "the device denied the confirmation: the image has to confirm itself",
            Self::RolledBack => "not all images came up, so the device was reset and all fell back",
            Self::MarkUnanswered => "the mark was not answered",
        })
    }
}

/// A set of [`Note`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Notes(u16);

impl Notes {
    /// Returns true if this note was made.
    #[must_use]
    pub const fn contains(self, note: Note) -> bool {
        self.0 & note.bit() != 0
    }

    /// Returns true if no note was made.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The notes that were made.
    #[must_use]
    pub fn iter(self) -> NotesIter {
        self.into_iter()
    }

    pub(super) const fn add(&mut self, note: Note) {
        self.0 |= note.bit();
    }

    pub(super) const fn remove(&mut self, note: Note) {
        self.0 &= !note.bit();
    }
}

impl IntoIterator for Notes {
    type Item = Note;
    type IntoIter = NotesIter;

    fn into_iter(self) -> NotesIter {
        NotesIter { notes: self, all: Note::ALL.into_iter() }
    }
}

impl IntoIterator for &Notes {
    type Item = Note;
    type IntoIter = NotesIter;

    fn into_iter(self) -> NotesIter {
        (*self).into_iter()
    }
}

/// An iterator over [`Notes`].
#[derive(Clone)]
pub struct NotesIter {
    notes: Notes,
    all: core::array::IntoIter<Note, 15>,
}

shown!(NotesIter, |it| "NotesIter({:?})", it.notes);

impl Iterator for NotesIter {
    type Item = Note;

    fn next(&mut self) -> Option<Note> {
        self.all.find(|note| self.notes.contains(*note))
    }
}
