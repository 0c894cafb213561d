//! Console lines, COBS frames and raw messages of SMP on one port, told apart frame by frame; responses go out in kind.
//!
//! A device that does not know its clients accepts any of the three. At a boundary between frames the first bytes show which
//! one it may be, since an SMP request begins with one of four bytes and a zero:
//!
//! ```text
//!   06 09                       console       to the line feed that ends the packet; everything unknown is console text
//!   02 02│08│0A, or 01 01       COBS          to the next zero: a byte that is not zero and the zero of the flags, or two zeros
//!   00│02│08│0A 00 len len …    raw           as many bytes as the length says, if they fit the buffer
//!   00                          nothing       an empty COBS frame, sent to resynchronise
//! ```
//!
//! Only a CRC proves a frame, and a raw message has none. So these bytes decide nothing yet: a frame that may be COBS or raw
//! is stored as it is on the wire, and the console decoder goes through the same bytes, each once, without storing what it
//! decodes. Whatever is proved first wins, and what surrounded it is one error:
//!
//! ```text
//!   buffer     02 02 … │ 06 09  base64 …          wire bytes of a frame that may be COBS or raw
//!              ▲       └ the console decoder is in a packet: LEN, CRC so far
//!              └ 02 02 looked like COBS
//!
//!   next byte  00                  COBS ends: its CRC fits, or one error
//!              0A, CRC fits        a console packet: one error for 02 02 …, the packet is decoded in place, and delivered
//!              one byte too many   one error; the console packet is decoded in place as far as it goes, and goes on
//! ```
//!
//! Therefore a console frame always arrives, whatever was in front of it and without a pause, even one that is longer on the wire
//! than the buffer. Each byte is looked at a fixed number of times: once by the console decoder, once more where the stored bytes
//! are decoded, and once more by the check of a COBS frame.
//!
//! # States
//!
//! ```text
//!               00 01 02 08 0A            looks like COBS
//!   Listening ────────────────▶ Head ──────────────────────▶ Cobs ── zero, CRC fits ──▶ CobsMessage ─┐
//!       ▲  ◀── neither: text ───┘ └──── whole raw header ──▶ Raw ─── last byte ───────▶ RawMessage ──┤
//!       │                                                    │ ▲└─ COBS frame inside, CRC fits ─▶ Cobs
//!       │◀── console packet inside, silence, overflow, bad CRC: one error ───────────────────────────│
//!       └◀──────────────────────────────────────────────────────────────────────────── next byte ────┘
//! ```
//!
//! What begins in `Listening` is console, and it may be damaged, too: a zero, which no console line contains, ends line and
//! packet there. So the traffic of each client brings the decoder back to a boundary:
//!
//! | left by | console packet, or half of one | COBS candidate | raw candidate |
//! |---|---|---|---|
//! | console client | start marker | line feed and CRC; overflow | line feed and CRC; its length |
//! | COBS client | zero | zero | zero behind a COBS frame; its length |
//! | raw client | zero (the flags of any request) | zero | silence; its length |
//! | silence | [`ABANDON`], 1 s; a damaged line 100 ms | [`ABANDON_COBS`], 250 ms | [`ABANDON`], 1 s |
//!
//! # Interpretation
//!
//! * A line feed is the first byte of a version 2 write request, too. It is held until the next byte, or a silence of 100 ms, shows
//!   that it is text.
//! * Raw has no check of its own. Noise that looks like a header yields a raw message made of noise; a console frame that began
//!   inside is delivered after it. Where text or noise shares the port, exclude raw messages with [`without_raw`](Auto::without_raw).
//! * A raw message that contains a whole console packet loses to it, and so does one that contains a COBS frame between two zeros
//!   whose SMP header has the right length. By chance, a CRC fits one in 65,536 of those that are well-formed otherwise.
//! * A raw message whose end could be the front of a console packet, `06 09` and nothing but base64 after it, is delivered. The packet is
//!   expected to go on, unless the next byte begins a frame. A line feed, as the first byte of a version 2 write request, does if
//!   a zero follows in the same read, or if less than LEN is there of the packet; else that one request is lost.
//! * Between noise without a zero and a COBS frame there is no border: the frame is lost with the noise. If the noise looks like a
//!   raw header, the COBS frame in which the raw message ends is lost, too.
//! * A raw header that announces more than the buffer holds is text and noise, as nothing else can be expected of it.
//! * A COBS frame that is too long for the buffer is one error at the byte that does not fit. The rest is dropped up to the zero, or to
//!   a line feed: behind noise on a console, no zero comes.
//! * Text between the lines of one console packet is possible, a frame of another kind is not. A zero there ends the packet:
//!   it is the way out for a COBS or raw client behind noise that looks like a start marker.
//! * Text is lost where it is part of damage: between a false beginning (`01 01`, `02 02`, `02 08`, `02 0A`, a raw header) and
//!   what ends it.

use core::time::Duration;

use super::console::{self, Console, Line, Lines};
use super::counted::{self, Counted};
use super::delimited;
use super::head::{SMP_HEADER, SmpHead};
use super::{Error, Framing, Progress, Sizes};
use crate::cobs;
use crate::time::Span;

mod buffer;
mod states;
mod stuffed;

use buffer::{Buffer, Content};
use stuffed::CRC;

/// The silence after which held bytes are no longer expected to become a frame, nor a damaged line to go on.
const HOLD: Duration = Duration::from_millis(100);

/// The silence after which what may be a COBS frame is given up: more than a port pauses within a frame, and far below the
/// time-out of any client, so that a client that repeats is heard.
pub const ABANDON_COBS: Duration = Duration::from_millis(250);

/// The silence after which an incomplete raw message or console packet is given up. Raw messages come over TCP, too, where a lost
/// segment costs 200 ms and more. A third of what [`counted`] and [`console`] wait by themselves: a client of another framing that
/// repeats its request every 2.5 s must not find the decoder in what its own last request left there.
pub const ABANDON: Duration = Duration::from_secs(1);

/// The framing of a message.
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

/// Decodes three framings in one buffer of the caller, and encodes in the one of the last message.
///
/// A buffer of `n` bytes accepts raw messages of `n` bytes, of `n - 4` on the console, and of `n - 3 - n / 255` in COBS, whose
/// frames are stored as they are on the wire. See [`max_message`](Self::max_message) and [`buffer_len`](Self::buffer_len).
pub struct Auto<'b> {
    console: Lines<Buffer<'b>>,
    state: State,
    last: Kind,
    raw: bool,
}

/// The recipient of the next byte, and the use of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// At a boundary, in text or in a console packet, whose bytes are in the buffer. Left by a byte that may begin a frame of another
    /// kind, to `Head`; not from within a packet or a line.
    Listening,
    /// The buffer holds the first `have` bytes of what may become a COBS frame or a raw message: 1 to 3. Left to `Cobs` or
    /// `Raw` by the byte that fits, to `Listening` by another, or by silence.
    Head { have: usize },
    /// The buffer holds the first `have` bytes of what may be a COBS frame. Left by a zero to `CobsMessage`, or if the CRC does not
    /// fit to `Listening`; by a console packet in it, one byte too many or silence to `Listening`.
    Cobs { have: usize },
    /// The buffer holds the first `have` of the `total` bytes of what may be a raw message. Left by the last byte to `RawMessage`; by
    /// a console packet in it or silence to `Listening`; by a COBS frame in it to `Cobs`.
    Raw { have: usize, total: usize },
    /// The buffer begins with a message of `len` bytes out of a COBS frame. Left by any byte, to `Listening`.
    CobsMessage { len: usize },
    /// The buffer holds a raw message of `len` bytes. Left by any byte to `Listening`, where a console packet that began in it goes
    /// on; by a silence that ends such a packet to `Listening`, too.
    RawMessage { len: usize },
}

impl<'b> Auto<'b> {
    /// Decodes into `buffer`. Below 12 bytes it accepts raw messages only, below 8 none.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self {
            console: Lines::new(Buffer { bytes: buffer, content: Content::Packet }),
            state: State::Listening,
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
        Sizes::of_stream(Self::max_message(buffer), Self::max_message_in(Kind::Cobs, buffer))
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

    /// The longest message that a buffer of `buffer` bytes accepts in each of the three framings. Below 12 bytes there is none.
    #[must_use]
    pub const fn max_message(buffer: usize) -> usize {
        let (console, cobs) = (Self::max_message_in(Kind::Console, buffer), Self::max_message_in(Kind::Cobs, buffer));
        if console < cobs { console } else { cobs }
    }

    /// The longest message that a buffer of `buffer` bytes accepts in one framing: `buffer` raw, 4 less on the console, 3 and one for
    /// each 255 bytes of buffer less in COBS. A COBS frame with zeros in its data may be longer by one for each 254.
    #[must_use]
    pub const fn max_message_in(kind: Kind, buffer: usize) -> usize {
        match kind {
            Kind::Console => Console::max_message(buffer),
            Kind::Raw => Counted::<SmpHead>::max_message(buffer),
            // The inverse of `cobs::max_encoded_len`; the zero that ends a frame is not stored.
            Kind::Cobs => buffer.saturating_sub(1).saturating_sub(buffer / 255).saturating_sub(CRC),
        }
    }

    /// The buffer that accepts messages of up to `message` bytes in each of the three framings: 4 more, or 3 and one for each 254
    /// of message and CRC.
    #[must_use]
    pub const fn buffer_len(message: usize) -> usize {
        let (console, cobs) = (Console::buffer_len(message), cobs::max_encoded_len(message.saturating_add(CRC)));
        if console > cobs { console } else { cobs }
    }
}

impl core::fmt::Debug for Auto<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Auto").field("kind", &self.last).field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Auto<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Auto({}, {})", self.last, self.state);
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
        Self::sizes_of(self.console.store.bytes.len())
    }

    /// That of the console, whose symbols take the most.
    fn max_encoded_len(&self, message: usize) -> usize {
        Self::max_encoded_len(message)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        while let Some(first) = input.first().copied() {
            let progress = match self.state {
                State::Listening => self.listen(input, first)?,
                State::Head { have } => self.head(input, have, first).map_or(Progress::More, Progress::Text),
                State::Cobs { have } => self.cobs(input, have)?,
                State::Raw { have, total } => self.raw(input, have, total)?,
                State::CobsMessage { .. } => {
                    self.state = State::Listening;
                    continue;
                }
                State::RawMessage { len } => {
                    self.leave_raw(input, len);
                    continue;
                }
            };
            if progress != Progress::More {
                return Ok(progress);
            }
        }
        Ok(Progress::More)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        match self.state {
            State::Listening => {
                if silence >= HOLD {
                    // What is left of a damaged line may be the front of another client's frames.
                    self.console.leave_skip();
                }
                return self.console.idle(silence, Span::limit(ABANDON));
            }
            State::Head { .. } if silence >= HOLD => {
                while let State::Head { have } = self.state {
                    if let Some(text) = self.release(have) {
                        return Ok(Progress::Text(text));
                    }
                }
            }
            State::Cobs { have } if silence >= ABANDON_COBS => {
                self.hand_over(have, Line::Outside);
                return Err(Error::Abandoned);
            }
            // A header that is not whole is no message yet.
            State::Raw { have, .. } if silence >= if have < SMP_HEADER { HOLD } else { ABANDON } => {
                self.hand_over(have, Line::Outside);
                return Err(Error::Abandoned);
            }
            // A console packet that began in it is abandoned.
            State::RawMessage { .. } if silence >= ABANDON => self.listen_again(Line::Outside),
            _ => {}
        }
        Ok(Progress::More)
    }

    fn message(&self) -> &[u8] {
        match self.state {
            State::Listening => {
                self.console.complete().and_then(|message| self.console.store.bytes.get(message)).unwrap_or_default()
            }
            State::CobsMessage { len } | State::RawMessage { len } => self.stored(len),
            State::Head { .. } | State::Cobs { .. } | State::Raw { .. } => &[],
        }
    }

    fn reset(&mut self) {
        self.listen_again(Line::Outside);
    }
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
