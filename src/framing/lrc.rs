//! The frame of S3MP: COBS, a sum and a zero.
//!
//! ```text
//!   message            10 01 03
//!   COBS            04 10 01 03           no zero inside
//!   check                        E8       the sum of COBS and check is 0 modulo 256
//!   marker                          00
//! ```
//!
//! # A check that looks like the marker
//!
//! One message in 256 has the check 00, so a frame may end in two zeros, and a receiver has two
//! readings of the first one: the byte before it was the check (*A*), or this zero is the check
//! (*B*). The sum is 0 in both, so it cannot decide. The chain of COBS blocks can: in A it ends
//! before the last byte, in B after it. Both hold in one case only, when the last byte is 01 where
//! a block may start: it is the check 01, or the empty block of a message that ends in zero. Such a
//! frame is ambiguous: one message is the other plus 00, and so are their frames:
//!
//! ```text
//!   message 00 01 FA        01 03 01 FA | 01 | 00             check 01
//!   message 00 01 FA 00     01 03 01 FA 01 | 00 | 00          check 00
//! ```
//!
//! Only then, in one frame of 256, the decoder waits for one more byte: another zero means B,
//! anything else or [silence](Lrc::with_gap) means A. All other frames are delivered at their first
//! zero; a zero that follows is an empty frame, which is ignored.
//!
//! # States
//!
//! ```text
//!               x              x: data, or the next code
//!   Between ─────────▶ Block ◀─────────────────┐
//!      ▲                │ └───────────────────┘
//!      │ 00             │
//!      ├────────────────┤
//!      └── Ambiguous ◀──┘ 00 after a code 01
//! ```
//!
//! A frame that gives a message leads to `Complete`, which is `Between` with the message in the
//! buffer. Every zero leads back to one of the two, directly or through `Ambiguous`, so the decoder
//! is in sync after it, whatever came before. A frame that is longer than the buffer is still
//! summed and chained to its end, then reported once.
//!
//! # Cost
//!
//! Both directions move whole runs: a host with the searches of [`cobs`](mod@crate::cobs), a word
//! at a time, firmware with one loop that copies, sums and looks for the zero. The decoder and
//! encoder of that module would take 1.1 KiB more flash on a Cortex-M0, where the smallest slave
//! fits 2.3 KiB. S3MP is made for such parts.
//!
//! # Interpretation
//!
//! The README of S3MP is silent or contradicts itself here:
//!
//! * The check covers the COBS bytes and nothing else, as the frame formula says. (The paragraph on
//!   checksums lists fields of the message: it was written for an older layout, in which the check
//!   was inside the message.)
//! * The encoder writes 01 after a final full block of 254 bytes, as the README's C code does and
//!   as its decoder needs; the decoder accepts frames with and without it.
//! * The decoder rejects blocks that are longer than the rest of the frame and code bytes 00, which
//!   the README's decoder trusts.
//! * Check and marker leave in one write with the rest (a gap between them would turn B into A),
//!   and no other zero is ever sent: a stray zero after a frame whose check is 01 would turn A into
//!   B.
//! * A zero without COBS bytes (`00` alone) is not a frame; COBS of the empty message (`01 FF 00`)
//!   is one.

use super::{Error, Framing, Progress, Sizes};
use crate::checksum::Sum;
use crate::{bytes, cobs};
use core::time::Duration;

mod blocks;
mod buffer;
mod encoder;
mod runs;
use buffer::Buffer;
pub use encoder::Encoder;
use encoder::{FULL, MARKER};
use runs::{IS_SUMMED, carry, zero_at};

/// Returns the length of the longest frame of a message of `len` bytes: one code byte for each
/// block, check and marker.
///
/// The `out` of a link must be this long, because a frame leaves in one piece.
#[must_use]
pub const fn max_encoded_len(len: usize) -> usize {
    cobs::max_encoded_len(len).saturating_add(2)
}

/// Decodes and encodes S3MP frames.
///
/// The message is decoded into the buffer that [`new`](Self::new) accepts, which must hold the
/// longest message and nothing else.
#[derive(Debug)]
pub struct Lrc<'b> {
    message: Buffer<'b>,
    sum: Sum,
    state: State,
    /// The code of the block, if there is one. It is not in `state`, which changes often.
    code: u8,
    /// The number of data bytes that the block still needs.
    left: u8,
    gap: Duration,
    abandon: Duration,
}

/// The position of the decoder in a frame. A reset leads from every state to `Between`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// Between two frames, without a message. Exit: any byte but zero, to `Block`.
    Between,
    /// Between two frames; the buffer holds a message. Exits: as `Between`, and a zero, to
    /// `Between`.
    Complete,
    /// In a block. While none of its data has come, its code may also be the check. Exits: data, to
    /// itself; the next code, to itself after a full block, else to `Zero`; a zero, to `Complete`
    /// if it may be the marker, else to `Between`; silence, to `Between`.
    Block,
    /// After the code of a block; the block before it ends with a zero, which is not in the buffer
    /// yet. Exits: data, to `Block`; the next code, to itself; a zero, to `Ambiguous` if the block
    /// is empty and the sum is right, else as `Block`; silence, to `Between`.
    Zero,
    /// After the zero of an ambiguous frame: reading A is in the buffer. Exits: any byte or
    /// silence, to `Complete`, or to `Between` if the message does not fit.
    Ambiguous,
}

impl<'b> Lrc<'b> {
    /// Default silence after which the shorter reading of an ambiguous frame is delivered: 20 ms.
    pub const GAP: Duration = Duration::from_millis(20);
    /// Default silence after which a partial frame is dropped: 100 ms.
    pub const ABANDON: Duration = Duration::from_millis(100);

    /// Decodes into `buffer`, which is as long as the longest message. S3MP requires at least 64
    /// bytes; 256 are usual.
    #[must_use]
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self {
            message: Buffer { bytes: buffer, len: 0 },
            sum: Sum::new(),
            state: State::Between,
            code: 0,
            left: 0,
            gap: Self::GAP,
            abandon: Self::ABANDON,
        }
    }

    /// Sets the silence that decides an ambiguous frame, instead of [`GAP`](Self::GAP): at least
    /// four characters of the line.
    ///
    /// Too short is worse than too long: if the marker comes later than this after the check, the
    /// message loses its last zero.
    #[must_use]
    pub fn with_gap(mut self, gap: Duration) -> Self {
        self.gap = gap;
        self
    }

    /// Sets the silence that ends a partial frame, instead of [`ABANDON`](Self::ABANDON).
    #[must_use]
    pub fn with_abandon(mut self, abandon: Duration) -> Self {
        self.abandon = abandon;
        self
    }

    /// Returns the sizes for a receive buffer of `buffer` bytes. A frame leaves in one piece.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes { out: max_encoded_len(buffer), ..Sizes::of_stream(buffer, buffer) }
    }

    /// Returns true if the decoder holds an ambiguous frame, which the next byte or silence
    /// decides.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.state == State::Ambiguous
    }

    /// Adds bytes that no run has added to the sum.
    fn note<const SUMS: bool>(&mut self, bytes: &[u8]) {
        if SUMS {
            self.sum.update(bytes);
        }
    }

    /// Adds the bytes between `start` and `rest` to the sum, unless runs are summed as they are
    /// copied.
    fn sum_up<const SUMS: bool>(&mut self, start: &[u8], rest: &[u8]) {
        if !SUMS {
            self.sum.update(bytes::front(start, start.len().wrapping_sub(rest.len())));
        }
    }

    fn open<const SUMS: bool>(&mut self, code: u8, state: State) {
        self.note::<SUMS>(&[code]);
        (self.code, self.left, self.state) = (code, code.wrapping_sub(1), state);
    }

    /// Stores data of the block from the front of `input`, which must begin with data; returns the
    /// rest of `input`.
    fn run<'i, const SUMS: bool>(&mut self, input: &'i [u8]) -> &'i [u8] {
        let data = input.get(..usize::from(self.left)).unwrap_or(input);
        let mut count = carry::<SUMS>(data, self.message.room(), &mut self.sum);
        if count == 0 {
            // The buffer is full: the bytes are only summed.
            count = zero_at(data);
            self.note::<SUMS>(data.get(..count).unwrap_or_default());
            self.message.overrun();
        } else {
            self.message.len = self.message.len.wrapping_add(count);
        }
        // At most `left`.
        let [low, ..] = count.to_le_bytes();
        self.left = self.left.wrapping_sub(low);
        input.get(count..).unwrap_or_default()
    }

    /// Handles the zero after at least one byte of a frame.
    fn close(&mut self) -> Result<Progress<'static>, Error> {
        let state = core::mem::replace(&mut self.state, State::Between);
        // The sum first: without it nothing about the blocks can be trusted.
        if self.sum.value() != 0 {
            return Err(Error::Checksum);
        }
        // The sum is right by chance, but the block is incomplete.
        if self.left > 0 && !self.is_fresh() {
            return Err(Error::Malformed);
        }
        // Both readings hold: the next byte decides.
        if state == State::Zero && self.left == 0 {
            self.state = State::Ambiguous;
            return Ok(Progress::More);
        }
        // Either the byte before this zero was the check, or the zero is the check, after the last
        // byte of a block. An empty block after a full one adds nothing, so both readings give the
        // same message.
        self.complete()
    }

    /// Returns true if no data of the block has come.
    const fn is_fresh(&self) -> bool {
        self.left == self.code.wrapping_sub(1)
    }

    /// Completes the message, or reports that the buffer is too short for it.
    fn complete(&mut self) -> Result<Progress<'static>, Error> {
        let fits = self.message.len <= self.message.bytes.len();
        self.state = if fits { State::Complete } else { State::Between };
        if fits { Ok(Progress::Message) } else { Err(Error::TooLong) }
    }

    /// Does the work of `push`, and adds up runs as they are copied, or the whole frame at once.
    fn decode<'i, const SUMS: bool>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        // The part of a frame that is not summed yet.
        let mut start = *input;
        while let Some((&byte, rest)) = input.split_first() {
            let progress = match (self.state, byte) {
                // An empty frame, or the marker after a check of 0.
                (State::Between | State::Complete, MARKER) => {
                    self.state = State::Between;
                    Ok(Progress::More)
                }
                (State::Between | State::Complete, _) => {
                    self.message.len = 0;
                    self.sum = Sum::new();
                    start = *input;
                    self.open::<SUMS>(byte, State::Block);
                    Ok(Progress::More)
                }
                (State::Block | State::Zero, MARKER) => {
                    self.sum_up::<SUMS>(start, input);
                    self.close()
                }
                (State::Block | State::Zero, _) => {
                    #[cfg(not(target_os = "none"))]
                    if !SUMS && self.left == 0 && rest.len() > usize::from(byte) && self.whole_blocks(input) {
                        continue;
                    }
                    // Now it is certain that the last byte was a code, so its zero goes into the
                    // message.
                    if self.state == State::Zero {
                        self.message.push(0);
                        self.state = State::Block;
                    }
                    if self.left > 0 {
                        *input = self.run::<SUMS>(input);
                    } else {
                        self.open::<SUMS>(byte, if self.code == FULL { State::Block } else { State::Zero });
                        *input = rest;
                    }
                    continue;
                }
                // The second zero is the marker: the first one was the check, after an empty block.
                (State::Ambiguous, MARKER) => {
                    self.message.push(0);
                    self.complete()
                }
                // This byte belongs to the next frame, so it stays in the input.
                (State::Ambiguous, _) => return self.complete(),
            };
            *input = rest;
            if progress != Ok(Progress::More) {
                return progress;
            }
        }
        self.sum_up::<SUMS>(start, &[]);
        Ok(Progress::More)
    }
}

impl Framing for Lrc<'_> {
    /// S3MP limits the length of messages, not of buffers.
    const OVERHEAD: usize = 0;
    const WHOLE: bool = true;
    const QUIET: Duration = Self::ABANDON;

    type Pace = super::Unpaced;
    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        let _ = message;
        Ok(Encoder::new())
    }

    fn sizes(&self) -> Sizes {
        Self::sizes_of(self.message.bytes.len())
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        max_encoded_len(message)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        self.decode::<{ IS_SUMMED }>(input)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        match self.state {
            // A marker would have come by now: the byte was the check.
            State::Ambiguous if silence >= self.gap => self.complete(),
            State::Block | State::Zero if silence >= self.abandon => {
                self.reset();
                Err(Error::Abandoned)
            }
            _ => Ok(Progress::More),
        }
    }

    fn message(&self) -> &[u8] {
        match self.state {
            State::Complete => self.message.filled(),
            _ => &[],
        }
    }

    fn reset(&mut self) {
        self.state = State::Between;
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Lrc<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Lrc {{ {} of {} bytes, {} }}", self.message.len, self.message.bytes.len(), self.state);
    }
}

// Their kit is only in a checkout.
#[path = "../../tests/framing"]
#[cfg(test)]
mod tests {
    #[cfg(anysmp_checkout)]
    mod sums;
}
