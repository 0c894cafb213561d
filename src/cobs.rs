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

    /// Takes bytes from the front of `input`, and writes the data to `out` from index `len` on; advances both.
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
            if let Self::Between { zero: true } = self {
                // Groups without bytes stand for one zero each: a run of them needs no state.
                let run = input.iter().zip(out.iter_mut()).take_while(|(code, _)| **code == 1);
                let zeros = run.map(|(_, place)| *place = 0).count();
                *input = input.get(zeros..).unwrap_or_default();
                *out = core::mem::take(out).get_mut(zeros..).unwrap_or_default();
            }
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
}

/// What an [`Encoder`] writes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// A code.
    Code,
    /// So many bytes of a group, then a code; `zero` says that a zero of the data is to be skipped before.
    Group { left: usize, zero: bool },
    /// So many bytes of the last group, then nothing.
    Last { left: usize },
}

/// Writes data as COBS, run by run. The data are a body and a short tail behind it, as a checksum; no delimiter is written.
#[derive(Clone)]
pub struct Encoder<'m, const TAIL: usize> {
    body: &'m [u8],
    tail: [u8; TAIL],
    /// Bytes of the tail that are used up.
    at: usize,
    state: State,
}

impl<'m, const TAIL: usize> Encoder<'m, TAIL> {
    /// Encodes `body` followed by `tail`.
    #[must_use]
    pub const fn new(body: &'m [u8], tail: [u8; TAIL]) -> Self {
        Self { body, tail, at: 0, state: State::Code }
    }

    /// Writes the next encoded bytes to the front of `out` and returns how many: 0 when everything is written, or if `out`
    /// is empty.
    pub fn next(&mut self, out: &mut [u8]) -> usize {
        let len = out.len();
        let mut out = out;
        loop {
            match self.state {
                State::Code => {
                    // A zero where a group would begin is a group without bytes: a run of them needs no look ahead.
                    let run = self.body.iter().zip(out.iter_mut()).take_while(|(byte, _)| **byte == 0);
                    let zeros = run.map(|(_, place)| *place = 1).count();
                    self.body = self.body.get(zeros..).unwrap_or_default();
                    out = core::mem::take(&mut out).get_mut(zeros..).unwrap_or_default();
                    let Some((place, free)) = core::mem::take(&mut out).split_first_mut() else { break };
                    *place = self.open();
                    out = free;
                }
                State::Group { left: 0, zero } => {
                    if zero {
                        self.skip();
                    }
                    self.state = State::Code;
                }
                State::Group { left, zero } => match self.copy(left, &mut out) {
                    0 => break,
                    count => self.state = State::Group { left: left.saturating_sub(count), zero },
                },
                State::Last { left } => match self.copy(left, &mut out) {
                    0 => break,
                    count => self.state = State::Last { left: left.saturating_sub(count) },
                },
            }
        }
        len.saturating_sub(out.len())
    }

    /// The data that are left.
    fn rest(&self) -> (&'m [u8], &[u8]) {
        (self.body, self.tail.get(self.at..).unwrap_or_default())
    }

    /// Looks ahead for the end of the next group; returns its code.
    fn open(&mut self) -> u8 {
        let (body, tail) = self.rest();
        let mut len = zero_at(body.get(..FULL).unwrap_or(body));
        if len == body.len() {
            let room = FULL.saturating_sub(len);
            len = len.saturating_add(zero_at(tail.get(..room).unwrap_or(tail)));
        }
        let all = body.len().saturating_add(tail.len());
        self.state = match len {
            FULL => State::Group { left: len, zero: false },
            _ if len == all => State::Last { left: len },
            _ => State::Group { left: len, zero: true },
        };
        u8::try_from(len).unwrap_or(u8::MAX).saturating_add(1)
    }

    /// Skips one byte.
    const fn skip(&mut self) {
        match self.body.split_first() {
            Some((_, body)) => self.body = body,
            None => self.at = self.at.saturating_add(1),
        }
    }

    /// Copies up to `left` bytes of the data; returns how many.
    fn copy(&mut self, left: usize, out: &mut &mut [u8]) -> usize {
        let wanted = left.min(out.len());
        let mut done = wanted.min(self.body.len());
        let (Some((from, body)), Some((to, free))) =
            (self.body.split_at_checked(done), core::mem::take(out).split_at_mut_checked(done))
        else {
            return 0;
        };
        if from.len() == to.len() {
            to.copy_from_slice(from);
        }
        self.body = body;
        let tail = self.tail.get(self.at..).unwrap_or_default();
        let mut free = free;
        for byte in tail.iter().take(wanted.saturating_sub(done)) {
            let Some((place, rest)) = core::mem::take(&mut free).split_first_mut() else { break };
            *place = *byte;
            free = rest;
            self.at = self.at.saturating_add(1);
            done = done.saturating_add(1);
        }
        *out = free;
        done
    }
}

impl<const TAIL: usize> core::fmt::Debug for Encoder<'_, TAIL> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (body, tail) = self.rest();
        f.debug_struct("Encoder").field("body", &body.len()).field("tail", &tail.len()).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<const TAIL: usize> defmt::Format for Encoder<'_, TAIL> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let (body, tail) = self.rest();
        defmt::write!(f, "Encoder {{ body: {=usize}, tail: {=usize} }}", body.len(), tail.len());
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
    if from.len() == to.len() {
        to.copy_from_slice(from);
    }
    *input = rest;
    *out = free;
    count
}

/// The index of the first zero, else the length.
fn zero_at(bytes: &[u8]) -> usize {
    // Blocks without a branch per byte: the compiler turns them into vector instructions where there are any.
    let free = |block: &&[u8]| block.iter().fold(true, |free, byte| free & (*byte != 0));
    let clear = bytes.chunks_exact(16).take_while(free).count().saturating_mul(16);
    let rest = bytes.get(clear..).unwrap_or_default();
    clear.saturating_add(rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len()))
}
