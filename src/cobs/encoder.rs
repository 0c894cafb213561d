//! Encodes COBS.

#[cfg(not(target_os = "none"))]
use super::words::has_zero;
use super::words::{FULL, WORD, copy_to_zero, zero_at, zero_in};

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
                    (out, clear) = data.whole_groups(out);
                    let Some((place, free)) = core::mem::take(&mut out).split_first_mut() else { return 0 };
                    (*place, *self) = data.open(clear);
                    out = free.get_mut(clear..).unwrap_or_default();
                }
                Self::Group { left: 0, zero } => {
                    if zero {
                        data.skip();
                    }
                    *self = Self::Code;
                }
                Self::Group { left, zero } => match data.copy(left, &mut out) {
                    0 => return out.len(),
                    count => *self = Self::Group { left: left.wrapping_sub(count), zero },
                },
                Self::Last { left: 0 } => return out.len(),
                Self::Last { left } => match data.copy(left, &mut out) {
                    0 => return out.len(),
                    count => *self = Self::Last { left: left.wrapping_sub(count) },
                },
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

    /// Encodes whole groups, as long as body and `out` hold them; returns the rest of `out`, and
    /// the number of bytes of the body that are known not to be zero: they are in `out` already,
    /// after the place of their code. It may move more bytes than the group has.
    #[cfg(target_os = "none")]
    fn whole_groups<'o>(&mut self, mut out: &'o mut [u8]) -> (&'o mut [u8], usize) {
        // A local copy stays in registers.
        let (mut body, mut clear) = (self.body, 0);
        while let Some((word, after)) = body.split_first_chunk::<WORD>() {
            if usize::from_le_bytes(*word) == 0 {
                // All bytes are zeros: each is an empty group.
                let Some(place) = out.first_chunk_mut() else { break };
                *place = [1; WORD];
                (body, out) = (after, out.get_mut(WORD..).unwrap_or_default());
                continue;
            }
            let len = zero_in(*word);
            if len < WORD {
                let Some([code, place @ ..]) = out.first_chunk_mut::<{ 1 + WORD }>() else { break };
                (*code, *place) = (next_code(len), *word);
                body = body.get(len.wrapping_add(1)..).unwrap_or_default();
                out = out.get_mut(len.wrapping_add(1)..).unwrap_or_default();
                continue;
            }
            let Some((code, room)) = out.split_first_mut() else { break };
            let len = copy_to_zero(body.get(..FULL).unwrap_or(body), room);
            // Without a zero the body ends here, and the group may extend into the tail; or `out`
            // ends.
            if len == body.len().min(room.len()) {
                clear = len;
                break;
            }
            *code = next_code(len);
            // A full group stands for no zero.
            body = body.get(if len < FULL { len.wrapping_add(1) } else { FULL }..).unwrap_or_default();
            out = out.get_mut(len.wrapping_add(1)..).unwrap_or_default();
        }
        self.body = body;
        (out, clear)
    }

    /// The same with more code: one test for short groups, and one store of code and data.
    #[cfg(not(target_os = "none"))]
    fn whole_groups<'o>(&mut self, mut out: &'o mut [u8]) -> (&'o mut [u8], usize) {
        // A local copy stays in registers.
        let (mut body, mut clear) = (self.body, 0);
        while let Some((word, after)) = body.split_first_chunk::<WORD>() {
            if has_zero(*word) {
                let Some([code, place @ ..]) = out.first_chunk_mut::<{ 1 + WORD }>() else { break };
                let mut len = WORD;
                (*code, *place) = (1, [1; WORD]);
                // Otherwise all bytes are zeros: each is an empty group.
                if usize::from_le_bytes(*word) == 0 {
                    body = after;
                } else {
                    len = zero_in(*word).wrapping_add(1);
                    (*code, *place) = (next_code(len.wrapping_sub(1)), *word);
                    body = body.get(len..).unwrap_or_default();
                }
                out = out.get_mut(len..).unwrap_or_default();
            } else {
                let Some((code, room)) = out.split_first_mut() else { break };
                let len = copy_to_zero(body.get(..FULL).unwrap_or(body), room);
                // Without a zero the body ends here, and the group may extend into the tail; or
                // `out` ends.
                if len == body.len().min(room.len()) {
                    clear = len;
                    break;
                }
                *code = next_code(len);
                // A full group stands for no zero.
                body = body.get(if len < FULL { len.wrapping_add(1) } else { FULL }..).unwrap_or_default();
                out = out.get_mut(len.wrapping_add(1)..).unwrap_or_default();
            }
        }
        self.body = body;
        (out, clear)
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

    /// Skips one byte.
    const fn skip(&mut self) {
        if let [_, body @ ..] = self.body {
            self.body = body;
        } else if let [_, tail @ ..] = self.tail {
            self.tail = tail;
        }
    }

    /// Copies up to `left` bytes; returns the number copied. There is a zero among them only if
    /// another body is given.
    fn copy(&mut self, left: u8, out: &mut &mut [u8]) -> u8 {
        let (wanted, to) = (usize::from(left), core::mem::take(out));
        let mut done = copy_to_zero(self.body.get(..wanted).unwrap_or(self.body), to);
        self.body = self.body.get(done..).unwrap_or_default();
        let mut free = to.get_mut(done..).unwrap_or_default();
        if done < wanted {
            let more = copy_to_zero(self.tail.get(..wanted.wrapping_sub(done)).unwrap_or(self.tail), free);
            self.tail = self.tail.get(more..).unwrap_or_default();
            free = free.get_mut(more..).unwrap_or_default();
            done = done.wrapping_add(more);
        }
        *out = free;
        // At most `left`.
        let [done, ..] = done.to_le_bytes();
        done
    }
}

/// Returns the code of a group of `len` bytes, at most [`FULL`].
const fn next_code(len: usize) -> u8 {
    let [low, ..] = len.to_le_bytes();
    low.wrapping_add(1)
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
