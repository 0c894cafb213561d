//! Console lines, COBS frames and raw messages of SMP on one port, told apart frame by frame; answers go out in kind.
//!
//! A device that does not know its clients takes whatever comes. At the boundary of a frame its first bytes tell which one it
//! is, since an SMP request begins with one of four bytes and a zero:
//!
//! ```text
//!   06 09                       console       to the line feed that ends the packet; everything unknown is console text
//!   02 02│08│0A, or 01 01       COBS          to the next zero: a byte that is not zero and the zero of the flags, or two zeros
//!   00│02│08│0A 00 len len …    raw           after a whole valid header only: a known op, no flags, a length that fits
//!   00                          nothing       an empty COBS frame, sent to resynchronise
//! ```
//!
//! # States
//!
//! ```text
//!              first byte 00 01 02 08 0A                            looks like COBS
//!   Listening ───────────────────────────▶ Listening, bytes held ───────────────────▶ Cobs ──┐ message, error or silence
//!       ▲          neither: the byte is text, or an empty frame ─┘└── whole raw header ─▶ Raw ───┤
//!       └──────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! # Interpretation
//!
//! * A line feed is the first byte of a version 2 write request, too. It is held until the next byte, or silence, shows that
//!   it is text.
//! * Raw has no check of its own. Where text or noise shares the port it is to be excluded with
//!   [`without_raw`](Auto::without_raw).
//! * Text between the lines of one console packet is possible, a frame of another kind is not.

use core::time::Duration;

use super::console::{self, Console};
use super::counted::{self, Counted, SmpHead};
use super::delimited::{self, Cobs};
use super::{Error, Framing, Progress, Sizes};

/// After how much silence held bytes are no longer expected to become a frame.
const HOLD: Duration = Duration::from_millis(100);

/// Which framing a message came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// Base64 lines.
    Console,
    /// The message alone.
    Raw,
    /// COBS with a CRC.
    Cobs,
}

/// Decodes three framings in one buffer that the caller lends, and encodes in the one that came last.
///
/// A buffer of `n` bytes takes raw messages of `n` bytes, `n - 2` in COBS and `n - 4` on the console.
pub struct Auto<'b> {
    decoder: Decoder<'b>,
    /// Bytes at a boundary that may begin a COBS frame or a raw header. Always an undecided beginning.
    held: heapless::Vec<u8, HEAD>,
    last: Kind,
    raw: bool,
}

/// Length of an SMP header.
const HEAD: usize = 8;

/// Who gets the bytes.
enum Decoder<'b> {
    /// At a boundary, or in console lines. Left when the first bytes of a frame say so.
    Listening(Console<'b>),
    /// In a raw message. Left when it has ended and the next byte comes.
    Raw(Counted<'b, SmpHead>),
    /// In a COBS frame. Left likewise.
    Cobs(Cobs<'b>),
    /// Behind a frame whose message is lent, or whose error was told. Left by the next byte, to `Listening`.
    Behind(Last<'b>),
    /// Between two of the above; never seen from outside.
    Changing,
}

/// A frame that has ended.
enum Last<'b> {
    Raw(Counted<'b, SmpHead>),
    Cobs(Cobs<'b>),
}

/// What the first bytes at a boundary are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guess {
    /// Not decided: more bytes are needed.
    Open,
    /// The first one begins neither a raw message nor a COBS frame.
    Neither,
    Raw,
    Cobs,
}

/// Whether a byte may begin a raw message or a COBS frame.
const fn may_begin(byte: u8) -> bool {
    matches!(byte, 0x00 | 0x01 | 0x02 | 0x08 | 0x0A)
}

impl<'b> Auto<'b> {
    /// Decodes into `buffer`.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self {
            decoder: Decoder::Listening(Console::new(buffer)),
            held: heapless::Vec::new(),
            last: Kind::Console,
            raw: true,
        }
    }

    /// Excludes raw messages, for a port that carries text beside frames.
    #[must_use]
    pub fn without_raw(self) -> Self {
        Self { raw: false, ..self }
    }

    /// The sizes that suit a receive buffer of `buffer` bytes: the least of the three framings, because a peer may use
    /// any.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes::of_stream(Console::max_message(buffer), Cobs::sizes_of(buffer).buffer)
    }

    /// The most bytes on the wire that a message of `message` bytes takes: as many as on the console.
    #[must_use]
    pub const fn max_encoded_len(message: usize) -> usize {
        Console::encoded_len(message)
    }

    /// The framing of the last message, in which the next one is encoded.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.last
    }

    /// Gives the buffer to another decoder.
    fn change(&mut self, into: impl FnOnce(&'b mut [u8]) -> Decoder<'b>) {
        let buffer = match core::mem::replace(&mut self.decoder, Decoder::Changing) {
            Decoder::Listening(console) => console.into_buffer(),
            Decoder::Raw(raw) | Decoder::Behind(Last::Raw(raw)) => raw.into_buffer(),
            Decoder::Cobs(cobs) | Decoder::Behind(Last::Cobs(cobs)) => cobs.into_buffer(),
            Decoder::Changing => &mut [],
        };
        self.decoder = into(buffer);
    }

    /// Marks the end of a raw message or of a COBS frame.
    fn end<T>(&mut self, result: T) -> T {
        self.decoder = match core::mem::replace(&mut self.decoder, Decoder::Changing) {
            Decoder::Raw(raw) => Decoder::Behind(Last::Raw(raw)),
            Decoder::Cobs(cobs) => Decoder::Behind(Last::Cobs(cobs)),
            other => other,
        };
        result
    }

    fn guess(&self, front: &[u8], capacity: usize) -> Guess {
        match *front {
            [0x01, 0x01, ..] | [0x02, 0x02 | 0x08 | 0x0A, ..] => Guess::Cobs,
            [] | [0x01 | 0x02] => Guess::Open,
            [0x00 | 0x02 | 0x08 | 0x0A, ref rest @ ..] if self.raw => match *rest {
                [] | [0x00] | [0x00, _] => Guess::Open,
                [0x00, high, low, ref rest @ ..]
                    if usize::from(u16::from_be_bytes([high, low])).saturating_add(HEAD) <= capacity =>
                {
                    if rest.len() >= HEAD - 4 { Guess::Raw } else { Guess::Open }
                }
                _ => Guess::Neither,
            },
            _ => Guess::Neither,
        }
    }

    /// At a boundary: decides what begins with the held bytes and `input`. `Some` is text that was held.
    fn boundary(&mut self, input: &mut &[u8], capacity: usize) -> Option<Progress<'static>> {
        let (mut front, mut guess) = (self.held.clone(), self.guess(input, capacity));
        // Most of what comes is decided as it stands; only what is not is copied.
        if !front.is_empty() || guess == Guess::Open {
            for byte in input.iter().take(HEAD - self.held.len().min(HEAD)) {
                let _ = front.push(*byte);
            }
            guess = self.guess(&front, capacity);
        }
        match guess {
            Guess::Open => {
                self.held = front;
                *input = &[];
            }
            Guess::Raw => self.change(|buffer| Decoder::Raw(Counted::new(buffer))),
            Guess::Cobs => self.change(|buffer| Decoder::Cobs(Cobs::new(buffer))),
            Guess::Neither => match (self.held.first().copied(), &mut self.decoder) {
                (Some(byte), Decoder::Listening(console)) if !may_begin(byte) => {
                    // The high byte of a length that fits nothing. It may begin a line; as text, it was noise.
                    self.held.clear();
                    let _ = console.push(&mut &[byte][..]);
                }
                _ => return self.release().map(Progress::Text),
            },
        }
        None
    }

    /// Takes the first held byte, which begins no frame. Zeros are empty COBS frames and no text, and what follows a zero here was
    /// noise.
    fn release(&mut self) -> Option<&'static [u8]> {
        let byte = if self.held.is_empty() { return None } else { self.held.remove(0) };
        match byte {
            0x01 => Some(&[0x01]),
            0x02 => Some(&[0x02]),
            0x08 => Some(&[0x08]),
            0x0A => Some(&[0x0A]),
            _ => None,
        }
    }
}

impl core::fmt::Debug for Auto<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Auto").field("kind", &self.last).field("held", &self.held.len()).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Auto<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Auto({}, {=usize} held)", self.last, self.held.len());
    }
}

impl Framing for Auto<'_> {
    const OVERHEAD: usize = Console::OVERHEAD;

    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        Ok(Encoder(match self.last {
            Kind::Console => Inner::Console(console::Encoder::new(message)?),
            Kind::Raw => Inner::Raw(counted::Encoder::new()),
            Kind::Cobs => Inner::Cobs(delimited::Encoder::new(message)?),
        }))
    }

    fn sizes(&self) -> Sizes {
        Self::sizes_of(match &self.decoder {
            Decoder::Listening(console) => console.capacity(),
            Decoder::Raw(raw) | Decoder::Behind(Last::Raw(raw)) => raw.sizes().message,
            Decoder::Cobs(cobs) | Decoder::Behind(Last::Cobs(cobs)) => Cobs::buffer_len(cobs.sizes().message),
            Decoder::Changing => 0,
        })
    }

    /// That of the console, whose symbols take the most.
    fn max_encoded_len(&self, message: usize) -> usize {
        Self::max_encoded_len(message)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        loop {
            if input.is_empty() {
                return Ok(Progress::More);
            }
            if matches!(self.decoder, Decoder::Behind(_) | Decoder::Changing) {
                self.change(|buffer| Decoder::Listening(Console::new(buffer)));
            }
            // What was held goes first to the decoder that was chosen for it.
            let held = core::mem::take(&mut self.held);
            let (progress, kind) = match &mut self.decoder {
                Decoder::Raw(raw) => {
                    (raw.push(&mut &*held).and_then(|first| then(first, || raw.push(input))), Kind::Raw)
                }
                Decoder::Cobs(cobs) => {
                    (cobs.push(&mut &*held).and_then(|first| then(first, || cobs.push(input))), Kind::Cobs)
                }
                Decoder::Listening(console) if console.is_idle() => {
                    let capacity = console.capacity();
                    if !held.is_empty() || input.first().is_some_and(|byte| may_begin(*byte)) {
                        self.held = held;
                        let waiting = self.held.len();
                        if let Some(text) = self.boundary(input, capacity) {
                            return Ok(text);
                        }
                        // Undecided, decided for a frame, or one held byte dropped: the loop sees which.
                        if waiting > 0 || !self.held.is_empty() || !matches!(self.decoder, Decoder::Listening(_)) {
                            continue;
                        }
                    }
                    if let [0x00, rest @ ..] = *input {
                        *input = rest;
                        continue;
                    }
                    let Decoder::Listening(console) = &mut self.decoder else { continue };
                    let text = input.iter().skip(1).position(|byte| may_begin(*byte)).map(|at| at + 1);
                    match feed(console, input, text) {
                        Ok(Progress::More) => continue,
                        other => (other, Kind::Console),
                    }
                }
                Decoder::Listening(console) => {
                    let line = input.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
                    match feed(console, input, line) {
                        Ok(Progress::More) => continue,
                        other => (other, Kind::Console),
                    }
                }
                Decoder::Behind(_) | Decoder::Changing => continue,
            };
            return match progress {
                Ok(Progress::More) => continue,
                Ok(Progress::Message) => {
                    self.last = kind;
                    self.end(Ok(Progress::Message))
                }
                Err(error) => self.end(Err(error)),
                text => text,
            };
        }
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        match &mut self.decoder {
            Decoder::Listening(console) if self.held.is_empty() => console.idle(silence),
            Decoder::Listening(_) if silence < HOLD => Ok(Progress::More),
            Decoder::Listening(_) => {
                while !self.held.is_empty() {
                    if let Some(text) = self.release() {
                        return Ok(Progress::Text(text));
                    }
                }
                Ok(Progress::More)
            }
            Decoder::Raw(raw) => raw.idle(silence).or_else(|error| self.end(Err(error))),
            Decoder::Cobs(cobs) => cobs.idle(silence).or_else(|error| self.end(Err(error))),
            Decoder::Behind(_) | Decoder::Changing => Ok(Progress::More),
        }
    }

    fn message(&self) -> &[u8] {
        match &self.decoder {
            Decoder::Listening(console) => console.message(),
            Decoder::Raw(raw) | Decoder::Behind(Last::Raw(raw)) => raw.message(),
            Decoder::Cobs(cobs) | Decoder::Behind(Last::Cobs(cobs)) => cobs.message(),
            Decoder::Changing => &[],
        }
    }

    fn reset(&mut self) {
        self.held.clear();
        self.change(|buffer| Decoder::Listening(Console::new(buffer)));
    }
}

/// Goes on with the input unless the held bytes alone led to something.
fn then<'i>(first: Progress<'_>, next: impl FnOnce() -> Result<Progress<'i>, Error>) -> Result<Progress<'i>, Error> {
    match first {
        Progress::Message => Ok(Progress::Message),
        Progress::More | Progress::Text(_) => next(),
    }
}

/// Gives the console decoder the bytes up to `end`, or all.
fn feed<'i>(console: &mut Console<'_>, input: &mut &'i [u8], end: Option<usize>) -> Result<Progress<'i>, Error> {
    let (mut part, rest) = end.and_then(|end| input.split_at_checked(end)).unwrap_or((*input, &[]));
    let progress = console.push(&mut part);
    let left = part.len().saturating_add(rest.len());
    *input = input.get(input.len().saturating_sub(left)..).unwrap_or_default();
    progress
}

/// Puts one message into the framing that it was encoded for. Takes 20 bytes on a Cortex-M, 24 on a 64-bit host.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encoder(Inner);

const _: () = assert!(size_of::<Encoder>() <= 24);

#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Inner {
    Console(console::Encoder),
    Raw(counted::Encoder),
    Cobs(delimited::Encoder),
}

impl super::Encoder for Encoder {
    /// The console's is the largest.
    const MIN_OUT: usize = <console::Encoder as super::Encoder>::MIN_OUT;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        match &mut self.0 {
            Inner::Console(encoder) => encoder.next(message, out),
            Inner::Raw(encoder) => encoder.next(message, out),
            Inner::Cobs(encoder) => encoder.next(message, out),
        }
    }
}
