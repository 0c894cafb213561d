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
use super::access::{Access, Source};
use super::checkpoint::{Log, Record};
use super::layout::{Geometry, Target, down};
use crate::checksum::Crc16;

/// The `sha` of an upload, by which a client finds its session again.
pub(super) type Key = heapless::Vec<u8, 32>;

/// The upload session of a device. There is one: the next first chunk takes it over.
#[derive(Debug)]
pub(super) enum Session {
    /// No upload since the start, an erase or an error.
    Idle,
    /// An upload goes on at [`Receiving::off`].
    Receiving(Receiving),
    /// The last byte has arrived. A repeat of the chunk that held it is answered as it was.
    Complete { len: u32, matched: Option<bool> },
}

/// An upload that goes on.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) image: u32,
    pub(super) target: Target,
    pub(super) len: u32,
    pub(super) key: Option<Key>,
    /// Bytes in flash, whole write units until the last.
    written: u32,
    /// Bytes in the carry: fewer than a write unit between chunks.
    carry: u32,
    /// Up to here the slot is erased.
    erased: u32,
    /// Up to here the log knows of it.
    logged: u32,
    /// The CRC of the bytes in flash.
    crc: Crc16,
}

/// The next thing to do for a chunk.
#[derive(Debug, Clone, Copy)]
enum Act {
    EraseLog,
    WriteLog,
    ErasePage,
    WriteCarry,
    WriteChunk(u32),
}

impl Receiving {
    /// A new upload; the tail of the slot is erased before the first chunk is written.
    pub(super) fn new(image: u32, target: Target, len: u32, key: Option<Key>) -> Self {
        Self { image, target, len, key, written: 0, carry: 0, erased: 0, logged: 0, crc: Crc16::new() }
    }

    /// An upload that goes on at the end of an erase page, of which the log already knows.
    pub(super) fn resumed(record: Record, target: Target, crc: Crc16) -> Self {
        let Record { image, len, off, key, .. } = record;
        Self { image, target, len, key, written: off, carry: 0, erased: off, logged: off, crc }
    }

    /// The offset that is wanted next.
    pub(super) const fn off(&self) -> u32 {
        self.written.wrapping_add(self.carry)
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

    /// Moves the bytes of the chunk that fill no write unit into the carry.
    pub(super) fn gather(&mut self, chunk: &Chunk<'_>, taken: &mut usize, carry: &mut [u8], geometry: &Geometry) {
        let rest = chunk.data.get(*taken..).unwrap_or(&[]);
        if self.carry > 0 || rest.len() < carry.len() {
            let filled = usize::try_from(self.carry).unwrap_or(usize::MAX);
            let free = carry.get_mut(filled..).unwrap_or(&mut []);
            let moved = free.iter_mut().zip(rest).map(|(to, from)| *to = *from).count();
            *taken = taken.saturating_add(moved);
            self.carry = self.carry.wrapping_add(u32::try_from(moved).unwrap_or(0));
            if self.off() == self.len {
                let filled = usize::try_from(self.carry).unwrap_or(usize::MAX);
                carry.get_mut(filled..).unwrap_or(&mut []).fill(geometry.erased);
            }
        }
    }

    fn act(&self, chunk: &Chunk<'_>, taken: usize, log: &Log, geometry: &Geometry) -> Option<Act> {
        let rest = u32::try_from(chunk.data.len().saturating_sub(taken)).ok()?;
        let write = if self.carry == geometry.write || (self.carry > 0 && self.off() == self.len) {
            Act::WriteCarry
        } else if self.carry == 0 && rest >= geometry.write {
            Act::WriteChunk(down(rest, geometry.write).min(self.erased.wrapping_sub(self.written)))
        } else {
            return None;
        };
        if self.written < self.erased {
            return Some(write);
        }
        Some(match log {
            Log::Known(position) if self.logged < self.written => {
                if position.wants_erase(geometry) {
                    Act::EraseLog
                } else {
                    Act::WriteLog
                }
            }
            _ => Act::ErasePage,
        })
    }

    /// What has to be done next for the chunk; `None` when all of it is in flash or in the carry.
    pub(super) fn access(&self, chunk: &Chunk<'_>, taken: usize, log: &Log, geometry: &Geometry) -> Option<Access> {
        Some(match (self.act(chunk, taken, log, geometry)?, log) {
            (Act::EraseLog, Log::Known(position)) => Access::Erase(position.place()),
            (Act::WriteLog, Log::Known(position)) => {
                Access::Write(position.place(), Source::Record(*position, self.record()))
            }
            (Act::WriteCarry, _) => Access::Write(self.target.at(self.written), Source::Carry),
            (Act::WriteChunk(len), _) => Access::Write(self.target.at(self.written), Source::Chunk(taken, len)),
            _ => Access::Erase(self.target.at(self.written)),
        })
    }

    /// What [`access`](Self::access) has asked for was done.
    pub(super) fn done(
        &mut self,
        chunk: &Chunk<'_>,
        taken: &mut usize,
        log: &mut Log,
        carry: &[u8],
        tail: u32,
        geometry: &Geometry,
    ) {
        let act = self.act(chunk, *taken, log, geometry);
        match (act, log) {
            (Some(Act::EraseLog), Log::Known(position)) => position.erased(),
            (Some(Act::WriteLog), Log::Known(position)) => {
                position.written(geometry);
                self.logged = self.written;
            }
            (Some(Act::WriteCarry), _) => {
                self.wrote(carry.get(..usize::try_from(self.carry).unwrap_or(0)).unwrap_or(&[]));
                self.carry = 0;
            }
            (Some(Act::WriteChunk(len)), _) => {
                let len = usize::try_from(len).unwrap_or(0);
                let bytes = chunk.data.get(*taken..).and_then(|rest| rest.get(..len)).unwrap_or(&[]);
                self.wrote(bytes);
                *taken = taken.saturating_add(bytes.len());
            }
            (Some(Act::ErasePage), _) => {
                self.erased = self.written.wrapping_add(geometry.erase);
                self.tail_cleared(tail);
            }
            _ => {}
        }
    }

    fn wrote(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.written = self.written.wrapping_add(u32::try_from(bytes.len()).unwrap_or(0));
    }

    fn record(&self) -> Record {
        Record { image: self.image, len: self.len, off: self.written, crc: self.crc.value(), key: self.key.clone() }
    }
}
