//! An upload: what was received, what is in flash, what comes next.
//!
//! ```text
//!   slot   0 ──── written ────────── erased ─────────────── tail ────────────── end
//!          │ in flash │ erased, free   │ old contents         │ erased from the start (trailer)
//!                     └ carry: bytes received that do not fill a write unit yet (in the scratch slice)
//! ```
//!
//! `written` and `erased` move in turns: when they meet, the next page is erased, and just before
//! that the finished one is entered in the checkpoint log.

use super::access::{Access, Kind};
use super::checkpoint::Log;
use super::chunk::Chunk;
use super::layout::{Geometry, down, record_len};
use super::receiving::Receiving;

/// A chunk of an upload, as small as it can be here: slots have fewer than 2^32 - 1 bytes, so that
/// larger numbers are as good as that one.
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
    /// No upload since the start, an erase or an error; or a job works on it, and puts the session
    /// back at its end.
    Idle,
    /// An upload goes on at [`Receiving::off`].
    Receiving,
    /// The last byte has arrived. A repeat of the chunk that held it is answered as it was.
    Complete { matched: Option<bool> },
}

/// With the log, which knows of an upload and nothing of these steps.
impl Receiving {
    /// What has to be done next for the `rest` of the chunk; nothing when all of it is in flash or
    /// in the carry. With a log, the finished page is entered there before the next one is erased;
    /// its record is put into `work`.
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
                return Access::change(Kind::Work, place, record_len(geometry));
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
}
