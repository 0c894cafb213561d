//! The decoder of lines and packets.

use core::ops::Range;

use super::base64::{self, FIRMWARE, FORM, Group, SMALL};
use super::packet::{CRC, LEN, LINE, Marker, groups};
use super::store::Store;
use crate::framing::head::MIN_MESSAGE;
use crate::framing::{Error, Progress};

mod runs;

/// The decoder, generic over the [`Store`] that holds a packet's bytes.
///
/// [`Console`] stores them. Automatic framing only checks them while its buffer holds something
/// else. Both share this decoder, because a second one would sooner or later accept different
/// packets.
pub(in crate::framing) struct Lines<S> {
    pub(in crate::framing) store: S,
    line: Line,
    /// Groups of symbols in a full line that is sent.
    pub(super) width: u16,
    pub(super) packet: Packet,
}

/// The position of the decoder in a line. A reset leads from every state to `Outside`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(in crate::framing) enum Line {
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
    /// After the symbols of a line of the open packet. Exits: those of `Symbols`, but a further
    /// symbol is damage.
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

/// The progress of the decoder in a packet. A reset leads from every state to `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Packet {
    /// No packet. Exit: a start marker, to `Open`.
    None,
    /// The first `have` bytes, and the first symbols of the next `group`. The packet ends at `end`:
    /// its own length once LEN has arrived, else the end of the buffer. Exits: the end of its last
    /// line, to `Complete` if the CRC is right, else to `None`; damage or silence, to `None`;
    /// another start marker, to itself.
    Open { have: usize, end: usize, group: Group },
    /// LEN, a message and its CRC, up to `end`. Exit: a start marker, to `Open`.
    Complete { end: usize },
}

/// The effect of one byte.
#[derive(Clone, Copy)]
enum Step {
    /// No message and no error: more bytes are needed.
    More,
    /// A message is complete.
    Message,
    /// The packet is dropped.
    Failed(Error),
}

impl<S> Lines<S> {
    /// A decoder at a boundary: outside of lines, no packet.
    pub(in crate::framing) const fn new(store: S) -> Self {
        Self { store, line: Line::Outside, width: groups(LINE), packet: Packet::None }
    }
}

impl<S: Store> Lines<S> {
    /// Returns true if a packet has begun, and neither ended nor been damaged.
    pub(in crate::framing) const fn is_open(&self) -> bool {
        matches!(self.packet, Packet::Open { .. })
    }

    /// Returns true at a boundary: no line, no open packet, no half marker.
    pub(in crate::framing) fn is_idle(&self) -> bool {
        self.line == Line::Outside && !self.is_open()
    }

    /// Returns true at a place where a line may end, in an open packet whose LEN has arrived.
    pub(in crate::framing) fn may_end_line(&self) -> bool {
        matches!(self.packet, Packet::Open { have: LEN.., group: Group::EMPTY, .. })
    }

    /// Returns true if the open packet is complete and its CRC is right: a line feed ends it.
    pub(in crate::framing) fn may_complete(&self) -> bool {
        match self.packet {
            Packet::Open { have, end, group: Group::EMPTY } => have == end && self.store.crc(end) == Some(0),
            Packet::Open { .. } | Packet::None | Packet::Complete { .. } => false,
        }
    }

    /// Discards line and packet, and continues at this position in a line.
    pub(in crate::framing) const fn restart(&mut self, line: Line) {
        self.line = line;
        self.packet = Packet::None;
    }

    /// Leaves a useless line: the next bytes are text. Half a marker in it may still become a whole
    /// one.
    pub(in crate::framing) const fn leave_skip(&mut self) {
        match self.line {
            Line::Skip => self.line = Line::Outside,
            Line::SkipMarker(marker) => self.line = Line::Marker(marker),
            Line::Outside | Line::Marker(_) | Line::Symbols | Line::End => {}
        }
    }

    /// Returns the bounds of the message that was completed last, in its packet.
    pub(in crate::framing) const fn complete(&self) -> Option<Range<usize>> {
        match self.packet {
            Packet::Complete { end } => Some(LEN..end.wrapping_sub(CRC)),
            Packet::None | Packet::Open { .. } => None,
        }
    }

    /// Handles one byte that is not text.
    // Not inlined in firmware: 72 to 136 bytes of flash.
    #[cfg_attr(target_os = "none", inline(never))]
    fn byte<const FORM: u8>(&mut self, byte: u8) -> Step {
        let mut step = Step::More;
        match self.line {
            // Even in a useless line: a marker always begins a line.
            Line::Marker(marker) | Line::SkipMarker(marker) if byte == marker.second() => return self.begin(marker),
            Line::Symbols | Line::End => match self.symbol::<FORM>(byte) {
                None => return step,
                Some(end) => step = end,
            },
            _ => {}
        }
        // The packet cannot be completed any more; its other lines are skipped.
        if let Step::Failed(_) = step {
            self.packet = Packet::None;
        }
        self.line = match Marker::by_first(byte) {
            // After text the byte may still turn out to be text; in a useless line it is dropped.
            Some(marker) if self.line == Line::Outside => Line::Marker(marker),
            Some(marker) => Line::SkipMarker(marker),
            None if byte == b'\n' => Line::Outside,
            None => Line::Skip,
        };
        step
    }

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
    fn symbol<const FORM: u8>(&mut self, byte: u8) -> Option<Step> {
        let Packet::Open { group, .. } = &mut self.packet else { return None };
        if *group == Group::EMPTY {
            match byte {
                b'\n' => return Some(self.finish()),
                // Some senders add these at the end of a line.
                b' ' | b'\r' => {
                    self.line = Line::End;
                    return None;
                }
                _ => {}
            }
        }
        if self.line == Line::End || !group.push::<FORM>(byte) {
            // A marker byte means a new line, so this one was cut off; any other byte is damage.
            let marker = Marker::by_first(byte).is_some();
            return Some(Step::Failed(if marker { Error::Truncated } else { Error::Malformed }));
        }
        if !group.is_full() {
            return None;
        }
        let group = core::mem::replace(group, Group::EMPTY);
        self.group::<FORM>(group).map(Step::Failed)
    }

    /// Stores a whole group of symbols.
    // Not inlined: when the compiler optimises for size, it would copy this for each state of
    // `push`, 400 bytes in all.
    #[inline(never)]
    fn group<const FORM: u8>(&mut self, group: Group) -> Option<Error> {
        let Packet::Open { have, end, .. } = &mut self.packet else { return None };
        let Some((bits, count)) = group.bytes::<FORM>() else { return Some(Error::Malformed) };
        // Padding ends the line: more symbols would be damage.
        if count < 3 {
            self.line = Line::End;
        }
        let known = *have >= LEN;
        let next = have.wrapping_add(count);
        if next > *end || !self.store.put(*have, bits, count) {
            // If LEN is known, the packet has more bytes than it announced; else it does not fit
            // the buffer.
            return Some(if known { Error::Malformed } else { Error::TooLong });
        }
        *have = next;
        if !known
            && next >= LEN
            && let Some(len) = self.store.announced()
        {
            *end = usize::from(u16::from_be_bytes(len)).wrapping_add(LEN);
            // Reported now, not at the end of a packet that cannot be valid.
            if *end < LEN + MIN_MESSAGE + CRC {
                return Some(Error::Malformed);
            }
            // Reported now, not when the buffer is full: the sender could continue for a long time.
            if *end > self.store.capacity() {
                return Some(Error::TooLong);
            }
        }
        None
    }

    /// Ends a line, and the packet too if it is complete.
    fn finish(&mut self) -> Step {
        let Packet::Open { have, end, .. } = self.packet else { return Step::More };
        // The packet continues in another line.
        if have != end {
            return Step::More;
        }
        match self.store.crc(end) {
            // The buffer has no room for LEN, so `end` means nothing.
            None => Step::More,
            Some(0) => {
                self.packet = Packet::Complete { end };
                Step::Message
            }
            Some(_) => Step::Failed(Error::Checksum),
        }
    }

    /// Decodes groups of symbols at the front of `input`. The bytes that it leaves, including cut
    /// groups, are handled by `symbol`.
    // A host has `runs` instead, which does more and takes more flash. The groups of LEN and of
    // padding here take 212 bytes on a Cortex-M0, and 199 instructions from the shortest frame.
    fn groups(&mut self, input: &mut &[u8]) -> Step {
        while let (Line::Symbols, Packet::Open { have, end, group }) = (self.line, &mut self.packet) {
            // Not a part of the pattern above: a console takes 28 bytes less flash on a Cortex-M0
            // this way.
            if *group != Group::EMPTY {
                break;
            }
            if *have >= LEN {
                *have = have.wrapping_add(base64::decode_quads::<FIRMWARE>(input, self.store.room(*have, *end)));
            }
            // What is left: the group with LEN, a padded one, or one too many.
            let Some((quad, rest)) = input.split_first_chunk::<4>() else { break };
            // At the end of a line, as usual: no need for its values.
            if let [b'\n', ..] = quad {
                break;
            }
            let Some(group) = Group::of(*quad) else { break };
            *input = rest;
            if let Some(error) = self.group::<FIRMWARE>(group) {
                return self.fail(error);
            }
        }
        Step::More
    }

    pub(in crate::framing) fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        self.run::<FORM>(input)
    }

    /// Does the same, in one of the forms.
    pub(super) fn run<'i, const FORM: u8>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        loop {
            let step = match FORM {
                SMALL => Step::More,
                FIRMWARE => self.groups(input),
                _ => self.runs(input),
            };
            match step {
                Step::More => {}
                Step::Message => return Ok(Progress::Message),
                Step::Failed(error) => return Err(error),
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
            let step = self.byte::<FORM>(*byte);
            if let Step::More = step {
                continue;
            }
            let Step::Failed(error) = step else { return Ok(Progress::Message) };
            return Err(error);
        }
    }

    /// Does the work of [`Framing::idle`]; `over` is true if the silence has reached its limit.
    pub(in crate::framing) fn idle(&mut self, over: bool) -> Result<Progress<'static>, Error> {
        if !over {
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

/// Returns the length of the text in front of the next marker, or of a last byte that may become
/// one.
// Not inlined, for the same reason as `group`.
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
    // Cannot wrap: `rest` is the end of the input.
    input.len().wrapping_sub(rest.len())
}
