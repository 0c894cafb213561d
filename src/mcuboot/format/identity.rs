//! The identity of an image file: its version and its hashes.

use super::digest::{Hash, HashKind};
use super::tlv::{Entry, Info, Kind};
use super::{Error, Header, Version};
use crate::source::{Source, SourceFailed};

/// The reason why a file cannot be used for an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FileError {
    /// We: the source could not be read.
    Source,
    /// The file: it does not start as an MCUboot image. Sign or wrap it with `imgtool`, and use the
    /// binary file.
    NotAnImage,
    /// The file: it ends before its image does.
    Truncated,
    /// The file: its TLV area is damaged.
    Tlv,
    /// The file: it has no hash, or more than one.
    Hash,
    /// The file: its contents do not have the hash that it claims. It is damaged.
    Mismatch,
    /// The file: its header marks it as never booted by itself.
    NotBootable,
    /// The file: it is encrypted, and the hash is that of the plain image, so that only the device
    /// can check it.
    Encrypted,
}

const _: () = assert!(size_of::<FileError>() == 1);

impl core::fmt::Display for FileError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Source => return SourceFailed.fmt(f),
            Self::NotAnImage => "the file is not an MCUboot image",
            Self::Truncated => "the image file is cut off",
            Self::Tlv => "the TLV area of the image file is damaged",
            Self::Hash => "the image file does not have exactly one hash",
            Self::Mismatch => "the image file is damaged: its contents do not have the hash that it claims",
            Self::NotBootable => "the image file is marked as one that is never booted by itself",
            Self::Encrypted => "the image file is encrypted: only the device can check it",
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
            // Contradictory lengths mean that the header belongs to something else, or that the
            // rest cannot be found.
            Error::Magic | Error::Sizes => Self::NotAnImage,
            Error::NoTlvs | Error::InvalidTlv => Self::Tlv,
            Error::MultipleHashes | Error::HashLength | Error::NoHash => Self::Hash,
            Error::Mismatch => Self::Mismatch,
            Error::Truncated | Error::BufferFull => Self::Truncated,
        }
    }
}

/// The identity of an image file. The hashes stay in the file: with them an upgrade of several
/// images would take twice the RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    version: Version,
    len: u32,
    hash: Place,
    /// The hash of the image after its decompression, which a boot loader lists once it runs.
    decompressed: Option<Place>,
}

/// The place of a hash in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    at: u32,
    kind: HashKind,
}

/// One of the hashes by which a device may list an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    /// The image's own hash.
    Own,
    /// The hash of the decompressed image.
    Decompressed,
}

impl Identity {
    /// Reads header and TLV areas, in pieces of at most 32 bytes.
    pub(crate) fn read<S: Source>(source: &mut S) -> Result<(Self, Header), FileError> {
        let header = Header::parse(&take::<S, { Header::LEN }>(source, 0)?)?;
        let (body_end, hashed) = (header.body_end(), header.hashed_len());
        let mut decompressed = None;
        if header.protected_len() != 0 {
            Info::parse(take(source, body_end.into())?).protected(header.protected_len())?;
            entries(source, body_end, hashed, |entry, at| match entry.kind {
                Kind::DECOMPRESSED_SHA => once(&mut decompressed, HashKind::of_len((entry.len).into()), at),
                _ => Ok(()),
            })?;
        }
        let area = Info::parse(take(source, hashed.into())?).normal()?;
        let len = hashed.checked_add(area.into()).ok_or(FileError::NotAnImage)?;
        if u64::from(len) > source.len() {
            return Err(FileError::Truncated);
        }
        let mut hash = None;
        entries(source, hashed, len, |entry, at| match HashKind::of_tlv(entry.kind) {
            // Only hashes have a known length: a key or a signature may have any. And a device
            // looks for the kind that it was built with: with two hashes the image would have two
            // identities.
            Some(kind) => once(&mut hash, HashKind::of_len((entry.len).into()).filter(|found| *found == kind), at),
            None => Ok(()),
        })?;
        let hash = hash.ok_or(FileError::Hash)?;
        Ok((Self { version: header.version(), len, hash, decompressed }, header))
    }

    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Reads one of the hashes into `bytes`; an empty one if the file does not have it.
    pub(crate) fn hash<'b, S: Source>(
        &self,
        source: &mut S,
        which: Listed,
        bytes: &'b mut [u8; Hash::MAX_LEN],
    ) -> Result<&'b [u8], SourceFailed> {
        let place = match which {
            Listed::Own => Some(self.hash),
            Listed::Decompressed => self.decompressed,
        };
        let Some(Place { at, kind }) = place else { return Ok(&[]) };
        let bytes = bytes.get_mut(..kind.len()).unwrap_or_default();
        source.read(at.into(), bytes)?;
        Ok(bytes)
    }
}

/// Calls `each` with the entries of the TLV area between `start` and `end`, and the offsets of
/// their values.
fn entries<S: Source>(
    source: &mut S,
    start: u32,
    end: u32,
    mut each: impl FnMut(Entry, u32) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let mut at = start.saturating_add(Info::LEN.into());
    while at < end {
        let entry = Entry::parse(take(source, at.into())?);
        let value = at.saturating_add(Entry::LEN.into());
        at = value.saturating_add(entry.len.into());
        if at > end {
            return Err(FileError::Tlv);
        }
        each(entry, value)?;
    }
    Ok(())
}

/// Records the place of a hash, which must not occur twice.
fn once(found: &mut Option<Place>, kind: Option<HashKind>, at: u32) -> Result<(), FileError> {
    let place = Place { at, kind: kind.ok_or(FileError::Hash)? };
    if found.replace(place).is_some() { Err(FileError::Hash) } else { Ok(()) }
}

fn take<S: Source, const N: usize>(source: &mut S, at: u64) -> Result<[u8; N], FileError> {
    if at.saturating_add(N as u64) > source.len() {
        return Err(FileError::Truncated);
    }
    let mut bytes = [0; N];
    source.read(at, &mut bytes)?;
    Ok(bytes)
}
