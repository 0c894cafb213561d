//! An image file that is read piece by piece: what identifies it, without its body in memory.

use super::digest::{Hash, HashKind};
use super::tlv::{Entry, Info};
use super::{Error, Header, Version};
use crate::source::{Source, SourceFailed};

/// The identity of an image file: enough to know the image again in the list of a device.
///
/// [`Image`](super::image::Image) is for files that are in memory as a whole, and can check their
/// hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ImageFile {
    version: Version,
    len: u64,
    hash: Hash,
}

/// Why a file is no image that can be upgraded to: the file's fault, unless its source failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FileError {
    /// The source could not be read.
    Source,
    /// It does not start as an MCUboot image does: sign or wrap it with `imgtool`, and give the
    /// binary file.
    NotAnImage,
    /// It ends before its image does.
    Truncated,
    /// Its TLV area is damaged.
    Tlv,
    /// It has no hash, or more than one.
    Hash,
}

impl core::fmt::Display for FileError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Source => return SourceFailed.fmt(f),
            Self::NotAnImage => "the file is no MCUboot image",
            Self::Truncated => "the image file is cut off",
            Self::Tlv => "the TLV area of the image file is damaged",
            Self::Hash => "the image file does not have exactly one hash",
        })
    }
}

impl core::error::Error for FileError {}

impl From<SourceFailed> for FileError {
    fn from(SourceFailed: SourceFailed) -> Self {
        Self::Source
    }
}

impl From<Error> for FileError {
    fn from(error: Error) -> Self {
        match error {
            // Lengths that contradict each other are the header of something else, or of a file
            // that nobody can read on.
            Error::Magic | Error::Sizes => Self::NotAnImage,
            Error::NoTlvs | Error::InvalidTlv => Self::Tlv,
            Error::MultipleHashes | Error::HashLength | Error::NoHash | Error::Mismatch => Self::Hash,
            Error::Truncated | Error::BufferFull => Self::Truncated,
        }
    }
}

impl ImageFile {
    /// Reads header and TLV areas, in pieces of at most 64 bytes. Computes nothing: whether the
    /// hash fits the body is for the device to check.
    ///
    /// # Errors
    ///
    /// What is wrong with the file.
    pub fn read<S: Source>(source: &mut S) -> Result<Self, FileError> {
        let header = Header::parse(&take::<S, { Header::LEN }>(source, 0)?)?;
        if header.protected_len() != 0 {
            Info::parse(take(source, header.body_end().into())?).protected(header.protected_len())?;
        }
        let tlvs = u64::from(header.hashed_len());
        let len = tlvs.saturating_add(Info::parse(take(source, tlvs)?).normal()?.into());
        if len > source.len() {
            return Err(FileError::Truncated);
        }
        let mut at = tlvs.saturating_add(Info::LEN.into());
        let mut found = None;
        while at < len {
            let entry = Entry::parse(take(source, at)?);
            let value = at.saturating_add(Entry::LEN.into());
            at = value.saturating_add(entry.len.into());
            if at > len {
                return Err(FileError::Tlv);
            }
            // Only the kinds of hashes count: a key or a signature may have any length.
            let Some(kind) = HashKind::of_tlv(entry.kind) else { continue };
            let mut bytes = [0; Hash::MAX_LEN];
            let bytes = bytes.get_mut(..entry.len.into()).filter(|bytes| bytes.len() == kind.len());
            let bytes = bytes.ok_or(FileError::Hash)?;
            source.read(value, bytes)?;
            // A device looks for the one that it was built with: two would make two identities.
            if found.replace(Hash::new(bytes).ok_or(FileError::Hash)?).is_some() {
                return Err(FileError::Hash);
            }
        }
        Ok(Self { version: header.version(), len, hash: found.ok_or(FileError::Hash)? })
    }

    /// The version in the header.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The hash in the TLV area: 32, 48 or 64 bytes.
    #[must_use]
    pub fn hash(&self) -> &[u8] {
        self.hash.as_bytes()
    }

    /// Length in bytes, without padding behind the image.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an image is never empty")]
    pub const fn len(&self) -> u64 {
        self.len
    }
}

impl core::fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { version, len, hash } = self;
        write!(f, "ImageFile {{ version: {version}, len: {len}, hash: {} bytes }}", hash.as_bytes().len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for ImageFile {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "ImageFile({}, {=u64} bytes)", self.version, self.len);
    }
}

/// The bytes at `at`.
fn take<S: Source, const N: usize>(source: &mut S, at: u64) -> Result<[u8; N], FileError> {
    if at.saturating_add(N as u64) > source.len() {
        return Err(FileError::Truncated);
    }
    let mut bytes = [0; N];
    source.read(at, &mut bytes)?;
    Ok(bytes)
}
