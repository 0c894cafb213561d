//! An upload: what was received, what is in flash, what comes next.
//!
//! ```text
//!   slot   0 ──── written ────────── erased ─────────────── tail ────────────── end
//!          │ in flash │ erased, free   │ old contents         │ erased from the start (trailer)
//!                     └ carry: bytes received that do not fill a write unit yet (in the scratch slice)
//! ```
//!
//! `written` and `erased` move in turns: when they meet, the next page is erased, and just before that the finished one is
//! entered in the checkpoint log.

use super::Chunk;
use super::access::{self, Access, Kind};
use super::checkpoint::Log;
use super::layout::{Target, down};
use crate::bytes::copy;
use crate::checksum::Crc16;
use crate::mcuboot::flash::Geometry;

/// The `sha` of an upload, by which a client finds its session again; none if it is empty.
#[derive(Clone, Copy)]
pub(super) struct Key {
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Key {
    pub(super) const MAX_LEN: usize = 32;

    /// Takes over what is not too long; `None` if it is.
    pub(super) fn set(&mut self, sha: &[u8]) -> Option<()> {
        copy(sha, self.bytes.get_mut(..sha.len())?);
        self.len = u8::try_from(sha.len()).ok()?;
        Some(())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }

    /// Whether there is one, and it is this.
    pub(super) fn is(&self, sha: &[u8]) -> bool {
        self.len > 0 && self.as_bytes() == sha
    }
}

/// A chunk of an upload, as small as it can be here: slots have fewer than 2^32 - 1 bytes, so that larger numbers
/// are as good as that one.
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

    /// Where in the file the chunk ends.
    pub(super) fn end(&self) -> Option<u32> {
        self.off.checked_add(u32::try_from(self.data.len()).ok()?)
    }
}

/// The upload session of a device. There is one: the next first chunk takes it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// No upload since the start, an erase or an error; or a job works on it, and puts the session back at its end.
    Idle,
    /// An upload goes on at [`Receiving::off`].
    Receiving,
    /// The last byte has arrived. A repeat of the chunk that held it is answered as it was.
    Complete { matched: Option<bool> },
}

/// An upload that goes on, or the one that was the last. It stays where it is, in the slots: to move it from stage to stage of a
/// job takes more code than all of these functions, and stack for each copy.
pub(super) struct Receiving {
    pub(super) image: u32,
    pub(super) target: Target,
    pub(super) len: u32,
    pub(super) key: Key,
    /// Bytes in flash, whole write units until the last.
    written: u32,
    /// Bytes in the carry: fewer than a write unit between chunks.
    carry: u32,
    /// Up to here the slot is erased.
    erased: u32,
    /// Up to here the log knows of it.
    logged: u32,
    /// The CRC of the bytes in flash.
    pub(super) crc: Crc16,
}

impl Receiving {
    /// None yet.
    pub(super) fn new() -> Self {
        let (crc, target) = (Crc16::new(), Target::NONE);
        let key = Key { len: 0, bytes: [0; Key::MAX_LEN] };
        Self { image: 0, target, len: 0, key, written: 0, carry: 0, erased: 0, logged: 0, crc }
    }

    /// A new upload; the tail of the slot is erased before the first chunk is written. `None` if the `sha` is too long.
    pub(super) fn begin(&mut self, image: u32, target: Target, len: u32, sha: &[u8]) -> Option<()> {
        self.recall(image, len, 0, 0);
        self.target = target;
        self.key.set(sha)
    }

    /// An upload that goes on at the end of an erase page, of which the log already knows.
    pub(super) fn recall(&mut self, image: u32, len: u32, off: u32, crc: u16) {
        (self.image, self.len, self.carry, self.crc) = (image, len, 0, Crc16::at(crc));
        (self.written, self.erased, self.logged) = (off, off, off);
    }

    /// The offset that is wanted next.
    pub(super) const fn off(&self) -> u32 {
        self.written.wrapping_add(self.carry)
    }

    /// Bytes in flash.
    pub(super) const fn written(&self) -> u32 {
        self.written
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.written >= self.len
    }

    /// Tells that the slot is erased from `tail` on.
    pub(super) const fn tail_cleared(&mut self, tail: u32) {
        if self.erased >= tail {
            self.erased = self.target.region().len;
        }
    }

    /// Moves the bytes of the chunk that fill no write unit into the carry; `rest` is what is not taken of it, and
    /// how much is moved is returned.
    pub(super) fn gather(&mut self, rest: &[u8], carry: &mut [u8], geometry: &Geometry) -> usize {
        if self.carry == 0 && rest.len() >= carry.len() {
            return 0;
        }
        let free = carry.get_mut(access::size(self.carry)..).unwrap_or(&mut []);
        copy(rest, free);
        let moved = rest.len().min(free.len());
        self.carry = self.carry.wrapping_add(u32::try_from(moved).unwrap_or(0));
        if self.off() == self.len {
            free.get_mut(moved..).unwrap_or(&mut []).fill(geometry.erased);
        }
        moved
    }

    /// What has to be done next for the `rest` of the chunk; nothing when all of it is in flash or in the carry. With a log, the
    /// finished page is entered there before the next one is erased; its record is put into `work`.
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

    /// What [`access`](Self::access) has asked for was done; `bytes` are what was written.
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

    /// Bytes in the carry.
    pub(super) const fn carried(&self) -> u32 {
        self.carry
    }
}
