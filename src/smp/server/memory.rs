//! What a server remembers of its responses.

use core::time::Duration;

use super::Peer;
use crate::bytes::copy;
use crate::shown::shown;
use crate::smp::Header;

/// What a memory knows of a request that has arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Known<'m> {
    /// Nothing: it is executed.
    Nothing,
    /// It was executed, and this was the response: it is sent again.
    Response(&'m [u8]),
    /// It was executed, and its response is not stored: rc 10, [`Error::BUSY`](crate::smp::Error::BUSY).
    Executed,
}

shown!(
    Known<'_>,
    |known| "Known({} bytes)",
    match known {
        Known::Response(response) => response.len(),
        Known::Nothing | Known::Executed => 0,
    }
);

/// What a server remembers of its responses: nothing, which is `()`, or the last writes, which is [`Answers`] for one peer and [`PeerAnswers`] for more.
///
/// The server calls [`received`](Self::received) once for each request, then [`remember`](Self::remember) if that was a write
/// that it executed. See [Repeats](super#repeats).
pub trait Memory {
    /// How a request is recognised.
    type Fingerprint: Copy;

    /// Whether anything is kept at all: if not, no request is fingerprinted.
    fn is_used(&self) -> bool;

    /// The fingerprint of a write request, header and payload.
    fn fingerprint(&self, request: &[u8]) -> Self::Fingerprint;

    /// A request of `peer` has arrived: returns what is known of it.
    ///
    /// `fingerprint` is `None` for requests that are never remembered: reads, echo, later pieces of an upload.
    fn received(&mut self, peer: Peer, request: &[u8], fingerprint: Option<Self::Fingerprint>) -> Known<'_>;

    /// A write of `peer` was executed; `response` is empty if there was no room for one.
    fn remember(&mut self, peer: Peer, fingerprint: Self::Fingerprint, response: &[u8]);

    /// Time has passed.
    fn tick(&mut self, elapsed: Duration);
}

/// Nothing is remembered: a write whose response is lost runs again when the client repeats it. Takes no flash.
impl Memory for () {
    type Fingerprint = ();

    fn is_used(&self) -> bool {
        false
    }

    fn fingerprint(&self, _: &[u8]) {}

    fn received(&mut self, _: Peer, _: &[u8], _: Option<()>) -> Known<'_> {
        Known::Nothing
    }

    fn remember(&mut self, _: Peer, (): (), _: &[u8]) {}

    fn tick(&mut self, _: Duration) {}
}

/// How long a write is remembered at least.
const SECONDS: u8 = 10;
/// How many further requests of its peer a write is remembered for.
const REQUESTS: u8 = 128;
/// How many writes of a peer are remembered, and the place of the last: a power of two, so that places wrap by a mask.
const WRITES: usize = 8;
const LAST: u8 = 7;

/// A write that was executed: fingerprint, seconds left, requests left; it has ended when none is left.
const WRITE: usize = 6;
/// The writes of a peer, and behind them the response to the newest.
const ALL: usize = WRITES * WRITE;

/// What is remembered of one peer.
struct Record<'m> {
    memory: &'m mut [u8],
    /// Length of the response to the newest write; 0 if it is not stored, as no response is empty.
    len: u16,
    /// Where the newest write is. The next one takes the place of the oldest.
    place: u8,
}

/// Where an earlier request was found.
#[derive(Clone, Copy)]
enum Found {
    Nowhere,
    /// It is the newest write.
    Newest,
    Older,
}

impl<'m> Record<'m> {
    /// Counts a request, and looks for an earlier one.
    #[inline(never)] // Within its caller it takes 100 bytes more.
    fn find(&mut self, request: &[u8], fingerprint: Option<u32>) -> Found {
        let Some((writes, room)) = self.memory.split_first_chunk_mut::<ALL>() else { return Found::Nowhere };
        // Two requests may have one fingerprint: group, sequence number and command tell them apart, where they are stored.
        let other = self.len > 0 && what(room) != what(request);
        let (mut found, mut place) = (Found::Nowhere, 0_u8);
        for write in writes.chunks_exact_mut(WRITE) {
            let [f0, f1, f2, f3, _, requests] = write else { continue };
            if *requests > 0 {
                *requests = requests.wrapping_sub(1);
                if Some(u32::from_le_bytes([*f0, *f1, *f2, *f3])) == fingerprint {
                    if place != self.place {
                        found = Found::Older;
                    } else if !other {
                        found = Found::Newest;
                    }
                }
            }
            place = place.wrapping_add(1);
        }
        found
    }

    /// What was found, in the words of [`Memory`].
    fn known(self, found: Found) -> Known<'m> {
        match (found, self.memory.get(ALL..ALL.saturating_add(self.len.into()))) {
            (Found::Nowhere, _) => Known::Nothing,
            (Found::Newest, Some(response)) if self.len > 0 => Known::Response(response),
            (Found::Newest | Found::Older, _) => Known::Executed,
        }
    }

    /// The same for as long as it is borrowed.
    fn again(&mut self) -> Record<'_> {
        Record { memory: self.memory, len: self.len, place: self.place }
    }

    /// Remembers a write in place of the oldest.
    #[inline(never)]
    fn push(&mut self, fingerprint: u32, seconds: u8, response: &[u8]) {
        self.place = self.place.wrapping_add(1) & LAST;
        self.len = 0;
        let place = self.place.into();
        let Some((writes, room)) = self.memory.split_first_chunk_mut::<ALL>() else { return };
        let [f0, f1, f2, f3] = fingerprint.to_le_bytes();
        if let Some(oldest) = writes.chunks_exact_mut(WRITE).nth(place) {
            copy(&[f0, f1, f2, f3, seconds, REQUESTS], oldest);
        }
        if let (Some(room), Ok(len)) = (room.get_mut(..response.len()), u16::try_from(response.len())) {
            copy(response, room);
            self.len = len;
        }
    }

    /// Lets time pass; returns whether anything was remembered until now.
    #[inline(never)] // Called for a tick, and to forget.
    fn pass(&mut self, passed: u8) -> bool {
        let mut live = false;
        let writes = self.memory.first_chunk_mut::<ALL>().map_or(&mut [][..], |writes| writes);
        for write in writes.chunks_exact_mut(WRITE) {
            let [.., seconds, requests] = write else { continue };
            live |= *requests > 0;
            *seconds = seconds.saturating_sub(passed);
            if *seconds == 0 {
                *requests = 0;
            }
        }
        live
    }
}

/// FNV-1a: no table, one multiplication a byte. A CRC-32 without a table takes 13 times as long on a Cortex-M3.
fn fnv(request: &[u8]) -> u32 {
    request.iter().fold(0x811C_9DC5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Group, sequence number and command of a message.
fn what(message: &[u8]) -> Option<&[u8; 4]> {
    message.split_first_chunk::<{ Header::LEN - 4 }>().and_then(|(_, rest)| rest.first_chunk())
}

/// Counts seconds.
#[derive(Clone, Copy, Default)]
struct Clock {
    /// Nanoseconds of the second that has begun.
    begun: u32,
}

impl Clock {
    /// How many seconds have ended with this tick; 255 and more are as many.
    fn pass(&mut self, elapsed: Duration) -> u8 {
        const SECOND: u32 = 1_000_000_000;
        self.begun = self.begun.wrapping_add(elapsed.subsec_nanos());
        let passed = u8::try_from(elapsed.as_secs()).unwrap_or(u8::MAX);
        if self.begun < SECOND {
            return passed;
        }
        self.begun = self.begun.wrapping_sub(SECOND);
        passed.saturating_add(1)
    }

    /// The seconds of a write that is remembered now: what is left of the one that has begun comes on top, as nothing may end early.
    fn lifetime(self) -> u8 {
        SECONDS + u8::from(self.begun > 0)
    }
}

/// Remembers the last [`WRITES`](Self::WRITES) write requests of one peer, and the response to the last of them.
///
/// A write is recognised by its FNV-1a of 32 bits, over header and payload. It is remembered for [`TIME`](Self::TIME) or for
/// [`REQUESTS`](Self::REQUESTS) further requests of its peer, whichever ends first. Every request counts, repeats too, so
/// that a server that is never ticked forgets as well. A repeat does not make a write live longer.
///
/// A write of another peer takes all the memory: [`with_peers`](Self::with_peers) divides it.
///
/// # Memory
///
/// The caller's bytes: 48 for the writes (fingerprint 4, seconds left 1, requests left 1), the rest for the response. With
/// several peers each has 57 bytes and as many for a response. [`memory_len`](Self::memory_len) says the sum.
///
/// | responses that are stored | bytes of a response | memory for one peer | for four |
/// |---|---|---|---|
/// | none: each repeat gets rc 10 | 0 | 57 | 228 |
/// | success without a value, all errors | 32 | 89 | 356 |
/// | and the states of two images | 250 | 307 | 1,228 |
///
/// **Memory that is too short for the writes keeps nothing at all**, of any peer: [`peers`](Self::peers) is 0 then.
///
/// # Time
///
/// Time is counted in seconds, what is left of a tick is carried over, and a second that has begun does not count: a write
/// is remembered for 10 s at least and for less than 11 s, and for exactly 10 s if all ticks before it add up to whole
/// seconds. To be remembered for longer harms nobody.
///
/// # Cost
///
/// About 100 instructions for each request and each tick on a Cortex-M3, for each peer that there is room for, and 5 for each
/// byte of a write that is remembered.
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
    /// How many further requests of its peer a write is remembered for: as the last of them it is still recognised.
    pub const REQUESTS: u8 = REQUESTS;
    /// How many writes of a peer are remembered at most.
    pub const WRITES: usize = WRITES;

    /// How many bytes hold the writes of `peers` peers, and of each a response of at most `response` bytes, header included.
    #[must_use]
    pub const fn memory_len(peers: usize, response: usize) -> usize {
        (FRONT + ALL).saturating_add(response).saturating_mul(peers)
    }

    /// Remembers the writes of one peer at a time, as on a serial line. See [`memory_len`](Self::memory_len) for the length of
    /// `memory`, whose contents are lost.
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

/// [`Answers`] for several peers: see [`Answers::with_peers`].
///
/// Where there is no room for another peer, one of which nothing is remembered any longer goes; else the one that was heard
/// least recently, which is [counted](Self::displaced). Of requests of others since it was heard, 65,535 are told apart.
pub struct PeerAnswers<'m> {
    memory: &'m mut [u8],
    /// Length of the part of a peer.
    part: usize,
    clock: Clock,
    displaced: u32,
}

shown!(PeerAnswers<'_>, |answers| "PeerAnswers({} bytes)", answers.memory.len());

/// In front of the writes: peer, requests of others since it was heard, and what else a [`Record`] has.
const FRONT: usize = 9;

#[derive(Clone, Copy)]
struct Front {
    peer: Peer,
    silent: u16,
    len: u16,
    place: u8,
}

impl Front {
    const fn parse(&[p0, p1, p2, p3, s0, s1, l0, l1, place]: &[u8; FRONT]) -> Self {
        Self {
            peer: Peer(u32::from_le_bytes([p0, p1, p2, p3])),
            silent: u16::from_le_bytes([s0, s1]),
            len: u16::from_le_bytes([l0, l1]),
            place,
        }
    }

    const fn emit(self) -> [u8; FRONT] {
        let [p0, p1, p2, p3] = self.peer.0.to_le_bytes();
        let ([s0, s1], [l0, l1]) = (self.silent.to_le_bytes(), self.len.to_le_bytes());
        [p0, p1, p2, p3, s0, s1, l0, l1, self.place]
    }
}

/// The part of a peer.
struct Part<'p> {
    front: &'p mut [u8; FRONT],
    rest: &'p mut [u8],
}

/// How well a part suits another write; the best is the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Merit {
    /// It is another peer's, of which so many requests of others have arrived since.
    Silent(u16),
    /// Nothing is remembered of its peer.
    Free,
    /// It is the peer's own.
    Own,
}

/// Whether anything is remembered.
fn is_live(writes: &[u8; ALL]) -> bool {
    writes.chunks_exact(WRITE).any(|write| matches!(write, [.., requests] if *requests > 0))
}

impl PeerAnswers<'_> {
    /// Of how many peers at once writes are remembered; 0 if the memory is too short for those that were asked for.
    #[must_use]
    pub const fn peers(&self) -> usize {
        if self.part < FRONT + ALL { 0 } else { self.memory.len() / self.part }
    }

    /// How often the writes of one peer had to be forgotten for those of another. Wraps.
    #[must_use]
    pub const fn displaced(&self) -> u32 {
        self.displaced
    }

    /// The parts; none if they are too short.
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
        let mut found = Known::Nothing;
        for Part { front, rest } in self.parts() {
            let was = Front::parse(front);
            if was.peer != peer {
                *front = Front { silent: was.silent.saturating_add(1), ..was }.emit();
                continue;
            }
            *front = Front { silent: 0, ..was }.emit();
            let mut record = Record { memory: rest, len: was.len, place: was.place };
            if let Known::Nothing = found {
                let place = record.find(request, fingerprint);
                found = record.known(place);
            }
        }
        found
    }

    fn remember(&mut self, peer: Peer, fingerprint: u32, response: &[u8]) {
        let lifetime = self.clock.lifetime();
        // The peer's own part, or one of which nothing is remembered, or that of the peer that was heard least recently.
        let mut best = None;
        for part in self.parts() {
            let Front { peer: of, silent, .. } = Front::parse(part.front);
            let merit = match part.rest.first_chunk() {
                _ if of == peer => Merit::Own,
                Some(writes) if is_live(writes) => Merit::Silent(silent),
                _ => Merit::Free,
            };
            if best.as_ref().is_none_or(|(most, _)| merit > *most) {
                best = Some((merit, part));
            }
        }
        let Some((merit, Part { front, rest })) = best else { return };
        let Front { len, place, .. } = Front::parse(front);
        let mut record = Record { memory: rest, len, place };
        if merit != Merit::Own {
            record.pass(u8::MAX);
        }
        record.push(fingerprint, lifetime, response);
        *front = Front { peer, silent: 0, len: record.len, place: record.place }.emit();
        if let Merit::Silent(_) = merit {
            self.displaced = self.displaced.wrapping_add(1);
        }
    }

    fn tick(&mut self, elapsed: Duration) {
        let passed = self.clock.pass(elapsed);
        for Part { front, rest } in self.parts() {
            let Front { len, place, .. } = Front::parse(front);
            Record { memory: rest, len, place }.pass(passed);
        }
    }
}
