//! The decoder of lines and packets.

use core::ops::Range;
use core::time::Duration;

#[cfg(not(feature = "small"))]
use super::base64;
use super::base64::Group;
use super::packet::{CRC, LEN, LINE, Marker, narrow};
use crate::checksum::Crc16;
use crate::framing::head::SMP_HEADER;
use crate::framing::{Error, Progress};
use crate::time::Span;

/// The decoder, which leaves the place of a packet's bytes to its [`Store`].
///
/// [`Console`] stores them. Automatic framing only checks them as long as its buffer holds
/// something else. One decoder for both: a second one that only checks would accept other packets
/// one day.
pub(in crate::framing) struct Lines<S> {
    pub(in crate::framing) store: S,
    line: Line,
    /// The longest line that is sent.
    pub(super) longest: u16,
    pub(super) packet: Packet,
}

/// The place where the bytes of a packet go, LEN and CRC included.
pub(in crate::framing) trait Store {
    /// Length of the longest packet.
    fn capacity(&self) -> usize;

    /// Adds the byte at `at` of the packet: the one after the last, or the first of another packet.
    /// False if there is no room.
    fn put(&mut self, at: usize, byte: u8) -> bool;

    /// LEN, once its two bytes are there. None if they never fit.
    fn announced(&self) -> Option<[u8; LEN]>;

    /// The CRC of message and CRC, which end at `end`: 0 if they fit. None in a store that has no
    /// room for LEN.
    fn crc(&self, end: usize) -> Option<u16>;

    /// The room from `have` to `end` of the packet, for many bytes at once. Empty where each has to
    /// go through `put`.
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
pub(in crate::framing) enum Line {
    /// Outside of lines: bytes are text. Left by the first byte of a marker, to `Marker`.
    Outside,
    /// Outside of lines, after the first byte of a marker. Left by the next byte, or by silence: to
    /// `Symbols` or `Skip` if the marker is complete, else to `Outside`.
    Marker(Marker),
    /// In the symbols of a line of the open packet. Left by the line feed to `Outside`, by padding,
    /// space or carriage return to `End`, by a byte of a marker to `SkipMarker`, by damage to
    /// `Skip`, by silence to `Outside`.
    Symbols,
    /// Behind the symbols of a line of the open packet. Left as `Symbols` is.
    End,
    /// In a line that is of no use. Left by the line feed, or silence, to `Outside`, by the first
    /// byte of a marker to `SkipMarker`.
    Skip,
    /// As `Skip`, after the first byte of a marker. Left by the next byte: to `Symbols`, `Skip` or
    /// itself; by the line feed or silence to `Outside`.
    SkipMarker(Marker),
}

/// What the decoder has of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Packet {
    /// Nothing. Left by a start marker, to `Open`.
    None,
    /// The first `have` bytes, and the first symbols of the next `group`; the packet may go to
    /// `end` of the buffer: its own length if LEN is there, else all of it. Left to `Complete` or
    /// `None` at its last line's end, to `None` by damage, by silence, and to itself by another
    /// start marker.
    Open { have: usize, end: usize, group: Group },
    /// A message behind LEN, and its CRC up to `end`. Left by a start marker, to `Open`.
    Complete { end: usize },
}

/// What a byte led to.
#[derive(Clone, Copy)]
enum Step {
    More,
    Message,
    Failed(Error),
}

impl<S> Lines<S> {
    /// At a boundary: outside of lines, no packet.
    pub(in crate::framing) const fn new(store: S) -> Self {
        Self { store, line: Line::Outside, longest: narrow(LINE), packet: Packet::None }
    }
}

impl<S: Store> Lines<S> {
    /// Whether a packet is open: begun, not ended, not damaged.
    pub(in crate::framing) const fn is_open(&self) -> bool {
        matches!(self.packet, Packet::Open { .. })
    }

    /// Whether the decoder is at a boundary: no line, no open packet, no half marker.
    pub(in crate::framing) fn is_idle(&self) -> bool {
        self.line == Line::Outside && !self.is_open()
    }

    /// Whether a packet is open whose LEN is there, at a place where a line may end.
    pub(in crate::framing) fn may_end_line(&self) -> bool {
        matches!(self.packet, Packet::Open { have: LEN.., group: Group::EMPTY, .. })
    }

    /// Forgets line and packet, and goes on at this place in a line.
    pub(in crate::framing) const fn restart(&mut self, line: Line) {
        self.line = line;
        self.packet = Packet::None;
    }

    /// Gives up a line that is of no use: what follows is text. A half marker in it may still
    /// become a whole one.
    pub(in crate::framing) const fn leave_skip(&mut self) {
        match self.line {
            Line::Skip => self.line = Line::Outside,
            Line::SkipMarker(marker) => self.line = Line::Marker(marker),
            Line::Outside | Line::Marker(_) | Line::Symbols | Line::End => {}
        }
    }

    /// The bounds of the message that was completed last, in its packet.
    pub(in crate::framing) const fn complete(&self) -> Option<Range<usize>> {
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
            if *end < LEN + SMP_HEADER + CRC {
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
    pub(in crate::framing) fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
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
    pub(in crate::framing) fn idle(&mut self, silence: Duration, abandon: Span) -> Result<Progress<'static>, Error> {
        if !Span::of(silence).reaches(abandon) {
            return Ok(Progress::More);
        }
        let marker = if let Line::Marker(marker) = self.line { Some(marker) } else { None };
        if let Packet::Open { .. } = self.packet {
            self.packet = Packet::None;
            // A first marker byte is still to be handed out as text, if the line after it does not
            // exist.
            if marker.is_none() {
                self.line = Line::Outside;
            }
            return Err(Error::Abandoned);
        }
        self.line = Line::Outside;
        Ok(marker.map_or(Progress::More, |marker| Progress::Text(marker.as_text())))
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
