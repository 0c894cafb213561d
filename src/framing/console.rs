//! SMP over a console: base64 lines with a length and a CRC, mixed with text on the same wire.
//!
//! ```text
//!   packet    LEN (2 bytes, big-endian: message + 2) | message | CRC-16/XMODEM of the message (2 bytes, big-endian)
//!
//!   06 09  base64 of the first bytes of the packet    0A        a line has at most 127 bytes: two of marker,
//!   04 14  base64 of the next bytes                   0A        124 symbols = 93 bytes of the packet, line feed
//!   04 14  base64 of the last bytes, with padding     0A
//! ```
//!
//! This is the serial transport of MCUmgr ("SMP over console" in Zephyr's SMP transport specification), of MCUboot's
//! serial recovery and of Mynewt. Symbols are decoded into the message buffer as they arrive: there is no line buffer, so
//! lines of any length are accepted.
//!
//! # States
//!
//! The decoder knows where it stands in a line, and apart from that what it has of a packet:
//!
//! ```text
//!                 06 or 04          09 or 14
//!     Outside ───────────▶ Marker ───────────▶ Symbols ──── padding, space, CR ───▶ End ─── LF ──▶ Outside
//!        ▲ text               │ other              │ damage, or no packet is open     │ other
//!        │                    ▼                    ▼                                  ▼
//!        └──────────────── Outside        Skip ◀───┴──────────────────────────────────┘
//!        └───────────────────────── LF ────┘ │ 06 or 04: SkipMarker, which is to Skip what Marker is to Outside
//!
//!     None ── start ──▶ Open ── last line ends, length and CRC fit ──▶ Complete
//!       ▲                 └── damage, another start, silence: one error
//!       └─────────────────┘
//! ```
//!
//! Markers are found at any position, even in the middle of a line: `06` and `04` are no base64 symbols. Therefore a
//! whole frame is always found, whatever stood before it.
//!
//! # Text
//!
//! Bytes outside of lines come back as [`Progress::Text`], in runs that are as long as the input allows. They may stand
//! before a frame, even on its line, and between two lines of one packet. The line feed of a line belongs to the line. Text
//! that cuts a line in two cannot be told from damage: it is lost with the rest of that line.
//!
//! # Interpretation
//!
//! * Each line is a base64 text of its own, as for Zephyr's and MCUboot's servers: padding may stand at the end of any line.
//! * Spaces and carriage returns directly before the line feed are ignored. Any other foreign byte, symbols after padding,
//!   an incomplete last group of four and padding bits that are not zero are damage ([`Error::Malformed`]).
//! * A line that is cut by a marker byte is damaged even if it was the last one and only its line feed is missing
//!   ([`Error::Truncated`]).
//! * LEN below 10 is damage: a message has at least its header of 8 bytes. More bytes than LEN announces are damage.
//! * After damage, everything up to the next start marker that is part of a line is dropped without a further error.
//! * A first marker byte at the end of the input may still become text: it is kept, and handed out as a run of its own when
//!   the next byte or the silence limit decides. [`reset`](Framing::reset) drops it.
//! * Half a line that has waited for the silence limit is given up: what follows it is text.

use core::time::Duration;

use super::{Error, Framing, Progress};
use crate::checksum::Crc16;
use crate::shown::shown;

mod base64;
mod encoder;

pub use encoder::Encoder;

/// Longest line by default, with its marker and its line feed: what every known receiver accepts.
pub const LINE: usize = 127;

/// How long an incomplete packet is kept by default, counted from its last byte.
pub const ABANDON: Duration = Duration::from_secs(3);

/// Shortest message: an SMP header.
const MIN_MESSAGE: usize = 8;
/// Bytes of LEN, and of the CRC.
const LEN: usize = 2;
const CRC: usize = 2;

/// Decodes and encodes SMP over a console, in a buffer that the caller lends.
///
/// The buffer holds a packet as it is on the wire, with LEN and CRC: one of `n` bytes takes messages of up to `n - 4`
/// bytes, as a device that offers `buf_size` does. See [`buffer_len`](Self::buffer_len).
pub struct Console<'b> {
    buffer: &'b mut [u8],
    line: Line,
    packet: Packet,
    longest: usize,
    abandon: Duration,
}

/// Where in a line the decoder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Line {
    /// Outside of lines: bytes are text. Left by the first byte of a marker, to `Marker`.
    Outside,
    /// Outside of lines, after the first byte of a marker. Left by the next byte, or by silence: to `Symbols` or `Skip`
    /// if the marker is complete, else to `Outside`.
    Marker(Marker),
    /// In the symbols of a line of the open packet. Left by the line feed to `Outside`, by padding, space or carriage return
    /// to `End`, by a byte of a marker to `SkipMarker`, by damage to `Skip`, by silence to `Outside`.
    Symbols(Quad),
    /// Behind the symbols of a line of the open packet. Left as `Symbols` is.
    End,
    /// In a line that is of no use. Left by the line feed, or silence, to `Outside`, by the first byte of a marker to `SkipMarker`.
    Skip,
    /// As `Skip`, after the first byte of a marker. Left by the next byte: to `Symbols` or `Skip`; by silence to `Outside`.
    SkipMarker(Marker),
}

/// What the decoder has of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Packet {
    /// Nothing. Left by a start marker, to `Open`.
    None,
    /// The first `have` bytes. Left to `Complete` or `None` at its last line's end, to `None` by damage, by silence, and to
    /// itself by another start marker.
    Open { have: usize },
    /// A message of `len` bytes behind the two of LEN. Left by a start marker, to `Open`.
    Complete { len: usize },
}

/// The two markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Marker {
    /// Begins the first line of a packet.
    Start,
    /// Begins every other line.
    Next,
}

/// Symbols of an unfinished group of four.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Quad {
    symbols: [u8; 4],
    held: u8,
}

shown!(Quad, |quad| "Quad({})", quad.held);

impl<'b> Console<'b> {
    /// Decodes into `buffer`; encodes lines of [`LINE`] bytes.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, line: Line::Outside, packet: Packet::None, longest: LINE, abandon: ABANDON }
    }

    /// Encodes lines of at most `length` bytes, with marker and line feed: rounded down to whole groups of four symbols,
    /// and never below one group (7 bytes). The decoder takes lines of any length.
    #[must_use]
    pub const fn with_line(self, length: usize) -> Self {
        Self { longest: length, ..self }
    }

    /// Gives up an incomplete packet after `silence` instead of [`ABANDON`].
    #[must_use]
    pub const fn with_abandon(self, silence: Duration) -> Self {
        Self { abandon: silence, ..self }
    }

    /// The buffer that takes messages of up to `message` bytes: 4 more.
    #[must_use]
    pub const fn buffer_len(message: usize) -> usize {
        message.saturating_add(LEN + CRC)
    }

    /// The longest message that a buffer of `buffer` bytes takes; LEN ends it at 65533. Below 12 bytes a buffer takes none.
    #[must_use]
    pub const fn max_message(buffer: usize) -> usize {
        let room = buffer.saturating_sub(LEN + CRC);
        if room > Encoder::MAX_MESSAGE { Encoder::MAX_MESSAGE } else { room }
    }

    /// The bytes on the wire of a message of `message` bytes, with lines of [`LINE`] bytes.
    #[must_use]
    pub const fn encoded_len(message: usize) -> usize {
        Encoder::encoded_len(message, LINE)
    }

    /// Whether nothing is under way: no line, no packet, no half marker.
    pub(super) fn is_idle(&self) -> bool {
        self.line == Line::Outside && !matches!(self.packet, Packet::Open { .. })
    }

    /// Length of the buffer.
    pub(super) const fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// Gives the buffer back.
    pub(super) const fn into_buffer(self) -> &'b mut [u8] {
        self.buffer
    }

    /// A marker is complete: begins a line of a new packet, of the open one, or of none.
    fn begin(&mut self, marker: Marker) -> Result<(), Error> {
        let open = matches!(self.packet, Packet::Open { .. });
        self.line = match marker {
            Marker::Next if !open => Line::Skip,
            _ => Line::Symbols(Quad::default()),
        };
        if marker == Marker::Start {
            self.packet = Packet::Open { have: 0 };
            if open {
                return Err(Error::Truncated);
            }
        }
        Ok(())
    }

    /// Drops the open packet, and goes on at `line`.
    fn fail<T>(&mut self, error: Error, line: Line) -> Result<T, Error> {
        self.packet = Packet::None;
        self.line = line;
        Err(error)
    }

    /// The part of the buffer that the packet may still fill, `have` bytes after its start. Before LEN is known it is one
    /// group, so that no byte is taken that LEN may forbid.
    fn room(&mut self, have: usize) -> &mut [u8] {
        let end = match self.total(have) {
            Some(total) => total,
            None => have.saturating_add(3),
        };
        let end = end.min(self.buffer.len());
        self.buffer.get_mut(have..end).unwrap_or_default()
    }

    /// The length of the packet, as soon as LEN is there.
    fn total(&self, have: usize) -> Option<usize> {
        match self.buffer.first_chunk() {
            Some(len) if have >= LEN => Some(usize::from(u16::from_be_bytes(*len)).saturating_add(LEN)),
            _ => None,
        }
    }

    /// Takes whole groups of four symbols without padding from the front of `input`, as far as they go.
    fn take_quads(&mut self, input: &mut &[u8], have: usize) -> Result<bool, Error> {
        let quads = base64::decode_quads(input, self.room(have));
        let bytes = quads.saturating_mul(3);
        *input = input.get(quads.saturating_mul(4)..).unwrap_or_default();
        self.grow(have, bytes)?;
        Ok(quads > 0)
    }

    /// Takes one byte of a line of the open packet. At the end of a packet, says that its message is complete.
    fn take_byte(&mut self, byte: u8, have: usize, quad: Option<Quad>) -> Result<bool, Error> {
        match (byte, quad) {
            (b'\n', None | Some(Quad { held: 0, .. })) => {
                self.line = Line::Outside;
                return self.finish(have);
            }
            (b'\n', _) => return self.fail(Error::Malformed, Line::Outside),
            (b' ' | b'\r', None | Some(Quad { held: 0, .. })) => self.line = Line::End,
            (byte, quad) => match (Marker::by_first(byte), quad) {
                (Some(marker), _) => return self.fail(Error::Truncated, Line::SkipMarker(marker)),
                (None, Some(quad)) if base64::is_symbol(byte) => match quad.push(byte) {
                    Ok(symbols) => self.take_last_quad(symbols, have)?,
                    Err(more) => self.line = Line::Symbols(more),
                },
                _ => return self.fail(Error::Malformed, Line::Skip),
            },
        }
        Ok(false)
    }

    /// Takes a group of four symbols that may hold padding, or for which no three bytes are left.
    fn take_last_quad(&mut self, symbols: [u8; 4], have: usize) -> Result<(), Error> {
        let Some((bytes, count)) = base64::decode_padded(symbols) else {
            return self.fail(Error::Malformed, Line::Skip);
        };
        let known = self.total(have).is_some();
        let mut stored = 0;
        for (place, byte) in self.room(have).iter_mut().zip(bytes).take(count) {
            *place = byte;
            stored += 1;
        }
        if stored < count {
            // With LEN known, the packet ends before the bytes do; without, the buffer does.
            return self.fail(if known { Error::Malformed } else { Error::TooLong }, Line::Skip);
        }
        self.line = if count < 3 { Line::End } else { Line::Symbols(Quad::default()) };
        self.grow(have, count)
    }

    /// Counts `more` bytes that are in the buffer; checks LEN when it has just become known.
    fn grow(&mut self, have: usize, more: usize) -> Result<(), Error> {
        let now = have.saturating_add(more);
        self.packet = Packet::Open { have: now };
        match self.total(now) {
            Some(total) if have < LEN && total < LEN + MIN_MESSAGE + CRC => self.fail(Error::Malformed, Line::Skip),
            Some(total) if have < LEN && total > self.buffer.len() => self.fail(Error::TooLong, Line::Skip),
            _ => Ok(()),
        }
    }

    /// A line is over: tells whether the packet is, too.
    fn finish(&mut self, have: usize) -> Result<bool, Error> {
        if self.total(have) != Some(have) {
            return Ok(false);
        }
        let checked = self.buffer.get(LEN..have).unwrap_or_default();
        if Crc16::of(checked) != 0 {
            return self.fail(Error::Checksum, Line::Outside);
        }
        self.packet = Packet::Complete { len: checked.len().saturating_sub(CRC) };
        Ok(true)
    }

    /// One step in a line of the open packet.
    fn step(&mut self, input: &mut &[u8], have: usize, quad: Option<Quad>) -> Result<bool, Error> {
        if matches!(quad, Some(Quad { held: 0, .. })) {
            if self.take_quads(input, have)? {
                return Ok(false);
            }
            let last = input.split_first_chunk().filter(|(quad, _)| quad.iter().copied().all(base64::is_symbol));
            if let Some((symbols, rest)) = last {
                *input = rest;
                return self.take_last_quad(*symbols, have).map(|()| false);
            }
        }
        match take_first(input) {
            Some(byte) => self.take_byte(byte, have, quad),
            None => Ok(false),
        }
    }
}

impl Framing for Console<'_> {
    const OVERHEAD: usize = LEN + CRC;

    /// A shell that was sent an empty line prints its prompt first: Zephyr's shell transport loses a frame that follows the
    /// line feed within 10 ms, and none after 50 ms.
    const SETTLE: Duration = Duration::from_millis(50);

    type Encoder<'m> = Encoder<'m>;

    fn encode<'m>(&self, message: &'m [u8]) -> Result<Encoder<'m>, Error> {
        Encoder::new(message).map(|encoder| encoder.with_line(self.longest))
    }

    /// One line feed: it ends whatever the receiver has of a line.
    fn preamble(&self) -> &'static [u8] {
        b"\n"
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        while !input.is_empty() {
            match (self.line, self.packet) {
                (Line::Outside, _) => {
                    if let Some(text) = take_text(input) {
                        return Ok(Progress::Text(text));
                    }
                    // What is not text begins with the first byte of a marker.
                    if let Some(marker) = take_first(input).and_then(Marker::by_first) {
                        self.line = Line::Marker(marker);
                    }
                }
                (Line::Marker(marker), _) => {
                    if !take_if(input, marker.second()) {
                        self.line = Line::Outside;
                        return Ok(Progress::Text(marker.as_text()));
                    }
                    self.begin(marker)?;
                }
                (Line::SkipMarker(marker), _) if take_if(input, marker.second()) => self.begin(marker)?,
                (Line::Symbols(quad), Packet::Open { have }) => {
                    if self.step(input, have, Some(quad))? {
                        return Ok(Progress::Message);
                    }
                }
                (Line::End, Packet::Open { have }) => {
                    if self.step(input, have, None)? {
                        return Ok(Progress::Message);
                    }
                }
                // In a line without a packet.
                _ => {
                    let stop = |byte: &u8| *byte == b'\n' || Marker::by_first(*byte).is_some();
                    let at = input.iter().position(stop).unwrap_or(input.len());
                    *input = input.get(at..).unwrap_or_default();
                    self.line = match take_first(input) {
                        None => Line::Skip,
                        Some(byte) => Marker::by_first(byte).map_or(Line::Outside, Line::SkipMarker),
                    };
                }
            }
        }
        Ok(Progress::More)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        if silence < self.abandon {
            return Ok(Progress::More);
        }
        if let Packet::Open { .. } = self.packet {
            // A first marker byte is still to be handed out as text, if the line after it does not exist.
            let line = if matches!(self.line, Line::Marker(_)) { self.line } else { Line::Outside };
            return self.fail(Error::Abandoned, line);
        }
        let line = core::mem::replace(&mut self.line, Line::Outside);
        Ok(if let Line::Marker(marker) = line { Progress::Text(marker.as_text()) } else { Progress::More })
    }

    fn message(&self) -> &[u8] {
        match self.packet {
            Packet::Complete { len } => self.buffer.get(LEN..).and_then(|rest| rest.get(..len)).unwrap_or_default(),
            _ => &[],
        }
    }

    fn reset(&mut self) {
        self.line = Line::Outside;
        self.packet = Packet::None;
    }
}

impl core::fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Console")
            .field("buffer", &self.buffer.len())
            .field("packet", &self.packet)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Console<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Console {{ buffer: {=usize}, packet: {} }}", self.buffer.len(), self.packet);
    }
}

impl Marker {
    const fn bytes(self) -> &'static [u8; 2] {
        match self {
            Self::Start => &[0x06, 0x09],
            Self::Next => &[0x04, 0x14],
        }
    }

    const fn by_first(byte: u8) -> Option<Self> {
        match byte {
            0x06 => Some(Self::Start),
            0x04 => Some(Self::Next),
            _ => None,
        }
    }

    const fn second(self) -> u8 {
        let [_, second] = *self.bytes();
        second
    }

    /// The first byte, where it was no marker after all.
    const fn as_text(self) -> &'static [u8] {
        self.bytes().split_at(1).0
    }
}

impl Quad {
    /// One symbol more: the group if it is complete, else the longer rest.
    const fn push(self, symbol: u8) -> Result<[u8; 4], Self> {
        let [a, b, c, _] = self.symbols;
        Err(match self.held {
            0 => Self { symbols: [symbol, 0, 0, 0], held: 1 },
            1 => Self { symbols: [a, symbol, 0, 0], held: 2 },
            2 => Self { symbols: [a, b, symbol, 0], held: 3 },
            _ => return Ok([a, b, c, symbol]),
        })
    }
}

/// Takes the text before the next marker, or before a last byte that may become one.
fn take_text<'i>(input: &mut &'i [u8]) -> Option<&'i [u8]> {
    let is_marker = |pair: &[u8]| pair == Marker::Start.bytes() || pair == Marker::Next.bytes();
    let run = input.windows(2).position(is_marker).unwrap_or_else(|| match input.split_last() {
        Some((last, before)) if Marker::by_first(*last).is_some() => before.len(),
        _ => input.len(),
    });
    let (text, rest) = input.split_at_checked(run).filter(|(text, _)| !text.is_empty())?;
    *input = rest;
    Some(text)
}

/// Takes the first byte.
fn take_first(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}

/// Takes the first byte if it is `wanted`.
fn take_if(input: &mut &[u8], wanted: u8) -> bool {
    input.split_first().filter(|(first, _)| **first == wanted).map(|(_, rest)| *input = rest).is_some()
}
