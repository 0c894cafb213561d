//! Refusals of image commands.

/// The reason why an image command was refused. [`rc`](Error::rc) is its number in the table of
/// SMP's image group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The device: its boot loader does not support this, for example state writes in a mode
    /// without marks.
    NotSupported,
    /// We: the outcome was requested before the job had ended, or an operation was outside of its
    /// slot, which is a bug in this crate.
    Unknown,
    /// The image: the slot holds none, or one that does not match its hash TLV.
    NoImage,
    /// The device: the image is encrypted, so that its hash cannot be checked in this slot, and its
    /// configuration does not allow marking it unchecked.
    Encrypted,
    /// The image: no TLV area follows its body.
    NoTlvs,
    /// The image: a TLV has an impossible length.
    InvalidTlv,
    /// The image: it has more than one hash.
    MultipleHashes,
    /// The image: its hash has the wrong length.
    TlvInvalidSize,
    /// The client: no slot holds an image with this hash. Or the image: it has no hash.
    HashNotFound,
    /// The device: the slot is running, will be booted next, or is needed to revert.
    NoFreeSlot,
    /// The flash: a read failed.
    FlashRead,
    /// The flash: a write failed, or a mark is not there after it was written.
    FlashWrite,
    /// The flash: an erase failed.
    FlashErase,
    /// The client: there is no such slot.
    InvalidSlot,
    /// The client: a first chunk without the length of the file.
    InvalidLength,
    /// The client: a first chunk shorter than an image header, or a header whose lengths do not fit
    /// the file.
    InvalidHeader,
    /// The client: the file is not an MCUboot image.
    InvalidMagic,
    /// The device: the trailer of the other slot is damaged. Erase the slot and upload again.
    DamagedTrailer,
    /// The client: the hash has the wrong length or is missing.
    InvalidHash,
    /// The device: the version of the running image is unknown, so nothing can be newer.
    VersionUnknown,
    /// The client: the image is not newer than the running one.
    NotNewer,
    /// The client: another image will be booted next, or the running one is being tested.
    AlreadyPending,
    /// The device: the trailer of the running slot is damaged, and its boot mode does not keep such
    /// an image.
    DamagedActiveTrailer,
    /// The client: the file does not fit the slot.
    TooLarge,
    /// The client: the image is for a fixed address, and not that of its slot.
    MismatchedSlot,
    /// The client: it sent more data than it had announced.
    Overrun,
    /// The client: this device does not let a client confirm an image that does not run.
    ConfirmationDenied,
    /// The client: the running image cannot be tested.
    TestOfActive,
    /// The application: its gate refused, with an error of its own.
    Refused {
        /// The number of the group to which the error belongs; those of applications start at 64.
        // A byte, so that an error fits a register.
        group: u8,
        /// The number of the error in that group.
        rc: u16,
    },
}

const _: () = assert!(size_of::<Error>() <= 4);

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotSupported => "the boot loader does not support this",
            Self::Unknown => "the command did not finish",
            Self::NoImage => "the slot holds no valid image",
            Self::Encrypted => "the image is encrypted, and this device marks no image that it cannot check",
            Self::NoTlvs => "the image has no TLV area",
            Self::InvalidTlv => "a TLV of the image is malformed",
            Self::MultipleHashes => "the image has more than one hash",
            Self::TlvInvalidSize => "the hash of the image has the wrong length",
            Self::HashNotFound => "no image has this hash",
            Self::NoFreeSlot => "the slot is in use",
            Self::FlashRead => "a flash read failed",
            Self::FlashWrite => "a flash write failed",
            Self::FlashErase => "a flash erase failed",
            Self::InvalidSlot => "there is no such slot",
            Self::InvalidLength => "the length of the file is missing",
            Self::InvalidHeader => "the image header is invalid",
            Self::InvalidMagic => "the file is not an MCUboot image",
            Self::DamagedTrailer => "the trailer of the slot is damaged",
            Self::InvalidHash => "the hash is missing or has the wrong length",
            Self::VersionUnknown => "the version of the running image is not known",
            Self::NotNewer => "the image is not newer than the running one",
            Self::AlreadyPending => "another image is already scheduled",
            Self::DamagedActiveTrailer => "the trailer of the running slot is damaged",
            Self::TooLarge => "the file does not fit the slot",
            Self::MismatchedSlot => "the image is for the address of another slot",
            Self::Overrun => "more data than the announced length",
            Self::ConfirmationDenied => "an image that does not run may not be confirmed",
            Self::TestOfActive => "the running image cannot be tested",
            Self::Refused { .. } => "the application refuses it",
        })
    }
}

impl core::error::Error for Error {}
