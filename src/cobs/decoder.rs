//! Decodes COBS.

use super::form::{copy_clear, copy_to_zero, swap_words, zero_in};
use super::words::{FULL, ONES, WORD};

/// The result of one step of a [`Decoder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Decoded {
    /// The input is used up.
    More,
    /// A zero where the data may end. The input after it is untouched.
    End,
    /// The peer or the line: a zero within a group, or where the first group should begin. The
    /// input after it is untouched.
    Broken,
    /// The peer, or our buffer: the next byte does not fit `out`. It is untouched.
    Full,
}

/// Decodes COBS incrementally, run by run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Decoder(Position);

/// The position of a decoder in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Position {
    /// At the start of a frame. Exits: a code, to `Group`, or to `Between` for an empty group; a
    /// zero, to itself as [`Decoded::Broken`].
    #[default]
    Start,
    /// Inside a group with `left` bytes remaining. Exits: its last byte, to `Between`; a zero, to
    /// `Start` as [`Decoded::Broken`].
    Group {
        /// Bytes that are still to come, 1 to 254.
        left: u8,
        /// True if the group also stands for a zero, should another group follow.
        zero: bool,
    },
    /// After a group, before the next code or the end. Exits: a code, to `Group`, or to itself for
    /// an empty group; a zero, to `Start` as [`Decoded::End`].
    Between {
        /// True if the group also stood for a zero, should another group follow.
        zero: bool,
    },
}

impl Decoder {
    /// A decoder at the start of a frame.
    #[must_use]
    pub const fn new() -> Self {
        Self(Position::Start)
    }

    /// Returns true at the start of a frame.
    pub(crate) const fn is_at_start(self) -> bool {
        matches!(self.0, Position::Start)
    }

    /// Decodes bytes from the front of `input`, and writes the data to `out` from index `len` on;
    /// advances both. Bytes of `out` after the data may be overwritten.
    ///
    /// After [`Decoded::End`] and [`Decoded::Broken`] the decoder is at the start of a frame.
    pub fn push(&mut self, input: &mut &[u8], out: &mut [u8], len: &mut usize) -> Decoded {
        let mut room = out.get_mut(*len..).unwrap_or_default();
        let before = room.len();
        let mut rest = *input;
        let decoded = self.0.run(&mut rest, &mut room);
        *len = len.saturating_add(before.saturating_sub(room.len()));
        *input = rest;
        decoded
    }
}

impl Position {
    /// Does the work of `push`, with the free part of the output.
    fn run(&mut self, input: &mut &[u8], out: &mut &mut [u8]) -> Decoded {
        loop {
            if let Self::Group { left, zero } = *self {
                let wanted = usize::from(left).min(input.len()).min(out.len());
                // At most `left`.
                let [moved, ..] = copy(input, out, wanted).to_le_bytes();
                *self = match left.wrapping_sub(moved) {
                    0 => Self::Between { zero },
                    left => Self::Group { left, zero },
                };
                if let Self::Group { .. } = self {
                    return match input.split_first() {
                        // The rest of the group comes with the next input.
                        None => Decoded::More,
                        Some((0, rest)) => {
                            *input = rest;
                            *self = Self::Start;
                            Decoded::Broken
                        }
                        // There is input, and no zero: only the output can have ended.
                        Some(_) => Decoded::Full,
                    };
                }
            }
            self.short_groups(input, out);
            let Some((code, rest)) = input.split_first() else { return Decoded::More };
            let before = core::mem::take(self);
            if *code == 0 {
                *input = rest;
                // A zero with no code in front of it ends no data; callers skip empty frames first.
                return if matches!(before, Self::Start) { Decoded::Broken } else { Decoded::End };
            }
            // Only now, since the last group of a frame stands for no zero.
            // Compared whole: `matches!` takes a host 2 to 11 % more instructions.
            if before == (Self::Between { zero: true }) {
                let Some((place, free)) = core::mem::take(out).split_first_mut() else {
                    *self = before;
                    return Decoded::Full;
                };
                *place = 0;
                *out = free;
            }
            *input = rest;
            let zero = *code != 0xFF;
            *self = match code.wrapping_sub(1) {
                0 => Self::Between { zero },
                left => Self::Group { left, zero },
            };
        }
    }

    /// Decodes whole groups, as long as input and output hold them. Short ones are moved as a word,
    /// even if only a part of it is data, and need room for a word.
    fn short_groups(&mut self, input: &mut &[u8], out: &mut &mut [u8]) {
        let mut zero = match self {
            Self::Start => false,
            Self::Between { zero } => *zero,
            Self::Group { .. } => return,
        };
        while let Some((code, rest)) = input.split_first() {
            let left = usize::from(code.wrapping_sub(1));
            let at = usize::from(zero);
            if left > WORD {
                // A code of 0 ends the data; it must not pass for a group of 255 bytes.
                if left > FULL || !long_group(left, at, input, out) {
                    return;
                }
            } else if left == 0
                && zero
                && let count @ 1.. = swap_words(input, out, ONES)
            {
                // Empty groups: each stands for one zero.
                *input = input.get(count..).unwrap_or_default();
                *out = core::mem::take(out).get_mut(count..).unwrap_or_default();
                continue;
            } else if short_group(left, at, rest, out) {
                *input = rest.get(left..).unwrap_or_default();
                *out = core::mem::take(out).get_mut(at.wrapping_add(left)..).unwrap_or_default();
            } else {
                return;
            }
            zero = *code != 0xFF;
            *self = Self::Between { zero };
        }
    }
}

/// Decodes a group of up to a word after `at` zeros, 0 or 1, if input and output hold the longest
/// such group; returns false if not, or if there is a zero inside.
fn short_group(left: usize, at: usize, input: &[u8], out: &mut [u8]) -> bool {
    let (Some(word), Some(room)) = (input.first_chunk::<WORD>(), out.get_mut(..=WORD)) else { return false };
    if left > zero_in(*word) {
        return false;
    }
    if let Some(place) = room.first_mut() {
        *place = 0;
    }
    if let Some(place) = room.get_mut(at..).and_then(|room| room.first_chunk_mut()) {
        *place = *word;
    }
    true
}

/// Decodes a longer group with its code after `at` zeros, 0 or 1, if input and output hold all of
/// it; returns false if not, or if there is a zero inside.
fn long_group(left: usize, at: usize, input: &mut &[u8], out: &mut &mut [u8]) -> bool {
    let wanted = at.wrapping_add(left);
    let Some(place) = out.get_mut(..wanted) else { return false };
    let Some((data, rest)) = input.get(1..).and_then(|rest| rest.split_at_checked(left)) else { return false };
    if let Some(place) = place.first_mut() {
        *place = 0;
    }
    if !copy_clear(data, place.get_mut(at..).unwrap_or_default()) {
        return false;
    }
    *input = rest;
    *out = core::mem::take(out).get_mut(wanted..).unwrap_or_default();
    true
}

/// Moves up to `wanted` bytes, which both slices hold, up to the first zero; returns the number
/// moved.
fn copy(input: &mut &[u8], out: &mut &mut [u8], wanted: usize) -> usize {
    let to = core::mem::take(out);
    let count = copy_to_zero(input.get(..wanted).unwrap_or(input), to);
    *input = input.get(count..).unwrap_or_default();
    *out = to.get_mut(count..).unwrap_or_default();
    count
}
