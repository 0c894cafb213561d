//! The list of a device's images, read with the images of an upgrade in mind.

use core::cmp::Ordering;

use super::item::{Item, Place, Seen};
use crate::cbor::{Bytes, Text};
use crate::mcuboot::format::identity::Listed;
use crate::mcuboot::{Hash, Version};
use crate::smp::image::{ImageState, StateResponse};
use crate::source::{Source, SourceFailed};

/// The state of the device as a whole, as its list reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Survey {
    /// True if any image runs, whatever its number. In a boot loader none does.
    pub(super) active: bool,
    /// True if an image whose number is not in the job will be started at the next reset.
    pub(super) others_pending: bool,
}

impl Survey {
    /// Reads the list, and records in each item the state of its image.
    pub(super) fn read<S: Source>(items: &mut [Item<S>], list: &StateResponse<'_>) -> Result<Self, SourceFailed> {
        let number = |image: &ImageState<'_>| image.image.unwrap_or(0);
        let active = list.images.iter().any(|image| image.active);
        let others_pending =
            list.images.iter().any(|image| image.pending && !items.iter().any(|item| item.image() == number(&image)));
        for item in items {
            let mut seen = Seen::NOTHING;
            // Before Zephyr 3.5 only image 0 is ever listed as active.
            let its = item.image();
            let says_active = list.images.iter().any(|image| number(&image) == its && image.active);
            for image in list.images.iter().filter(|image| number(image) == its) {
                seen.is_known = true;
                let runs = image.active || (active && !says_active && image.slot == 0);
                let listed = match image.hash {
                    Some(hash) => listed(item, hash)?,
                    None => has_version(item.version(), image.version).then_some(Listed::Own),
                };
                if let Some(listed) = listed {
                    let place = place(&image, runs);
                    // The same image may lie in both slots: the copy that is further on counts.
                    if place >= seen.place {
                        (seen.place, seen.listed) = (place, listed);
                    }
                    seen.by_version |= image.hash.is_none();
                } else {
                    seen.in_the_way |= image.pending || (runs && !image.confirmed);
                }
                if runs {
                    seen.against = version(image.version).map(|running| compare(item.version(), running));
                }
            }
            item.seen = seen;
        }
        Ok(Self { active, others_pending })
    }
}

/// The hash by which the image of `item` is listed, if `hash` is one of them.
fn listed<S: Source>(item: &mut Item<S>, hash: Bytes<'_>) -> Result<Option<Listed>, SourceFailed> {
    for which in [Listed::Own, Listed::Decompressed] {
        let mut bytes = [0; Hash::MAX_LEN];
        let ours = item.identity.hash(&mut item.source, which, &mut bytes)?;
        if !ours.is_empty() && hash == *ours {
            return Ok(Some(which));
        }
    }
    Ok(None)
}

fn version(text: Text<'_>) -> Option<Version> {
    Version::parse(text.as_bytes().iter().flatten().copied()).ok()
}

fn has_version(ours: Version, text: Text<'_>) -> bool {
    version(text) == Some(ours)
}

/// Compares two versions as a boot loader does, which by default ignores the build number.
fn compare(ours: Version, running: Version) -> Ordering {
    ours.release().cmp(&running.release())
}

fn place(image: &ImageState<'_>, runs: bool) -> Place {
    match image {
        ImageState { confirmed: true, .. } if runs => Place::Confirmed,
        _ if runs => Place::OnTrial,
        ImageState { pending: true, .. } => Place::Pending,
        ImageState { slot: 0, .. } => Place::Primary,
        _ => Place::Stored,
    }
}
