//! Answer memory for one peer at a time.

use core::time::Duration;

use super::peers::{FRONT, PeerAnswers};
use super::record::{ALL, Clock, REQUESTS, Record, TIME, WRITES};
use super::{Known, Memory};
use crate::bytes::fnv;
use crate::line::Peer;
use crate::shown::shown;
use crate::time::Span;

/// Remembers the last [`WRITES`](Self::WRITES) write requests of one peer, and the response to the
/// last of them.
///
/// A write is recognised by the 32-bit FNV-1a of its header and payload. It is remembered for
/// [`TIME`](Self::TIME) or for [`REQUESTS`](Self::REQUESTS) further requests of its peer, whichever
/// ends first. Every request counts, repeats too, so that a server that is never ticked forgets as
/// well. A repeat does not extend the lifetime of a write.
///
/// A write of another peer replaces all of it; for several peers, divide the memory by
/// [`with_peers`](Self::with_peers).
///
/// # Memory
///
/// The caller's bytes: 48 for 8 writes (for each: fingerprint 4, time left 1, requests left 1),
/// the rest for the response. With several peers, each needs 57 bytes and the length of a response.
/// [`memory_len`](Self::memory_len) returns the sum.
///
/// | responses that are stored | bytes of a response | memory for one peer | for four |
/// |---|---|---|---|
/// | none: each repeat gets rc 10 | 0 | 57 | 228 |
/// | success without a value, all errors | 32 | 89 | 356 |
/// | also the states of two images | 250 | 307 | 1,228 |
///
/// **Memory that is too short for the writes keeps nothing at all**, of any peer:
/// [`peers`](Self::peers) is 0 then.
///
/// # Time
///
/// Time is counted in units of 65,536 µs, and the rest of a tick is carried over. A write is
/// remembered for at least 10 s, and less than 10.1 s if the ticks are whole microseconds:
/// [`tick`](Memory::tick) ignores the part of its time that is below 1 µs. A longer time does no
/// harm.
///
/// # Cost
///
/// On a Cortex-M3, about 100 instructions for each request, for each peer that there is room for,
/// and 5 for each byte of a write. A tick only adds to the time.
pub struct Answers<'m> {
    record: Record<'m>,
    peer: Peer,
    clock: Clock,
    displaced: u32,
}

shown!(Answers<'_>, |answers| "Answers({} bytes)", answers.record.memory.len());

impl<'m> Answers<'m> {
    /// The time for which a write is remembered, at least.
    pub const TIME: Duration = TIME;
    /// The number of further requests of its peer for which a write is remembered: it is still
    /// recognised as the last of them.
    pub const REQUESTS: u8 = REQUESTS;
    /// The largest number of writes of a peer that are remembered.
    pub const WRITES: usize = WRITES;

    /// Returns the length of the memory, in bytes, for the writes of `peers` peers and a response
    /// of at most `response` bytes, header included, for each.
    #[must_use]
    pub const fn memory_len(peers: usize, response: usize) -> usize {
        (FRONT + ALL).saturating_add(response).saturating_mul(peers)
    }

    /// A memory for the writes of one peer at a time, for example on a serial line. See
    /// [`memory_len`](Self::memory_len) for the length of `memory`, which is overwritten.
    #[must_use]
    pub fn new(memory: &'m mut [u8]) -> Self {
        // An entry with no time left is free.
        memory.fill(0);
        Self { record: Record { memory, len: None, place: 0 }, peer: Peer(0), clock: Clock::default(), displaced: 0 }
    }

    /// Divides the memory among `peers` peers, in equal parts.
    #[must_use]
    pub fn with_peers(self, peers: usize) -> PeerAnswers<'m> {
        let memory = self.record.memory;
        // All zeros: every entry is free, and no peer has been silent (see `Front`).
        memory.fill(0);
        let part = memory.len().checked_div(peers).unwrap_or(0);
        PeerAnswers { memory, part, clock: self.clock, displaced: 0 }
    }

    /// The number of peers whose writes are remembered at once: 1, or 0 if the memory is too short.
    #[must_use]
    pub const fn peers(&self) -> usize {
        if self.record.memory.len() < ALL { 0 } else { 1 }
    }

    /// The number of times that the writes of one peer were forgotten to make room for another.
    /// Wraps.
    #[must_use]
    pub const fn displaced(&self) -> u32 {
        self.displaced
    }
}

impl Memory for Answers<'_> {
    type Fingerprint = u32;

    fn is_used(&self) -> bool {
        self.peers() > 0
    }

    fn fingerprint(&self, request: &[u8]) -> u32 {
        fnv(request)
    }

    fn received(&mut self, peer: Peer, request: &[u8], fingerprint: Option<u32>) -> Known<'_> {
        let is_own = self.peer == peer;
        let found = self.record.find(self.clock.ended(), is_own, fingerprint);
        // Nobody loses anything: not counted as displaced.
        if found.is_nothing() {
            self.peer = peer;
        }
        self.record.again().known(found, request)
    }

    fn remember(&mut self, peer: Peer, fingerprint: u32, response: &[u8]) {
        if self.peer != peer {
            self.peer = peer;
            // Not an empty memory: `received` has given that to the peer.
            self.displaced = self.displaced.wrapping_add(1);
            self.record.forget();
        }
        self.record.push(fingerprint, response);
    }

    fn tick(&mut self, elapsed: Duration) {
        self.passed(elapsed.into());
    }

    fn passed(&mut self, elapsed: Span) {
        self.clock.pass(elapsed);
    }
}
