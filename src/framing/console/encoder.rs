//! Encodes LEN, message and CRC as one stream of bytes, cut into lines.

use super::base64::{self, FORM, HOST, SMALL};
use super::packet::{CRC, LEN, LINE, Marker, groups, line_len};
use crate::checksum::Crc16;
use crate::framing::head::MIN_MESSAGE;
use crate::framing::{Encoder as Encode, Error};

mod ends;

/// Encodes one message into console lines. The CRC is computed when it is built, in one more pass
/// over the message.
#[derive(Clone)]
pub struct Encoder {
    /// The bytes to write next, the first one lowest. No byte on a console is 0, so a zero byte
    /// ends them.
    pending: u32,
    /// The bytes of the CRC that are still to come, the first one highest.
    crc: u16,
    /// The number of bytes of message and CRC that are not encoded yet. It falls with every group,
    /// even if another message is given, so that the frame ends.
    left: u16,
    /// The place of the next byte in the message; where there is none, the CRC follows. 0 before
    /// LEN, whose group has the first byte too.
    at: u16,
    /// Groups of symbols in a full line.
    width: u16,
    /// Groups that still fit this line.
    groups: u16,
    rest: Rest,
}

/// The part of the frame that follows the pending bytes.
#[derive(Clone, Copy)]
// Compared by `matches!`: a derived `==` takes 8 to 12 bytes more.
enum Rest {
    /// A group, a marker or the last line feed. Exit: the last line feed is pending, to `Nothing`.
    Lines,
    /// Nothing. No exit.
    Nothing,
}

const _: () = assert!(size_of::<Encoder>() <= 16);

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
        Self::in_lines(message, const { groups(LINE) })
    }

    pub(super) fn in_lines(message: &[u8], width: u16) -> Result<Self, Error> {
        // Cannot wrap: no slice is that long.
        let left = message.len().wrapping_add(CRC);
        if !(MIN_MESSAGE + CRC..=Self::MAX_MESSAGE + CRC).contains(&left) {
            return Err(Error::Unsendable);
        }
        Ok(Self {
            pending: Marker::Start.bytes().into(),
            crc: Crc16::of(message),
            left: short(left),
            at: 0,
            width,
            groups: width,
            rest: Rest::Lines,
        })
    }

    /// Sets the length of a line in bytes, marker and line feed included: rounded down to whole
    /// groups of four symbols, and never below one group (7 bytes) or above 65,535 bytes. Call it
    /// before the first [`next`](Encode::next).
    #[must_use]
    pub const fn with_line(self, length: usize) -> Self {
        let width = groups(length);
        Self { width, groups: width, ..self }
    }

    /// Returns the length on the wire of a message of `message` bytes, in lines of at most `line`
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

    /// Encodes the next group: LEN, the bytes of the message that `triples` leaves over, the CRC.
    // Not inlined in firmware: 40 bytes of stack.
    #[cfg_attr(target_os = "none", inline(never))]
    fn group<const FORM: u8>(&mut self, message: &[u8]) -> u32 {
        // LEN is two bytes of the first group, so one byte of the message completes it.
        // The highest bit is a mark, above three whole bytes.
        let (at, mut bits) = (self.at, if self.at == 0 { 1 << 16 | u32::from(self.left) } else { 1 });
        while bits >> 24 == 0 {
            let byte = if let Some(byte) = message.get(usize::from(self.at)) {
                *byte
            } else {
                // The CRC follows the message, as if it were a part of it.
                let [byte, ..] = self.crc.to_be_bytes();
                self.crc <<= 8;
                byte
            };
            bits = bits << 8 | u32::from(byte);
            self.at = self.at.wrapping_add(1);
        }
        // LEN and the first byte make a whole group. Fewer than three bytes may be left: the rest
        // of the group becomes padding.
        let group = base64::encode_padded::<FORM>(bits, self.left.into());
        self.left = self.left.saturating_sub(self.at.wrapping_sub(at));
        self.groups = self.groups.wrapping_sub(1);
        group
    }

    /// Encodes groups that lie in the message straight into `out`, up to the end of the line;
    /// returns the number of bytes.
    // Not inlined in firmware: 24 to 80 bytes of flash.
    #[cfg_attr(target_os = "none", inline(never))]
    fn triples<const FORM: u8>(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        // The last bytes of a message are encoded together with the CRC.
        let rest = message.get(self.at.into()..).unwrap_or_default();
        // The first byte goes with LEN.
        if self.at == 0 {
            return 0;
        }
        let room = out.len().min(usize::from(self.groups).wrapping_mul(4));
        let count = base64::encode_triples::<FORM>(rest, out.get_mut(..room).unwrap_or_default());
        let bytes = short(count.wrapping_mul(3));
        self.left = self.left.saturating_sub(bytes);
        self.at = self.at.wrapping_add(bytes);
        self.groups = self.groups.wrapping_sub(short(count));
        count.wrapping_mul(4)
    }
}

impl Encode for Encoder {
    /// One group of symbols. Calls with less room make progress too, but a port would write single
    /// bytes.
    const MIN_OUT: usize = 4;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        // A local copy stays in registers; a small core has too few for that.
        #[cfg(not(target_os = "none"))]
        {
            if matches!(self.rest, Rest::Nothing) && self.pending == 0 {
                return 0;
            }
            let mut encoder = self.clone();
            let len = encoder.run::<FORM>(message, out);
            *self = encoder;
            len
        }
        #[cfg(target_os = "none")]
        self.run::<FORM>(message, out)
    }
}

impl Encoder {
    /// Does the work of `next`, in one of the forms.
    #[inline(always)]
    pub(super) fn run<const FORM: u8>(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let mut at = 0;
        if FORM == HOST {
            at = self.begin(message, out);
        }
        loop {
            while self.pending != 0 {
                // Both steps only save time; firmware leaves them out to save flash.
                if FORM == HOST {
                    // A line is not begun if it does not fit, so that a buffer as long as a line
                    // gets whole lines.
                    if let [b'\n', 1..=u8::MAX, ..] = self.pending.to_le_bytes()
                        && let Some(([place], rest)) = out.get_mut(at..).and_then(<[u8]>::split_first_chunk_mut)
                        && rest.len() < line_len(self.width)
                    {
                        *place = b'\n';
                        self.pending >>= 8;
                        return at.wrapping_add(1);
                    }
                    // All four bytes at once; the next write overwrites those after them.
                    if let Some(place) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                        *place = self.pending.to_le_bytes();
                        at = at.wrapping_add(4 - self.pending.leading_zeros() as usize / 8);
                        self.pending = 0;
                        break;
                    }
                }
                let Some(place) = out.get_mut(at) else { return at };
                [*place, ..] = self.pending.to_le_bytes();
                self.pending >>= 8;
                at = at.wrapping_add(1);
            }
            if matches!(self.rest, Rest::Nothing) {
                return at;
            }
            if self.left == 0 {
                // The line feed of the last line makes the receiver check the packet.
                self.rest = Rest::Nothing;
                self.pending = b'\n'.into();
                continue;
            }
            if self.groups == 0 {
                self.groups = self.width;
                self.pending = u32::from(Marker::Next.bytes()) << 8 | u32::from(b'\n');
                continue;
            }
            if FORM != SMALL {
                at = at.wrapping_add(self.triples::<FORM>(message, out.get_mut(at..).unwrap_or_default()));
                if FORM == HOST {
                    at = at.wrapping_add(self.end(message, out.get_mut(at..).unwrap_or_default()));
                    if matches!(self.rest, Rest::Nothing) {
                        return at;
                    }
                }
                if self.groups == 0 {
                    continue;
                }
            }
            self.pending = self.group::<FORM>(message);
        }
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

/// Narrows a number of bytes or groups of a message, which has at most 65,535 bytes.
#[expect(clippy::cast_possible_truncation, reason = "a longer message is not the one that was begun")]
const fn short(count: usize) -> u16 {
    count as u16
}
