//! COBS, a sum and a zero: the frame of S3MP.
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
//! One message in 256 has the check 00, so the bytes of a frame may be followed by two zeros, and a receiver that meets the
//! first has two readings: the byte before it was the check (*A*), or this zero is the check (*B*). The sum is 0 in both,
//! so it cannot tell. The chain of COBS blocks can: in A it ends before the last byte, in B behind it. Both hold in one
//! case only, when the last byte is 01 where a block may start: it is the check 01, or the empty block of a message that
//! ends in zero. These two messages are twins, one being the other plus 00, and so are their frames:
//!
//! ```text
//!   message 00 01 FA        01 03 01 FA | 01 | 00             check 01
//!   message 00 01 FA 00     01 03 01 FA 01 | 00 | 00          check 00
//! ```
//!
//! Only then, in one frame of 256, the decoder waits for one byte: another zero means B, anything else or
//! [silence](Lrc::with_gap) means A. All other frames are delivered with their first zero; the zero that may follow is an
//! empty frame, which is ignored.
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
//!      └──── Twins ◀────┘ 00 behind a code 01
//! ```
//!
//! Every zero leads back to `Between`, directly or by way of `Twins`: whatever came before, the decoder is in step behind
//! it. A frame that is longer than the buffer is still summed and chained to its end, then reported once.
//!
//! # Cost
//!
//! Both directions take one byte at a time and copy no runs, unlike [`cobs`](mod@crate::cobs): with that module's decoder and
//! encoder the smallest slave would need 1.1 KiB more flash on a Cortex-M0, where the whole of it fits 2.4 KiB. S3MP is spoken by such parts.
//!
//! # Interpretation
//!
//! The README of S3MP is silent or contradicts itself here:
//!
//! * The check covers the COBS bytes and nothing else, as the frame formula says. (The paragraph on checksums lists fields
//!   of the message: it was written for an older layout, in which the check stood inside the message.)
//! * The encoder puts 01 behind a final full block of 254 bytes, as the README's C code does and as its decoder needs;
//!   the decoder takes frames with and without it.
//! * The decoder rejects blocks that are longer than what is left and code bytes 00, which the README's decoder trusts.
//! * Check and marker leave in one write with the rest (a gap between them would turn B into A), and no other zero is ever
//!   sent: a stray zero behind a frame whose check is 01 would turn A into B.
//! * A frame of no COBS bytes at all (`00` alone) is no frame; COBS of the empty message (`01 FF 00`) is one.

use core::time::Duration;

use super::{Error, Framing, Progress, Sizes};
use crate::checksum::Sum;
use crate::cobs;

mod encoder;

pub use encoder::Encoder;
use encoder::{FULL, MARKER};

/// The longest frame of a message of `len` bytes: one code byte for each block, check and marker.
///
/// A link's `out` has to be this long, because a frame goes out in one piece.
#[must_use]
pub const fn max_encoded_len(len: usize) -> usize {
    cobs::max_encoded_len(len).saturating_add(2)
}

/// S3MP frames over a byte stream.
///
/// The message is decoded in place in the buffer that [`new`](Self::new) takes, which has to hold the longest message and
/// nothing else. Beside it the decoder needs 48 bytes, 64 on a host, and it looks at each byte once.
#[derive(Debug)]
pub struct Lrc<'b> {
    message: Buffer<'b>,
    sum: Sum,
    state: State,
    gap: Duration,
    abandon: Duration,
}

/// Where in a frame the decoder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// Between two frames; the buffer holds the message completed last. Out: any byte but zero starts a frame.
    Between,
    /// Behind a byte that is either the code of a block with `left` data bytes, or the check. `zero`: if it is a code, the
    /// block before it ended with a zero, which is not in the buffer yet. Out: `Code` or `Data` by the next byte, `Between` or
    /// `Twins` by zero.
    Code { zero: bool, left: u8 },
    /// Inside of a block, `left` data bytes before its end. `full`: no zero follows the block. Out: `Code` by the byte behind
    /// the block, `Between` by zero.
    Data { left: u8, full: bool },
    /// Behind the zero of twins: reading A is in the buffer. Out: `Between` by any byte, or by silence.
    Twins,
}

impl<'b> Lrc<'b> {
    /// How long the line is silent before the shorter of two twins is taken: 20 ms.
    pub const GAP: Duration = Duration::from_millis(20);
    /// How long the line is silent before a partial frame is dropped: 100 ms.
    pub const ABANDON: Duration = Duration::from_millis(100);

    /// A decoder whose longest message is as long as `buffer`. S3MP asks for at least 64 bytes; 256 are usual.
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

    /// Changes the silence that decides between twins; at least four characters of the line.
    ///
    /// Too short is worse than too long: if the marker comes later than this behind the check, the message loses its last zero.
    #[must_use]
    pub fn with_gap(mut self, gap: Duration) -> Self {
        self.gap = gap;
        self
    }

    /// Changes the silence that ends a partial frame.
    #[must_use]
    pub fn with_abandon(mut self, abandon: Duration) -> Self {
        self.abandon = abandon;
        self
    }

    /// The sizes that suit a receive buffer of `buffer` bytes. A frame leaves in one piece.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes { out: max_encoded_len(buffer), ..Sizes::of_stream(buffer, buffer) }
    }

    /// Whether the decoder holds a frame that only the next byte or silence completes.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.state == State::Twins
    }

    /// As much of a block's data as `input` begins with; returns what is behind.
    fn run<'i>(&mut self, mut left: u8, full: bool, input: &'i [u8]) -> &'i [u8] {
        let mut rest = input;
        while let (Some((byte @ 1.., behind)), 1..) = (rest.split_first(), left) {
            self.message.push(*byte);
            self.sum.update(&[*byte]);
            left = left.wrapping_sub(1);
            rest = behind;
        }
        self.state = State::Data { left, full };
        rest
    }

    /// One byte of a frame that is not zero, and not the data of a block that was begun.
    fn feed(&mut self, byte: u8) {
        self.sum.update(&[byte]);
        let left = byte.wrapping_sub(1);
        self.state = match self.state {
            State::Between | State::Twins => {
                self.message.len = 0;
                self.sum = Sum::new();
                self.sum.update(&[byte]);
                State::Code { zero: false, left }
            }
            State::Code { zero, left: 0 } => {
                self.message.zero_if(zero);
                State::Code { zero: true, left }
            }
            State::Code { zero, left: announced } => {
                self.message.zero_if(zero);
                self.message.push(byte);
                State::Data { left: announced.wrapping_sub(1), full: announced == FULL - 1 }
            }
            State::Data { full, .. } => State::Code { zero: !full, left },
        };
    }

    /// The zero behind at least one byte of a frame.
    fn close(&mut self) -> Result<Progress<'static>, Error> {
        let state = core::mem::replace(&mut self.state, State::Between);
        let verdict = match state {
            _ if self.sum.value() != 0 => Err(Error::Checksum),
            State::Data { left: 1.., .. } => Err(Error::Malformed),
            State::Code { zero: true, left: 0 } => {
                self.state = State::Twins;
                return Ok(Progress::More);
            }
            // Either the byte before this zero was the check; or the zero is the check itself, behind the last byte of a block.
            // An empty block behind a full one adds nothing to the message: both readings are the same.
            _ => self.complete(),
        };
        if verdict.is_err() {
            self.message.len = 0;
        }
        verdict
    }

    /// The message in the buffer is what was sent, if it is there in full.
    fn complete(&mut self) -> Result<Progress<'static>, Error> {
        self.state = State::Between;
        if self.message.len <= self.message.bytes.len() {
            Ok(Progress::Message)
        } else {
            self.message.len = 0;
            Err(Error::TooLong)
        }
    }
}

impl Framing for Lrc<'_> {
    /// The limit of S3MP is one of messages: a peer's buffer is its own business.
    const OVERHEAD: usize = 0;
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
                (MARKER, State::Between) => Ok(Progress::More),
                (MARKER, State::Twins) => {
                    self.message.push(0);
                    self.complete()
                }
                // Not ours to consume: it belongs to the next frame.
                (_, State::Twins) => return self.complete(),
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
            State::Twins if silence >= self.gap => self.complete(),
            State::Code { .. } | State::Data { .. } if silence >= self.abandon => {
                self.reset();
                Err(Error::Abandoned)
            }
            _ => Ok(Progress::More),
        }
    }

    fn message(&self) -> &[u8] {
        match self.state {
            State::Between => self.message.filled(),
            _ => &[],
        }
    }

    fn reset(&mut self) {
        self.state = State::Between;
        self.message.len = 0;
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Lrc<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Lrc {{ {} of {} bytes, {} }}", self.message.len, self.message.bytes.len(), self.state);
    }
}

/// Message bytes; those that do not fit are counted.
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
