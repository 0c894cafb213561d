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
//! The decoder keeps two states: its place in a line, and how much of a packet it has:
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
//! # Two forms
//!
//! Whole groups of symbols that lie in one run of input or output go straight between it and the message, through tables. All
//! else, groups that are cut or padded and what is damaged, goes byte by byte. With the feature `small` everything does, and
//! the tables make way for comparisons: about half the flash, for three to four times the instructions on a Cortex-M and six times on a
//! host. What comes out is the same.
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

use core::ops::Range;
use core::time::Duration;

use super::{Error, Framing, Progress, Sizes};
use crate::checksum::Crc16;
use crate::time::Span;

mod base64;
mod encoder;

use base64::Group;
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
    lines: Lines<&'b mut [u8]>,
    abandon: Span,
}

/// The decoder, which leaves the place of a packet's bytes to its [`Store`].
///
/// [`Console`] stores them. Automatic framing only checks them as long as its buffer holds something else. One decoder for
/// both: a second one that only checks would accept other packets one day.
pub(super) struct Lines<S> {
    pub(super) store: S,
    line: Line,
    /// The longest line that is sent.
    longest: u16,
    packet: Packet,
}

/// The place where the bytes of a packet go, LEN and CRC included.
pub(super) trait Store {
    /// Length of the longest packet.
    fn capacity(&self) -> usize;

    /// Adds the byte at `at` of the packet: the one after the last, or the first of another packet. False if there is no room.
    fn put(&mut self, at: usize, byte: u8) -> bool;

    /// LEN, once its two bytes are there. None if they never fit.
    fn announced(&self) -> Option<[u8; LEN]>;

    /// The CRC of message and CRC, which end at `end`: 0 if they fit. None in a store that has no room for LEN.
    fn crc(&self, end: usize) -> Option<u16>;

    /// The room from `have` to `end` of the packet, for many bytes at once. Empty where each has to go through `put`.
    #[cfg(not(feature = "small"))]
    fn room(&mut self, have: usize, end: usize) -> &mut [u8];
}

impl Store for &mut [u8] {
    fn capacity(&self) -> usize {
        self.len()
    }

    fn put(&mut self, at: usize, byte: u8) -> bool {
        self.get_mut(at).map(|place| *place = byte).is_some()
    }

    fn announced(&self) -> Option<[u8; LEN]> {
        self.first_chunk().copied()
    }

    fn crc(&self, end: usize) -> Option<u16> {
        self.get(LEN..end).map(Crc16::of)
    }

    #[cfg(not(feature = "small"))]
    fn room(&mut self, have: usize, end: usize) -> &mut [u8] {
        self.get_mut(have..end).unwrap_or_default()
    }
}

/// Where in a line the decoder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Line {
    /// Outside of lines: bytes are text. Left by the first byte of a marker, to `Marker`.
    Outside,
    /// Outside of lines, after the first byte of a marker. Left by the next byte, or by silence: to `Symbols` or `Skip`
    /// if the marker is complete, else to `Outside`.
    Marker(Marker),
    /// In the symbols of a line of the open packet. Left by the line feed to `Outside`, by padding, space or carriage return
    /// to `End`, by a byte of a marker to `SkipMarker`, by damage to `Skip`, by silence to `Outside`.
    Symbols,
    /// Behind the symbols of a line of the open packet. Left as `Symbols` is.
    End,
    /// In a line that is of no use. Left by the line feed, or silence, to `Outside`, by the first byte of a marker to `SkipMarker`.
    Skip,
    /// As `Skip`, after the first byte of a marker. Left by the next byte: to `Symbols`, `Skip` or itself; by the line feed or
    /// silence to `Outside`.
    SkipMarker(Marker),
}

/// What the decoder has of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Packet {
    /// Nothing. Left by a start marker, to `Open`.
    None,
    /// The first `have` bytes, and the first symbols of the next `group`; the packet may go to `end` of the buffer: its own
    /// length if LEN is there, else all of it. Left to `Complete` or `None` at its last line's end, to `None` by damage, by silence,
    /// and to itself by another start marker.
    Open { have: usize, end: usize, group: Group },
    /// A message behind LEN, and its CRC up to `end`. Left by a start marker, to `Open`.
    Complete { end: usize },
}

/// The two markers, by their second bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Marker {
    /// Begins the first line of a packet.
    Start = 0x09,
    /// Begins every other line.
    Next = 0x14,
}

/// A length in half the memory.
const fn narrow(length: usize) -> u16 {
    #[expect(clippy::cast_possible_truncation, reason = "checked")]
    if length > u16::MAX as usize { u16::MAX } else { length as u16 }
}

/// What a byte led to.
#[derive(Clone, Copy)]
enum Step {
    More,
    Message,
    Failed(Error),
}

impl<'b> Console<'b> {
    /// Decodes into `buffer`; encodes lines of [`LINE`] bytes.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { lines: Lines::new(buffer), abandon: const { Span::limit(ABANDON) } }
    }

    /// Encodes lines of at most `length` bytes, with marker and line feed: rounded down to whole groups of four symbols,
    /// and never below one group (7 bytes) or above 65,535 bytes. The decoder takes lines of any length.
    #[must_use]
    pub const fn with_line(mut self, length: usize) -> Self {
        self.lines.longest = narrow(length);
        self
    }

    /// Gives up an incomplete packet after `silence` instead of [`ABANDON`].
    #[must_use]
    pub const fn with_abandon(self, silence: Duration) -> Self {
        Self { abandon: Span::limit(silence), ..self }
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

    /// The sizes that suit a receive buffer of `buffer` bytes and lines of at most 128 bytes; longer lines want an
    /// `out` as long as they are.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes::of_stream(Self::max_message(buffer), buffer)
    }
}

impl<S> Lines<S> {
    /// At a boundary: outside of lines, no packet.
    pub(super) const fn new(store: S) -> Self {
        Self { store, line: Line::Outside, longest: narrow(LINE), packet: Packet::None }
    }
}

impl<S: Store> Lines<S> {
    /// Whether a packet is open: begun, not ended, not damaged.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.packet, Packet::Open { .. })
    }

    /// Whether the decoder is at a boundary: no line, no open packet, no half marker.
    pub(super) fn is_idle(&self) -> bool {
        self.line == Line::Outside && !self.is_open()
    }

    /// Whether a packet is open whose LEN is there, at a place where a line may end.
    pub(super) fn may_end_line(&self) -> bool {
        matches!(self.packet, Packet::Open { have: LEN.., group: Group::EMPTY, .. })
    }

    /// Forgets line and packet, and goes on at this place in a line.
    pub(super) const fn restart(&mut self, line: Line) {
        self.line = line;
        self.packet = Packet::None;
    }

    /// Gives up a line that is of no use: what follows is text. A half marker in it may still become a whole one.
    pub(super) const fn leave_skip(&mut self) {
        match self.line {
            Line::Skip => self.line = Line::Outside,
            Line::SkipMarker(marker) => self.line = Line::Marker(marker),
            Line::Outside | Line::Marker(_) | Line::Symbols | Line::End => {}
        }
    }

    /// The bounds of the message that was completed last, in its packet.
    pub(super) const fn complete(&self) -> Option<Range<usize>> {
        match self.packet {
            Packet::Complete { end } => Some(LEN..end.wrapping_sub(CRC)),
            Packet::None | Packet::Open { .. } => None,
        }
    }

    /// Takes one byte that is not text.
    fn byte(&mut self, byte: u8) -> Step {
        let mut step = Step::More;
        match self.line {
            Line::Marker(marker) | Line::SkipMarker(marker) if byte == marker.second() => return self.begin(marker),
            Line::Symbols | Line::End => match self.symbol(byte) {
                None => return step,
                Some(end) => step = end,
            },
            _ => {}
        }
        if let Step::Failed(_) = step {
            self.packet = Packet::None;
        }
        self.line = match Marker::by_first(byte) {
            Some(marker) if self.line == Line::Outside => Line::Marker(marker),
            Some(marker) => Line::SkipMarker(marker),
            None if byte == b'\n' => Line::Outside,
            None => Line::Skip,
        };
        step
    }

    /// Drops the open packet, and the rest of the line.
    #[cfg(not(feature = "small"))]
    fn fail(&mut self, error: Error) -> Step {
        self.packet = Packet::None;
        self.line = Line::Skip;
        Step::Failed(error)
    }

    /// A marker is complete: begins a line of a new packet, of the open one, or of none.
    fn begin(&mut self, marker: Marker) -> Step {
        let open = self.is_open();
        self.line = if open || marker == Marker::Start { Line::Symbols } else { Line::Skip };
        if marker == Marker::Start {
            self.packet = Packet::Open { have: 0, end: self.store.capacity(), group: Group::EMPTY };
            if open {
                return Step::Failed(Error::Truncated);
            }
        }
        Step::More
    }

    /// Takes one byte of a line of the open packet. None if the line goes on behind it.
    fn symbol(&mut self, byte: u8) -> Option<Step> {
        let Packet::Open { group, .. } = &mut self.packet else { return None };
        if *group == Group::EMPTY {
            match byte {
                b'\n' => return Some(self.finish()),
                b' ' | b'\r' => {
                    self.line = Line::End;
                    return None;
                }
                _ => {}
            }
        }
        if self.line == Line::End || !group.push(byte) {
            let marker = Marker::by_first(byte).is_some();
            return Some(Step::Failed(if marker { Error::Truncated } else { Error::Malformed }));
        }
        if !group.is_full() {
            return None;
        }
        let group = core::mem::replace(group, Group::EMPTY);
        self.group(group).map(Step::Failed)
    }

    /// Takes a whole group of symbols.
    #[inline(never)] // In one piece with `push`, a compiler that saves space copies it for each state: 400 bytes.
    fn group(&mut self, group: Group) -> Option<Error> {
        let Packet::Open { have, end, .. } = &mut self.packet else { return None };
        let Some((mut bits, mut count)) = group.bytes() else { return Some(Error::Malformed) };
        if count < 3 {
            self.line = Line::End;
        }
        let known = *have >= LEN;
        while count > 0 {
            let [byte, ..] = bits.to_be_bytes();
            if *have >= *end || !self.store.put(*have, byte) {
                // With LEN known, the packet ends before the bytes do; without, the buffer does.
                return Some(if known { Error::Malformed } else { Error::TooLong });
            }
            bits <<= 8;
            count -= 1;
            *have = have.wrapping_add(1);
        }
        if let (false, LEN.., Some(len)) = (known, *have, self.store.announced()) {
            *end = usize::from(u16::from_be_bytes(len)).wrapping_add(LEN);
            if *end < LEN + MIN_MESSAGE + CRC {
                return Some(Error::Malformed);
            }
            if *end > self.store.capacity() {
                return Some(Error::TooLong);
            }
        }
        None
    }

    /// A line is over: tells whether the packet is, too.
    fn finish(&mut self) -> Step {
        let Packet::Open { have, end, .. } = self.packet else { return Step::More };
        if have != end {
            return Step::More;
        }
        match self.store.crc(end) {
            None => Step::More,
            Some(0) => {
                self.packet = Packet::Complete { end };
                Step::Message
            }
            Some(_) => Step::Failed(Error::Checksum),
        }
    }

    /// Takes whole groups of four symbols from the front of `input`, as far as they go.
    #[cfg(not(feature = "small"))]
    fn groups(&mut self, input: &mut &[u8]) -> Step {
        while let (Line::Symbols, Packet::Open { have, end, group: Group::EMPTY }) = (self.line, self.packet) {
            if have >= LEN {
                let count = base64::decode_quads(input, self.store.room(have, end));
                *input = input.get(count.wrapping_mul(4)..).unwrap_or_default();
                self.packet = Packet::Open { have: have.wrapping_add(count.wrapping_mul(3)), end, group: Group::EMPTY };
            }
            // The one that LEN begins, and the last.
            let mut group = Group::EMPTY;
            match input.split_first_chunk::<4>() {
                Some((quad, rest)) if quad.iter().all(|symbol| group.push(*symbol)) => *input = rest,
                _ => break,
            }
            if let Some(error) = self.group(group) {
                return self.fail(error);
            }
        }
        Step::More
    }

    /// As [`Framing::push`].
    pub(super) fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        loop {
            #[cfg(not(feature = "small"))]
            if let Step::Failed(error) = self.groups(input) {
                return Err(error);
            }
            let Some((byte, rest)) = input.split_first() else { return Ok(Progress::More) };
            match self.line {
                Line::Outside => {
                    let (text, rest) = input.split_at_checked(text_len(input)).unwrap_or_default();
                    if !text.is_empty() {
                        *input = rest;
                        return Ok(Progress::Text(text));
                    }
                }
                Line::Marker(marker) if *byte != marker.second() => {
                    self.line = Line::Outside;
                    return Ok(Progress::Text(marker.as_text()));
                }
                _ => {}
            }
            *input = rest;
            match self.byte(*byte) {
                Step::More => {}
                Step::Message => return Ok(Progress::Message),
                Step::Failed(error) => return Err(error),
            }
        }
    }

    /// As [`Framing::idle`]: gives up after `abandon`.
    pub(super) fn idle(&mut self, silence: Span, abandon: Span) -> Result<Progress<'static>, Error> {
        if !silence.reaches(abandon) {
            return Ok(Progress::More);
        }
        let marker = if let Line::Marker(marker) = self.line { Some(marker) } else { None };
        if let Packet::Open { .. } = self.packet {
            self.packet = Packet::None;
            // A first marker byte is still to be handed out as text, if the line after it does not exist.
            if marker.is_none() {
                self.line = Line::Outside;
            }
            return Err(Error::Abandoned);
        }
        self.line = Line::Outside;
        Ok(marker.map_or(Progress::More, |marker| Progress::Text(marker.as_text())))
    }
}

impl Framing for Console<'_> {
    const OVERHEAD: usize = LEN + CRC;
    const PACED: bool = false;

    /// A shell that was sent an empty line prints its prompt first: Zephyr's shell transport loses a frame that follows the
    /// line feed within 10 ms, and none after 50 ms.
    const SETTLE: Duration = Duration::from_millis(50);

    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        Encoder::in_lines(message, self.lines.longest.into())
    }

    fn sizes(&self) -> Sizes {
        let sizes = Self::sizes_of(self.lines.store.capacity());
        Sizes { out: sizes.out.max(self.lines.longest.into()), ..sizes }
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        Encoder::encoded_len(message, self.lines.longest.into())
    }

    /// One line feed: it ends whatever the receiver has of a line.
    fn preamble(&self) -> &'static [u8] {
        b"\n"
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        self.lines.push(input)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        self.silent(Span::of(silence))
    }

    fn silent(&mut self, silence: Span) -> Result<Progress<'static>, Error> {
        self.lines.idle(silence, self.abandon)
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

impl Marker {
    /// The first byte of each.
    const START: u8 = 0x06;
    const NEXT: u8 = 0x04;

    const fn by_first(byte: u8) -> Option<Self> {
        match byte {
            Self::START => Some(Self::Start),
            Self::NEXT => Some(Self::Next),
            _ => None,
        }
    }

    const fn second(self) -> u8 {
        self as u8
    }

    /// Both bytes, the first one lowest.
    const fn bytes(self) -> u16 {
        let [first] = *self.as_text();
        u16::from_le_bytes([first, self.second()])
    }

    /// The first byte, where it was no marker after all.
    const fn as_text(self) -> &'static [u8; 1] {
        match self {
            Self::Start => &[Self::START],
            Self::Next => &[Self::NEXT],
        }
    }
}

/// The length of the text before the next marker, or before a last byte that may become one.
#[inline(never)] // As `group`.
fn text_len(input: &[u8]) -> usize {
    let mut rest = input;
    while let Some((first, behind)) = rest.split_first() {
        match (Marker::by_first(*first), behind.first()) {
            (Some(_), None) => break,
            (Some(marker), Some(second)) if *second == marker.second() => break,
            _ => rest = behind,
        }
    }
    input.len().saturating_sub(rest.len())
}
