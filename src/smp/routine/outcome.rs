//! Reports of an upgrade: its phase, its outcome, and what it left out.

use core::fmt;

use super::{Error, UploadEvent, UploadReport};
use crate::shown::shown;
use crate::smp;

/// The phase of an [`Upgrade`](super::Upgrade). Printed, it says what is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Phase {
    /// Reads the list of images.
    Looking,
    /// Uploads.
    Uploading,
    /// Marks the image for test.
    Marking,
    /// Resets the device.
    Resetting,
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
    /// The progress of the upload.
    pub upload: UploadEvent,
}

/// The result of an [`Upgrade`](super::Upgrade).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct UpgradeReport {
    /// The outcome.
    pub outcome: UpgradeOutcome,
    /// The phase in which it ended.
    pub phase: Phase,
    /// The steps that were left out, and what is uncertain.
    pub notes: Notes,
    /// The result of the upload.
    pub upload: UploadReport,
    /// The number of messages that answered nothing, without those during the upload.
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

/// The outcome of an [`Upgrade`](super::Upgrade). Printed, it is a sentence for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum UpgradeOutcome {
    /// It has not ended: it may be run again.
    Unfinished,
    /// Nothing was done; these steps would be.
    Planned(Plan),
    /// The device ran the image before, and keeps it. Nothing was done.
    AlreadyRunning,
    /// The device runs the image and keeps it.
    Confirmed,
    /// The device runs the image until the next reset: no confirmation was asked for, or the device
    /// has none.
    Testing,
    /// The device was reset and runs another image: the boot loader refused the new one, or it came
    /// up and fell back.
    Reverted,
    /// The peer: it refused a step; the phase says which.
    Refused(smp::Error),
    /// A step failed before the reset: the device runs the image that it ran before.
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
            Self::Reverted => "another image runs: the boot loader refused the new one, or it came up and fell back",
            Self::Refused(error) => return error.fmt(f),
            Self::Failed(error) => return error.fmt(f),
            Self::Unknown(doubt) => return doubt.fmt(f),
        })
    }
}

/// The reason why it is unknown which image a device runs. Printed, it is a sentence for the user.
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
    /// The exchange failed.
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
            Self::NotConfirmed => "the new image runs, but the confirmation did not stay",
            Self::Exchange(error) => {
                return write!(f, "after the reset the exchange failed, and which image runs is not known: {error}");
            }
        })
    }
}

/// One step that an upgrade left out, or one thing that is uncertain. Printed, it is a few words
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
    /// No mark for test: the device has no such command, or starts what was uploaded anyway.
    NoTest = 2,
    /// No confirmation: the device has no such command.
    NoConfirm = 3,
    /// The reset was not answered. Devices often vanish before their response is read.
    ResetUnanswered = 4,
    /// The image was recognised by its version: the device lists no hashes.
    ByVersion = 5,
    /// An earlier run had left an image on trial or pending, so the device was reset first.
    Settled = 6,
    /// The device refused to mark the image that it had, as one that is damaged: it was uploaded
    /// again.
    Damaged = 7,
}

impl Note {
    const ALL: [Self; 8] = [
        Self::NoUpload,
        Self::NoState,
        Self::NoTest,
        Self::NoConfirm,
        Self::ResetUnanswered,
        Self::ByVersion,
        Self::Settled,
        Self::Damaged,
    ];

    const fn bit(self) -> u8 {
        1 << self as u8
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
            Self::Damaged => "the device refused to mark the image that it had, so it was uploaded again",
        })
    }
}

/// A set of [`Note`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Notes(u8);

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
    pub fn iter(self) -> impl Iterator<Item = Note> {
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
    all: core::array::IntoIter<Note, 8>,
}

shown!(NotesIter, |it| "NotesIter({:?})", it.notes);

impl Iterator for NotesIter {
    type Item = Note;

    fn next(&mut self) -> Option<Note> {
        self.all.find(|note| self.notes.contains(*note))
    }
}
