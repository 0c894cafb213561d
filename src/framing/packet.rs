//! BSMP packets on RS-485: an address, a message, a checksum, and silence around them.
//!
//! BSMP 2.30, section 2 (transport over RS-485):
//!
//! ```text
//!   silence │ destination │ command │ length (2, big endian) │ payload │ checksum │ silence
//!           ╰──────────────── the message of this framing ───────────╯
//! ```
//!
//! The checksum makes the sum of all bytes of the packet 0 modulo 256. The destination byte stays in front of the message:
//! whether a packet is ours is the node's or the master's decision.
//!
//! A packet ends with silence, so a receiver needs nothing but a clock to be in step again, whatever noise it heard. On a
//! carrier that has no silence (packets over TCP) or on a bus whose turn-around is shorter than our tick, a packet can be
//! delivered as soon as its length is reached and its sum is 0: [`early`](Packet::early).
//!
//! | receiver | bytes since the last silence |
//! |---|---|
//! | `Open` | none, or a packet that is not complete; leaves at silence, or early |
//! | `Whole` | a packet that was delivered; leaves with the next byte |
//!
//! # Limits
//!
//! The sum does not see the order of bytes, nor zeros put in or taken out; a receiver compares the length field as well,
//! which is the message layer's duty (it has an answer for that: "malformed message").
//!
//! # Interpretation
//!
//! * "A silence of two byte times" is meant as two characters with start and stop bit, 20 bit times.
//! * A packet that does not fit the buffer is dropped at the next silence. It cannot be answered, since nothing says that
//!   its destination byte is undamaged.

use core::time::Duration;

use super::{Encoder, Error, Framing, Progress, Sizes};
use crate::checksum::Sum;

/// Bytes of a packet in front of its payload: destination, command, length.
const HEAD: usize = 4;

/// Which packets this end sends, and may therefore hear as its own echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Echo {
    /// This end is the master: it sends to every destination but 0.
    Master,
    /// This end is a node: it sends to destination 0 only.
    Node,
}

/// The packet framing. Stores one packet, checksum included, in a buffer of the caller.
///
/// RAM: this struct and the buffer. Time: one addition and one store for each byte.
pub struct Packet<'b> {
    buffer: &'b mut [u8],
    gap: Duration,
    early: bool,
    echo: Option<Echo>,
    checksum: bool,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// `count` bytes since the last silence, of which the buffer holds those that fit.
    Open { count: usize, sum: Sum },
    /// A packet of `count` bytes is lent to the caller.
    Whole { count: usize },
}

const EMPTY: State = State::Open { count: 0, sum: Sum::new() };

impl<'b> Packet<'b> {
    /// A receiver whose packets end after `gap` of silence, at least 20 bit times: see [`gap`].
    ///
    /// `buffer` holds a whole packet: 5 bytes more than the largest payload.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8], gap: Duration) -> Self {
        Self { buffer, gap, early: false, echo: None, checksum: true, state: EMPTY }
    }

    /// Delivers a packet as soon as its length is reached and its sum is 0, without waiting for silence.
    ///
    /// For TCP, and for a bus with short turn-arounds. A packet that is *longer* than its length field says is then cut
    /// into two instead of being reported to the sender.
    #[must_use]
    pub const fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Drops this end's own packets, which a two-wire transceiver hears as it sends them, even if no silence separates
    /// them from the answer, and even if they are too long for the buffer.
    #[must_use]
    pub const fn skip_echo(mut self, echo: Echo) -> Self {
        self.echo = Some(echo);
        self
    }

    /// Sends and expects packets without a checksum, for a carrier that has its own. Both ends have to agree.
    ///
    /// Damage is then the carrier's to find; what is left is the length, which the message layer compares.
    #[must_use]
    pub const fn without_checksum(mut self) -> Self {
        self.checksum = false;
        self
    }

    /// The sizes that suit a receive buffer of `buffer` bytes, with a checksum. A packet leaves in one piece.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes { out: buffer, ..Sizes::of_stream(buffer.saturating_sub(1), buffer) }
    }

    /// Bytes of a packet behind its payload.
    const fn tail(&self) -> usize {
        if self.checksum { 1 } else { 0 }
    }

    const fn is_sound(&self, sum: Sum) -> bool {
        !self.checksum || sum.value() == 0
    }

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
        if !self.is_sound(sum) || !(self.early || self.echo.is_some()) {
            return false;
        }
        let Some((&[destination, _, high, low], _)) = self.buffer.split_first_chunk() else { return false };
        if count != HEAD + usize::from(u16::from_be_bytes([high, low])) + self.tail() {
            return false;
        }
        if self.echo.is_some_and(|echo| (destination == 0) == (echo == Echo::Node)) {
            self.state = EMPTY;
        } else if self.early && count <= self.buffer.len() {
            self.state = State::Whole { count };
            return true;
        }
        false
    }
}

/// The silence that ends a packet: 20 bit times at `baud` bits per second, rounded up to whole microseconds.
///
/// 174 µs at 115,200 bit/s. One second for a `baud` of 0.
#[must_use]
pub const fn gap(baud: u32) -> Duration {
    match 20_000_000_u32.checked_add(baud.saturating_sub(1)) {
        Some(bits) => match bits.checked_div(baud) {
            Some(micros) => Duration::from_micros(micros as u64),
            None => Duration::from_secs(1),
        },
        None => Duration::from_micros(1),
    }
}

impl Framing for Packet<'_> {
    /// The checksum.
    const OVERHEAD: usize = 1;
    /// A gap between two bytes would end the packet.
    const WHOLE: bool = true;
    /// Two characters at 1,200 bit/s, and more than that at any other speed.
    const QUIET: Duration = Duration::from_millis(17);

    type Encoder = PacketEncoder;

    fn encode(&self, message: &[u8]) -> Result<PacketEncoder, Error> {
        if message.is_empty() {
            Err(Error::Unsendable)
        } else {
            Ok(PacketEncoder { at: 0, sum: self.checksum.then(Sum::new) })
        }
    }

    /// The silence that ends a packet: without it, two packets would be one.
    fn gap(&self) -> Duration {
        self.gap
    }

    /// Half of the gap, which is two characters long.
    fn byte_time(&self) -> Duration {
        self.gap.checked_div(2).unwrap_or_default()
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
        let State::Open { count, sum } = self.state else { return Ok(Progress::More) };
        if count == 0 || silence < self.gap {
            return Ok(Progress::More);
        }
        self.state = EMPTY;
        if !self.is_sound(sum) {
            Err(Error::Checksum)
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
            .field("early", &self.early)
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

/// Puts a message (destination first) into a packet. Takes 8 bytes on a Cortex-M, 16 on a 64-bit host.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PacketEncoder {
    /// Bytes of the message that have left.
    at: usize,
    /// The checksum of these, as long as one is to follow the message.
    sum: Option<Sum>,
}

const _: () = assert!(size_of::<PacketEncoder>() <= 16);

impl Encoder for PacketEncoder {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let rest = message.get(self.at..).unwrap_or_default();
        let mut written: usize = 0;
        for (place, byte) in out.iter_mut().zip(rest) {
            *place = *byte;
            if let Some(sum) = &mut self.sum {
                sum.update(&[*byte]);
            }
            written = written.wrapping_add(1);
        }
        self.at = self.at.wrapping_add(written);
        // There is room only behind the end of the message.
        if let (Some(place), Some(sum)) = (out.get_mut(written), self.sum) {
            *place = sum.value();
            self.sum = None;
            written = written.wrapping_add(1);
        }
        written
    }
}
