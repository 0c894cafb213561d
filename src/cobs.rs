//! Consistent Overhead Byte Stuffing: data without zeros, so that a zero can end a frame.
//!
//! ```text
//!   data      11 22 00 33 | 00 | end           254 bytes without a zero, end
//!   groups    03 11 22      02 33     01        FF <254 bytes>             01
//!             └ code: 1 + bytes up to the next zero, FF for 254 bytes without one
//! ```
//!
//! A group stands for its bytes and one zero, but for two exceptions: FF stands for 254 bytes without a zero, and the last
//! group has none. Data of `n` bytes take at most [`max_encoded_len(n)`](max_encoded_len).
//!
//! Both directions work in runs, without a second buffer: [`Decoder`] takes the encoded bytes as they arrive, and
//! [`Encoder`] looks ahead in the data for the next zero. Neither knows what the data mean.
//!
//! **Interpretation.** After a group of 254 bytes that ends the data, the paper of Cheshire and Baker (1999) opens another,
//! empty group; some implementations leave it out. The encoder writes it, the decoder takes both forms.

use crate::bytes;

/// The most bytes that a group holds.
const FULL: usize = 254;

/// The encoded length of `len` bytes in the worst case, without a delimiter.
#[must_use]
pub const fn max_encoded_len(len: usize) -> usize {
    len.saturating_add(len / FULL).saturating_add(1)
}

/// What a [`Decoder`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Decoded {
    /// The input is used up.
    More,
    /// A zero, at a place where the data may end. The input behind it is untouched.
    End,
    /// A zero within a group, or where the first group should begin. The input behind it is untouched.
    Broken,
    /// The next byte has no room in `out`. It is untouched.
    Full,
}

/// Takes COBS apart, run by run: one byte of state beside the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Decoder {
    /// Before the first code.
    #[default]
    Start,
    /// In a group: so many bytes are still to come.
    Group {
        /// 1 to 254.
        left: u8,
        /// Whether the group stands for a zero, too, if another follows.
        zero: bool,
    },
    /// Behind a group, before the next code or the end.
    Between {
        /// Whether the group stood for a zero, too, if another follows.
        zero: bool,
    },
}

impl Decoder {
    /// At the start of a frame.
    #[must_use]
    pub const fn new() -> Self {
        Self::Start
    }

    /// Takes bytes from the front of `input`, and writes the data to `out` from index `len` on; advances both. What `out` holds
    /// behind the data is not kept.
    ///
    /// After [`Decoded::End`] and [`Decoded::Broken`] it stands at the start of a frame.
    pub fn push(&mut self, input: &mut &[u8], out: &mut [u8], len: &mut usize) -> Decoded {
        let mut room = out.get_mut(*len..).unwrap_or_default();
        let before = room.len();
        let mut rest = *input;
        let decoded = self.run(&mut rest, &mut room);
        *len = len.saturating_add(before.saturating_sub(room.len()));
        *input = rest;
        decoded
    }

    /// As `push`, with the free part of the output.
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
                        None => Decoded::More,
                        Some((0, rest)) => {
                            *input = rest;
                            *self = Self::Start;
                            Decoded::Broken
                        }
                        Some(_) => Decoded::Full,
                    };
                }
            }
            self.short_groups(input, out);
            let Some((code, rest)) = input.split_first() else { return Decoded::More };
            let before = core::mem::take(self);
            if *code == 0 {
                *input = rest;
                return if before == Self::Start { Decoded::Broken } else { Decoded::End };
            }
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

    /// Takes whole groups of up to a word, as long as input and output hold at least the longest: no state in between, and
    /// words moved whole, though less of them counts.
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
                // Groups without bytes stand for one zero each.
                *place = [0; WORD];
                *input = input.get(WORD..).unwrap_or_default();
                *out = core::mem::take(out).get_mut(WORD..).unwrap_or_default();
                continue;
            }
            let Some((code, rest)) = input.split_first() else { return };
            let left = usize::from(code.wrapping_sub(1));
            let at = usize::from(zero);
            let (Some(word), Some(room)) = (rest.first_chunk::<WORD>(), out.get_mut(..=WORD)) else { return };
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

/// Bytes that are looked at, and moved, at once where groups are short.
const WORD: usize = 8;

/// What an [`Encoder`] writes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// A code.
    Code,
    /// This many bytes of a group, then a code; `zero` says that a zero of the data is to be skipped before.
    Group { left: u8, zero: bool },
    /// This many bytes of the last group, then nothing.
    Last { left: u8 },
}

/// Writes data as COBS, run by run. The data are a body and a short tail after it, for example a checksum; no delimiter
/// is written.
///
/// It keeps a position in the body, not the body, which it is handed at each call. Takes a length, the tail and 3
/// bytes.
#[derive(Clone)]
pub struct Encoder<const TAIL: usize> {
    /// Bytes of body and tail that are used up.
    at: usize,
    tail: [u8; TAIL],
    state: State,
}

const _: () = assert!(size_of::<Encoder<2>>() <= size_of::<usize>() + 8);

impl<const TAIL: usize> Encoder<TAIL> {
    /// Encodes a body followed by `tail`.
    #[must_use]
    pub const fn new(tail: [u8; TAIL]) -> Self {
        Self { at: 0, tail, state: State::Code }
    }

    /// Writes the next encoded bytes to the front of `out` and returns how many: 0 when everything is written, or if `out`
    /// is empty. What `out` holds behind them is not kept.
    ///
    /// `body` is the same at each call. Another one yields garbage that still ends.
    pub fn next(&mut self, body: &[u8], out: &mut [u8]) -> usize {
        let mut data = Data {
            body: body.get(self.at..).unwrap_or_default(),
            tail: self.tail.get(self.at.saturating_sub(body.len())..).unwrap_or_default(),
        };
        let (left, room) = (data.len(), out.len());
        let free = self.state.run(&mut data, out);
        // Counted by what was taken: a body that is shorter than the last one moves the position nowhere.
        self.at = self.at.wrapping_add(left.wrapping_sub(data.len()));
        room.saturating_sub(free)
    }
}

impl State {
    /// Writes what comes next of `data`; returns how many bytes of `out` are left.
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

/// The data that are left, while an [`Encoder`] works: two slices stay in registers, and no byte costs a position.
struct Data<'m> {
    body: &'m [u8],
    tail: &'m [u8],
}

impl Data<'_> {
    const fn len(&self) -> usize {
        self.body.len().saturating_add(self.tail.len())
    }

    /// Writes whole groups of less than a word, as long as body and `out` hold at least the longest; returns the rest of `out`.
    /// Words are moved whole, though less of them counts.
    fn short_groups<'o>(&mut self, mut out: &'o mut [u8]) -> &'o mut [u8] {
        // A local copy stays in registers.
        let mut body = self.body;
        while let (Some(word), Some((code, room))) = (body.first_chunk::<WORD>(), out.split_first_mut()) {
            let len = zero_in(*word);
            let group = match (u8::try_from(len), room.first_chunk_mut()) {
                (Ok(0), Some(place)) if *word == [0; WORD] => {
                    // A zero where a group would begin is a group without bytes.
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

    /// Looks ahead for the end of the next group; returns its code, and what comes after the code.
    fn open(&self) -> (u8, State) {
        let (body, tail) = (self.body, self.tail);
        let mut len = zero_at(body.get(..FULL).unwrap_or(body));
        if len == body.len() {
            let room = FULL.saturating_sub(len);
            len = len.saturating_add(zero_at(tail.get(..room).unwrap_or(tail)));
        }
        // Never more than 254.
        let left = u8::try_from(len).unwrap_or_default();
        let state = match len {
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

    /// Copies up to `left` bytes; returns how many.
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

/// Moves up to `wanted` bytes, and no zero, from one slice to the other; returns how many. Both hold as many.
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

/// The index of the first zero in a word, else its length.
const fn zero_in(word: [u8; WORD]) -> usize {
    const ONES: u64 = u64::MAX / 0xFF;
    let word = u64::from_le_bytes(word);
    // The lowest byte that borrows from its highest bit, and had none, is the first zero.
    let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
    (zeros.trailing_zeros() / u8::BITS) as usize
}

/// The index of the first zero, else the length.
fn zero_at(bytes: &[u8]) -> usize {
    // Blocks without a branch per byte: the compiler turns them into vector instructions where there are any.
    let free = |block: &&[u8]| block.iter().fold(true, |free, byte| free & (*byte != 0));
    let clear = bytes.chunks_exact(16).take_while(free).count().saturating_mul(16);
    let mut rest = bytes.get(clear..).unwrap_or_default();
    let mut at = clear;
    while let Some((word, behind)) = rest.split_first_chunk() {
        match zero_in(*word) {
            WORD => (at, rest) = (at.saturating_add(WORD), behind),
            zero => return at.saturating_add(zero),
        }
    }
    at.saturating_add(rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len()))
}
