//! The sending side: COBS blocks and the checksum, block by block.

use super::runs::{IS_SUMMED, carry_clear, zero_at};
use crate::checksum::Sum;
use crate::framing;

/// The code of a full block: 254 bytes follow, and unlike all others it stands for no zero of the
/// message.
pub(super) const FULL: u8 = 0xFF;
/// The number of its data bytes.
pub(super) const MOST: usize = FULL as usize - 1;
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
    /// Bytes of data before the end of the block.
    left: u8,
}

const _: () = assert!(size_of::<Encoder>() <= 16);

/// The next part of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Stage {
    /// The rest of a full block, then a code. The start of a frame is like the end of such a block.
    /// Exit: the code, to itself or to `Short`.
    Full,
    /// The rest of a block, then a code in place of the zero of the message that ends it; or the
    /// check, if the message has ended. Exits: the code, to itself or to `Full`; the check, to
    /// `Marker`.
    Short,
    /// The marker. Exit: `Done`.
    Marker,
    /// The frame is complete. No exit.
    Done,
}

impl Encoder {
    /// An encoder at the start of a frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { at: 0, sum: Sum::new(), stage: Stage::Full, left: 0 }
    }

    /// Does the work of `next`, and adds up runs as they are copied, or the whole message at once.
    pub(super) fn run<const SUMS: bool>(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let room = out.len();
        let mut rest = out;
        while !rest.is_empty() {
            let data = message.get(self.at..).unwrap_or_default();
            if self.left > 0 {
                let taken =
                    carry_clear::<SUMS>(data.get(..usize::from(self.left)).unwrap_or(data), rest, &mut self.sum);
                self.at = self.at.wrapping_add(taken);
                rest = core::mem::take(&mut rest).get_mut(taken..).unwrap_or_default();
                // A message other than the first one given may end here, or have a zero: then the
                // block and the frame end too.
                let [low, ..] = taken.to_le_bytes();
                self.left = if low == 0 { 0 } else { self.left.wrapping_sub(low) };
                continue;
            }
            let byte = match self.stage {
                Stage::Full | Stage::Short => {
                    // The code replaces the zero, which is skipped.
                    let skipped = usize::from(self.stage == Stage::Short);
                    match data.get(skipped..) {
                        Some(data) => {
                            self.at = self.at.wrapping_add(skipped);
                            let len = zero_at(data.get(..MOST).unwrap_or(data));
                            self.stage = if len == MOST { Stage::Full } else { Stage::Short };
                            // At most 254.
                            [self.left, ..] = len.to_le_bytes();
                            self.left.wrapping_add(1)
                        }
                        // The check covers everything up to here. Zeros of the message add nothing.
                        None => {
                            if !SUMS {
                                self.sum.update(message);
                            }
                            self.stage = Stage::Marker;
                            self.sum.value()
                        }
                    }
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

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl framing::Encoder for Encoder {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        self.run::<{ IS_SUMMED }>(message, out)
    }
}
