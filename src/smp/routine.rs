//! Jobs of many exchanges: each is a [`Routine`](crate::routine::Routine), which any driver runs.
//!
//! | file | subject |
//! |---|---|
//! | this one | [`Error`]: the reason why a job ended early |
//! | [`upload`] | [`Upload`]: an image file, several requests at a time |
//! | [`file_download`] | [`FileDownload`]: a file from the device, returned to the caller piece by piece |
//! | [`file_upload`] | [`FileUpload`]: a file to the device, with resume and a check at the end |
//! | [`walk`] | [`StatWalk`], [`SettingsWalk`]: all counters, and the settings that are named |
//! | [`upgrade`] | [`Upgrade`]: upload, test, reset, confirm, and the outcome, for one or several images; [`Item`], [`ImageFile`], [`Notes`] |
//! | `pacing` | [`Pacing`]: sizes, window, repeats and limits, for all transfers |
//! | `call` | [`Call`]: one request and its response, for routines of your own |
//!
//! ```
//! use anysmp::smp::Client;
//! use anysmp::smp::routine::Upload;
//! # use anysmp::routine::{Routine, Step};
//!
//! let file = [0; 4096];
//! let mut upload = Upload::new(&file[..]).with_window(3);
//! let mut client = Client::new(0);
//! // link.run(&mut client, &mut upload, |event| { … ControlFlow::Continue(()) })
//! # let mut tx = [0; 512];
//! # assert_eq!(upload.poll(&mut client, &mut tx), Step::Send(9));
//! ```
//!
//! # Foreign messages
//!
//! A message that is not a response to a request of the job is counted and dropped. The wait
//! continues and still ends in time, so that a peer which never stops talking cannot hold a job
//! forever.

use super::{client, error};
use crate::source::SourceFailed;

pub mod file_download;
pub mod file_upload;
pub mod upgrade;
pub mod upload;
pub mod walk;

mod call;
mod course;
mod hash;
mod item;
mod outcome;
mod pace;
mod pacing;
mod piece;
mod report;
mod survey;
mod transfer;

pub use crate::mcuboot::{FileError, ImageFile};
pub use call::{Call, Heard};
pub use file_download::{FileDownload, FileDownloadEvent, FileDownloadReport};
pub use file_upload::{FileUpload, FileUploadReport};
#[cfg(feature = "sha2")]
pub use hash::sha256;
pub use item::{Item, Place};
pub use outcome::{Doubt, Note, Notes, NotesIter, Phase, Plan, UpgradeEvent, UpgradeOutcome, UpgradeReport};
pub use pacing::{MAX_ROUNDS, Pacing, SILENCE};
pub use upgrade::Upgrade;
pub use upload::{Upload, UploadEvent, UploadOutcome, UploadReport};
pub use walk::{SettingEvent, SettingsWalk, StatEvent, StatWalk, WalkOutcome, WalkReport};

/// The outcome of a [`FileDownload`] or a [`FileUpload`]. `Display` prints a sentence for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum FileOutcome {
    /// Not ended; the routine may be run again.
    Unfinished,
    /// The whole file has arrived.
    Done {
        /// True if a hash of the whole file was compared, and is the same at both ends. `false` if
        /// that was not asked for, or if the device has no hash that we can compute.
        verified: bool,
    },
    /// The file has not arrived.
    Failed(Error),
}

impl core::fmt::Display for FileOutcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "the transfer has not ended",
            Self::Done { verified: false } => "the file was transferred",
            Self::Done { verified: true } => "the file was transferred, and the device computed the same checksum",
            Self::Failed(error) => return error.fmt(f),
        })
    }
}

/// The reason why a job ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// We: `tx`, the device's buffer or the limit that was set is too small for one request. An
    /// upload needs 62 bytes.
    BufferFull,
    /// We: there is nothing to upload.
    Empty,
    /// We: the source could not be read.
    Source,
    /// Time: no response, after all retries.
    TimedOut,
    /// The peer: it answers, but asks for the same bytes over and over.
    NoProgress,
    /// We: the image is not newer than the one that runs, and only a newer one was requested.
    NotNewer,
    /// We: the device has no image of this number.
    NoSuchImage,
    /// We: the image is larger than the device's slot for it.
    TooLarge,
    /// The peer: it asks for bytes beyond the end of the file. Or we: a download was to continue
    /// there.
    Offset,
    /// The peer: the hash of its file is not that of the bytes that were sent or received.
    Mismatch,
    /// The peer: a file ended before the length that it reported.
    CutShort,
    /// The peer: its response does not have the form that the command defines.
    Malformed,
    /// The peer: it refused a request, with this error.
    Remote(error::Error),
}

const _: () = assert!(size_of::<Error>() <= 12);

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::BufferFull => "the buffers of the device, or our own, are too small for this job",
            Self::Empty => "there is nothing to upload: the file is empty",
            Self::Source => return SourceFailed.fmt(f),
            Self::TimedOut => "the device does not answer",
            Self::NoProgress => "the device asks for the same bytes over and over",
            Self::NotNewer => "the image is not newer than the one that runs",
            Self::NoSuchImage => "the device has no image of this number",
            Self::TooLarge => "the image is larger than the slot of the device",
            Self::Offset => "the device asks for bytes beyond the end of the file",
            Self::Mismatch => "the device holds other bytes than were transferred",
            Self::CutShort => "the device sent less of the file than it had reported",
            Self::Malformed => return client::Error::Malformed.fmt(f),
            Self::Remote(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Source => Some(&SourceFailed),
            Self::Remote(error) => Some(error),
            _ => None,
        }
    }
}

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Self {
        match error {
            client::Error::BufferFull => Self::BufferFull,
            client::Error::Malformed => Self::Malformed,
            client::Error::Remote(error) => Self::Remote(error),
        }
    }
}

impl From<SourceFailed> for Error {
    fn from(SourceFailed: SourceFailed) -> Self {
        Self::Source
    }
}
