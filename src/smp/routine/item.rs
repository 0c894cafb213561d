//! One image of an upgrade.

use core::cmp::Ordering;

use super::piece::Keys;
use crate::mcuboot::format::identity::{Identity, Listed};
use crate::mcuboot::{FileError, Flags, Hash, Version};
use crate::source::{Source, SourceFailed};

/// The image for one image number: its file, and its progress on the device.
///
/// At most 96 bytes on a 32-bit machine with a slice as its source.
pub struct Item<S> {
    pub(super) source: S,
    pub(super) keys: Keys,
    pub(super) identity: Identity,
    pub(super) seen: Seen,
    pub(super) task: Task,
    /// True if the image that ran before has the same version, on a device that lists no hashes.
    pub(super) look_alike: bool,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Item<&[u8]>>() <= 96);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Item<&[u8]>>() <= 104);

/// The place of an image on a device. `Display` prints a few words for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Place {
    /// The device does not have the image.
    Absent,
    /// The image lies in a slot other than the primary one.
    Stored,
    /// The image lies in the primary slot.
    Primary,
    /// The image will be started next.
    Pending,
    /// The image runs, until the next reset.
    OnTrial,
    /// The image runs and stays.
    Confirmed,
}

impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Absent => "is not on the device",
            Self::Stored => "is on the device, not marked",
            Self::Primary => "is in the primary slot",
            Self::Pending => "will be started at the next reset",
            Self::OnTrial => "runs until the next reset: not confirmed",
            Self::Confirmed => "runs: confirmed",
        })
    }
}

/// The state of an image in the last list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) place: Place,
    /// The hash by which the device lists it.
    pub(super) listed: Listed,
    /// True if it was recognised by its version only, since the device lists no hashes.
    pub(super) by_version: bool,
    /// True if another image of the same number is on trial, or pending: then devices refuse
    /// uploads and tests.
    pub(super) in_the_way: bool,
    /// True if the device lists an image with its number.
    pub(super) is_known: bool,
    /// The order of the file's version relative to that of the running image of the same number.
    pub(super) against: Option<Ordering>,
}

impl Seen {
    pub(super) const NOTHING: Self = Self {
        place: Place::Absent,
        listed: Listed::Own,
        by_version: false,
        in_the_way: false,
        is_known: false,
        against: None,
    };
}

/// The next step for an image. A list before an upload or after a reset chooses each one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// To be uploaded. Exit: `Mark`.
    Upload,
    /// To be marked for test, unless the next list shows that this is not needed. Exits: `None`;
    /// `Upload` if it is damaged.
    Mark(Origin),
    /// To be confirmed. Exits: `None`, `Unconfirmed`.
    Confirm,
    /// Not confirmed, since the device cannot or will not confirm it. No exit but a list.
    Unconfirmed,
    /// No step is due. No exit but a list.
    None,
}

/// The way in which an image that is to be marked came to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The device had it before.
    Found,
    /// This run has uploaded it, so no earlier run has damaged it.
    Uploaded,
}

impl<S: Source> Item<S> {
    /// The image in `source`, for image number 0. Padding after the image is not uploaded.
    ///
    /// # Errors
    ///
    /// The fault of the file; [`FileError::NotBootable`] if no boot loader would start it.
    pub fn new(source: S) -> Result<Self, FileError> {
        Self::with_keys(source, Keys::default())
    }

    pub(super) fn with_keys(mut source: S, keys: Keys) -> Result<Self, FileError> {
        let (identity, header) = Identity::read(&mut source)?;
        if header.flags().intersects(Flags::NON_BOOTABLE) {
            return Err(FileError::NotBootable);
        }
        Ok(Self { source, keys, identity, seen: Seen::NOTHING, task: Task::None, look_alike: false })
    }

    /// Reads the hash by which the device lists the image.
    pub(super) fn listed_hash<'b>(&mut self, bytes: &'b mut [u8; Hash::MAX_LEN]) -> Result<&'b [u8], SourceFailed> {
        self.identity.hash(&mut self.source, self.seen.listed, bytes)
    }
}

impl<S> Item<S> {
    /// Sets the image number on a device with several images; by default 0.
    #[must_use]
    pub const fn with_image(mut self, number: u32) -> Self {
        self.keys.set_image(number);
        self
    }

    /// Sets the SHA-256 of all bytes of the source: see
    /// [`Upload::with_sha`](super::Upload::with_sha).
    #[must_use]
    pub const fn with_sha(mut self, digest: [u8; 32]) -> Self {
        self.keys.sha = Some(digest);
        self
    }

    /// The image number.
    #[must_use]
    pub fn image(&self) -> u32 {
        self.keys.image().unwrap_or(0)
    }

    /// The version in the file.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.identity.version()
    }

    /// The length of the image in bytes, without padding after it.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an image is never empty")]
    pub const fn len(&self) -> u64 {
        self.identity.len() as u64
    }

    /// The place of the image on the device, as far as it is known.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.seen.place
    }
}

impl<S> core::fmt::Debug for Item<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (version, len) = (self.version(), self.len());
        write!(f, "Item(image {}, version {version}, {len} bytes, {:?})", self.image(), self.place())
    }
}

#[cfg(feature = "defmt")]
impl<S> defmt::Format for Item<S> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Item(image {=u32}, {}, {})", self.image(), self.version(), self.place());
    }
}
