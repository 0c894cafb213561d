//! What a server remembers of its answers.

use core::time::Duration;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use crate::bytes::copy;
use crate::shown::shown;
use crate::smp::Header;

/// What a server remembers of its answers: nothing, which is `()`, or the last one, which is [`LastAnswer`].
///
/// See [Repeats](super#repeats).
pub trait Memory {
    /// How a request is known.
    type Fingerprint: Copy;

    /// How a write request, header and payload, will be known; `None` if nothing is remembered.
    fn fingerprint(&self, peer: u32, request: &[u8]) -> Option<Self::Fingerprint>;

    /// The answer to a request that was answered before; no bytes if it was too long to be kept, or none could be written.
    fn recall(&self, fingerprint: Self::Fingerprint, request: &[u8]) -> Option<&[u8]>;

    /// Keeps the answer to a request; one of no bytes if the request got none.
    fn remember(&mut self, fingerprint: Self::Fingerprint, answer: &[u8]);

    /// Another request of this peer came: what is kept for it will not be asked for again.
    fn forget(&mut self, peer: u32);

    /// Time has passed.
    fn pass(&mut self, time: Duration);
}

/// Nothing is remembered: a write whose answer is lost runs twice when the client repeats it. Takes no flash.
impl Memory for () {
    type Fingerprint = core::convert::Infallible;

    fn fingerprint(&self, _: u32, _: &[u8]) -> Option<Self::Fingerprint> {
        None
    }

    fn recall(&self, fingerprint: Self::Fingerprint, _: &[u8]) -> Option<&[u8]> {
        match fingerprint {}
    }

    fn remember(&mut self, fingerprint: Self::Fingerprint, _: &[u8]) {
        match fingerprint {}
    }

    fn forget(&mut self, _: u32) {}

    fn pass(&mut self, _: Duration) {}
}

/// The answer to the last write request, for as long as it may be repeated. Forgotten with any other request, and after
/// [`REPEAT_TIME`](Self::REPEAT_TIME).
pub struct LastAnswer<'m> {
    memory: &'m mut [u8],
    /// Of the peer, the header and the payload of the request.
    fingerprint: u32,
    /// How long the answer is; 0 if it does not fit the memory, or 16 bits.
    len: u16,
    /// How long it is still kept, in units of 4 ns, so that the repeat time fits 32 bits; 0 if none is kept.
    left: u32,
}

shown!(LastAnswer<'_>, |answer| "LastAnswer({} bytes)", answer.memory.len());

impl<'m> LastAnswer<'m> {
    /// For how long a repeated request gets the stored answer.
    pub const REPEAT_TIME: Duration = Duration::from_secs(10);

    /// Keeps the answer in `memory`. 64 bytes hold the answers to uploads, resets and settings; a list of two images takes
    /// about 250. An empty `memory` keeps nothing.
    pub const fn new(memory: &'m mut [u8]) -> Self {
        Self { memory, fingerprint: 0, len: 0, left: 0 }
    }
}

impl Memory for LastAnswer<'_> {
    type Fingerprint = u32;

    /// A CRC-32. No table: 68 bytes of code, and a request is hashed once.
    fn fingerprint(&self, peer: u32, request: &[u8]) -> Option<u32> {
        const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
        if self.memory.is_empty() {
            return None;
        }
        let mut digest = CRC.digest();
        for part in [&peer.to_le_bytes(), request] {
            digest.update(part);
        }
        Some(digest.finalize())
    }

    /// Two requests may have one CRC: group, sequence number and command are compared as well.
    fn recall(&self, fingerprint: u32, request: &[u8]) -> Option<&[u8]> {
        let answer = self.memory.get(..self.len.into()).unwrap_or_default();
        let is_same = answer.is_empty() || answer.get(4..Header::LEN) == request.get(4..Header::LEN);
        (self.left != 0 && self.fingerprint == fingerprint && is_same).then_some(answer)
    }

    fn remember(&mut self, fingerprint: u32, answer: &[u8]) {
        let kept = self.memory.get_mut(..answer.len()).and_then(|memory| {
            copy(answer, memory);
            u16::try_from(answer.len()).ok()
        });
        self.len = kept.unwrap_or(0);
        (self.fingerprint, self.left) = (fingerprint, const { units(Self::REPEAT_TIME) });
    }

    fn forget(&mut self, _: u32) {
        self.left = 0;
    }

    fn pass(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(units(time));
    }
}

/// A time in units of 4 ns, rounded down; 17 seconds and more become the longest.
const fn units(time: Duration) -> u32 {
    const SECOND: u32 = 250_000_000;
    match time.as_secs() {
        #[expect(clippy::cast_possible_truncation, reason = "at most 16")]
        secs @ 0..=16 => secs as u32 * SECOND + (time.subsec_nanos() >> 2),
        _ => u32::MAX,
    }
}
