//! The sending side: LEN, message and CRC as one stream of bytes, cut into lines.

use super::base64;
use super::packet::{CRC, LEN, LINE, Marker, narrow};
use crate::checksum::Crc16;
use crate::framing::head::SMP_HEADER;
use crate::framing::{Encoder as Encode, Error};

/// Puts one message into console lines. The CRC is computed when it is built: one pass more over the message. Takes 16
/// bytes.
#[derive(Clone)]
pub struct Encoder {
    /// What comes next, its first byte lowest. None of the bytes on a console is 0.
    piece: u32,
    /// What is not taken yet of the CRC, the first byte highest.
    crc: u16,
    /// Bytes of message and CRC that are not taken yet: at first just what LEN says. Counted down whatever message
    /// comes, so that the frame ends.
    left: u16,
    /// Groups of symbols in a full line.
    width: u16,
    state: State,
}

const _: () = assert!(size_of::<Encoder>() <= 16);

/// What comes behind the piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// The first group: LEN and a byte of the message. Then `Groups`.
    First,
    /// This many groups in this line, if the packet goes on for so long. Then another line, or `Done`.
    Groups(u16),
    /// Nothing.
    Done,
}

impl Encoder {
    /// The longest message: LEN counts it and the CRC in 16 bits.
    pub const MAX_MESSAGE: usize = u16::MAX as usize - CRC;

    /// Encodes `message` in lines of [`LINE`] bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if the message is shorter than an SMP header, 8 bytes, or longer than
    /// [`MAX_MESSAGE`](Self::MAX_MESSAGE).
    pub fn new(message: &[u8]) -> Result<Self, Error> {
        Self::in_lines(message, LINE)
    }

    /// As `new`, in lines of at most `length` bytes.
    pub(super) fn in_lines(message: &[u8], length: usize) -> Result<Self, Error> {
        match u16::try_from(message.len().saturating_add(CRC)) {
            Ok(left) if message.len() >= SMP_HEADER => Ok(Self {
                piece: Marker::Start.bytes().into(),
                crc: Crc16::of(message),
                left,
                width: groups(length),
                state: State::First,
            }),
            _ => Err(Error::Unsendable),
        }
    }

    /// Lines of at most `length` bytes, with marker and line feed: rounded down to whole groups of four symbols, and never
    /// below one group (7 bytes) or above 65,535 bytes. To be called before the first [`next`](Encode::next).
    #[must_use]
    pub const fn with_line(self, length: usize) -> Self {
        Self { width: groups(length), ..self }
    }

    /// The bytes on the wire of a message of `message` bytes in lines of at most `line` bytes.
    #[must_use]
    pub const fn encoded_len(message: usize, line: usize) -> usize {
        let quads = message.saturating_add(LEN + CRC).div_ceil(3);
        let width = groups(line) as usize;
        let lines = match quads.checked_div(width) {
            Some(full) if full.saturating_mul(width) == quads => full,
            Some(full) => full.saturating_add(1),
            None => 0,
        };
        quads.saturating_mul(4).saturating_add(lines.saturating_mul(3))
    }

    /// The position of the next byte in `message`: behind its end where the CRC follows, or if this is a shorter
    /// message than the one that was begun.
    const fn at(&self, message: &[u8]) -> usize {
        message.len().wrapping_add(CRC).wrapping_sub(self.left as usize)
    }

    /// The next piece of a line; 0 behind the last one.
    fn piece(&mut self, message: &[u8]) -> u32 {
        let (mut bits, mut missing) = (0, 3);
        let groups = match self.state {
            State::Done => return 0,
            State::First => {
                bits = self.left.into();
                missing = 1;
                self.width
            }
            State::Groups(_) if self.left == 0 => {
                self.state = State::Done;
                return b'\n'.into();
            }
            State::Groups(0) => {
                self.state = State::Groups(self.width);
                return u32::from(Marker::Next.bytes()) << 8 | u32::from(b'\n');
            }
            State::Groups(groups) => groups,
        };
        self.state = State::Groups(groups.wrapping_sub(1));
        let mut at = self.at(message);
        for _ in 0..missing {
            let byte = message.get(at).copied().unwrap_or_else(|| {
                let [byte, ..] = self.crc.to_be_bytes();
                self.crc <<= 8;
                byte
            });
            bits = bits << 8 | u32::from(byte);
            at = at.wrapping_add(1);
        }
        let count = self.left;
        self.left = count.saturating_sub(missing);
        base64::encode_padded(bits, count.into())
    }

    /// Puts groups that lie in the message straight into `out`, as far as the line goes; returns how many bytes.
    #[cfg(not(feature = "small"))]
    fn groups(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let State::Groups(groups) = self.state else { return 0 };
        let rest = message.get(self.at(message)..).unwrap_or_default();
        let room = out.len().min(usize::from(groups).wrapping_mul(4));
        let count = base64::encode_triples(rest, out.get_mut(..room).unwrap_or_default());
        let bytes = count.wrapping_mul(3);
        self.left = self.left.wrapping_sub(narrow(bytes));
        self.state = State::Groups(groups.wrapping_sub(narrow(count)));
        count.wrapping_mul(4)
    }
}

impl Encode for Encoder {
    /// A group of symbols. Calls with less room make progress, too, but a port would write single bytes.
    const MIN_OUT: usize = 4;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let mut at: usize = 0;
        loop {
            if self.piece == 0 {
                #[cfg(not(feature = "small"))]
                {
                    at = at.wrapping_add(self.groups(message, out.get_mut(at..).unwrap_or_default()));
                }
                self.piece = self.piece(message);
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

impl core::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Encoder").field("left", &self.left).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Encoder {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Encoder {{ left: {=u16} }}", self.left);
    }
}

/// Groups of four symbols in a line of `length` bytes: without its marker and line feed, and at least one.
const fn groups(length: usize) -> u16 {
    match narrow(length).saturating_sub(3) / 4 {
        0 => 1,
        groups => groups,
    }
}
