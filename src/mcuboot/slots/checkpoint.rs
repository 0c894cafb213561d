//! Where an upload goes on after the device was restarted.
//!
//! Records are appended to a flash region of their own, one each time the upload has filled an erase page of the slot.
//! The region is a ring of erase pages: when a page is full, the next one is erased. The newest valid record counts.
//!
//! ```text
//!   offset 0        4       8      12   16   20            22       23       24        56          62
//!          magic    number  image  len  off  CRC of 0..off sha len  0        sha       0           CRC of 0..62
//! ```
//!
//! A record is believed only if the CRC-16 of the slot's first `off` bytes is still the one in the record, so that
//! neither another upload into the slot, nor a swap or an erase behind our back can make it wrong. (What a CRC
//! misses, the SHA-256 of the file and the image hash find.) Numbers are little-endian.

use super::layout::{Geometry, LogRegion, Writable, down};
use super::upload::Key;
use crate::checksum::Crc16;
use crate::mcuboot::take;

/// Bytes of a record before it is padded to the write size.
pub(super) const RECORD_LEN: usize = 64;

const MAGIC: [u8; 4] = *b"smp\x01";

/// Bytes from one record to the next: [`RECORD_LEN`] or one write unit.
pub(super) const fn record_len(geometry: &Geometry) -> u32 {
    if geometry.write > 64 { geometry.write } else { 64 }
}

/// What a record says.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) image: u32,
    pub(super) len: u32,
    pub(super) off: u32,
    pub(super) crc: u16,
    pub(super) key: Option<Key>,
}

impl Record {
    fn emit(&self, number: u32) -> [u8; RECORD_LEN] {
        let mut bytes = [0; RECORD_LEN];
        let sha = self.key.as_ref().map_or(&[][..], |key| key.as_slice());
        let len = u8::try_from(sha.len()).unwrap_or(0);
        let fields = MAGIC
            .into_iter()
            .chain(number.to_le_bytes())
            .chain(self.image.to_le_bytes())
            .chain(self.len.to_le_bytes())
            .chain(self.off.to_le_bytes())
            .chain(self.crc.to_le_bytes())
            .chain([len, 0])
            .chain(sha.iter().copied());
        for (byte, field) in bytes.iter_mut().zip(fields) {
            *byte = field;
        }
        if let Some((body, check)) = bytes.split_last_chunk_mut() {
            *check = Crc16::of(body).to_be_bytes();
        }
        bytes
    }

    /// The record in `bytes` and its number.
    fn parse(bytes: &[u8]) -> Option<(Self, u32)> {
        let bytes = bytes.first_chunk::<RECORD_LEN>()?;
        if Crc16::of(bytes) != 0 || take(bytes, 0) != Some(MAGIC) {
            return None;
        }
        let number = |offset| take(bytes, offset).map(u32::from_le_bytes);
        let sha = bytes.get(24..)?.get(..usize::from(*bytes.get(22)?))?;
        let key = if sha.is_empty() { None } else { Some(Key::from_slice(sha).ok()?) };
        let crc = u16::from_le_bytes(take(bytes, 20)?);
        Some((Self { image: number(8)?, len: number(12)?, off: number(16)?, crc, key }, number(4)?))
    }
}

/// What we know of the region.
#[derive(Debug)]
pub(super) enum Log {
    /// The device has none: uploads start again after a restart.
    Absent,
    /// It has to be read. `resume`: an upload may go on where the newest record says; not so after a flash error.
    Unread { region: LogRegion, resume: bool },
    /// It was read, and the next record goes there.
    Known(Position),
}

impl Log {
    /// The log for the time of an upload's flash operations: if the job ends early, it has to be read again.
    pub(super) fn take(&mut self) -> Self {
        match self {
            Self::Known(Position { region, .. }) | Self::Unread { region, .. } => {
                let region = *region;
                core::mem::replace(self, Self::Unread { region, resume: false })
            }
            Self::Absent => Self::Absent,
        }
    }
}

/// Where the next record goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    region: LogRegion,
    offset: u32,
    number: u32,
    /// Whether the page was erased for this record, which is the first one in it.
    erased: bool,
}

impl Position {
    const fn start(region: LogRegion) -> Self {
        Self { region, offset: 0, number: 0, erased: false }
    }

    pub(super) const fn place(&self) -> Writable {
        self.region.at(self.offset)
    }

    /// Whether the page of the next record has to be erased before.
    pub(super) const fn wants_erase(&self, geometry: &Geometry) -> bool {
        down(self.offset, geometry.erase) == self.offset && !self.erased
    }

    pub(super) const fn erased(&mut self) {
        self.erased = true;
    }

    /// Writes the record to the front of `out`, padded to whole write units; returns the length of these.
    pub(super) fn emit<'o>(&self, record: &Record, geometry: &Geometry, out: &'o mut [u8]) -> Option<&'o [u8]> {
        let out = out.get_mut(..usize::try_from(record_len(geometry)).ok()?)?;
        out.fill(geometry.erased);
        for (to, from) in out.iter_mut().zip(record.emit(self.number)) {
            *to = from;
        }
        Some(out)
    }

    pub(super) fn written(&mut self, geometry: &Geometry) {
        self.number = self.number.wrapping_add(1);
        self.advance_from(self.offset, geometry);
    }

    /// Goes behind the record at `offset`. A page holds a whole number of records.
    fn advance_from(&mut self, offset: u32, geometry: &Geometry) {
        self.erased = false;
        self.offset = offset.wrapping_add(record_len(geometry));
        if self.offset >= self.region.region().len {
            self.offset = 0;
        }
    }
}

/// The search for the newest record.
#[derive(Debug)]
pub(super) struct Recall {
    offset: u32,
    newest: Option<Record>,
    next: Position,
    pub(super) resume: bool,
}

impl Recall {
    pub(super) const fn new(region: LogRegion, resume: bool) -> Self {
        Self { offset: 0, newest: None, next: Position::start(region), resume }
    }

    /// Address and length of the next read; `None` at the end.
    pub(super) fn read(&self, geometry: &Geometry) -> Option<(u32, usize)> {
        let region = self.next.region.region();
        let len = usize::try_from(record_len(geometry)).ok()?;
        if self.offset >= region.len { None } else { Some((region.start.wrapping_add(self.offset), len)) }
    }

    /// Takes the bytes of the read.
    pub(super) fn advance(&mut self, bytes: &[u8], geometry: &Geometry) {
        let newer = |number: u32| self.newest.is_none() || number.wrapping_sub(self.next.number) < u32::MAX / 2;
        match Record::parse(bytes) {
            Some((record, number)) if newer(number) => {
                self.newest = Some(record);
                self.next.number = number.wrapping_add(1);
                self.next.advance_from(self.offset, geometry);
            }
            // A torn record behind the newest: its place cannot be written again before the page is erased.
            _ if self.offset == self.next.offset
                && down(self.offset, geometry.erase) != self.offset
                && bytes.iter().any(|byte| *byte != geometry.erased) =>
            {
                self.next.advance_from(self.offset, geometry);
            }
            _ => {}
        }
        self.offset = self.offset.saturating_add(record_len(geometry));
    }

    /// The newest record, if it may be used, and the place of the next.
    pub(super) fn finish(self) -> (Option<Record>, Position) {
        (self.newest.filter(|_| self.resume), self.next)
    }
}
