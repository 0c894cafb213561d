//! The list of a device's images, read with one image file in mind.

use crate::cbor::{Bytes, Text};
use crate::mcuboot::{ImageFile, Version};
use crate::smp::image::{ImageState, StateResponse};

/// The place of the image of the file on the device, and anything else that is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Survey {
    pub(super) place: Place,
    /// True if any image runs. In a boot loader none does.
    pub(super) active: bool,
    /// True if another image is on trial, or pending: then devices refuse uploads and tests.
    pub(super) in_the_way: bool,
    /// True if the image was recognised by its version only, since the device lists no hashes.
    pub(super) by_version: bool,
}

/// The place of the image of the file on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Place {
    /// It does not have it.
    Absent,
    /// It lies in a slot that is not the primary one.
    Stored,
    /// It lies in the primary slot.
    Primary,
    /// It will be started next.
    Pending,
    /// It runs, until the next reset.
    OnTrial,
    /// It runs and stays.
    Confirmed,
}

impl Survey {
    pub(super) fn new(file: &ImageFile, number: u32, list: &StateResponse<'_>) -> Self {
        let mut survey = Self { place: Place::Absent, active: false, in_the_way: false, by_version: false };
        for image in list.images.iter().filter(|image| image.image.unwrap_or(0) == number) {
            survey.active |= image.active;
            let is_ours = match image.hash {
                Some(hash) => has_hash(file, hash),
                None => has_version(file, image.version),
            };
            if is_ours {
                survey.by_version |= image.hash.is_none();
                // The same image may lie in both slots: the one that is further on counts.
                survey.place = survey.place.max(place(&image));
            } else {
                survey.in_the_way |= image.pending || (image.active && !image.confirmed);
            }
        }
        survey
    }
}

fn has_hash(file: &ImageFile, hash: Bytes<'_>) -> bool {
    hash == *file.hash()
}

/// Returns true if a version in a list is that of the file.
fn has_version(file: &ImageFile, text: Text<'_>) -> bool {
    Version::parse(text.as_bytes().iter().flatten().copied()) == Ok(file.version())
}

fn place(image: &ImageState<'_>) -> Place {
    match image {
        ImageState { active: true, confirmed: true, .. } => Place::Confirmed,
        ImageState { active: true, .. } => Place::OnTrial,
        ImageState { pending: true, .. } => Place::Pending,
        ImageState { slot: 0, .. } => Place::Primary,
        _ => Place::Stored,
    }
}
