//! A log of the progress of an upload, so that it can continue after a restart of the device.
//!
//! Records are appended to a separate flash region, one each time the upload has filled an erase
//! page of the slot. The region is a ring of erase pages: when a page is full, the next one is
//! erased. The newest valid record counts.
//!
//! ```text
//!   offset 0      4       8      12   16   20             22       23  24   56  62
//!          magic  number  image  len  off  CRC of 0..off  sha len  0   sha  0   CRC of 0..62
//! ```
//!
//! A record is used only if the CRC-16 of the slot's first `off` bytes still matches it, so it
//! stays correct after another upload into the slot, a swap, or an erase by other code. (The
//! SHA-256 of the file and the image hash find damage that a CRC misses.) Numbers are
//! little-endian.

use super::access::Access;
use super::flash::Geometry;
use super::receiving::{Key, Receiving};
use super::region::{LogRegion, RECORD_LEN, Writable, down, record_len};
use crate::bytes::copy;
use crate::bytes::take;
use crate::checksum::Crc16;

const MAGIC: [u8; 4] = *b"smp\x01";

/// A valid record.
struct Record<'a>(&'a [u8; RECORD_LEN]);

impl<'a> Record<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let record = Self(bytes.first_chunk()?);
        (Crc16::of(record.0) == 0 && record.0.starts_with(&MAGIC) && record.sha()?.len() <= Key::MAX_LEN)
            .then_some(record)
    }

    fn sha(&self) -> Option<&'a [u8]> {
        let [len] = take(self.0, 22)?;
        self.0.get(24..)?.get(..len.into())
    }

    fn word(&self, offset: usize) -> u32 {
        take(self.0, offset).map_or(0, u32::from_le_bytes)
    }
}

fn emit(upload: &Receiving, number: u32, out: &mut [u8; RECORD_LEN]) {
    out.fill(0);
    let fields = [u32::from_le_bytes(MAGIC), number, upload.image, upload.len, upload.written()];
    let sha = upload.key.as_bytes();
    let mut rest: &mut [u8] = out;
    for field in fields {
        let Some((to, after)) = rest.split_first_chunk_mut() else { return };
        *to = field.to_le_bytes();
        rest = after;
    }
    if let Some((head, after)) = rest.split_first_chunk_mut() {
        let [low, high] = upload.crc.value().to_le_bytes();
        *head = [low, high, u8::try_from(sha.len()).unwrap_or(0), 0];
        copy(sha, after);
    }
    if let Some((body, check)) = out.split_last_chunk_mut() {
        *check = Crc16::of(body).to_be_bytes();
    }
}

/// The log: its region, its known state and the place of the next record.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) known: Known,
    pub(crate) next: Position,
}

/// The state of the log in flash, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The device has no log: uploads start from scratch after a restart. No exit.
    Absent,
    /// The log has to be read. `resume`: an upload may continue from the newest record, which is
    /// not allowed after a flash error. Exits: the end of the search, or of the flash work of a
    /// chunk, to `Read`.
    Unread { resume: bool },
    /// The log was read, and the place of the next record is known. Exit: the start of the flash
    /// work of a chunk, to `Unread` without `resume`.
    Read,
}

impl Log {
    pub(crate) const fn new(region: LogRegion) -> Self {
        let known = if region.region().len == 0 { Known::Absent } else { Known::Unread { resume: true } };
        Self { known, next: Position { region, offset: 0, number: 0, page: Page::Used } }
    }

    pub(crate) fn there(&mut self) -> Option<&mut Self> {
        Some(self).filter(|log| log.known != Known::Absent)
    }
}

/// The place of the next record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    region: LogRegion,
    offset: u32,
    number: u32,
    page: Page,
}

/// The page of the next record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// It has records, or whatever was there before. Exit: an erase, to `Erased`.
    Used,
    /// It was erased for the record that is the first one in it. Exit: that record or another
    /// search, to `Used`.
    Erased,
}

impl Position {
    pub(crate) const fn place(&self) -> Writable {
        self.region.at(self.offset)
    }

    /// Returns true if the page must be erased before the next record is written.
    pub(crate) const fn wants_erase(&self, geometry: &Geometry) -> bool {
        down(self.offset, geometry.erase) == self.offset && matches!(self.page, Page::Used)
    }

    pub(crate) const fn erased(&mut self) {
        self.page = Page::Erased;
    }

    /// Writes a record of the upload to the front of `out`, followed by padding.
    pub(crate) fn emit(&self, upload: &Receiving, geometry: &Geometry, out: &mut [u8]) {
        out.fill(geometry.erased);
        if let Some(out) = out.first_chunk_mut() {
            emit(upload, self.number, out);
        }
    }

    pub(crate) fn written(&mut self, geometry: &Geometry) {
        self.number = self.number.wrapping_add(1);
        self.advance_from(self.offset, geometry);
    }

    /// Advances past the record at `offset`. A page holds a whole number of records.
    fn advance_from(&mut self, offset: u32, geometry: &Geometry) {
        self.page = Page::Used;
        self.offset = offset.wrapping_add(record_len(geometry));
        // The log is a ring.
        if self.offset >= self.region.region().len {
            self.offset = 0;
        }
    }
}

/// The search for the newest record. The record goes into the upload, its place into the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recall {
    offset: u32,
    newest: Newest,
    /// True if an upload may continue from the newest record.
    resume: bool,
}

/// The newest record so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Newest {
    /// There is none. Exit: a valid record, to `Recalled`.
    None,
    /// It is in the upload. No exit: a newer one replaces it there.
    Recalled,
}

impl Recall {
    pub(crate) const fn new(log: &mut Log, resume: bool) -> Self {
        log.next = Position { offset: 0, number: 0, page: Page::Used, ..log.next };
        Self { offset: 0, newest: Newest::None, resume }
    }

    pub(crate) const fn access(&self, log: &Log, geometry: &Geometry) -> Access {
        let region = log.next.region.region();
        if self.offset >= region.len {
            return Access::NOTHING;
        }
        Access::read(region.start.wrapping_add(self.offset), record_len(geometry))
    }

    /// Handles the bytes of a record; none if the read failed, which counts as a torn record.
    pub(crate) fn advance(&mut self, bytes: &[u8], log: &mut Log, upload: &mut Receiving, geometry: &Geometry) {
        let next = &mut log.next;
        // Numbers wrap around, so the newer one is less than half of the range ahead.
        let newer = |record: &Record<'_>| {
            self.newest == Newest::None || record.word(4).wrapping_sub(next.number) < u32::MAX / 2
        };
        match Record::parse(bytes) {
            // The newest record wins; its place shows where the next one goes.
            Some(record) if newer(&record) => {
                self.newest = Newest::Recalled;
                let crc = u16::from_le_bytes(take(record.0, 20).unwrap_or_default());
                upload.recall(record.word(8), record.word(12), record.word(16), crc);
                let _ = upload.key.set(record.sha().unwrap_or(&[]));
                next.number = record.word(4).wrapping_add(1);
                next.advance_from(self.offset, geometry);
            }
            // A torn record after the newest one: its place cannot be written again until the page
            // is erased.
            _ if self.offset == next.offset
                && down(self.offset, geometry.erase) != self.offset
                && (bytes.is_empty() || bytes.iter().any(|byte| *byte != geometry.erased)) =>
            {
                next.advance_from(self.offset, geometry);
            }
            _ => {}
        }
        self.offset = self.offset.saturating_add(record_len(geometry));
    }

    pub(crate) const fn is_usable(self) -> bool {
        matches!(self.newest, Newest::Recalled) && self.resume
    }
}
