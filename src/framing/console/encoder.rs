//! The sending side: LEN, message and CRC as one stream of bytes, cut into lines.

use super::super::{Encoder as Encode, Error};
use super::{CRC, LEN, LINE, MIN_MESSAGE, Marker, base64};
use crate::checksum::Crc16;

/// Puts one message into console lines. The CRC is computed when it is built: one pass more over the message.
#[derive(Clone)]
pub struct Encoder<'m> {
    /// What is not taken yet of the message.
    message: &'m [u8],
    /// What is not taken yet of LEN and the CRC, the first byte highest.
    edges: u32,
    /// Bytes of the packet that are not taken yet.
    left: usize,
    /// Groups of symbols in a full line.
    width: usize,
    /// What comes next, its first byte lowest. None of the bytes on a console is 0.
    piece: u32,
    state: State,
}

/// What comes behind the piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// So many groups in this line, if the packet goes on for so long. Then another line, or `Done`.
    Groups(usize),
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
        Self::in_lines(message, LINE)
    }

    /// As `new`, in lines of at most `length` bytes.
    pub(super) fn in_lines(message: &'m [u8], length: usize) -> Result<Self, Error> {
        match u16::try_from(message.len().saturating_add(CRC)) {
            Ok(len) if message.len() >= MIN_MESSAGE => Ok(Self {
                message,
                edges: u32::from(len) << 16 | u32::from(Crc16::of(message)),
                left: message.len().wrapping_add(LEN + CRC),
                width: groups(length),
                piece: Marker::Start.bytes().into(),
                state: State::Groups(groups(length)),
            }),
            _ => Err(Error::Unsendable),
        }
    }

    /// Lines of at most `length` bytes, with marker and line feed: rounded down to whole groups of four symbols, and never
    /// below one group (7 bytes). To be called before the first [`next`](Encode::next).
    #[must_use]
    pub const fn with_line(self, length: usize) -> Self {
        let width = groups(length);
        Self { width, state: State::Groups(width), ..self }
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

    /// The next piece of a line; 0 behind the last one.
    fn piece(&mut self) -> u32 {
        match self.state {
            State::Done => 0,
            State::Groups(_) if self.left == 0 => {
                self.state = State::Done;
                b'\n'.into()
            }
            State::Groups(0) => {
                self.state = State::Groups(self.width);
                u32::from(Marker::Next.bytes()) << 8 | u32::from(b'\n')
            }
            State::Groups(groups) => {
                self.state = State::Groups(groups.wrapping_sub(1));
                let count = self.left;
                let (mut bits, mut missing) = (0, 3);
                if !self.is_behind_len() {
                    bits = self.edges >> 16;
                    self.edges <<= 16;
                    missing -= LEN;
                }
                for _ in 0..missing {
                    bits = bits << 8 | u32::from(self.byte());
                }
                self.left = count.saturating_sub(3);
                base64::encode_padded(bits, count)
            }
        }
    }

    /// Whether LEN is taken.
    const fn is_behind_len(&self) -> bool {
        self.left <= self.message.len().wrapping_add(CRC)
    }

    /// Takes one byte of the message or, behind it, of the CRC; 0 behind that.
    fn byte(&mut self) -> u8 {
        match self.message.split_first() {
            Some((byte, rest)) => {
                self.message = rest;
                *byte
            }
            None => {
                let [byte, ..] = self.edges.to_be_bytes();
                self.edges <<= 8;
                byte
            }
        }
    }

    /// Puts groups that lie in the message straight into `out`, as far as the line goes; returns how many bytes.
    #[cfg(not(feature = "small"))]
    fn groups(&mut self, out: &mut [u8]) -> usize {
        let State::Groups(groups) = self.state else { return 0 };
        if self.message.len() < 3 || !self.is_behind_len() {
            return 0;
        }
        let room = out.len().min(groups.wrapping_mul(4));
        let count = base64::encode_triples(self.message, out.get_mut(..room).unwrap_or_default());
        let bytes = count.wrapping_mul(3);
        self.message = self.message.get(bytes..).unwrap_or_default();
        self.left = self.left.wrapping_sub(bytes);
        self.state = State::Groups(groups.wrapping_sub(count));
        count.wrapping_mul(4)
    }
}

impl Encode for Encoder<'_> {
    /// A group of symbols. Calls with less room make progress, too, but a port would write single bytes.
    const MIN_OUT: usize = 4;

    fn next(&mut self, out: &mut [u8]) -> usize {
        let mut at: usize = 0;
        loop {
            if self.piece == 0 {
                #[cfg(not(feature = "small"))]
                {
                    at = at.wrapping_add(self.groups(out.get_mut(at..).unwrap_or_default()));
                }
                self.piece = self.piece();
                if self.piece == 0 {
                    break;
                }
            }
            #[cfg(not(feature = "small"))]
            if let Some(place) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *place = self.piece.to_le_bytes();
                at = at.wrapping_add(4 - self.piece.leading_zeros() as usize / 8);
                self.piece = 0;
                continue;
            }
            let Some(place) = out.get_mut(at) else { break };
            [*place, ..] = self.piece.to_le_bytes();
            self.piece >>= 8;
            at = at.wrapping_add(1);
        }
        at
    }
}

impl core::fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Encoder").field("left", &self.left).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Encoder<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Encoder {{ left: {=usize} }}", self.left);
    }
}

/// Groups of four symbols in a line of `length` bytes: without its marker and line feed, and at least one.
const fn groups(length: usize) -> usize {
    match length.saturating_sub(3) / 4 {
        0 => 1,
        groups => groups,
    }
}
