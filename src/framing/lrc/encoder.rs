//! The sending side: COBS blocks and the checksum, byte by byte.

use crate::checksum::Sum;
use crate::framing;

/// A full block: this code byte is followed by 254 bytes and, unlike all others, by no zero of the
/// message.
pub(super) const FULL: u8 = 0xFF;
/// Ends a frame, and is found nowhere in it except perhaps as its check.
pub(super) const MARKER: u8 = 0;

/// Puts one message, which may have any length, into a frame. Takes 8 bytes on a Cortex-M, 16 on a
/// 64-bit host.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encoder {
    /// Bytes of the message that are used up.
    at: usize,
    sum: Sum,
    stage: Stage,
}

const _: () = assert!(size_of::<Encoder>() <= 16);

/// What the encoder writes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Stage {
    /// The first code. Out: `Block`.
    Code,
    /// `left` data bytes, then what `end` says: another code, out `Block`; or the check, out
    /// `Marker`.
    Block { left: u8, end: End },
    /// The marker. Out: `Done`.
    Marker,
    /// Nothing. No way out.
    Done,
}

/// What follows a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum End {
    /// Another block, because this one is full.
    Full,
    /// A zero of the message, which the code byte stands for, and another block.
    Zero,
    /// The end of the message.
    Message,
}

impl Encoder {
    /// At the start of a frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { at: 0, sum: Sum::new(), stage: Stage::Code }
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The length of the block at the front of `rest`, and what follows it.
fn block(rest: &[u8]) -> (u8, End) {
    let mut len: u8 = 0;
    for byte in rest {
        match byte {
            _ if len == FULL - 1 => return (len, End::Full),
            0 => return (len, End::Zero),
            _ => len = len.wrapping_add(1),
        }
    }
    (len, if len == FULL - 1 { End::Full } else { End::Message })
}

impl framing::Encoder for Encoder {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let mut written: usize = 0;
        for place in out {
            let byte = match self.stage {
                Stage::Block { left: left @ 1.., end } => {
                    self.stage = Stage::Block { left: left.wrapping_sub(1), end };
                    self.at = self.at.wrapping_add(1);
                    message.get(self.at.wrapping_sub(1)).copied().unwrap_or_default()
                }
                Stage::Block { left: 0, end: End::Message } => {
                    self.stage = Stage::Marker;
                    self.sum.value()
                }
                Stage::Code | Stage::Block { left: 0, .. } => {
                    if let Stage::Block { end: End::Zero, .. } = self.stage {
                        self.at = self.at.wrapping_add(1);
                    }
                    let (left, end) = block(message.get(self.at..).unwrap_or_default());
                    self.stage = Stage::Block { left, end };
                    left.wrapping_add(1)
                }
                Stage::Marker => {
                    self.stage = Stage::Done;
                    MARKER
                }
                Stage::Done => break,
            };
            self.sum.update(&[byte]);
            *place = byte;
            written = written.wrapping_add(1);
        }
        written
    }
}
