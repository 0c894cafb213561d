//! The slots of a device, as image commands report them.

use crate::mcuboot::Version;
use crate::shown::shown;

/// A slot with an image, as a state read reports it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the caller may make one to compare with")]
pub struct State<'a> {
    /// The number of the image pair.
    pub image: u32,
    /// The slot of the pair, 0 or 1.
    pub slot: u32,
    /// The version in the image header.
    pub version: Version,
    /// The value of the hash TLV: 32, 48 or 64 bytes.
    pub hash: &'a [u8],
    /// True if the image can be booted by itself.
    pub bootable: bool,
    /// True if the image will be booted next.
    pub pending: bool,
    /// True if later boots keep the image.
    pub confirmed: bool,
    /// True if the image is running.
    pub active: bool,
    /// True if the image will be booted next, without a test.
    pub permanent: bool,
}

shown!(
    State<'_>,
    |it| "State({}.{}, {:?}, {} bytes of hash, bootable: {}, pending: {}, confirmed: {}, active: {}, permanent: {})",
    it.image,
    it.slot,
    it.version,
    it.hash.len(),
    it.bootable,
    it.pending,
    it.confirmed,
    it.active,
    it.permanent
);

/// A slot, as the slot info command reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller may make one to compare with")]
pub struct Info {
    /// The number of the image pair.
    pub image: u32,
    /// The slot of the pair, 0 or 1.
    pub slot: u32,
    /// The length of the slot in bytes.
    pub size: u32,
    /// The `image` of an upload into this slot; `None` if uploads never go there.
    pub upload_image_id: Option<u32>,
    /// The length of the largest file that can be uploaded for this image, in bytes.
    pub max_image_size: u32,
}
