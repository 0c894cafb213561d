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
//! # Two forms
//!
//! Whole groups of symbols that lie in one run of input or output are converted directly, through
//! tables. Everything else (cut or padded groups, damage) goes byte by byte. With the feature
//! `small` everything goes byte by byte, and comparisons replace the tables: about half the flash,
//! for three to four times the instructions on a Cortex-M and six times on a host. The results are
//! the same.
//!
//! # Text
//!
//! Bytes outside of lines are returned as [`Progress::Text`], in runs that are as long as the input
//! allows. Text may come before a frame, even on its line, and between two lines of one packet. The
//! line feed of a line belongs to the line. Text that cuts a line in two cannot be distinguished
//! from damage: it is lost with the rest of that line.
//!
//! # Interpretation
//!
//! * Each line is a base64 text of its own, as for Zephyr's and MCUboot's servers: padding may end
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
//! * Half a line is dropped after the silence limit: what follows it is text.

use core::ops::Range;
use core::time::Duration;

use super::{Error, Framing, Progress, Sizes};
use crate::checksum::Crc16;
use crate::time::Span;

mod base64;
mod encoder;

use base64::Group;
pub use encoder::Encoder;

/// Default length of the longest line, marker and line feed included: every known receiver accepts
/// it.
pub const LINE: usize = 127;

/// Default silence after which an incomplete packet is dropped, counted from its last byte.
pub const ABANDON: Duration = Duration::from_secs(3);

/// Shortest message: an SMP header.
const MIN_MESSAGE: usize = 8;
/// Bytes of LEN.
const LEN: usize = 2;
/// Bytes of the CRC.
const CRC: usize = 2;

/// Decodes and encodes SMP over a console, in a buffer of the caller.
///
/// The buffer holds a decoded packet with LEN and CRC: with `n` bytes it fits messages of up to
/// `n - 4` bytes, as a device that offers `buf_size` does. See [`buffer_len`](Self::buffer_len).
pub struct Console<'b> {
    lines: Lines<&'b mut [u8]>,
    abandon: Span,
}

/// The decoder, generic over the [`Store`] that holds a packet's bytes.
///
/// [`Console`] stores them. Automatic framing only checks them while its buffer holds something
/// else. Both use this one decoder, because a second one would one day accept different packets.
pub(super) struct Lines<S> {
    pub(super) store: S,
    line: Line,
    /// The longest line that is sent.
    longest: u16,
    packet: Packet,
}

/// A destination for the bytes of a packet, LEN and CRC included.
pub(super) trait Store {
    /// Returns the length of the longest packet.
    fn capacity(&self) -> usize;

    /// Stores the byte at `at` of the packet: the one after the last, or the first of another
    /// packet. Returns false if there is no room.
    fn put(&mut self, at: usize, byte: u8) -> bool;

    /// Returns LEN once its two bytes are there; `None` if they never fit.
    fn announced(&self) -> Option<[u8; LEN]>;

    /// Returns the CRC over message and CRC, which end at `end`: 0 if it is right. `None` in a
    /// store that has no room for LEN.
    fn crc(&self, end: usize) -> Option<u16>;

    /// Returns the room from `have` to `end` of the packet, for many bytes at once; empty if each
    /// byte has to go through `put`.
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

/// The position of the decoder in a line. A reset leads from each to `Outside`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Line {
    /// Outside of lines: bytes are text. Exit: the first byte of a marker, to `Marker`.
    Outside,
    /// Outside of lines, after the first byte of a marker. Exits: the second byte of the marker, to
    /// `Symbols` if it begins a packet or one is open, else to `Skip`; another byte or silence, to
    /// `Outside`.
    Marker(Marker),
    /// In the symbols of a line of the open packet. Exits: line feed or silence, to `Outside`;
    /// padding, space or carriage return, to `End`; the first byte of a marker, to `SkipMarker`;
    /// damage, to `Skip`.
    Symbols,
    /// After the symbols of a line of the open packet. Exits: those of `Symbols`, where a further
    /// symbol is damage, too.
    End,
    /// In a line that is useless. Exits: line feed or silence, to `Outside`; the first byte of a
    /// marker, to `SkipMarker`.
    Skip,
    /// In a useless line, after the first byte of a marker. Exits: the second byte of the marker,
    /// to `Symbols` if it begins a packet or one is open, else to `Skip`; the first byte of a
    /// marker, to itself; line feed or silence, to `Outside`; any other byte, to `Skip`; the short
    /// silence of automatic framing, to `Marker`.
    SkipMarker(Marker),
}

/// The progress of the decoder in a packet. A reset leads from each to `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Packet {
    /// No packet. Exit: a start marker, to `Open`.
    None,
    /// The first `have` bytes, and the first symbols of the next `group`. The packet ends at `end`:
    /// its own length once LEN is there, else the end of the buffer. Exits: the end of its last
    /// line, to `Complete` if the CRC is right, else to `None`; damage or silence, to `None`;
    /// another start marker, to itself.
    Open { have: usize, end: usize, group: Group },
    /// LEN, a message and its CRC, up to `end`. Exit: a start marker, to `Open`.
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

/// Converts a length to 16 bits; longer ones become 65,535.
const fn narrow(length: usize) -> u16 {
    #[expect(clippy::cast_possible_truncation, reason = "checked")]
    if length > u16::MAX as usize { u16::MAX } else { length as u16 }
}

/// The result of one byte.
#[derive(Clone, Copy)]
enum Step {
    /// Nothing yet.
    More,
    /// A message is complete.
    Message,
    /// The packet is dropped.
    Failed(Error),
}

impl<'b> Console<'b> {
    /// Decodes into `buffer`; encodes lines of [`LINE`] bytes.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { lines: Lines::new(buffer), abandon: Span::limit(ABANDON) }
    }

    /// Encodes lines of at most `length` bytes, with marker and line feed: rounded down to whole
    /// groups of four symbols, and never below one group (7 bytes) or above 65,535 bytes. The
    /// decoder accepts lines of any length.
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

    /// Returns the bytes on the wire of a message of `message` bytes, in lines of [`LINE`] bytes.
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

impl<S> Lines<S> {
    /// A decoder at a boundary: outside of lines, no packet.
    pub(super) const fn new(store: S) -> Self {
        Self { store, line: Line::Outside, longest: narrow(LINE), packet: Packet::None }
    }
}

impl<S: Store> Lines<S> {
    /// Returns true if a packet has begun, and neither ended nor been damaged.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.packet, Packet::Open { .. })
    }

    /// Returns true at a boundary: no line, no open packet, no half marker.
    pub(super) fn is_idle(&self) -> bool {
        self.line == Line::Outside && !self.is_open()
    }

    /// Returns true at a place where a line may end, in an open packet whose LEN is there.
    pub(super) fn may_end_line(&self) -> bool {
        matches!(self.packet, Packet::Open { have: LEN.., group: Group::EMPTY, .. })
    }

    /// Discards line and packet, and continues at this position in a line.
    pub(super) const fn restart(&mut self, line: Line) {
        self.line = line;
        self.packet = Packet::None;
    }

    /// Leaves a useless line: what follows is text. Half a marker in it may still become a whole
    /// one.
    pub(super) const fn leave_skip(&mut self) {
        match self.line {
            Line::Skip => self.line = Line::Outside,
            Line::SkipMarker(marker) => self.line = Line::Marker(marker),
            Line::Outside | Line::Marker(_) | Line::Symbols | Line::End => {}
        }
    }

    /// Returns the bounds of the message that was completed last, in its packet.
    pub(super) const fn complete(&self) -> Option<Range<usize>> {
        match self.packet {
            Packet::Complete { end } => Some(LEN..end.wrapping_sub(CRC)),
            Packet::None | Packet::Open { .. } => None,
        }
    }

    /// Handles one byte that is not text.
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

    /// Drops the open packet and the rest of the line.
    #[cfg(not(feature = "small"))]
    fn fail(&mut self, error: Error) -> Step {
        self.packet = Packet::None;
        self.line = Line::Skip;
        Step::Failed(error)
    }

    /// Begins a line after a complete marker: of a new packet, of the open one, or of none.
    fn begin(&mut self, marker: Marker) -> Step {
        let open = self.is_open();
        self.line = if open || marker == Marker::Start { Line::Symbols } else { Line::Skip };
        if marker == Marker::Start {
            self.packet = Packet::Open { have: 0, end: self.store.capacity(), group: Group::EMPTY };
            if open {
                // The new packet is open: only the one that it cut off is lost.
                return Step::Failed(Error::Truncated);
            }
        }
        Step::More
    }

    /// Handles one byte of a line of the open packet. Returns `None` if the line continues after
    /// it.
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
            // A marker byte means a new line, so this one was cut off; any other byte is damage.
            let marker = Marker::by_first(byte).is_some();
            return Some(Step::Failed(if marker { Error::Truncated } else { Error::Malformed }));
        }
        if !group.is_full() {
            return None;
        }
        let group = core::mem::replace(group, Group::EMPTY);
        self.group(group).map(Step::Failed)
    }

    /// Stores a whole group of symbols.
    // Not inlined: a compiler that saves space would copy it for each state of `push`, 400 bytes.
    #[inline(never)]
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

    /// Ends a line, and the packet too if it is complete.
    fn finish(&mut self) -> Step {
        let Packet::Open { have, end, .. } = self.packet else { return Step::More };
        if have != end {
            return Step::More;
        }
        match self.store.crc(end) {
            // The buffer has no room for LEN, so `end` says nothing.
            None => Step::More,
            Some(0) => {
                self.packet = Packet::Complete { end };
                Step::Message
            }
            Some(_) => Step::Failed(Error::Checksum),
        }
    }

    /// Decodes whole groups of four symbols from the front of `input`.
    #[cfg(not(feature = "small"))]
    fn groups(&mut self, input: &mut &[u8]) -> Step {
        while let (Line::Symbols, Packet::Open { have, end, group: Group::EMPTY }) = (self.line, self.packet) {
            if have >= LEN {
                let count = base64::decode_quads(input, self.store.room(have, end));
                *input = input.get(count.wrapping_mul(4)..).unwrap_or_default();
                self.packet = Packet::Open { have: have.wrapping_add(count.wrapping_mul(3)), end, group: Group::EMPTY };
            }
            // Byte by byte: the group that begins with LEN, which sets `end`, and the one that is
            // padded.
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

    /// Does the work of [`Framing::push`].
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
                // The first byte of the marker was text. This byte stays in the input, since it may
                // begin a marker itself.
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

    /// Does the work of [`Framing::idle`], with the silence limit `abandon`.
    pub(super) fn idle(&mut self, silence: Duration, abandon: Span) -> Result<Progress<'static>, Error> {
        if !Span::of(silence).reaches(abandon) {
            return Ok(Progress::More);
        }
        let marker = if let Line::Marker(marker) = self.line { Some(marker) } else { None };
        if let Packet::Open { .. } = self.packet {
            self.packet = Packet::None;
            // Half a marker stays: it may still become text, which the next call returns.
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

    /// A shell answers an empty line with its prompt first: Zephyr's shell transport loses a frame
    /// that follows the line feed within 10 ms, and none after 50 ms.
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

    /// One line feed: it ends any partial line of the receiver.
    fn preamble(&self) -> &'static [u8] {
        b"\n"
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        self.lines.push(input)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
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
    /// The first byte of a start marker.
    const START: u8 = 0x06;
    /// The first byte of every other marker.
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

    /// Returns both bytes, the first one lowest.
    const fn bytes(self) -> u16 {
        let [first] = *self.as_text();
        u16::from_le_bytes([first, self.second()])
    }

    /// Returns the first byte, for when it turns out to be text.
    const fn as_text(self) -> &'static [u8; 1] {
        match self {
            Self::Start => &[Self::START],
            Self::Next => &[Self::NEXT],
        }
    }
}

/// Returns the length of the text in front of the next marker, or of a last byte that may become
/// one.
// Not inlined for the reason of `group`.
#[inline(never)]
fn text_len(input: &[u8]) -> usize {
    let mut rest = input;
    while let Some((first, after)) = rest.split_first() {
        match (Marker::by_first(*first), after.first()) {
            (Some(_), None) => break,
            (Some(marker), Some(second)) if *second == marker.second() => break,
            _ => rest = after,
        }
    }
    input.len().saturating_sub(rest.len())
}
