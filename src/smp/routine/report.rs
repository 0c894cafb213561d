//! Progress and results of uploads.

use super::{Error, FileOutcome};
use crate::cbor::Bytes;

/// The progress of an [`Upload`](super::Upload) or a [`FileUpload`](super::FileUpload), after each
/// message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct UploadEvent {
    /// The number of bytes that the device has.
    pub off: u64,
    /// The length of the file in bytes.
    pub len: u64,
    /// The number of pieces that were sent more than once.
    pub repeats: u32,
}

/// The result of an [`Upload`](super::Upload).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct UploadReport {
    /// The outcome; `Unfinished` until it has ended.
    pub outcome: UploadOutcome,
    /// The number of bytes that the device has.
    pub off: u64,
    /// The length of the file in bytes.
    pub len: u64,
    /// The number of bytes of the file that were sent, repeats included.
    pub sent: u64,
    /// The number of pieces that were sent more than once.
    pub repeats: u32,
    /// The number of messages that were not the response to a request in flight, such as late
    /// responses.
    pub foreign: u32,
    /// The largest number of requests that were in flight at a time.
    pub window: u8,
}

/// The outcome of an [`Upload`](super::Upload). `Display` prints a sentence for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum UploadOutcome {
    /// Not ended; the routine may be run again.
    Unfinished,
    /// The device has the whole file.
    Done {
        /// True if the device had the file before.
        already_present: bool,
        /// True if the device compared the `sha` with the stored file. Few devices do.
        verified: bool,
    },
    /// The device does not have the whole file.
    Failed(Error),
}

impl core::fmt::Display for UploadOutcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "the upload has not ended",
            Self::Done { already_present: true, .. } => "the device already had this image",
            Self::Done { verified: true, .. } => "the image was uploaded, and the device compared what it stored",
            Self::Done { .. } => "the image was uploaded",
            Self::Failed(error) => return error.fmt(f),
        })
    }
}

/// The result of a [`FileUpload`](super::FileUpload).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct FileUploadReport {
    /// The outcome; `Unfinished` until it has ended.
    pub outcome: FileOutcome,
    /// The number of bytes that the device has.
    pub off: u64,
    /// The length of the file in bytes.
    pub len: u64,
    /// The number of bytes of the file that were sent, repeats included.
    pub sent: u64,
    /// The number of pieces that were sent more than once.
    pub repeats: u32,
    /// The number of messages that were not the response to a request in flight, such as late
    /// responses.
    pub foreign: u32,
    /// The largest number of requests that were in flight at a time.
    pub window: u8,
}

/// The content of a message to a [`FileDownload`](super::FileDownload).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct FileDownloadEvent<'m> {
    /// The offset of the data in the file, in bytes.
    pub off: u64,
    /// The next bytes of the file; empty if the message contained none.
    pub data: Bytes<'m>,
    /// The length of the file in bytes, once the device has reported it.
    pub len: Option<u64>,
}

/// The result of a [`FileDownload`](super::FileDownload).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct FileDownloadReport {
    /// The outcome; `Unfinished` until it has ended.
    pub outcome: FileOutcome,
    /// The number of bytes that have come. A later download may continue there.
    pub off: u64,
    /// The length of the file in bytes, once the device has reported it.
    pub len: Option<u64>,
    /// The number of pieces that were requested more than once.
    pub repeats: u32,
    /// The number of messages that were not the response to a request in flight, such as late
    /// responses.
    pub foreign: u32,
    /// The largest number of requests that were in flight at a time.
    pub window: u8,
}
