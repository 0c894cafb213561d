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
//!               x                   x, data announced             last data byte
//!   Between ─────────▶ Code ──────────────────────▶ Data ───────────────────────┐
//!      ▲                │ ▲                           ▲ └─ x, more announced     ▼
//!      │ 00             │ └──────── x ─────────────── │ ──────────────── Data, none left
//!      ├────────────────┤                             │                         │ 00
//!      ├──────────────────────────────────────────────┴─────────────────────────┘
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
//! Both directions search, copy and sum whole runs: on a host with the search for zeros of
//! [`cobs`](mod@crate::cobs), a word at a time. The decoder and encoder of that module would take
//! 1.1 KiB more flash on a Cortex-M0, where the smallest slave fits 2.4 KiB. S3MP is made for such
//! parts.
//!
//! # Interpretation
//!
//! The README of S3MP is silent or contradicts itself here:
//!
//! * The check covers the COBS bytes and nothing else, as the frame formula says. (The paragraph on
//!   checksums lists fields of the message: it was written for an older layout, in which the check
//!   stood inside the message.)
//! * The encoder writes 01 after a final full block of 254 bytes, as the README's C code does and
//!   as its decoder needs; the decoder accepts frames with and without it.
//! * The decoder rejects blocks that are longer than the rest of the frame and code bytes 00, which
//!   the README's decoder trusts.
//! * Check and marker leave in one write with the rest (a gap between them would turn B into A),
//!   and no other zero is ever sent: a stray zero after a frame whose check is 01 would turn A into
//!   B.
//! * A zero without COBS bytes (`00` alone) is not a frame; COBS of the empty message (`01 FF 00`)
//!   is one.

use core::time::Duration;

use super::{Error, Framing, Progress, Sizes};
use crate::checksum::Sum;
use crate::{bytes, cobs};

mod encoder;
mod zero;

pub use encoder::Encoder;
use encoder::{FULL, MARKER};
use zero::zero_at;

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
    gap: Duration,
    abandon: Duration,
}

/// The position of the decoder in a frame. A reset leads from each to `Between`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// Between two frames, without a message. Exit: any byte but zero, to `Code`.
    Between,
    /// Between two frames; the buffer holds a message. Exits: as `Between`, and a zero, to
    /// `Between`.
    Complete,
    /// After a byte that is either the code of a block with `left` data bytes, or the check.
    /// `zero`: if it is a code, the block before it ended with a zero, which is not in the buffer
    /// yet. Exits: the next byte, to `Data`, or to itself for an empty block; a zero, to
    /// `Ambiguous` if both readings hold, to `Complete` if one does, else to `Between`; silence, to
    /// `Between`.
    Code { zero: bool, left: u8 },
    /// In a block, `left` data bytes before its end. `full`: no zero follows the block. Exits: the
    /// byte after the block, to `Code`; a zero, to `Complete` if it is the check, else to
    /// `Between`; silence, to `Between`.
    Data { left: u8, full: bool },
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

    /// Stores the data of a block at the front of `input`; returns the rest of the input.
    fn run<'i>(&mut self, mut left: u8, full: bool, input: &'i [u8]) -> &'i [u8] {
        let count = zero_at(input.get(..usize::from(left)).unwrap_or(input));
        let (data, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
        self.message.extend(data);
        self.sum.update(data);
        left = left.wrapping_sub(u8::try_from(count).unwrap_or(left));
        self.state = State::Data { left, full };
        rest
    }

    /// Handles one byte of a frame that is neither zero nor data of a block that has begun.
    fn feed(&mut self, byte: u8) {
        self.sum.update(&[byte]);
        let left = byte.wrapping_sub(1);
        self.state = match self.state {
            State::Between | State::Complete | State::Ambiguous => {
                self.message.len = 0;
                self.sum = Sum::new();
                self.sum.update(&[byte]);
                State::Code { zero: false, left }
            }
            // The code of an empty block, so another code follows.
            State::Code { zero, left: 0 } => {
                self.message.zero_if(zero);
                State::Code { zero: true, left }
            }
            // Now it is certain that the last byte was a code, so its zero goes into the message.
            State::Code { zero, left: announced } => {
                self.message.zero_if(zero);
                self.message.push(byte);
                State::Data { left: announced.wrapping_sub(1), full: announced == FULL - 1 }
            }
            State::Data { full, .. } => State::Code { zero: !full, left },
        };
    }

    /// Handles the zero after at least one byte of a frame.
    fn close(&mut self) -> Result<Progress<'static>, Error> {
        let state = core::mem::replace(&mut self.state, State::Between);
        match state {
            // The sum first: without it nothing about the blocks can be trusted.
            _ if self.sum.value() != 0 => Err(Error::Checksum),
            // The sum is right by chance, but the block is incomplete.
            State::Data { left: 1.., .. } => Err(Error::Malformed),
            // Both readings hold: the next byte decides.
            State::Code { zero: true, left: 0 } => {
                self.state = State::Ambiguous;
                Ok(Progress::More)
            }
            // Either the byte before this zero was the check, or the zero is the check, after the
            // last byte of a block. An empty block after a full one adds nothing, so both readings
            // give the same message.
            _ => self.complete(),
        }
    }

    /// Completes the message, or reports that the buffer is too short for it.
    fn complete(&mut self) -> Result<Progress<'static>, Error> {
        let fits = self.message.len <= self.message.bytes.len();
        self.state = if fits { State::Complete } else { State::Between };
        if fits { Ok(Progress::Message) } else { Err(Error::TooLong) }
    }
}

impl Framing for Lrc<'_> {
    /// S3MP limits the length of messages, not of buffers.
    const OVERHEAD: usize = 0;
    const PACED: bool = false;
    const WHOLE: bool = true;
    const QUIET: Duration = Self::ABANDON;

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
        while let Some((&byte, rest)) = input.split_first() {
            let progress = match (byte, self.state) {
                (1.., State::Data { left: left @ 1.., full }) => {
                    *input = self.run(left, full, input);
                    continue;
                }
                // An empty frame, or the marker after a check of 0.
                (MARKER, State::Between | State::Complete) => {
                    self.state = State::Between;
                    Ok(Progress::More)
                }
                // The second zero is the marker: the first one was the check, after an empty block.
                (MARKER, State::Ambiguous) => {
                    self.message.push(0);
                    self.complete()
                }
                // This byte belongs to the next frame, so it stays in the input.
                (_, State::Ambiguous) => return self.complete(),
                (MARKER, _) => self.close(),
                _ => {
                    self.feed(byte);
                    Ok(Progress::More)
                }
            };
            *input = rest;
            if progress != Ok(Progress::More) {
                return progress;
            }
        }
        Ok(Progress::More)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        match self.state {
            // A marker would have come by now: the byte was the check.
            State::Ambiguous if silence >= self.gap => self.complete(),
            State::Code { .. } | State::Data { .. } if silence >= self.abandon => {
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

/// The bytes of a message; those that do not fit are only counted.
struct Buffer<'b> {
    bytes: &'b mut [u8],
    len: usize,
}

impl Buffer<'_> {
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
        }
        self.len = self.len.saturating_add(1);
    }

    fn extend(&mut self, data: &[u8]) {
        bytes::copy(data, self.bytes.get_mut(self.len..).unwrap_or_default());
        self.len = self.len.saturating_add(data.len());
    }

    fn zero_if(&mut self, zero: bool) {
        if zero {
            self.push(0);
        }
    }

    fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl core::fmt::Debug for Buffer<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} of {} bytes", self.len, self.bytes.len())
    }
}
