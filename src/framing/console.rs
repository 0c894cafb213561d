//! SMP over a console: base64 lines with a length and a CRC, mixed with text on the same wire.
//!
//! ```text
//!   packet    LEN | message | CRC-16/XMODEM of the message      LEN and CRC: 2 bytes, big-endian
//!             └ bytes of message and CRC
//!
//!   06 09  base64 of the first bytes of the packet  0A     a line has at most 127 bytes: marker,
//!   04 14  base64 of the next bytes                 0A     124 symbols (93 bytes), line feed
//!   04 14  base64 of the last bytes, with padding   0A
//! ```
//!
//! This is the serial transport of MCUmgr ("SMP over console" in Zephyr's SMP transport
//! specification), of MCUboot's serial recovery and of Mynewt. Symbols are decoded into the message
//! buffer as they arrive; there is no line buffer, so lines of any length are accepted.
//!
//! # States
//!
//! The decoder has two states, its position in a line and its progress in a packet:
//!
//! ```text
//!               06 or 04         09 or 14
//!     Outside ───────────▶ Marker ──────────▶ Symbols ── padding, space, CR ─▶ End ─ LF ─▶ Outside
//!        ▲ text               │ other             │ damage, or no open packet    │ other
//!        │                    ▼                   ▼                              ▼
//!        └──────────────── Outside       Skip ◀───┴──────────────────────────────┘
//!        └──────────────────────── LF ────┘ │ 06 or 04: SkipMarker, as Marker is to Outside
//!
//!     None ── start ──▶ Open ── last line ends, length and CRC fit ──▶ Complete
//!       ▲                 └── damage, another start, silence: one error
//!       └─────────────────┘
//! ```
//!
//! Markers are found at any position, even in the middle of a line: `06` and `04` are not base64
//! symbols. Therefore a whole frame is always found, whatever came before it.
//!
//! # Three forms
//!
//! Whole groups of symbols that lie in one run of input or output are converted directly, through
//! tables, which are larger on a host. Firmware handles everything else (cut groups, damage) byte
//! by byte, a host only where a line does not go on as usual. With the feature `small` everything
//! goes byte by byte, and comparisons replace the tables: three fifths of the flash, for three to
//! four and a half times the instructions on a Cortex-M3 and seven to eleven times on a host. The
//! results are the same.
//!
//! # Text
//!
//! Bytes outside lines are returned as [`Progress::Text`], in runs that are as long as the input
//! allows. Text may come before a frame, even on its line, and between two lines of one packet. The
//! line feed of a line belongs to the line. Text that cuts a line in two cannot be distinguished
//! from damage: it is lost with the rest of that line.
//!
//! # Interpretation
//!
//! * Each line is a separate base64 text, as for Zephyr's and MCUboot's servers: padding may end
//!   any line.
//! * Spaces and carriage returns directly before the line feed are ignored. Any other foreign byte,
//!   symbols after padding, an incomplete last group of four and padding bits that are not zero are
//!   damage ([`Error::Malformed`]).
//! * A line that is cut by a marker byte is damaged even if it was the last one and only its line
//!   feed is missing ([`Error::Truncated`]).
//! * LEN below 10 is damage: a message has at least its header of 8 bytes. More bytes than LEN
//!   announces are damage.
//! * After damage, everything that is part of a line is dropped up to the next start marker,
//!   without a further error.
//! * A first marker byte at the end of the input may still become text: it is kept, and returned as
//!   a separate run when the next byte or the silence limit decides. [`reset`](Framing::reset)
//!   drops it.
//! * Half a line is dropped after the silence limit: the bytes after it are text.

use core::time::Duration;

use super::{Error, Framing, Progress, Sizes};
use crate::time::Span;

mod base64;
mod encoder;
mod lines;
mod packet;
mod store;

pub use encoder::Encoder;
pub(super) use lines::{Line, Lines};
pub use packet::LINE;
use packet::{CRC, LEN, groups, line_len};
pub(super) use store::Store;

/// Default silence after which an incomplete packet is dropped, counted from its last byte.
pub const ABANDON: Duration = Duration::from_secs(3);

/// Decodes and encodes SMP over a console, in a buffer of the caller.
///
/// The buffer holds a decoded packet with LEN and CRC: with `n` bytes it fits messages of up to
/// `n - 4` bytes, as a device that offers `buf_size` does. See [`buffer_len`](Self::buffer_len).
pub struct Console<'b> {
    lines: Lines<&'b mut [u8]>,
    abandon: Span,
}

impl<'b> Console<'b> {
    /// Decodes into `buffer`; encodes lines of [`LINE`] bytes.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { lines: Lines::new(buffer), abandon: const { Span::ceil(ABANDON) } }
    }

    /// Encodes lines of at most `length` bytes, with marker and line feed: rounded down to whole
    /// groups of four symbols, and never below one group (7 bytes) or above 65,535 bytes. The
    /// decoder accepts lines of any length.
    #[must_use]
    pub const fn with_line(mut self, length: usize) -> Self {
        self.lines.width = groups(length);
        self
    }

    /// Sets the silence that ends an incomplete packet, instead of [`ABANDON`].
    #[must_use]
    pub const fn with_abandon(self, silence: Duration) -> Self {
        Self { abandon: Span::ceil(silence), ..self }
    }

    /// Returns the buffer length for messages of up to `message` bytes: 4 more.
    #[must_use]
    pub const fn buffer_len(message: usize) -> usize {
        message.saturating_add(LEN + CRC)
    }

    /// Returns the longest message that fits a buffer of `buffer` bytes: at most 65,533, because of
    /// LEN. A buffer below 12 bytes fits none.
    #[must_use]
    pub const fn max_message(buffer: usize) -> usize {
        let room = buffer.saturating_sub(LEN + CRC);
        if room > Encoder::MAX_MESSAGE { Encoder::MAX_MESSAGE } else { room }
    }

    /// Returns the length on the wire of a message of `message` bytes, in lines of [`LINE`] bytes.
    #[must_use]
    pub const fn encoded_len(message: usize) -> usize {
        Encoder::encoded_len(message, LINE)
    }

    /// Returns the sizes for a receive buffer of `buffer` bytes and lines of at most 128 bytes;
    /// longer lines need an `out` of their length.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes::of_stream(Self::max_message(buffer), buffer)
    }
}

impl Framing for Console<'_> {
    const OVERHEAD: usize = LEN + CRC;

    /// A shell answers an empty line with its prompt first: Zephyr's shell transport loses a frame
    /// that follows the line feed within 10 ms, but none after 50 ms.
    const PREAMBLE_PAUSE: Duration = Duration::from_millis(50);

    type Pace = super::Unpaced;
    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        Encoder::in_lines(message, self.lines.width)
    }

    fn sizes(&self) -> Sizes {
        let sizes = Self::sizes_of(self.lines.store.capacity());
        Sizes { out: sizes.out.max(line_len(self.lines.width)), ..sizes }
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        Encoder::encoded_len(message, line_len(self.lines.width))
    }

    /// One line feed: it ends any partial line of the receiver.
    fn preamble(&self) -> &'static [u8] {
        b"\n"
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        self.lines.push(input)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        self.lines.idle(self.abandon.is_over(silence))
    }

    fn silent(&mut self, silence: Span) -> Result<Progress<'static>, Error> {
        self.lines.idle(silence >= self.abandon)
    }

    fn message(&self) -> &[u8] {
        self.lines.complete().and_then(|message| self.lines.store.get(message)).unwrap_or_default()
    }

    fn reset(&mut self) {
        self.lines.restart(Line::Outside);
    }
}

impl core::fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Console")
            .field("buffer", &self.lines.store.capacity())
            .field("packet", &self.lines.packet)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Console<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Console {{ buffer: {=usize}, packet: {} }}", self.lines.store.capacity(), self.lines.packet);
    }
}

// Their kit is only in a checkout.
#[path = "../../tests/framing"]
#[cfg(test)]
mod tests {
    #[cfg(anysmp_checkout)]
    mod forms;
}
