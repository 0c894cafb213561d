//! The progress of an upload: bytes received, bytes in flash, next flash operation.
//!
//! ```text
//!   slot   0 ──── written ────────── erased ─────────────── tail ────────────── end
//!          │ in flash │ erased, free   │ old contents         │ erased first (trailer)
//!                     └ carry: received bytes that do not fill a write unit yet (in scratch)
//! ```
//!
//! `written` and `erased` move in turns: when they meet, the finished page is recorded in the
//! checkpoint log, then the next one is erased.

use super::Chunk;
use super::access::{self, Access, Kind};
use super::checkpoint::Log;
use super::layout::{Target, down};
use crate::bytes::copy;
use crate::checksum::Crc16;
use crate::mcuboot::flash::Geometry;

/// The `sha` of an upload, by which a client resumes its session; empty for none.
#[derive(Clone, Copy)]
pub(super) struct Key {
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Key {
    pub(super) const MAX_LEN: usize = 32;

    /// Copies `sha`; `None` if it is too long.
    pub(super) fn set(&mut self, sha: &[u8]) -> Option<()> {
        copy(sha, self.bytes.get_mut(..sha.len())?);
        self.len = u8::try_from(sha.len()).ok()?;
        Some(())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }

    /// Returns true if there is a `sha` and it is this one.
    pub(super) fn is(&self, sha: &[u8]) -> bool {
        self.len > 0 && self.as_bytes() == sha
    }
}

/// A chunk of an upload with 32-bit numbers: slots have fewer than 2^32 - 1 bytes, so larger
/// numbers can become that one.
#[derive(Clone, Copy)]
pub(super) struct Piece<'c> {
    pub(super) image: u32,
    pub(super) len: Option<u32>,
    pub(super) off: u32,
    pub(super) data: &'c [u8],
    pub(super) sha: &'c [u8],
    pub(super) upgrade: bool,
}

impl<'c> Piece<'c> {
    pub(super) fn new(chunk: &Chunk<'c>) -> Self {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let Chunk { image, len, off, data, sha, upgrade } = *chunk;
        Self { image: small(image), len: len.map(small), off: small(off), data, sha: sha.unwrap_or(&[]), upgrade }
    }

    /// Returns the end of the chunk in the file.
    pub(super) fn end(&self) -> Option<u32> {
        self.off.checked_add(u32::try_from(self.data.len()).ok()?)
    }
}

/// The upload session of a device. There is one: the next first chunk replaces it. A flash error in
/// an upload leads from each to `Idle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// No upload since the start, an erase or an error; or a job is writing, and restores the
    /// session at its end. Exits: a written chunk, to `Receiving`, or to `Complete` for the last
    /// one; a checkpoint that is still valid, to `Receiving`; a slot that already holds the file,
    /// to `Complete`.
    Idle,
    /// An upload continues at [`Receiving::off`]. Exits: flash work of a chunk, another upload, an
    /// erase or a mark of its slot, to `Idle`.
    Receiving,
    /// The last byte has arrived; a repeat of its chunk gets the same response. Exits: another
    /// upload or an erase, to `Idle`.
    Complete { matched: Option<bool> },
}

/// The current upload, or the last one. It stays in the slots: to move it from stage to stage of a
/// job takes more code than all of these functions, and stack for each copy.
pub(super) struct Receiving {
    pub(super) image: u32,
    pub(super) target: Target,
    pub(super) len: u32,
    pub(super) key: Key,
    /// Bytes in flash, whole write units until the last.
    written: u32,
    /// Bytes in the carry; between chunks fewer than a write unit.
    carry: u32,
    /// The end of the erased part of the slot.
    erased: u32,
    /// The end of the part that the log has recorded.
    logged: u32,
    /// The CRC of the bytes in flash.
    pub(super) crc: Crc16,
}

impl Receiving {
    /// No upload yet.
    pub(super) fn new() -> Self {
        let (crc, target) = (Crc16::new(), Target::NONE);
        let key = Key { len: 0, bytes: [0; Key::MAX_LEN] };
        Self { image: 0, target, len: 0, key, written: 0, carry: 0, erased: 0, logged: 0, crc }
    }

    /// Begins a new upload; `None` if the `sha` is too long. The caller erases the tail of the slot
    /// before the first chunk is written.
    pub(super) fn begin(&mut self, image: u32, target: Target, len: u32, sha: &[u8]) -> Option<()> {
        self.recall(image, len, 0, 0);
        self.target = target;
        self.key.set(sha)
    }

    /// Continues an upload at the end of an erase page that the log has recorded.
    pub(super) fn recall(&mut self, image: u32, len: u32, off: u32, crc: u16) {
        (self.image, self.len, self.carry, self.crc) = (image, len, 0, Crc16::at(crc));
        (self.written, self.erased, self.logged) = (off, off, off);
    }

    /// Returns the expected offset of the next chunk.
    pub(super) const fn off(&self) -> u32 {
        self.written.wrapping_add(self.carry)
    }

    /// Returns the bytes in flash.
    pub(super) const fn written(&self) -> u32 {
        self.written
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.written >= self.len
    }

    /// Records that the slot is erased from `tail` on.
    pub(super) const fn tail_cleared(&mut self, tail: u32) {
        if self.erased >= tail {
            self.erased = self.target.region().len;
        }
    }

    /// Moves bytes from the `rest` of the chunk that do not fill a write unit into the carry;
    /// returns the number moved.
    pub(super) fn gather(&mut self, rest: &[u8], carry: &mut [u8], geometry: &Geometry) -> usize {
        // Whole units are written from the chunk itself, without a copy.
        if self.carry == 0 && rest.len() >= carry.len() {
            return 0;
        }
        let free = carry.get_mut(access::size(self.carry)..).unwrap_or(&mut []);
        copy(rest, free);
        let moved = rest.len().min(free.len());
        self.carry = self.carry.wrapping_add(u32::try_from(moved).unwrap_or(0));
        // The last unit of the file: padding with erased bytes leaves the rest of the unit
        // unchanged.
        if self.off() == self.len {
            free.get_mut(moved..).unwrap_or(&mut []).fill(geometry.erased);
        }
        moved
    }

    /// Returns the next access for the `rest` of the chunk; nothing when all of it is in flash or
    /// in the carry. With a log, the finished page is recorded there before the next one is erased;
    /// the record is put into `work`.
    pub(super) fn access(&self, rest: usize, log: Option<&Log>, geometry: &Geometry, work: &mut [u8]) -> Access {
        let rest = down(u32::try_from(rest).unwrap_or(0), geometry.write);
        let (kind, len) = if self.carry == geometry.write || (self.carry > 0 && self.off() == self.len) {
            (Kind::Carry, geometry.write)
        } else if self.carry == 0 && rest > 0 {
            (Kind::Chunk, rest.min(self.erased.wrapping_sub(self.written)))
        } else {
            return Access::NOTHING;
        };
        let mut place = self.target.at(self.written);
        if self.written < self.erased {
            return Access::change(kind, place, len);
        }
        let mut kind = Kind::Erase;
        if let Some(log) = log.filter(|_| self.logged < self.written) {
            place = log.next.place();
            kind = Kind::EraseLog;
            if !log.next.wants_erase(geometry) {
                log.next.emit(self, geometry, work);
                return Access::change(Kind::Work, place, super::checkpoint::record_len(geometry));
            }
        }
        Access::change(kind, place, geometry.erase)
    }

    /// Records the completed [`access`](Self::access); `bytes` are those that were written.
    pub(super) fn done(&mut self, kind: Kind, bytes: &[u8], log: &mut Log, tail: u32, geometry: &Geometry) {
        match kind {
            Kind::EraseLog => log.next.erased(),
            Kind::Work => {
                log.next.written(geometry);
                self.logged = self.written;
            }
            Kind::Erase => {
                self.erased = self.written.wrapping_add(geometry.erase);
                self.tail_cleared(tail);
            }
            _ => {
                self.crc.update(bytes);
                self.written = self.written.wrapping_add(u32::try_from(bytes.len()).unwrap_or(0));
                if kind == Kind::Carry {
                    self.carry = 0;
                }
            }
        }
    }

    /// Returns the bytes in the carry.
    pub(super) const fn carried(&self) -> u32 {
        self.carry
    }
}
