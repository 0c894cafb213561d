//! What an upgrade tells: where it is, how it ended, what it left out.

use super::{Error, UploadEvent, UploadReport};
use crate::smp;

/// What an [`Upgrade`](super::Upgrade) is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Makes sure.
    Verifying,
}

/// What an [`Upgrade`](super::Upgrade) tells after each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UpgradeEvent {
    /// What it is at.
    pub phase: Phase,
    /// How far the upload has got.
    pub upload: UploadEvent,
}

/// What came of an [`Upgrade`](super::Upgrade).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UpgradeReport {
    /// How it ended.
    pub outcome: UpgradeOutcome,
    /// What it was at when it ended.
    pub phase: Phase,
    /// What it left out, or could not be sure of.
    pub notes: Notes,
    /// What came of the upload.
    pub upload: UploadReport,
    /// Messages that answered nothing, those of the upload not included.
    pub foreign: u32,
}

/// What an [`Upgrade`](super::Upgrade) would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Plan {
    /// Upload, mark for test, reset, confirm.
    Upload,
    /// The image is there: mark for test, reset, confirm.
    Test,
    /// The image will be started next: reset, confirm.
    Reset,
    /// The image runs on trial: confirm.
    Confirm,
}

/// How an [`Upgrade`](super::Upgrade) ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum UpgradeOutcome {
    /// Not yet: it may be run on.
    Unfinished,
    /// Nothing was done; this would be.
    Planned(Plan),
    /// The device ran the image before, and keeps it. Nothing was done.
    AlreadyRunning,
    /// The device runs the image and keeps it.
    Confirmed,
    /// The device runs the image, until the next reset: no confirmation was wanted, or none is known.
    Testing,
    /// The device was reset and runs another image: the boot loader refused the new one, or it came up and fell back.
    Reverted,
    /// The device refused a step; the phase says which.
    Refused(smp::Error),
    /// A step failed before the reset: the device runs what it ran.
    Failed(Error),
    /// The device was reset, and what it runs is not known.
    Unknown(Doubt),
}

/// Why it is not known what a device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Doubt {
    /// It did not answer within the boot time.
    Silent,
    /// It does not list its images.
    NoState,
    /// It lists images, but says of none that it runs: a boot loader answers.
    NothingRuns,
    /// It lists no hashes, and the image that ran before has the same version.
    SameVersion,
    /// The image is still pending after all resets.
    NotStarted,
    /// The image runs, but the confirmation did not stay.
    NotConfirmed,
    /// The exchange failed.
    Exchange(Error),
}

/// One thing that an upgrade left out, or could not be sure of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[non_exhaustive]
pub enum Note {
    /// No upload: the device had the image.
    NoUpload = 0,
    /// The device does not list its images.
    NoState = 1,
    /// No mark for test: the device does not know it, or starts what was uploaded anyway.
    NoTest = 2,
    /// No confirmation: the device does not know it.
    NoConfirm = 3,
    /// The reset was not answered. Devices often vanish before their answer is read.
    ResetUnanswered = 4,
    /// The image was known by its version: the device lists no hashes.
    ByVersion = 5,
    /// An image that an earlier run had left on trial or pending was in the way; the device was reset to settle that.
    Settled = 6,
    /// The device refused to mark the image that it had, as one that is damaged: it was uploaded anew.
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

    /// A few words for the user.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoUpload => "upload skipped, the device had the image",
            Self::NoState => "the device does not list its images",
            Self::NoTest => "mark for test skipped",
            Self::NoConfirm => "confirmation skipped",
            Self::ResetUnanswered => "the reset was not answered",
            Self::ByVersion => "known by its version only",
            Self::Settled => "an image of an earlier run was in the way",
            Self::Damaged => "the device refused to mark the image that it had, and it was uploaded anew",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of [`Note`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Notes(u8);

impl Notes {
    /// Whether this note was made.
    #[must_use]
    pub const fn contains(self, note: Note) -> bool {
        self.0 & note.bit() != 0
    }

    /// The notes that were made.
    pub fn iter(self) -> impl Iterator<Item = Note> {
        Note::ALL.into_iter().filter(move |note| self.contains(*note))
    }

    pub(super) const fn add(&mut self, note: Note) {
        self.0 |= note.bit();
    }

    pub(super) const fn remove(&mut self, note: Note) {
        self.0 &= !note.bit();
    }
}
