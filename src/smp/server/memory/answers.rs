//! Answer memory for one peer at a time.

use core::time::Duration;

use super::peers::{FRONT, PeerAnswers};
use super::record::{ALL, Clock, REQUESTS, Record, SECONDS, WRITES, fnv};
use super::{Known, Memory};
use crate::line::Peer;
use crate::shown::shown;

/// Remembers the last [`WRITES`](Self::WRITES) write requests of one peer, and the response to the
/// last of them.
///
/// A write is recognised by its FNV-1a of 32 bits, over header and payload. It is remembered for
/// [`TIME`](Self::TIME) or for [`REQUESTS`](Self::REQUESTS) further requests of its peer, whichever
/// ends first. Every request counts, repeats too, so that a server that is never ticked forgets as
/// well. A repeat does not make a write live longer.
///
/// A write of another peer takes all the memory: [`with_peers`](Self::with_peers) divides it.
///
/// # Memory
///
/// The caller's bytes: 48 for the writes (fingerprint 4, seconds left 1, requests left 1), the rest
/// for the response. With several peers each has 57 bytes and as many for a response.
/// [`memory_len`](Self::memory_len) says the sum.
///
/// | responses that are stored | bytes of a response | memory for one peer | for four |
/// |---|---|---|---|
/// | none: each repeat gets rc 10 | 0 | 57 | 228 |
/// | success without a value, all errors | 32 | 89 | 356 |
/// | and the states of two images | 250 | 307 | 1,228 |
///
/// **Memory that is too short for the writes keeps nothing at all**, of any peer:
/// [`peers`](Self::peers) is 0 then.
///
/// # Time
///
/// Time is counted in seconds, what is left of a tick is carried over, and a second that has begun
/// does not count: a write is remembered for 10 s at least and for less than 11 s, and for exactly
/// 10 s if all ticks before it add up to whole seconds. To be remembered for longer harms nobody.
///
/// # Cost
///
/// About 100 instructions for each request and each tick on a Cortex-M3, for each peer that there
/// is room for, and 5 for each byte of a write that is remembered.
pub struct Answers<'m> {
    record: Record<'m>,
    peer: Peer,
    clock: Clock,
    displaced: u32,
}

shown!(Answers<'_>, |answers| "Answers({} bytes)", answers.record.memory.len());

impl<'m> Answers<'m> {
    /// How long a write is remembered, at least.
    pub const TIME: Duration = Duration::from_secs(SECONDS as u64);
    /// How many further requests of its peer a write is remembered for: as the last of them it is
    /// still recognised.
    pub const REQUESTS: u8 = REQUESTS;
    /// How many writes of a peer are remembered at most.
    pub const WRITES: usize = WRITES;

    /// How many bytes hold the writes of `peers` peers, and of each a response of at most
    /// `response` bytes, header included.
    #[must_use]
    pub const fn memory_len(peers: usize, response: usize) -> usize {
        (FRONT + ALL).saturating_add(response).saturating_mul(peers)
    }

    /// Remembers the writes of one peer at a time, as on a serial line. See
    /// [`memory_len`](Self::memory_len) for the length of `memory`, whose contents are lost.
    pub fn new(memory: &'m mut [u8]) -> Self {
        // Of no request left.
        memory.fill(0);
        Self { record: Record { memory, len: 0, place: 0 }, peer: Peer(0), clock: Clock::default(), displaced: 0 }
    }

    /// Divides the memory among `peers` peers.
    #[must_use]
    pub fn with_peers(self, peers: usize) -> PeerAnswers<'m> {
        let memory = self.record.memory;
        // Of no time left and no silence: see `Front`.
        memory.fill(0);
        let part = memory.len().checked_div(peers).unwrap_or(0);
        PeerAnswers { memory, part, clock: self.clock, displaced: 0 }
    }

    /// Of how many peers at once writes are remembered: 1, or 0 if the memory is too short.
    #[must_use]
    pub const fn peers(&self) -> usize {
        if self.record.memory.len() < ALL { 0 } else { 1 }
    }

    /// How often the writes of one peer had to be forgotten for those of another. Wraps.
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
        if self.peer != peer {
            return Known::Nothing;
        }
        let found = self.record.find(request, fingerprint);
        self.record.again().known(found)
    }

    fn remember(&mut self, peer: Peer, fingerprint: u32, response: &[u8]) {
        if self.peer != peer {
            self.peer = peer;
            self.displaced = self.displaced.wrapping_add(self.record.pass(u8::MAX).into());
        }
        self.record.push(fingerprint, self.clock.lifetime(), response);
    }

    fn tick(&mut self, elapsed: Duration) {
        let passed = self.clock.pass(elapsed);
        self.record.pass(passed);
    }
}
