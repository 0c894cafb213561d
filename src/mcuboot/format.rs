//! The format of image files. It depends on no other crate, so every build has it.

pub mod build;
pub mod digest;
mod file;
mod header;
pub(crate) mod identity;
pub mod image;
pub mod tlv;
mod version;

pub use file::ImageFile;
pub use header::{Flags, Header};
pub use identity::FileError;
pub use version::{InvalidVersion, Version};

/// The defect of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The image: it is shorter than its header announces.
    Truncated,
    /// The image: it does not begin with the magic number.
    Magic,
    /// The image, or the caller of [`Header::new`]: the lengths in the header contradict each
    /// other.
    Sizes,
    /// The image: no TLV area follows the body.
    NoTlvs,
    /// The image: a TLV area or an entry has an impossible length.
    InvalidTlv,
    /// The image: it has more than one hash.
    MultipleHashes,
    /// The image: its hash has the wrong length.
    HashLength,
    /// The image: it has no hash of the expected kind.
    NoHash,
    /// The image: its contents do not have the hash that it carries.
    Mismatch,
    /// We: the buffer for a new image is too small.
    BufferFull,
}

const _: () = assert!(size_of::<Error>() == 1);

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the image is truncated",
            Self::Magic => "not an MCUboot image",
            Self::Sizes => "the lengths in the image header contradict each other",
            Self::NoTlvs => "the image has no TLV area",
            Self::InvalidTlv => "a TLV of the image is malformed",
            Self::MultipleHashes => "the image has more than one hash",
            Self::HashLength => "the hash of the image has the wrong length",
            Self::NoHash => "the image has no hash",
            Self::Mismatch => "the image does not match its hash",
            Self::BufferFull => "the image does not fit the buffer",
        })
    }
}

impl core::error::Error for Error {}
