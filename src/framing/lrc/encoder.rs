//! The sending side: COBS blocks and the checksum, block by block.

use super::zero::zero_at;
use crate::checksum::Sum;
use crate::{bytes, framing};

/// The code of a full block: 254 bytes follow, and unlike all others it stands for no zero of the
/// message.
pub(super) const FULL: u8 = 0xFF;
/// The end of a frame. It occurs nowhere in a frame except as the check.
pub(super) const MARKER: u8 = 0;

/// Encodes one message of any length into a frame.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encoder {
    /// Bytes of the message that have been written.
    at: usize,
    sum: Sum,
    stage: Stage,
}

const _: () = assert!(size_of::<Encoder>() <= 16);

/// The next part of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Stage {
    /// The first code. Exit: `Block`.
    Code,
    /// `left` data bytes, then another code or the check, as in `end`. Exits: the code, to itself;
    /// the check, to `Marker`.
    Block { left: u8, end: End },
    /// The marker. Exit: `Done`.
    Marker,
    /// The frame is complete. No exit.
    Done,
}

/// The part that follows a block.
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
    /// An encoder at the start of a frame.
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

/// Returns the length of the block at the front of `rest`, and the part that follows it.
fn block(rest: &[u8]) -> (u8, End) {
    const MOST: usize = FULL as usize - 1;
    let len = zero_at(rest.get(..MOST).unwrap_or(rest));
    let end = match len {
        // Whatever follows: a zero after a full block is not part of it.
        MOST => End::Full,
        _ if len < rest.len() => End::Zero,
        _ => End::Message,
    };
    (u8::try_from(len).unwrap_or(FULL - 1), end)
}

impl framing::Encoder for Encoder {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let room = out.len();
        let mut rest = out;
        while !rest.is_empty() {
            let byte = match self.stage {
                Stage::Block { left: left @ 1.., end } => {
                    let count = usize::from(left).min(rest.len());
                    let Some((to, free)) = core::mem::take(&mut rest).split_at_mut_checked(count) else { break };
                    match message.get(self.at..).and_then(|message| message.get(..count)) {
                        Some(data) => {
                            bytes::copy(data, to);
                            self.sum.update(data);
                        }
                        // A shorter message than the first one yields zeros, so that the frame
                        // still ends.
                        None => to.fill(0),
                    }
                    self.at = self.at.wrapping_add(count);
                    self.stage = Stage::Block { left: left.wrapping_sub(u8::try_from(count).unwrap_or(left)), end };
                    rest = free;
                    continue;
                }
                // The check covers everything up to here.
                Stage::Block { left: 0, end: End::Message } => {
                    self.stage = Stage::Marker;
                    self.sum.value()
                }
                Stage::Code | Stage::Block { left: 0, .. } => {
                    // The code stands for the zero, which is skipped.
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
            let Some((place, free)) = core::mem::take(&mut rest).split_first_mut() else { break };
            *place = byte;
            rest = free;
        }
        room.wrapping_sub(rest.len())
    }
}
