//! Encodes COBS.

use super::form::{copy_to_zero, whole_groups, zero_at};
use super::words::{FULL, next_code};

/// The next part that an [`Encoder`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// A code. Exits: `Group`, or `Last` for the group that ends the data.
    Code,
    /// This many bytes of a group, then a code. `zero`: a zero of the data is skipped before the
    /// code. Exit: its last byte, to `Code`.
    Group { left: u8, zero: bool },
    /// This many bytes of the last group, then nothing. No exit.
    Last { left: u8 },
}

/// Encodes data as COBS, run by run. The data are a body and a short tail, for example a checksum;
/// no delimiter is written. It keeps a position in the body instead of borrowing it: the body is
/// given at each call.
#[derive(Clone)]
pub struct Encoder<const TAIL: usize> {
    /// Bytes of body and tail that have been encoded.
    at: usize,
    tail: [u8; TAIL],
    state: State,
}

const _: () = assert!(size_of::<Encoder<2>>() <= size_of::<usize>() + 8);

impl<const TAIL: usize> Encoder<TAIL> {
    /// An encoder for a body followed by `tail`.
    #[must_use]
    pub const fn new(tail: [u8; TAIL]) -> Self {
        Self { at: 0, tail, state: State::Code }
    }

    /// Writes the next encoded bytes to the front of `out` and returns their number: 0 when
    /// everything is written, or if `out` is empty. Bytes of `out` after them may be overwritten.
    ///
    /// `body` must be the same at each call. Another one yields garbage that still ends.
    pub fn next(&mut self, body: &[u8], out: &mut [u8]) -> usize {
        let mut data = Data {
            body: body.get(self.at..).unwrap_or_default(),
            tail: self.tail.get(self.at.saturating_sub(body.len())..).unwrap_or_default(),
        };
        let (left, room) = (data.len(), out.len());
        let free = self.state.run(&mut data, out);
        // Counted by the bytes consumed, so that the position stays sane if a shorter body is
        // given.
        self.at = self.at.wrapping_add(left.wrapping_sub(data.len()));
        room.wrapping_sub(free)
    }
}

impl State {
    /// Encodes the next bytes of `data`; returns the number of bytes left in `out`.
    fn run(&mut self, data: &mut Data<'_>, mut out: &mut [u8]) -> usize {
        loop {
            match *self {
                Self::Code => {
                    let clear;
                    (out, clear) = whole_groups(&mut data.body, out);
                    let Some((place, free)) = core::mem::take(&mut out).split_first_mut() else { return 0 };
                    (*place, *self) = data.open(clear);
                    out = free.get_mut(clear..).unwrap_or_default();
                }
                Self::Group { left: 0, zero } => {
                    if zero {
                        data.skip(1);
                    }
                    *self = Self::Code;
                }
                Self::Last { left: 0 } => return out.len(),
                Self::Group { ref mut left, .. } | Self::Last { ref mut left } => {
                    let count = data.copy(usize::from(*left), out);
                    // At most `left`. There is a zero only if another body is given.
                    let [moved, ..] = count.to_le_bytes();
                    if moved == 0 {
                        return out.len();
                    }
                    *left = left.wrapping_sub(moved);
                    out = out.get_mut(count..).unwrap_or_default();
                }
            }
        }
    }
}

/// The rest of the data during one call of an [`Encoder`]. Two slices stay in registers, and no
/// position is computed for each byte.
struct Data<'m> {
    body: &'m [u8],
    tail: &'m [u8],
}

impl Data<'_> {
    const fn len(&self) -> usize {
        self.body.len().wrapping_add(self.tail.len())
    }

    /// Looks ahead for the end of the next group, and skips its first `clear` bytes, which are
    /// known not to be zero; returns its code and the state after them.
    fn open(&mut self, clear: usize) -> (u8, State) {
        let (body, tail) = (self.body, self.tail);
        let mut len = clear.wrapping_add(zero_at(body.get(clear..FULL.min(body.len())).unwrap_or_default()));
        // Without a zero in the body, the group extends into the tail.
        if len == body.len() {
            let room = FULL.saturating_sub(len);
            len = len.wrapping_add(zero_at(tail.get(..room).unwrap_or(tail)));
        }
        let is_last = len == self.len();
        self.body = body.get(clear..).unwrap_or_default();
        // Never more than 254.
        let [left, ..] = len.wrapping_sub(clear).to_le_bytes();
        let state = match len {
            // A full group is followed by a code without a zero in between, even at the end of the
            // data.
            FULL => State::Group { left, zero: false },
            _ if is_last => State::Last { left },
            _ => State::Group { left, zero: true },
        };
        (next_code(len), state)
    }

    /// Copies up to `left` bytes of the part that comes next, up to a zero, and skips them.
    fn copy(&mut self, left: usize, out: &mut [u8]) -> usize {
        let part = if self.body.is_empty() { self.tail } else { self.body };
        let count = copy_to_zero(part.get(..left).unwrap_or(part), out);
        self.skip(count);
        count
    }

    fn skip(&mut self, count: usize) {
        let part = if self.body.is_empty() { &mut self.tail } else { &mut self.body };
        *part = part.get(count..).unwrap_or_default();
    }
}

impl<const TAIL: usize> core::fmt::Debug for Encoder<TAIL> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Encoder").field("at", &self.at).field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<const TAIL: usize> defmt::Format for Encoder<TAIL> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Encoder {{ at: {=usize}, state: {} }}", self.at, self.state);
    }
}
