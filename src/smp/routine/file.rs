//! What an image file says about itself: enough to know the image again in the list of a device.
//!
//! ```text
//!   0    4        8           10                12        16    20                      32
//!   magic load    header_len  protected_len     body_len  flags major minor revision build    little-endian
//!   ├── header_len ──┼── body_len ──┼── protected TLVs ──┼── TLVs ──┤ padding
//!                                   magic 6908, total    magic 6907, total, then entries: type u16, length u16, value
//! ```
//!
//! Specification: MCUboot, *Bootloader design*, image format. The file is read in pieces of at most 64 bytes.

use crate::cbor::{Bytes, Text};
use crate::source::{Source, SourceFailed};

/// The identity of an image file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ImageFile {
    version: ImageVersion,
    len: u64,
    hash: [u8; 64],
    hash_len: u8,
}

/// The version of an image, as its header has it and as lists print it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ImageVersion {
    /// First number.
    pub major: u8,
    /// Second number.
    pub minor: u8,
    /// Third number.
    pub revision: u16,
    /// Fourth number; left out of lists if it is 0.
    pub build: u32,
}

/// Why a file is no image that can be upgraded to: the file's fault, unless its source failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FileError {
    /// The source could not be read.
    Source,
    /// It does not start as an MCUboot image does: sign or wrap it with `imgtool`, and give the binary file.
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

impl ImageFile {
    /// Reads header and TLV area. Nothing is computed: whether the hash fits the body is for the device to check.
    ///
    /// # Errors
    ///
    /// What is wrong with the file.
    pub fn read<S: Source>(source: &mut S) -> Result<Self, FileError> {
        let header: [u8; 32] = take(source, 0)?;
        let [0x3D, 0xB8, 0xF3, 0x96, _, _, _, _, h0, h1, p0, p1, b0, b1, b2, b3, ..] = header else {
            return Err(FileError::NotAnImage);
        };
        let [.., major, minor, r0, r1, n0, n1, n2, n3, _, _, _, _] = header;
        let header_len = u16::from_le_bytes([h0, h1]);
        if header_len < 32 {
            return Err(FileError::NotAnImage);
        }
        let protected_len = u16::from_le_bytes([p0, p1]);
        let body_end = u64::from(header_len).saturating_add(u32::from_le_bytes([b0, b1, b2, b3]).into());
        if protected_len != 0 && area(source, body_end, 0x6908)? != u64::from(protected_len) {
            return Err(FileError::Tlv);
        }
        let mut at = body_end.saturating_add(protected_len.into());
        let len = at.saturating_add(area(source, at, 0x6907)?);
        if len > source.len() {
            return Err(FileError::Truncated);
        }
        at = at.saturating_add(4);
        let mut found = None;
        while at < len {
            let [t0, t1, l0, l1] = take(source, at)?;
            let (kind, size) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([l0, l1]));
            let value = at.saturating_add(4);
            at = value.saturating_add(size.into());
            if at > len {
                return Err(FileError::Tlv);
            }
            let mut hash = [0; 64];
            match (kind, size) {
                (0x10, 32) | (0x11, 48) | (0x12, 64) => {
                    source.read(value, hash.get_mut(..size.into()).unwrap_or_default())?;
                    if found.replace((hash, u8::try_from(size).unwrap_or(0))).is_some() {
                        return Err(FileError::Hash);
                    }
                }
                (0x10..=0x12, _) => return Err(FileError::Hash),
                _ => {}
            }
        }
        let (hash, hash_len) = found.ok_or(FileError::Hash)?;
        let revision = u16::from_le_bytes([r0, r1]);
        let version = ImageVersion { major, minor, revision, build: u32::from_le_bytes([n0, n1, n2, n3]) };
        Ok(Self { version, len, hash, hash_len })
    }

    /// The version in the header.
    #[must_use]
    pub const fn version(&self) -> ImageVersion {
        self.version
    }

    /// The hash in the TLV area: 32, 48 or 64 bytes.
    #[must_use]
    pub fn hash(&self) -> &[u8] {
        self.hash.get(..self.hash_len.into()).unwrap_or_default()
    }

    /// Length in bytes, without padding behind the image.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an image is never empty")]
    pub const fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn has_hash(&self, hash: Bytes<'_>) -> bool {
        hash == *self.hash()
    }

    /// Whether a list means this version.
    pub(super) fn has_version(&self, text: Text<'_>) -> bool {
        ImageVersion::parse(text) == Some(self.version)
    }
}

impl core::fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { version, len, hash_len, .. } = self;
        write!(f, "ImageFile {{ version: {version}, len: {len}, hash: {hash_len} bytes }}")
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for ImageFile {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "ImageFile({}, {=u64} bytes)", self.version, self.len);
    }
}

impl ImageVersion {
    /// Reads `major.minor.revision`, with a fourth number behind `.`, `+` or `-`.
    #[must_use]
    pub fn parse(text: Text<'_>) -> Option<Self> {
        let mut numbers = [None; 4];
        let mut slots = numbers.iter_mut();
        let mut number: &mut Option<u32> = slots.next()?;
        for byte in text.as_bytes().iter().flatten() {
            match byte {
                b'0'..=b'9' => {
                    let digit = u32::from(byte.wrapping_sub(b'0'));
                    *number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
                }
                b'.' | b'+' | b'-' => number = slots.next()?,
                _ => return None,
            }
        }
        let [major, minor, revision, build] = numbers;
        Some(Self {
            major: major?.try_into().ok()?,
            minor: minor?.try_into().ok()?,
            revision: revision?.try_into().ok()?,
            build: build.unwrap_or(0),
        })
    }
}

impl core::fmt::Display for ImageVersion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { major, minor, revision, build } = self;
        write!(f, "{major}.{minor}.{revision}")?;
        if *build == 0 { Ok(()) } else { write!(f, ".{build}") }
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

/// The length of the TLV area at `at`, its four bytes of info included.
fn area<S: Source>(source: &mut S, at: u64, magic: u16) -> Result<u64, FileError> {
    let [m0, m1, t0, t1] = take(source, at)?;
    let total = u16::from_le_bytes([t0, t1]);
    if u16::from_le_bytes([m0, m1]) != magic || total < 4 {
        return Err(FileError::Tlv);
    }
    Ok(total.into())
}
