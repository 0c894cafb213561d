//! Encodes LEN, message and CRC as one stream of bytes, cut into lines.

use super::base64;
use super::packet::{CRC, LEN, LINE, Marker, narrow};
use crate::checksum::Crc16;
use crate::framing::head::MIN_MESSAGE;
use crate::framing::{Encoder as Encode, Error};

/// Encodes one message into console lines. The CRC is computed when it is built, in one more pass
/// over the message.
#[derive(Clone)]
pub struct Encoder {
    /// The bytes to write next, the first one lowest. No byte on a console is 0, so a zero byte
    /// ends them.
    piece: u32,
    /// The bytes of the CRC that are still to come, the first one highest.
    crc: u16,
    /// The number of bytes of message and CRC that are encoded. It rises with every byte, even if
    /// a shorter message is given, so that the frame ends.
    at: u16,
    /// Groups of symbols in a full line.
    width: u16,
    state: State,
}

const _: () = assert!(size_of::<Encoder>() <= 16);

/// The part that follows the current piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// The first group: LEN and a byte of the message. Exit: `Groups`.
    First,
    /// At most this many groups in this line. Exits: a full line, to itself in the next line; the
    /// end of the packet, to `Done`.
    Groups(u16),
    /// The frame is complete. No exit.
    Done,
}

impl Encoder {
    /// The longest message: LEN counts it and the CRC in 16 bits.
    pub const MAX_MESSAGE: usize = u16::MAX as usize - CRC;

    /// Starts to encode `message`, in lines of [`LINE`] bytes.
    ///
    /// # Errors
    ///
    /// We: [`Error::Unsendable`] if the message is shorter than an SMP header, 8 bytes, or longer
    /// than [`MAX_MESSAGE`](Self::MAX_MESSAGE).
    pub fn new(message: &[u8]) -> Result<Self, Error> {
        Self::in_lines(message, LINE)
    }

    /// Starts to encode `message`, in lines of at most `length` bytes.
    pub(super) fn in_lines(message: &[u8], length: usize) -> Result<Self, Error> {
        if !(MIN_MESSAGE..=Self::MAX_MESSAGE).contains(&message.len()) {
            return Err(Error::Unsendable);
        }
        Ok(Self {
            piece: Marker::Start.bytes().into(),
            crc: Crc16::of(message),
            at: 0,
            width: groups(length),
            state: State::First,
        })
    }

    /// Sets the length of a line in bytes, marker and line feed included: rounded down to whole
    /// groups of four symbols, and never below one group (7 bytes) or above 65,535 bytes. Call it
    /// before the first [`next`](Encode::next).
    #[must_use]
    pub const fn with_line(self, length: usize) -> Self {
        Self { width: groups(length), ..self }
    }

    /// Returns the bytes on the wire of a message of `message` bytes, in lines of at most `line`
    /// bytes.
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

    /// Returns the next piece of a line, 0 after the last one.
    fn piece(&mut self, message: &[u8]) -> u32 {
        let len = narrow(message.len()).saturating_add(narrow(CRC));
        let left = len.saturating_sub(self.at);
        let (mut bits, mut missing) = (0, 3);
        let groups = match self.state {
            State::Done => return 0,
            // LEN is two bytes of the first group, so one byte of the message completes it.
            State::First => {
                bits = len.into();
                missing = 1;
                self.width
            }
            // The line feed of the last line makes the receiver check the packet.
            State::Groups(_) if left == 0 => {
                self.state = State::Done;
                return b'\n'.into();
            }
            // The line is full: its line feed and the next marker go together.
            State::Groups(0) => {
                self.state = State::Groups(self.width);
                return u32::from(Marker::Next.bytes()) << 8 | u32::from(b'\n');
            }
            State::Groups(groups) => groups,
        };
        self.state = State::Groups(groups.wrapping_sub(1));
        let mut rest = message.get(usize::from(self.at)..).unwrap_or_default();
        for _ in 0..missing {
            let byte = if let Some((byte, after)) = rest.split_first() {
                rest = after;
                *byte
            } else {
                // The CRC follows the message, as if it were a part of it.
                let [byte, ..] = self.crc.to_be_bytes();
                self.crc <<= 8;
                byte
            };
            bits = bits << 8 | u32::from(byte);
        }
        self.at = self.at.saturating_add(missing);
        // LEN and the first byte make a whole group. Fewer than three bytes may be left: the rest
        // of the group becomes padding.
        base64::encode_padded(bits, usize::from(left))
    }

    /// Encodes groups that lie in the message straight into `out`, up to the end of the line;
    /// returns the number of bytes.
    #[cfg(not(feature = "small"))]
    fn groups(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let State::Groups(groups) = self.state else { return 0 };
        let rest = message.get(usize::from(self.at)..).unwrap_or_default();
        // What is left of a message goes with the CRC.
        if rest.len() < 3 {
            return 0;
        }
        let room = out.len().min(usize::from(groups).wrapping_mul(4));
        let count = base64::encode_triples(rest, out.get_mut(..room).unwrap_or_default());
        let bytes = count.wrapping_mul(3);
        self.at = self.at.wrapping_add(narrow(bytes));
        self.state = State::Groups(groups.wrapping_sub(narrow(count)));
        count.wrapping_mul(4)
    }
}

impl Encode for Encoder {
    /// One group of symbols. Calls with less room make progress too, but a port would write single
    /// bytes.
    const MIN_OUT: usize = 4;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        // A copy stays in registers, of which a small core has too few.
        #[cfg(not(target_os = "none"))]
        {
            let mut encoder = self.clone();
            let len = encoder.run(message, out);
            *self = encoder;
            len
        }
        #[cfg(target_os = "none")]
        self.run(message, out)
    }
}

impl Encoder {
    /// Does the work of `next`.
    #[inline(always)]
    fn run(&mut self, message: &[u8], out: &mut [u8]) -> usize {
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
            // A line is not begun where it does not fit, so that a buffer of a line's length gets
            // whole ones.
            #[cfg(not(feature = "small"))]
            if let [b'\n', marker, ..] = self.piece.to_le_bytes()
                && marker != 0
                && let Some(([place], rest)) = out.get_mut(at..).and_then(<[u8]>::split_first_chunk_mut)
                && rest.len() < usize::from(self.width).wrapping_mul(4).wrapping_add(3)
            {
                *place = b'\n';
                self.piece >>= 8;
                return at.wrapping_add(1);
            }
            // All four bytes at once; those past the piece are overwritten by the next one.
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
        f.debug_struct("Encoder").field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Encoder {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Encoder {{ at: {=u16} }}", self.at);
    }
}

/// Returns the groups of four symbols in a line of `length` bytes, at least one. Marker and line
/// feed take three bytes.
const fn groups(length: usize) -> u16 {
    match narrow(length).saturating_sub(3) / 4 {
        0 => 1,
        groups => groups,
    }
}
