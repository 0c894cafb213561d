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

/// What a server remembers of its responses: nothing, which is `()`, or the last writes of some peers, which is [`Answers`].
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
const TIME: Duration = Duration::from_secs(SECONDS as u64);
const SECONDS: u8 = 10;
/// How many further requests of its peer a write is remembered for.
const REQUESTS: u8 = 128;
/// How many writes of a peer are remembered.
const WRITES: usize = 8;

/// A write that was executed: fingerprint, seconds left, requests left. It has ended when either is 0.
type Write = [u8; WRITE];
const WRITE: usize = 6;

/// The writes of a peer, each in place of the oldest.
type Writes = [u8; WRITES * WRITE];

fn each(writes: &mut Writes) -> impl Iterator<Item = &mut Write> {
    writes.chunks_exact_mut(WRITE).filter_map(<[u8]>::first_chunk_mut)
}

/// The newest write of a peer.
#[derive(Clone, Copy, Default)]
struct Newest {
    /// Where it is.
    place: u8,
    /// Length of its response; 0 if that is not stored, as no response is empty.
    len: u16,
}

impl Newest {
    /// Counts a request, and returns what is known of it.
    fn find<'m>(self, writes: &mut Writes, room: &'m [u8], request: &[u8], fingerprint: Option<u32>) -> Known<'m> {
        let mut known = Known::Nothing;
        let fingerprint = fingerprint.map(u32::to_le_bytes);
        for (place, [f0, f1, f2, f3, seconds, requests]) in (0..).zip(each(writes)) {
            if *seconds == 0 || *requests == 0 {
                continue;
            }
            *requests = requests.wrapping_sub(1);
            if Some([*f0, *f1, *f2, *f3]) != fingerprint {
                continue;
            }
            known = Known::Executed;
            if place == self.place {
                let response = room.get(..self.len.into()).unwrap_or_default();
                // Two requests may have one fingerprint: group, sequence number and command tell them apart as well.
                known = match response.get(4..Header::LEN) {
                    None => Known::Executed,
                    asked if asked == request.get(4..Header::LEN) => Known::Response(response),
                    Some(_) => Known::Nothing,
                };
            }
        }
        known
    }

    /// Remembers a write in place of the oldest.
    fn push(&mut self, writes: &mut Writes, room: &mut [u8], fingerprint: u32, begun: bool, response: &[u8]) {
        self.place = self.place.wrapping_add(1) & const { WRITES as u8 - 1 };
        let [f0, f1, f2, f3] = fingerprint.to_le_bytes();
        // What is left of a second that has begun comes on top, as nothing may end early.
        let write = [f0, f1, f2, f3, SECONDS + u8::from(begun), REQUESTS];
        if let Some(oldest) = each(writes).nth(self.place.into()) {
            *oldest = write;
        }
        let stored = room.get_mut(..response.len()).and_then(|room| {
            copy(response, room);
            u16::try_from(response.len()).ok()
        });
        self.len = stored.unwrap_or(0);
    }
}

/// Whether anything is remembered.
fn is_live(writes: &mut Writes) -> bool {
    each(writes).any(|[.., seconds, requests]| *seconds > 0 && *requests > 0)
}

fn pass(writes: &mut Writes, passed: u8) {
    each(writes).for_each(|[.., seconds, _]| *seconds = seconds.saturating_sub(passed));
}

/// FNV-1a: no table, one multiplication a byte. A CRC-32 without a table takes 13 times as long on a Cortex-M3.
fn fnv(request: &[u8]) -> u32 {
    request.iter().fold(0x811C_9DC5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The seconds that end with this tick; `begun` holds the nanoseconds of the one that has begun.
fn seconds(begun: &mut u32, elapsed: Duration) -> u8 {
    const SECOND: u32 = 1_000_000_000;
    let nanos = begun.wrapping_add(elapsed.subsec_nanos());
    // More than is left of any write is as good as that.
    let passed = u8::try_from(elapsed.as_secs()).unwrap_or(u8::MAX);
    if nanos < SECOND {
        *begun = nanos;
        passed
    } else {
        *begun = nanos.wrapping_sub(SECOND);
        passed.saturating_add(1)
    }
}

/// Remembers the last [`WRITES`](Self::WRITES) write requests of one peer, and the response to the last of them.
pub struct Answers<'m> {
    memory: &'m mut [u8],
    peer: Peer,
    /// Nanoseconds of the second that has begun.
    begun: u32,
    newest: Newest,
    displaced: u32,
}

shown!(Answers<'_>, |answers| "Answers({} bytes)", answers.memory.len());

impl<'m> Answers<'m> {
    /// How long a write is remembered.
    pub const TIME: Duration = TIME;
    /// How many further requests of its peer a write is remembered for: as the last of them it is still recognised.
    pub const REQUESTS: u8 = REQUESTS;
    /// How many writes of a peer are remembered at most.
    pub const WRITES: usize = WRITES;

    pub fn new(memory: &'m mut [u8]) -> Self {
        // No time left: nothing is remembered.
        memory.fill(0);
        Self { memory, peer: Peer(0), begun: 0, newest: Newest::default(), displaced: 0 }
    }
    pub const fn memory_len(peers: usize, response: usize) -> usize {
        64usize.saturating_add(response).saturating_mul(peers)
    }
}

impl Memory for Answers<'_> {
    type Fingerprint = u32;

    fn is_used(&self) -> bool {
        self.memory.len() >= WRITES * WRITE
    }

    fn fingerprint(&self, request: &[u8]) -> u32 {
        fnv(request)
    }

    fn received(&mut self, peer: Peer, request: &[u8], fingerprint: Option<u32>) -> Known<'_> {
        match self.memory.split_first_chunk_mut() {
            Some((writes, room)) if self.peer == peer => self.newest.find(writes, room, request, fingerprint),
            _ => Known::Nothing,
        }
    }

    fn remember(&mut self, peer: Peer, fingerprint: u32, response: &[u8]) {
        let Some((writes, room)) = self.memory.split_first_chunk_mut() else { return };
        if self.peer != peer {
            self.peer = peer;
            self.displaced = self.displaced.wrapping_add(is_live(writes).into());
            writes.fill(0);
        }
        self.newest.push(writes, room, fingerprint, self.begun > 0, response);
    }

    fn tick(&mut self, elapsed: Duration) {
        let passed = seconds(&mut self.begun, elapsed);
        if let Some((writes, _)) = self.memory.split_first_chunk_mut() {
            pass(writes, passed);
        }
    }
}
