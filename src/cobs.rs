//! Consistent Overhead Byte Stuffing (COBS): encodes data without zeros, so that a zero can end a
//! frame.
//!
//! ```text
//!   data      11 22 00 33 | 00 | end           254 bytes without a zero, end
//!   groups    03 11 22      02 33     01        FF <254 bytes>             01
//!             └ code: 1 + bytes up to the next zero, FF for 254 bytes without one
//! ```
//!
//! A group stands for its bytes and one zero, with two exceptions: FF stands for 254 bytes without
//! a zero, and the last group has none. Data of `n` bytes take at most
//! [`max_encoded_len(n)`](max_encoded_len).
//!
//! Both directions work in runs, without a second buffer: [`Decoder`] accepts encoded bytes as they
//! arrive, and [`Encoder`] looks ahead in the data for the next zero.
//!
//! **Interpretation.** After a group of 254 bytes that ends the data, the paper of Cheshire and
//! Baker (1999) opens another, empty group; some implementations leave it out. The encoder writes
//! it, the decoder accepts both forms.

use crate::bytes;

/// The most data bytes in a group.
const FULL: usize = 254;

/// Returns the encoded length of `len` bytes in the worst case, without a delimiter.
#[must_use]
pub const fn max_encoded_len(len: usize) -> usize {
    len.saturating_add(len / FULL).saturating_add(1)
}

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
                let stop = copy(input, out, wanted);
                *self = match left.checked_sub(u8::try_from(stop).unwrap_or(left)) {
                    Some(0) | None => Self::Between { zero },
                    Some(left) => Self::Group { left, zero },
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
                // A frame of nothing is not a frame; callers skip empty frames before.
                return if before == Self::Start { Decoded::Broken } else { Decoded::End };
            }
            // Only now, since the last group of a frame stands for no zero.
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

    /// Decodes whole groups of up to a word, as long as input and output hold the longest such
    /// group. No state is stored in between, and words are moved whole even if only a part of them
    /// is data.
    fn short_groups(&mut self, input: &mut &[u8], out: &mut &mut [u8]) {
        loop {
            let zero = match self {
                Self::Start => false,
                Self::Between { zero } => *zero,
                Self::Group { .. } => return,
            };
            if let (true, Some([1, 1, 1, 1, 1, 1, 1, 1]), Some(place)) =
                (zero, input.first_chunk(), out.first_chunk_mut())
            {
                // Eight empty groups: each stands for one zero.
                *place = [0; WORD];
                *input = input.get(WORD..).unwrap_or_default();
                *out = core::mem::take(out).get_mut(WORD..).unwrap_or_default();
                continue;
            }
            let Some((code, rest)) = input.split_first() else { return };
            let left = usize::from(code.wrapping_sub(1));
            let at = usize::from(zero);
            let (Some(word), Some(room)) = (rest.first_chunk::<WORD>(), out.get_mut(..=WORD)) else { return };
            // A zero inside the group, or a group longer than a word: the slow path handles both.
            if left > zero_in(*word) {
                return;
            }
            if let Some(place) = room.first_mut() {
                *place = 0;
            }
            if let Some(place) = room.get_mut(at..).and_then(|room| room.first_chunk_mut()) {
                *place = *word;
            }
            *input = rest.get(left..).unwrap_or_default();
            *out = core::mem::take(out).get_mut(at.saturating_add(left)..).unwrap_or_default();
            *self = Self::Between { zero: true };
        }
    }
}

/// Bytes that are read and moved at once in short groups.
const WORD: usize = 8;

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

    /// Writes the next encoded bytes to the front of `out` and returns how many: 0 when everything
    /// is written, or if `out` is empty. Bytes of `out` after them may be overwritten.
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
        room.saturating_sub(free)
    }
}

impl State {
    /// Encodes the next bytes of `data`; returns the number of bytes left in `out`.
    fn run(&mut self, data: &mut Data<'_>, mut out: &mut [u8]) -> usize {
        loop {
            match *self {
                Self::Code => {
                    out = data.short_groups(out);
                    let Some((place, free)) = core::mem::take(&mut out).split_first_mut() else { return 0 };
                    (*place, *self) = data.open();
                    out = free;
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
        self.body.len().saturating_add(self.tail.len())
    }

    /// Encodes whole groups of less than a word, as long as body and `out` hold the longest such
    /// group; returns the rest of `out`. Words are moved whole even if only a part of them is used.
    fn short_groups<'o>(&mut self, mut out: &'o mut [u8]) -> &'o mut [u8] {
        // A local copy stays in registers.
        let mut body = self.body;
        while let (Some(word), Some((code, room))) = (body.first_chunk::<WORD>(), out.split_first_mut()) {
            let len = zero_in(*word);
            let group = match (u8::try_from(len), room.first_chunk_mut()) {
                (Ok(0), Some(place)) if *word == [0; WORD] => {
                    // Eight zeros: each is an empty group.
                    *code = 1;
                    *place = [1; WORD];
                    WORD
                }
                (Ok(count), Some(place)) if len < WORD => {
                    *code = count.wrapping_add(1);
                    *place = *word;
                    len.saturating_add(1)
                }
                _ => break,
            };
            body = body.get(group..).unwrap_or_default();
            out = out.get_mut(group..).unwrap_or_default();
        }
        self.body = body;
        out
    }

    /// Looks ahead for the end of the next group; returns its code and the state after the code.
    fn open(&self) -> (u8, State) {
        let (body, tail) = (self.body, self.tail);
        let mut len = zero_at(body.get(..FULL).unwrap_or(body));
        // Without a zero in the body, the group extends into the tail.
        if len == body.len() {
            let room = FULL.saturating_sub(len);
            len = len.saturating_add(zero_at(tail.get(..room).unwrap_or(tail)));
        }
        // Never more than 254, so the conversion cannot fail.
        let left = u8::try_from(len).unwrap_or_default();
        let state = match len {
            // A full group is followed by a code without a zero in between, even at the end of the
            // data.
            FULL => State::Group { left, zero: false },
            _ if len == self.len() => State::Last { left },
            _ => State::Group { left, zero: true },
        };
        (left.wrapping_add(1), state)
    }

    /// Skips one byte.
    const fn skip(&mut self) {
        if let [_, body @ ..] = self.body {
            self.body = body;
        } else if let [_, tail @ ..] = self.tail {
            self.tail = tail;
        }
    }

    /// Copies up to `left` bytes; returns the number copied.
    fn copy(&mut self, left: u8, out: &mut &mut [u8]) -> u8 {
        let wanted = usize::from(left).min(out.len());
        let mut done = wanted.min(self.body.len());
        let (Some((from, body)), Some((to, mut free))) =
            (self.body.split_at_checked(done), core::mem::take(out).split_at_mut_checked(done))
        else {
            return 0;
        };
        bytes::copy(from, to);
        self.body = body;
        while let (true, [byte, tail @ ..]) = (done < wanted, self.tail) {
            let Some((place, rest)) = core::mem::take(&mut free).split_first_mut() else { break };
            *place = *byte;
            self.tail = tail;
            free = rest;
            done = done.saturating_add(1);
        }
        *out = free;
        u8::try_from(done).unwrap_or(left)
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

/// Moves up to `wanted` bytes, which both slices hold, up to the first zero; returns the number
/// moved.
fn copy(input: &mut &[u8], out: &mut &mut [u8], wanted: usize) -> usize {
    let count = zero_at(input.get(..wanted).unwrap_or(input));
    let (Some((from, rest)), Some((to, free))) =
        (input.split_at_checked(count), core::mem::take(out).split_at_mut_checked(count))
    else {
        return 0;
    };
    bytes::copy(from, to);
    *input = rest;
    *out = free;
    count
}

/// Returns the index of the first zero in a word, or the length of a word.
const fn zero_in(word: [u8; WORD]) -> usize {
    const ONES: u64 = u64::MAX / 0xFF;
    let word = u64::from_le_bytes(word);
    // Subtracting 1 from each byte sets the highest bit of zeros; `!word` leaves out bytes that had
    // it.
    let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
    (zeros.trailing_zeros() / u8::BITS) as usize
}

/// Returns the index of the first zero, or the length.
fn zero_at(bytes: &[u8]) -> usize {
    // Blocks without a branch per byte: the compiler uses vector instructions for them where there
    // are any.
    let free = |block: &&[u8]| block.iter().fold(true, |free, byte| free & (*byte != 0));
    let clear = bytes.chunks_exact(16).take_while(free).count().saturating_mul(16);
    let mut rest = bytes.get(clear..).unwrap_or_default();
    let mut at = clear;
    while let Some((word, after)) = rest.split_first_chunk() {
        match zero_in(*word) {
            WORD => (at, rest) = (at.saturating_add(WORD), after),
            zero => return at.saturating_add(zero),
        }
    }
    at.saturating_add(rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len()))
}
