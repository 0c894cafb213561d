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

/// How long a write is remembered.
const TIME: Duration = Duration::from_millis(MILLISECONDS as u64);
const MILLISECONDS: u16 = 10_000;
/// How many further requests of its peer a write is remembered for.
const REQUESTS: u8 = 128;
/// How many writes of a peer are remembered.
const WRITES: usize = 8;

/// Fingerprint, milliseconds left, requests left.
const WRITE: usize = 7;
type Write = [u8; WRITE];

/// What was written last, the newest first. What ends ends from the back, so that nothing follows the first that has ended: no
/// time or no request is left of it.
type Writes = [u8; WRITES * WRITE];

fn each(writes: &mut Writes) -> impl Iterator<Item = &mut Write> {
    writes.chunks_exact_mut(WRITE).filter_map(<[u8]>::first_chunk_mut)
}

/// Whether anything is remembered.
fn is_live(writes: &Writes) -> bool {
    let [_, _, _, _, t0, t1, requests, ..] = writes;
    (*t0 | *t1) != 0 && *requests != 0
}

/// Counts a request, and looks for an earlier one: returns what is known of it. `response` is that to the newest write, empty if
/// it is not stored.
fn find<'m>(writes: &mut Writes, mut response: &'m [u8], request: &[u8], fingerprint: Option<u32>) -> Known<'m> {
    let mut known = Known::Nothing;
    let fingerprint = fingerprint.map(u32::to_le_bytes);
    for [f0, f1, f2, f3, t0, t1, requests] in each(writes) {
        if (*t0 | *t1) == 0 || *requests == 0 {
            break;
        }
        *requests = requests.wrapping_sub(1);
        if Some([*f0, *f1, *f2, *f3]) == fingerprint && matches!(known, Known::Nothing) {
            // Two requests may have one fingerprint: group, sequence number and command tell them apart as well.
            known = match response.get(4..Header::LEN) {
                None => Known::Executed,
                asked if asked == request.get(4..Header::LEN) => Known::Response(response),
                Some(_) => Known::Nothing,
            };
        }
        response = &[];
    }
    known
}

/// Remembers a write. `begun` says whether the millisecond has begun: what is left of it comes on top, as nothing may end early.
fn push(writes: &mut Writes, fingerprint: u32, begun: bool) {
    let [f0, f1, f2, f3] = fingerprint.to_le_bytes();
    let [t0, t1] = MILLISECONDS.wrapping_add(begun.into()).to_le_bytes();
    let mut next = [f0, f1, f2, f3, t0, t1, REQUESTS];
    each(writes).for_each(|write| core::mem::swap(write, &mut next));
}

fn pass(writes: &mut Writes, milliseconds: u16) {
    for [_, _, _, _, t0, t1, _] in each(writes) {
        [*t0, *t1] = u16::from_le_bytes([*t0, *t1]).saturating_sub(milliseconds).to_le_bytes();
    }
}

/// FNV-1a: no table, one multiplication a byte. A CRC-32 without a table takes 13 times as long on a Cortex-M3.
fn fnv(request: &[u8]) -> u32 {
    request.iter().fold(0x811C_9DC5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Stores a response; returns its length, 0 if it does not fit, as no response is empty.
fn store(response: &[u8], room: &mut [u8]) -> u16 {
    let stored = room.get_mut(..response.len()).and_then(|room| {
        copy(response, room);
        u16::try_from(response.len()).ok()
    });
    stored.unwrap_or(0)
}

/// The milliseconds that end with this tick; `begun` holds the nanoseconds of the one that has begun.
fn milliseconds(begun: &mut u32, elapsed: Duration) -> u16 {
    const MILLISECOND: u32 = 1_000_000;
    let mut nanos = begun.wrapping_add(elapsed.subsec_nanos());
    let mut passed: u16 = match elapsed.as_secs() {
        #[expect(clippy::cast_possible_truncation, reason = "at most 10")]
        secs @ 0..=10 => secs as u16 * 1000,
        _ => MILLISECONDS + 1,
    };
    // No division: a Cortex-M0 has none, and a tick is short.
    while nanos >= MILLISECOND {
        nanos = nanos.wrapping_sub(MILLISECOND);
        passed = passed.wrapping_add(1);
    }
    *begun = nanos;
    passed
}

/// Remembers the last [`WRITES`](Self::WRITES) write requests of one peer, and the response to the last of them.
pub struct Answers<'m> {
    memory: &'m mut [u8],
    peer: Peer,
    /// Nanoseconds of the millisecond that has begun.
    begun: u32,
    /// Length of the response; 0 if it is not stored.
    len: u16,
    displaced: u16,
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
        Self { memory, peer: Peer(0), begun: 0, len: 0, displaced: 0 }
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
            Some((writes, room)) if self.peer == peer => {
                find(writes, room.get(..self.len.into()).unwrap_or_default(), request, fingerprint)
            }
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
        push(writes, fingerprint, self.begun > 0);
        self.len = store(response, room);
    }

    fn tick(&mut self, elapsed: Duration) {
        let milliseconds = milliseconds(&mut self.begun, elapsed);
        if let Some((writes, _)) = self.memory.split_first_chunk_mut() {
            pass(writes, milliseconds);
        }
    }
}
