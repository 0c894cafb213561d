//! Answer memory for several peers.

use core::num::NonZeroU16;
use core::time::Duration;

use super::record::{ALL, Clock, Record};
use super::{Known, Memory};
use crate::bytes::fnv;
use crate::line::Peer;
use crate::shown::shown;
use crate::time::Span;

/// The counterpart of [`Answers`](super::Answers) for several peers: see
/// [`Answers::with_peers`](super::Answers::with_peers).
///
/// If there is no room for another peer, it replaces one whose writes have all been forgotten. If
/// there is none, it replaces the one that has been silent for longest, and
/// [counts](Self::displaced) that. Silence is counted in requests of other peers, up to 65,535.
pub struct PeerAnswers<'m> {
    pub(super) memory: &'m mut [u8],
    /// The length of each peer's part, in bytes.
    pub(super) part: usize,
    pub(super) clock: Clock,
    pub(super) displaced: u32,
}

shown!(PeerAnswers<'_>, |answers| "PeerAnswers({} bytes)", answers.memory.len());

/// The length of a [`Front`] in bytes.
pub(super) const FRONT: usize = 9;

/// The bytes stored in front of a peer's writes.
#[derive(Clone, Copy)]
struct Front {
    peer: Peer,
    /// The number of requests of other peers since this one's last request.
    silent: u16,
    /// As [`Record::len`], in bytes 0 if there is none.
    len: Option<NonZeroU16>,
    place: u8,
}

impl Front {
    const fn parse(&[p0, p1, p2, p3, s0, s1, l0, l1, place]: &[u8; FRONT]) -> Self {
        Self {
            peer: Peer(u32::from_le_bytes([p0, p1, p2, p3])),
            silent: u16::from_le_bytes([s0, s1]),
            len: NonZeroU16::new(u16::from_le_bytes([l0, l1])),
            place,
        }
    }

    const fn emit(self) -> [u8; FRONT] {
        let [p0, p1, p2, p3] = self.peer.0.to_le_bytes();
        let len = match self.len {
            Some(len) => len.get(),
            None => 0,
        };
        let ([s0, s1], [l0, l1]) = (self.silent.to_le_bytes(), len.to_le_bytes());
        [p0, p1, p2, p3, s0, s1, l0, l1, self.place]
    }
}

/// The part of the memory that belongs to one peer.
struct Part<'p> {
    front: &'p mut [u8; FRONT],
    rest: &'p mut [u8],
}

/// The suitability of a part for the next write; the greatest is the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Merit {
    /// It belongs to another peer, whose last request came this many requests of other peers ago.
    Silent(u16),
    /// No write is stored in it.
    Free,
    /// It belongs to the peer that sent the write.
    Own,
}

impl PeerAnswers<'_> {
    /// The number of peers whose writes are remembered at once; 0 if the memory is too short for
    /// the number asked for.
    #[must_use]
    pub const fn peers(&self) -> usize {
        if self.part < FRONT + ALL { 0 } else { self.memory.len() / self.part }
    }

    /// The number of times that the writes of one peer were forgotten to make room for another.
    /// Wraps.
    #[must_use]
    pub const fn displaced(&self) -> u32 {
        self.displaced
    }

    /// Iterates over the parts; there are none if they are too short.
    fn parts(&mut self) -> impl Iterator<Item = Part<'_>> {
        let part = self.part;
        let mut memory = if part < FRONT + ALL { &mut [][..] } else { &mut *self.memory };
        core::iter::from_fn(move || {
            let (one, rest) = core::mem::take(&mut memory).split_at_mut_checked(part)?;
            memory = rest;
            let (front, rest) = one.split_first_chunk_mut()?;
            Some(Part { front, rest })
        })
    }
}

impl Memory for PeerAnswers<'_> {
    type Fingerprint = u32;

    fn is_used(&self) -> bool {
        self.part >= FRONT + ALL
    }

    fn fingerprint(&self, request: &[u8]) -> u32 {
        fnv(request)
    }

    fn received(&mut self, peer: Peer, request: &[u8], fingerprint: Option<u32>) -> Known<'_> {
        let units = self.clock.ended();
        let mut known = Known::Nothing;
        for Part { front, rest } in self.parts() {
            let was = Front::parse(front);
            let is_own = was.peer == peer;
            let silent = if is_own { 0 } else { was.silent.saturating_add(1) };
            *front = Front { silent, ..was }.emit();
            let mut record = Record { memory: rest, len: was.len, place: was.place };
            let found = record.find(units, is_own, fingerprint);
            // The loop goes on after a find, since time passes for the writes of all peers.
            if let Known::Nothing = known {
                known = record.known(found, request);
            }
        }
        known
    }

    fn remember(&mut self, peer: Peer, fingerprint: u32, response: &[u8]) {
        // In order of preference: the peer's own part, a free part, the part of the peer that has
        // been silent for longest.
        let mut best = None;
        for part in self.parts() {
            let Front { peer: of, silent, len, place } = Front::parse(part.front);
            let merit = match (Record { memory: part.rest, len, place }).find(0, false, None) {
                _ if of == peer => Merit::Own,
                found if found.is_nothing() => Merit::Free,
                _ => Merit::Silent(silent),
            };
            if best.as_ref().is_none_or(|(most, _)| merit > *most) {
                best = Some((merit, part));
            }
        }
        let Some((merit, Part { front, rest })) = best else { return };
        let Front { len, place, .. } = Front::parse(front);
        let mut record = Record { memory: rest, len, place };
        // The writes of the peer before would answer requests of this one.
        if merit != Merit::Own {
            record.forget();
        }
        record.push(fingerprint, response);
        *front = Front { peer, silent: 0, len: record.len, place: record.place }.emit();
        if let Merit::Silent(_) = merit {
            self.displaced = self.displaced.wrapping_add(1);
        }
    }

    fn tick(&mut self, elapsed: Duration) {
        self.passed(elapsed.into());
    }

    fn passed(&mut self, elapsed: Span) {
        self.clock.pass(elapsed);
    }
}
