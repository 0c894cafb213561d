//! The identity of the files in the two regions, for boot loaders that do not store it.
//!
//! ```text
//!   offset 0      4       8           12                56               100  110
//!          magic  number  marked (1)  active, 44 bytes  spare, 44 bytes  0    CRC of 0..110
//!   entry  len u32, version (8 bytes as in an MCUboot header), SHA-256 of the file
//! ```
//!
//! Two erase pages hold a record each; the newest valid one counts, so that a power cut while one
//! is written leaves the other. Numbers are little-endian. An entry of length 0 is empty: the
//! contents of the region are unknown.

use super::region::{LogRegion, Region};
use crate::bytes::{copy, take};
use crate::checksum::Crc16;
use crate::mcuboot::Version;
use crate::shown::shown;

const MAGIC: [u8; 4] = *b"dfu\x01";

/// The length of a record in bytes, before it is padded to the write size.
pub(crate) const LEN: usize = 112;

/// A file in one of the regions.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the fields of the format")]
pub struct Entry {
    /// The length of the file in bytes; 0 if nothing is known.
    pub len: u32,
    /// The version of the file.
    pub version: Version,
    /// SHA-256 of the file.
    pub hash: [u8; 32],
}

shown!(Entry, |entry| "Entry({} bytes, version {:?})", entry.len, entry.version);

impl Entry {
    /// An entry of which nothing is known.
    pub const NONE: Self = Self { len: 0, version: Version::new(0, 0, 0), hash: [0; 32] };
    const LEN: usize = 44;

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (len, version) = (u32::from_le_bytes(take(bytes, 0)?), Version::from_bytes(take(bytes, 4)?));
        Some(Self { len, version, hash: take(bytes, 12)? })
    }

    fn emit(&self, out: &mut [u8]) {
        copy(&self.len.to_le_bytes(), out);
        copy(&self.version.to_bytes(), out.get_mut(4..).unwrap_or_default());
        copy(&self.hash, out.get_mut(12..).unwrap_or_default());
    }
}

/// The identity of the files in a device's two regions. It is kept in flash, in pages that the
/// caller names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Record {
    /// The number of the record, which grows with each one.
    pub number: u32,
    /// True if the regions may have been swapped since: only their contents show which is which.
    pub marked: bool,
    /// The file of the region from which programs run.
    pub active: Entry,
    /// The file of the other region.
    pub spare: Entry,
}

impl Record {
    /// A record of two unknown regions.
    pub const NONE: Self = Self { number: 0, marked: false, active: Entry::NONE, spare: Entry::NONE };

    /// Reads a record; `None` if the bytes are not a valid record.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.first_chunk()?;
        if Crc16::of(bytes) != 0 || !bytes.starts_with(&MAGIC) {
            return None;
        }
        let [marked] = take(bytes, 8)?;
        Some(Self {
            number: u32::from_le_bytes(take(bytes, 4)?),
            marked: marked == 1,
            active: Entry::parse(bytes.get(12..)?)?,
            spare: Entry::parse(bytes.get(12 + Entry::LEN..)?)?,
        })
    }

    /// Writes the record to the front of `out`, which has at least 112 bytes.
    pub fn emit(&self, out: &mut [u8]) {
        let Some(out) = out.first_chunk_mut::<LEN>() else { return };
        out.fill(0);
        copy(&MAGIC, out);
        copy(&self.number.to_le_bytes(), out.get_mut(4..).unwrap_or_default());
        copy(&[u8::from(self.marked)], out.get_mut(8..).unwrap_or_default());
        self.active.emit(out.get_mut(12..).unwrap_or_default());
        self.spare.emit(out.get_mut(12 + Entry::LEN..).unwrap_or_default());
        if let Some((body, check)) = out.split_last_chunk_mut() {
            *check = Crc16::of(body).to_be_bytes();
        }
    }

    /// Returns the record with its entries exchanged, after the regions were swapped.
    pub(crate) const fn swapped(self) -> Self {
        Self { active: self.spare, spare: self.active, ..self }
    }
}

/// The two pages of the records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages {
    region: Region,
    page: u32,
}

impl Pages {
    pub(crate) const fn new(region: Region, page: u32) -> Self {
        Self { region, page }
    }

    /// Returns the place of the record with this number: records alternate between the pages.
    pub(crate) const fn place(self, number: u32) -> super::region::Writable {
        LogRegion(self.region).at(if number & 1 == 0 { 0 } else { self.page })
    }

    pub(crate) const fn address(self, number: u32) -> u32 {
        self.region.start.wrapping_add(if number & 1 == 0 { 0 } else { self.page })
    }
}
