//! BSMP packets on RS-485: an address, a message and a checksum, with silence between packets.
//!
//! BSMP 2.30, section 2 (transport over RS-485):
//!
//! ```text
//!   silence │ destination │ command │ length (2, big endian) │ payload │ checksum │ silence
//!           ╰──────────────── the message of this framing ───────────╯
//! ```
//!
//! The checksum makes the sum of all bytes of the packet 0 modulo 256. The destination byte stays
//! in front of the message, because the node or the master decides whether a packet is its own.
//!
//! A packet ends with silence, so a receiver needs only a clock to resynchronise after noise. On a
//! bus whose turn-around is shorter than our tick, a packet can be delivered as soon as its length
//! is reached and its sum is 0: [`with_early_delivery`](Packet::with_early_delivery). A carrier
//! without silence (packets over TCP) needs [`with_stream_carrier`](Packet::with_stream_carrier).
//!
//! | receiver | bytes since the last silence |
//! |---|---|
//! | `Open` | none, or an incomplete packet; left at silence, or early |
//! | `Whole` | a packet that was delivered; left with the next byte |
//!
//! # Timing on the line
//!
//! * **Gap.** Packets are kept apart by silence, 20 bit times long ([`gap`]). Both ends keep it in
//!   front of every packet that they send: a link waits until the line has been silent for that
//!   long after either end, or a receiver that depends on silence would mistake two packets for
//!   one. This holds with [`with_early_delivery`](Packet::with_early_delivery) too. With a port
//!   that can report whether a byte is there ([`Clock::ready`](crate::port::Clock::ready)) the gap
//!   is as short as possible; otherwise it takes one or two ticks.
//! * **Turn-around.** A node that receives early has its answer ready at once and sends it after
//!   the gap. A node that depends on silence notices the end of a request after the gap, or at the
//!   first tick after it, and answers then.
//! * **Time on the line.** A byte takes half a gap: ten bit times. Limits start when the line can
//!   have carried the last byte, even if the port accepts a whole packet at once; if a packet is
//!   arriving when a limit ends, the wait continues, at most for the time of a packet that fills
//!   the buffer.
//! * **Drain.** A late answer must not be taken for the answer to the next request: the drain is
//!   described in [`bsmp::client`](crate::bsmp::client).
//! * **Direction.** A half-duplex transceiver must be switched: `write` sets DE, `flush` waits for
//!   the last stop bit and clears it. The driver calls `flush` after each packet, and nothing but
//!   `read` and `flush` before the next: see *RS-485* in [`port`](crate::port). If switching makes
//!   a receiver see a byte of zeros or ones in front of an answer, the byte is dropped if a gap
//!   follows it. Without a gap it spoils the answer, even if the sum is still 0: the length is
//!   wrong then, and the master repeats the request, if it
//!   [may](crate::bsmp::Client::with_retries). Bias the line to prevent this.
//!
//! # Limits
//!
//! The sum does not detect reordered bytes, nor zeros that were added or removed. The message layer
//! also compares the length field, because BSMP has an answer for it ("malformed message").
//!
//! # Interpretation
//!
//! * "A silence of two byte times" means two characters with start and stop bit, 20 bit times.
//! * A packet that does not fit the buffer is dropped at the next silence. It cannot be answered,
//!   since its destination byte may be damaged.

use core::time::Duration;

use super::{Error, Framing, Progress, Sizes};
use crate::checksum::Sum;

mod encoder;
pub use encoder::Encoder;

/// Bytes of a packet before its payload: destination, command, length.
const HEAD: usize = 4;

/// The role of this end of the line, which decides which packets are an echo of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a line has two ends")]
pub enum Echo {
    /// This end is the master: it sends to every destination but 0.
    Master,
    /// This end is a node: it sends to destination 0 only.
    Node,
}

/// The condition that ends a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Silence.
    Silence,
    /// The announced length if the sum is right, else silence.
    Length,
    /// As `Length`, on a carrier without silence between packets.
    Stream,
}

/// Decodes and encodes packets, in a buffer of the caller that holds one packet with its checksum.
///
/// Cost for each byte: one addition and one store.
pub struct Packet<'b> {
    buffer: &'b mut [u8],
    gap: Duration,
    end: End,
    echo: Option<Echo>,
    checksum: bool,
    state: State,
}

/// The progress of the decoder in a packet. A reset leads from every state to an empty `Open`.
#[derive(Debug, Clone, Copy)]
enum State {
    /// `count` bytes since the last silence; the buffer holds those that fit. Exits: silence, to
    /// `Whole` if the packet is sound, else to itself without bytes; with early delivery, the last
    /// byte, to `Whole`; the last byte of our own packet, to itself without bytes.
    Open { count: usize, sum: Sum },
    /// A packet of `count` bytes that the caller may borrow. Exit: any byte, to `Open`.
    Whole { count: usize },
}

/// The state between two packets.
const EMPTY: State = State::Open { count: 0, sum: Sum::new() };

impl<'b> Packet<'b> {
    /// Decodes into `buffer` packets that end after `gap` of silence, at least 20 bit times: see
    /// [`gap`].
    ///
    /// `buffer` holds a whole packet: 5 bytes more than the largest payload.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8], gap: Duration) -> Self {
        Self { buffer, gap, end: End::Silence, echo: None, checksum: true, state: EMPTY }
    }

    /// Delivers a packet as soon as its length is reached and its sum is 0, without waiting for
    /// silence. For a bus whose nodes answer sooner than the gap. A packet that is *longer* than
    /// its length field is then cut into two instead of being reported to the sender.
    #[must_use]
    pub const fn with_early_delivery(mut self) -> Self {
        // A stream delivers early anyway, so the order of the two builders does not matter.
        if let End::Silence = self.end {
            self.end = End::Length;
        }
        self
    }

    /// Expects a carrier without silence, such as TCP: packets are delivered as soon as they are
    /// complete, as with [`with_early_delivery`](Self::with_early_delivery), and follow each other
    /// without a gap. An incomplete packet is dropped after a silence as long as the gap that was
    /// given to [`new`](Self::new); give it 100 ms or more, since a network may cut a packet in
    /// two.
    #[must_use]
    pub const fn with_stream_carrier(mut self) -> Self {
        self.end = End::Stream;
        self
    }

    const fn is_early(&self) -> bool {
        matches!(self.end, End::Length | End::Stream)
    }

    /// Drops this end's own packets, which a two-wire transceiver receives as it sends them, even
    /// if no silence separates them from the answer, and even if they are too long for the buffer.
    #[must_use]
    pub const fn with_echo(mut self, echo: Echo) -> Self {
        self.echo = Some(echo);
        self
    }

    /// Sets whether packets end with a checksum; by default they do. A carrier with a check of its
    /// own needs none. Both ends must agree.
    ///
    /// The carrier must then detect damage; only the length is checked here, by the message layer.
    #[must_use]
    pub const fn with_checksum(mut self, checksum: bool) -> Self {
        self.checksum = checksum;
        self
    }

    /// Returns the sizes for a receive buffer of `buffer` bytes, with a checksum. A packet leaves
    /// in one piece.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes { out: buffer, ..Sizes::of_stream(buffer.saturating_sub(1), buffer) }
    }

    /// Returns the bytes of a packet after its payload.
    const fn tail(&self) -> usize {
        if self.checksum { 1 } else { 0 }
    }

    /// Returns true if the checksum, if there is one, is right.
    const fn is_sound(&self, sum: Sum) -> bool {
        !self.checksum || sum.value() == 0
    }

    /// Stores one byte; returns true if it completes a packet that is delivered early.
    fn byte(&mut self, byte: u8) -> bool {
        let (count, mut sum) = match self.state {
            State::Open { count, sum } => (count, sum),
            State::Whole { .. } => (0, Sum::new()),
        };
        if let Some(place) = self.buffer.get_mut(count) {
            *place = byte;
        }
        sum.update(&[byte]);
        let count = count.saturating_add(1);
        self.state = State::Open { count, sum };
        // Without early delivery only silence ends a packet; own packets are detected by their
        // length.
        if !self.is_sound(sum) || !(self.is_early() || self.echo.is_some()) {
            return false;
        }
        let Some((&[destination, _, high, low], _)) = self.buffer.split_first_chunk() else { return false };
        // A sum of 0 before the end is a coincidence. Subtracted, not added: with a `usize` of 16
        // bits the addition would wrap.
        let payload = count.checked_sub(HEAD).and_then(|rest| rest.checked_sub(self.tail()));
        if payload != Some(usize::from(u16::from_be_bytes([high, low]))) {
            return false;
        }
        // Our own packet is dropped at its last byte: the answer may follow without a gap.
        if self.echo.is_some_and(|echo| (destination == 0) == (echo == Echo::Node)) {
            self.state = EMPTY;
        // A longer packet waits for silence, which reports it once.
        } else if self.is_early() && count <= self.buffer.len() {
            self.state = State::Whole { count };
            return true;
        }
        false
    }
}

/// Returns the silence that ends a packet: 20 bit times at `baud` bits per second, rounded up to
/// whole microseconds.
///
/// 174 µs at 115,200 bit/s. One second for a `baud` of 0.
#[must_use]
pub const fn gap(baud: u32) -> Duration {
    match 20_000_000_u32.checked_add(baud.saturating_sub(1)) {
        Some(bits) => match bits.checked_div(baud) {
            Some(micros) => Duration::from_micros(micros as u64),
            None => Duration::from_secs(1),
        },
        // So fast that the sum does not fit: less than a microsecond, rounded up.
        None => Duration::from_micros(1),
    }
}

impl Framing for Packet<'_> {
    /// The checksum takes one byte of the peer's buffer.
    const OVERHEAD: usize = 1;
    /// A gap between two bytes would end the packet.
    const WHOLE: bool = true;
    /// Two characters at 1,200 bit/s, and more than that at any other speed.
    const QUIET: Duration = Duration::from_millis(17);

    type Pace = super::Paced;
    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        message.first().map(|_| Encoder::new(self.checksum)).ok_or(Error::Unsendable)
    }

    /// The silence that ends a packet: without it, two packets would be one.
    fn gap(&self) -> Duration {
        if self.end == End::Stream { Duration::ZERO } else { self.gap }
    }

    /// Half of the gap, which is two characters.
    fn byte_time(&self) -> Duration {
        // The division of a `Duration` keeps a panic at opt-level z. No character takes half a
        // second.
        let gap = self.gap().min(Duration::from_nanos(999_999_999));
        Duration::from_nanos(u64::from(gap.subsec_nanos()) / 2)
    }

    /// True if the length field, as far as it is there, agrees with the bytes so far and fits the
    /// buffer. Long noise has no such length.
    fn is_arriving(&self) -> bool {
        let State::Open { count, .. } = self.state else { return false };
        match self.buffer.get(..count.min(self.buffer.len())).and_then(<[u8]>::first_chunk) {
            Some(&[_, _, high, low]) => {
                let whole = usize::from(u16::from_be_bytes([high, low])).saturating_add(HEAD + 1);
                count <= whole && whole <= self.buffer.len()
            }
            None => count > 0,
        }
    }

    fn sizes(&self) -> Sizes {
        let capacity = self.buffer.len();
        Sizes { message: capacity.saturating_sub(self.tail()), ..Self::sizes_of(capacity) }
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        message.saturating_add(self.tail())
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            if self.byte(*byte) {
                return Ok(Progress::Message);
            }
        }
        Ok(Progress::More)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        // A delivered packet has nothing to wait for.
        let State::Open { count, sum } = self.state else { return Ok(Progress::More) };
        if count == 0 || silence < self.gap {
            return Ok(Progress::More);
        }
        self.state = EMPTY;
        if !self.is_sound(sum) {
            Err(Error::Checksum)
        // A single zero has the right sum: a glitch of the transceiver, not a packet.
        } else if count < 1 + self.tail() {
            Err(Error::Malformed)
        } else if count > self.buffer.len() {
            Err(Error::TooLong)
        } else {
            self.state = State::Whole { count };
            Ok(Progress::Message)
        }
    }

    fn message(&self) -> &[u8] {
        match self.state {
            State::Whole { count } => self.buffer.get(..count.saturating_sub(self.tail())).unwrap_or_default(),
            State::Open { .. } => &[],
        }
    }

    fn reset(&mut self) {
        self.state = EMPTY;
    }
}

impl core::fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Packet")
            .field("capacity", &self.buffer.len())
            .field("gap", &self.gap)
            .field("end", &self.end)
            .field("echo", &self.echo)
            .field("checksum", &self.checksum)
            .field("state", &self.state)
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Packet<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Packet({=usize})", self.buffer.len());
    }
}
