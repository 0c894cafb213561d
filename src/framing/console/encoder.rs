//! The sending side: LEN, message and CRC as one stream of bytes, cut into lines.

use super::super::{Encoder as Encode, Error};
use super::{CRC, LEN, LINE, MIN_MESSAGE, Marker, base64};
use crate::checksum::Crc16;

/// Puts one message into console lines. The CRC is computed when it is built: one pass more over the message.
#[derive(Clone)]
pub struct Encoder<'m> {
    message: &'m [u8],
    len: [u8; LEN],
    crc: [u8; CRC],
    /// Bytes of the packet that are out. A multiple of 3, except at its end.
    at: usize,
    /// Groups of symbols in a full line.
    width: usize,
    state: State,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// The marker of a line, then `Groups`.
    Marker,
    /// At most so many groups of symbols in this line, at least one; then `Feed`.
    Groups(usize),
    /// The line feed; then `Marker`, or `Done` behind the last byte of the packet.
    Feed,
    /// Nothing.
    Done,
}

impl<'m> Encoder<'m> {
    /// The longest message: LEN counts it and the CRC in 16 bits.
    pub const MAX_MESSAGE: usize = u16::MAX as usize - CRC;

    /// Encodes `message` in lines of [`LINE`] bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if the message is shorter than an SMP header, 8 bytes, or longer than
    /// [`MAX_MESSAGE`](Self::MAX_MESSAGE).
    pub fn new(message: &'m [u8]) -> Result<Self, Error> {
        match u16::try_from(message.len().saturating_add(CRC)) {
            Ok(len) if message.len() >= MIN_MESSAGE => Ok(Self {
                message,
                len: len.to_be_bytes(),
                crc: Crc16::of(message).to_be_bytes(),
                at: 0,
                width: groups(LINE),
                state: State::Marker,
            }),
            _ => Err(Error::Unsendable),
        }
    }

    /// Lines of at most `length` bytes, with marker and line feed: rounded down to whole groups of four symbols, and never
    /// below one group (7 bytes). To be called before the first [`next`](Encode::next).
    #[must_use]
    pub const fn with_line(self, length: usize) -> Self {
        Self { width: groups(length), ..self }
    }

    /// The bytes on the wire of a message of `message` bytes in lines of at most `line` bytes.
    #[must_use]
    pub const fn encoded_len(message: usize, line: usize) -> usize {
        let quads = message.saturating_add(LEN + CRC).div_ceil(3);
        let lines = match quads.checked_div(groups(line)) {
            Some(full) if full.saturating_mul(groups(line)) == quads => full,
            Some(full) => full.saturating_add(1),
            None => 0,
        };
        quads.saturating_mul(4).saturating_add(lines.saturating_mul(3))
    }

    /// The length of the packet.
    const fn total(&self) -> usize {
        self.message.len().saturating_add(LEN + CRC)
    }

    /// Encodes groups into `out`, at most `limit`; returns how many.
    fn groups(&mut self, limit: usize, out: &mut [u8]) -> usize {
        let room = out.len().min(limit.saturating_mul(4));
        let out = out.get_mut(..room).unwrap_or_default();
        // Between the group that LEN begins and the one that the CRC begins, whole groups lie in the message.
        let inside = self.at.checked_sub(LEN).and_then(|at| self.message.get(at..)).unwrap_or_default();
        let count =
            if inside.len() < 3 { usize::from(self.edge_group(out)) } else { base64::encode_triples(inside, out) };
        self.at = self.at.wrapping_add(count.wrapping_mul(3)).min(self.total());
        count
    }

    /// Encodes one group at either end of the message, if `out` has room.
    fn edge_group(&self, out: &mut [u8]) -> bool {
        let ([l, m], [c, d]) = (self.len, self.crc);
        let (bytes, count) = match (self.at.checked_sub(LEN), self.message) {
            (None, [a, ..]) => ([l, m, *a], 3),
            (None, []) => return false,
            (Some(at), message) => match message.get(at..) {
                Some([a, b, ..]) => ([*a, *b, c], 3),
                Some([a]) => ([*a, c, d], 3),
                Some([]) => ([c, d, 0], 2),
                None => ([d, 0, 0], 1),
            },
        };
        let Some(quad) = out.first_chunk_mut() else { return false };
        *quad = base64::encode_padded(bytes, count);
        true
    }
}

impl Encode for Encoder<'_> {
    const MIN_OUT: usize = 4;

    fn next(&mut self, out: &mut [u8]) -> usize {
        let mut written = 0;
        loop {
            let rest = out.get_mut(written..).unwrap_or_default();
            let (count, state) = match self.state {
                State::Marker => {
                    let Some(place) = rest.first_chunk_mut() else { break };
                    *place = *if self.at == 0 { Marker::Start.bytes() } else { Marker::Next.bytes() };
                    (2, State::Groups(self.width))
                }
                State::Groups(left) => match self.groups(left, rest) {
                    0 => break,
                    count if count >= left || self.at >= self.total() => (count.wrapping_mul(4), State::Feed),
                    count => (count.wrapping_mul(4), State::Groups(left.wrapping_sub(count))),
                },
                State::Feed => {
                    let Some(place) = rest.first_mut() else { break };
                    *place = b'\n';
                    (1, if self.at == self.total() { State::Done } else { State::Marker })
                }
                State::Done => break,
            };
            written = written.wrapping_add(count);
            self.state = state;
        }
        written
    }
}

impl core::fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Encoder").field("packet", &self.total()).field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Encoder<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Encoder {{ packet: {=usize}, at: {=usize} }}", self.total(), self.at);
    }
}

/// Groups of four symbols in a line of `length` bytes: without its marker and line feed, and at least one.
const fn groups(length: usize) -> usize {
    match length.saturating_sub(3) / 4 {
        0 => 1,
        groups => groups,
    }
}
