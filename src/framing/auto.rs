//! Automatic framing: console lines, COBS frames and raw messages of SMP on one port, detected
//! frame by frame. Responses use the framing of the request.
//!
//! A device that uses it accepts any of the three from unknown clients. At a boundary between
//! frames the first bytes limit the choice, since an SMP request begins with one of four bytes and
//! a zero:
//!
//! ```text
//!   06 09                     console   to the line feed that ends the packet
//!   02 02│08│0A, or 01 01     COBS      to the next zero: op and zero flags, or two zeros
//!   00│02│08│0A 00 len len …  raw       the bytes that the length counts, if they fit the buffer
//!   00                        nothing   an empty COBS frame, sent to resynchronise
//!   others                    text
//! ```
//!
//! Only a CRC confirms a frame, and a raw message has none. So the first bytes decide nothing yet:
//! a frame that may be COBS or raw is stored as it is on the wire, and the console decoder reads
//! the same bytes, each once, without storing its result. The frame that is confirmed first wins,
//! and the bytes around it are one error:
//!
//! ```text
//!   buffer     02 02 … │ 06 09  base64 …          wire bytes of a frame that may be COBS or raw
//!              ▲       └ the console decoder is in a packet and keeps LEN and CRC
//!              └ 02 02 looked like COBS
//!
//!   next byte  00                  COBS ends: its CRC fits, or one error
//!              0A, CRC fits        a console packet: one error for 02 02 …, then the packet,
//!                                  which is decoded in place
//!              one byte too many   one error; the packet is decoded in place, and continues
//! ```
//!
//! Therefore a console frame always arrives, whatever came before it and without a pause, even if
//! it is longer on the wire than the buffer. Each byte is read a fixed number of times: by the
//! console decoder, again when the stored bytes are decoded, and again by the check of a COBS
//! frame.
//!
//! # States
//!
//! ```text
//!              00 01 02 08 0A       looks like COBS
//!   Listening ──────────────▶ Head ─────────────────▶ Cobs ── 00, CRC fits ──▶ CobsMessage ──┐
//!       ▲  ◀── neither: text ─┘ └─ whole raw header ▶ Raw ─── last byte ─────▶ RawMessage ───┤
//!       │                                             │ └─ COBS frame inside, CRC fits ▶ Cobs│
//!       │◀─ console packet, silence, overflow, CRC: ──┘                                      │
//!       │   one error, from Cobs or Raw               next byte, or the one after a line feed│
//!       └◀───────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Console packets begin in `Listening`, and a false one must not last: a zero, which no console
//! line contains, ends line and packet there. So the normal traffic of each client brings the
//! decoder back to a boundary:
//!
//! | left by | console packet, or half of one | COBS candidate | raw candidate |
//! |---|---|---|---|
//! | console client | start marker | line feed and CRC; overflow | line feed and CRC; its length |
//! | COBS client | zero | zero | zero after a COBS frame; its length |
//! | raw client | zero (the flags of any request) | zero | silence; its length |
//! | silence | 1 s ([`ABANDON`]), a damaged line 100 ms | 250 ms ([`ABANDON_COBS`]) | 1 s |
//!
//! # Interpretation
//!
//! * A line feed is also the first byte of a version 2 write request. It is held until the next
//!   byte, or a silence of 100 ms, shows that it is text.
//! * Raw messages have no check. Noise that looks like a header yields a raw message made of noise;
//!   a console frame that began inside it is delivered afterwards. Exclude raw messages with
//!   [`with_raw`](Auto::with_raw) if text or noise shares the port.
//! * A raw message that contains a whole console packet loses to it, and so does one that contains
//!   a COBS frame between two zeros whose SMP header has the right length. Of the well-formed
//!   candidates, one in 65,536 has the right CRC by chance.
//! * A raw message whose end could be the front of a console packet, `06 09` and only base64 after
//!   it, is delivered. The packet is expected to continue, unless the next byte begins a frame. A
//!   line feed begins one where no line can end: before the end of LEN, and within a group of four
//!   symbols. Elsewhere it completes the packet if its CRC is right. Else it is held: a zero after
//!   it begins a version 2 write request, any other byte shows that it ended a line of the packet.
//! * Noise without a zero has no boundary with the COBS frame after it: the frame is lost with the
//!   noise. If the noise looks like a raw header, the COBS frame in which the raw message ends is
//!   lost too.
//! * A raw header that announces more than the buffer holds is text and noise.
//! * A COBS frame that is too long for the buffer is one error at the byte that does not fit. The
//!   rest is dropped up to a zero or a line feed: after noise on a console, no zero comes.
//! * Text may come between the lines of one console packet, but not a frame of another kind. A zero
//!   there ends the packet, so that a COBS or raw client gets through after noise that looks like a
//!   start marker.
//! * Text is lost as part of damage: between a false beginning (`01 01`, `02 02`, `02 08`, `02 0A`,
//!   a raw header) and its end.

use core::time::Duration;

use super::console::{self, Console, Line, Lines};
use super::counted::{self, Counted};
use super::delimited;
use super::head::{Head8, MIN_MESSAGE};
use super::{Error, Framing, Progress, Sizes};
use crate::cobs;

mod buffer;
mod states;
mod stuffed;

use buffer::{Buffer, Content};
use stuffed::CRC;

/// The silence after which held bytes become text, and a damaged line ends.
const HOLD: Duration = Duration::from_millis(100);

/// The silence after which a COBS candidate is dropped. It is longer than the pauses of a port
/// within a frame, and far below the timeout of any client, so that a retry is received.
pub const ABANDON_COBS: Duration = Duration::from_millis(250);

/// The silence after which an incomplete raw message or console packet is dropped.
///
/// It exceeds the 200 ms and more that a lost TCP segment costs a raw message. It is a third of the
/// limits of [`counted`] and [`console`], because a client of another framing that retries every
/// 2.5 s must not find the decoder in the remains of its last request.
pub const ABANDON: Duration = Duration::from_secs(1);

/// The framing of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "who opens what was found has to handle each")]
pub enum Kind {
    /// Base64 lines, as in [`console`].
    Console,
    /// The message alone, as in [`counted`].
    Raw,
    /// COBS with a CRC, as in [`delimited`].
    Cobs,
}

/// Decodes three framings in one buffer of the caller, and encodes in the framing of the last
/// message.
///
/// A buffer of `n` bytes accepts raw messages of `n` bytes, of `n - 4` on the console, and of
/// `n - 3 - n / 255` in COBS, whose frames are stored as they are on the wire. See
/// [`max_message`](Self::max_message) and [`buffer_len`](Self::buffer_len).
pub struct Auto<'b> {
    console: Lines<Buffer<'b>>,
    state: State,
    last: Kind,
    raw: bool,
}

/// The recipient of the next byte, and the use of the buffer. A reset leads from every state to
/// `Listening`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// At a boundary, in text, or in a console packet, whose bytes are in the buffer. Exit: a byte
    /// that may begin a frame of another kind, to `Head`, unless a packet or a line is open.
    Listening,
    /// The buffer holds the first `have` bytes, 1 to 3, of a possible COBS frame or raw message.
    /// Exits: a byte that decides, to `Cobs` or `Raw`; a byte that fits neither, to itself with
    /// fewer bytes or to `Listening`; silence, to `Listening`.
    Head { have: usize },
    /// The buffer holds the first `have` bytes of a COBS candidate. Exits: a zero, to `CobsMessage`
    /// if the CRC is right, else to `Listening`; a console packet in it, one byte too many or
    /// silence, to `Listening`.
    Cobs { have: usize },
    /// The buffer holds the first `have` of the `total` bytes of a raw candidate. Exits: the last
    /// byte, to `RawMessage`; a console packet in it or silence, to `Listening`; a COBS frame in
    /// it, to `Cobs`.
    Raw { have: usize, total: usize },
    /// The buffer begins with a message of `len` bytes from a COBS frame. Exit: any byte, to
    /// `Listening`.
    CobsMessage { len: usize },
    /// The buffer holds a raw message of `len` bytes. Exits: a line feed that may end a line of a
    /// console packet that began in the message, to `RawLine`; any other byte, to `Listening`,
    /// where such a packet continues; silence, to `Listening`, which ends such a packet.
    RawMessage { len: usize },
    /// As `RawMessage`, followed by a line feed. Exits: a zero, to `Head`, since a request begins;
    /// any other byte or silence, to `Listening`, where the line feed ends a line of the packet.
    RawLine { len: usize },
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

    /// Sets whether raw messages are accepted; by default they are. `false` is right for a port
    /// that carries text besides frames.
    #[must_use]
    pub const fn with_raw(self, raw: bool) -> Self {
        Self { raw, ..self }
    }

    /// Returns the sizes for a receive buffer of `buffer` bytes: the smallest of the three
    /// framings, because a peer may use any.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes::of_stream(Self::max_message(buffer), Self::max_message_in(Kind::Cobs, buffer))
    }

    /// Returns the maximum number of bytes on the wire for a message of `message` bytes: that of
    /// the console.
    #[must_use]
    pub const fn max_encoded_len(message: usize) -> usize {
        Console::encoded_len(message)
    }

    /// Returns the framing of the last message, in which the next one is encoded.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.last
    }

    /// Returns the longest message that a buffer of `buffer` bytes accepts in each of the three
    /// framings. Below 12 bytes there is none.
    #[must_use]
    pub const fn max_message(buffer: usize) -> usize {
        let (console, cobs) = (Self::max_message_in(Kind::Console, buffer), Self::max_message_in(Kind::Cobs, buffer));
        if console < cobs { console } else { cobs }
    }

    /// Returns the longest message that a buffer of `buffer` bytes accepts in one framing: `buffer`
    /// for a raw message, 4 less on the console; in COBS 3 less, and another one less for each 255
    /// bytes of buffer. In COBS, a message with zeros may be longer, by up to one byte for each
    /// 254.
    #[must_use]
    pub const fn max_message_in(kind: Kind, buffer: usize) -> usize {
        match kind {
            Kind::Console => Console::max_message(buffer),
            Kind::Raw => Counted::<Head8>::max_message(buffer),
            // The inverse of `cobs::max_encoded_len`; the zero that ends a frame is not stored.
            Kind::Cobs => buffer.saturating_sub(1).saturating_sub(buffer / 255).saturating_sub(CRC),
        }
    }

    /// Returns the buffer length for messages of up to `message` bytes in each of the three
    /// framings: 4 more, or 3 more and one for each 254 of message and CRC.
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

    type Pace = super::Unpaced;
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

    /// Returns the length on a console, whose symbols take the most bytes.
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
                // This byte begins something new; the loop looks at it again.
                State::CobsMessage { .. } => {
                    self.state = State::Listening;
                    continue;
                }
                State::RawMessage { len } => {
                    self.leave_raw(input, len);
                    continue;
                }
                State::RawLine { len } => self.leave_line(len, first == 0)?,
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
                    // Bytes after a damaged line may be another client's frames: `Skip` would hide
                    // them.
                    self.console.leave_skip();
                }
                return self.console.idle(silence >= ABANDON);
            }
            // No frame pauses here for that long: the held bytes are text or noise.
            State::Head { .. } if silence >= HOLD => {
                while let State::Head { have } = self.state {
                    if let Some(text) = self.release(have) {
                        return Ok(Progress::Text(text));
                    }
                }
            }
            // Handed over, not dropped: a console packet may have begun in these bytes.
            State::Cobs { have } if silence >= ABANDON_COBS => {
                self.hand_over(have, Line::Outside);
                return Err(Error::Abandoned);
            }
            // Half a header is more likely noise than a message, so it gets the shorter limit.
            State::Raw { have, .. } if silence >= if have < MIN_MESSAGE { HOLD } else { ABANDON } => {
                self.hand_over(have, Line::Outside);
                return Err(Error::Abandoned);
            }
            // A console packet that began in the message is abandoned, and the next byte is free.
            State::RawMessage { .. } if silence >= ABANDON => self.listen_again(Line::Outside),
            State::RawLine { len } if silence >= HOLD => return self.leave_line(len, false),
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
            State::Head { .. } | State::Cobs { .. } | State::Raw { .. } | State::RawLine { .. } => &[],
        }
    }

    fn reset(&mut self) {
        self.listen_again(Line::Outside);
    }
}

/// Encodes one message, in the framing of the last received message at the time when the encoder
/// was made.
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
    /// The console's is the largest of the three.
    const MIN_OUT: usize = <console::Encoder as super::Encoder>::MIN_OUT;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        match &mut self.0 {
            Inner::Console(encoder) => encoder.next(message, out),
            Inner::Raw(encoder) => encoder.next(message, out),
            Inner::Cobs(encoder) => encoder.next(message, out),
        }
    }
}
