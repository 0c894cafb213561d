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
//! * A raw message that contains a whole console packet or a whole COBS frame (between two zeros, with the length of its SMP
//!   header) loses to it. That is one message in 65,536 of those that contain such a thing by chance.
//! * A raw message whose end could be the front of a console packet (`06 09` and nothing but base64 after it) costs the next
//!   raw message or COBS frame if that begins with a line feed whose zero is in a later read.
//! * A raw header that announces more than the buffer holds is text and noise, as nothing else can be expected of it.
//! * COBS frames that are too long for the buffer are damage at the byte that does not fit; the rest, up to a line feed or the zero, is
//!   dropped.
//! * Text between the lines of one console packet is possible, a frame of another kind is not. A zero there ends the packet:
//!   it is the way out for a COBS or raw client behind noise that looks like a start marker.
//! * Text is lost where it is part of damage: between a false beginning (`01 01`, `02 02`, `02 08`, `02 0A`, a raw header) and
//!   what ends it.

use core::time::Duration;

use super::console::{self, Console, Line, Lines, Store};
use super::counted::{self, Counted, Head, SmpHead};
use super::delimited;
use super::{Error, Framing, Progress};
use crate::bytes;
use crate::checksum::Crc16;
use crate::cobs;
use crate::line::Span;

/// The silence after which held bytes are no longer expected to become a frame, nor a damaged line to go on.
const HOLD: Duration = Duration::from_millis(100);

/// The silence after which what may be a COBS frame is given up: more than a port pauses within a frame, and far below the
/// time-out of any client, so that a client that repeats is heard.
pub const ABANDON_COBS: Duration = Duration::from_millis(250);

/// The silence after which an incomplete raw message or console packet is given up. Raw messages come over TCP, too, where a lost
/// segment costs 200 ms and more. A third of what [`counted`] and [`console`] wait by themselves: a client of another framing that
/// repeats its request every 2.5 s must not find the decoder in what its own last request left there.
pub const ABANDON: Duration = Duration::from_secs(1);

/// Shortest message: an SMP header.
const HEAD: usize = SmpHead::LEN;
const CRC: usize = 2;

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

/// The buffer of the caller, as the console decoder has it.
struct Buffer<'b> {
    bytes: &'b mut [u8],
    content: Content,
}

/// The content of the buffer.
enum Content {
    /// A console packet: the decoder stores its bytes. Left for `Wire` when a frame of another kind may begin.
    Packet,
    /// Wire bytes of a frame that is not decided: the decoder keeps no more of a packet in them than LEN and the CRC of what follows.
    /// Left for `Packet` when the frame has ended.
    Wire { announced: [u8; 2], crc: Crc16 },
}

impl Store for Buffer<'_> {
    fn capacity(&self) -> usize {
        self.bytes.len()
    }

    fn put(&mut self, at: usize, byte: u8) -> bool {
        match &mut self.content {
            Content::Packet => return self.bytes.get_mut(at).map(|place| *place = byte).is_some(),
            Content::Wire { announced, crc } => match at {
                // Another packet: its CRC begins here.
                0 => (*announced, *crc) = ([byte, 0], Crc16::new()),
                1 => {
                    let [_, low] = announced;
                    *low = byte;
                }
                _ => crc.update(&[byte]),
            },
        }
        true
    }

    fn announced(&self) -> Option<[u8; 2]> {
        match &self.content {
            Content::Packet => self.bytes.first_chunk().copied(),
            Content::Wire { announced, .. } => Some(*announced),
        }
    }

    fn crc(&self, end: usize) -> Option<u16> {
        match &self.content {
            Content::Packet => self.bytes.get(2..end).map(Crc16::of),
            Content::Wire { crc, .. } => Some(crc.value()),
        }
    }

    #[cfg(not(feature = "small"))]
    fn room(&mut self, have: usize, end: usize) -> &mut [u8] {
        match self.content {
            Content::Packet => self.bytes.get_mut(have..end).unwrap_or_default(),
            Content::Wire { .. } => &mut [],
        }
    }
}

/// What the first bytes at a boundary are.
enum Guess {
    /// Not decided: more bytes are needed.
    Open,
    /// The first one begins neither a raw message nor a COBS frame.
    Neither,
    /// A raw message of `total` bytes, if it is one.
    Raw { total: usize },
    /// A COBS frame, if it is one.
    Cobs,
}

/// Guesses from two to four bytes, the last of which is new, with raw messages of up to `longest` bytes.
fn guess(front: &[u8], longest: usize) -> Guess {
    let total = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low])).wrapping_add(HEAD);
    match *front {
        [0x01, 0x01] | [0x02, 0x02 | 0x08 | 0x0A] => Guess::Cobs,
        [0x00 | 0x02 | 0x08 | 0x0A, 0x00] if HEAD <= longest => Guess::Open,
        // A length that cannot fit is seen at its first byte: held for one byte less, a start marker there is not torn apart.
        [_, 0x00, high] if total(high, 0) <= longest => Guess::Open,
        [_, 0x00, high, low] if total(high, low) <= longest => Guess::Raw { total: total(high, low) },
        _ => Guess::Neither,
    }
}

impl<'b> Auto<'b> {
    /// Decodes into `buffer`. Below 12 bytes it holds no frame of any kind but raw ones of 8 to 11.
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

    /// Whether a byte may begin a raw message or a COBS frame, in a buffer that may hold one.
    const fn may_begin(&self, byte: u8) -> bool {
        match byte {
            0x01 | 0x02 => self.console.store.bytes.len() >= HEAD,
            0x00 | 0x08 | 0x0A => self.raw && self.console.store.bytes.len() >= HEAD,
            _ => false,
        }
    }

    /// The first bytes of the buffer.
    fn stored(&self, have: usize) -> &[u8] {
        self.console.store.bytes.get(..have).unwrap_or_default()
    }

    /// Back to listening, with the console decoder at this place in a line and nothing in the buffer.
    fn listen_again(&mut self, line: Line) {
        self.state = State::Listening;
        self.console.store.content = Content::Packet;
        self.console.restart(line);
    }

    /// Back to listening, because the first `have` bytes, which are on the wire like that, are not the frame that they may have been.
    /// A console packet that began in them goes on: it is decoded in place, since it is always behind what is decoded of it.
    ///
    /// Behind a packet that was damaged in there, and where there was none, the decoder is at `line`.
    fn hand_over(&mut self, have: usize, line: Line) {
        self.listen_again(line);
        let stored = self.stored(have);
        // The last start marker: each begins a packet, wherever it is, and a zero ends it. Half of one counts if there is no whole one.
        let none = have.wrapping_sub(usize::from(stored.last() == Some(&0x06)));
        let mut from = none;
        for (at, pair) in stored.windows(2).enumerate() {
            match pair {
                [0x06, 0x09] => from = at,
                [_, 0x00] => from = none,
                _ => {}
            }
        }
        for at in from..have {
            let Some(byte) = self.console.store.bytes.get(at).copied() else { break };
            self.feed(byte);
        }
    }

    /// Gives the console decoder one byte that is no text any more.
    fn feed(&mut self, byte: u8) {
        let byte = [byte];
        let mut input = &byte[..];
        while !matches!(self.console.push(&mut input), Ok(Progress::More)) {}
    }

    /// Listening: looks for the front of another frame where the console decoder is at a boundary, else gives it all.
    fn listen<'i>(&mut self, input: &mut &'i [u8], first: u8) -> Result<Progress<'i>, Error> {
        let idle = self.console.is_idle();
        let mut len = input.len();
        if idle {
            if self.may_begin(first) {
                // A message that was complete until now ends here: its bytes are overwritten.
                self.console.restart(Line::Outside);
                self.state = State::Head { have: 1 };
                if let Some(place) = self.console.store.bytes.first_mut() {
                    *place = first;
                }
                *input = input.get(1..).unwrap_or_default();
                return Ok(Progress::More);
            }
            if first == 0 {
                // An empty COBS frame.
                *input = input.get(1..).unwrap_or_default();
                return Ok(Progress::More);
            }
            len = input.iter().position(|byte| *byte == 0 || self.may_begin(*byte)).unwrap_or(len);
        } else {
            if first == 0 {
                // No console line contains a zero, but all that COBS and raw clients send does: without this exit they would not be
                // heard behind noise that looks like a start marker. What the zero begins is examined at the boundary.
                let open = self.console.is_open();
                self.console.restart(Line::Outside);
                return if open { Err(Error::Malformed) } else { Ok(Progress::More) };
            }
            // To where the decoder may be at a boundary again.
            if let Some(end) = input.iter().position(|byte| matches!(byte, 0 | b'\n')) {
                len = end.wrapping_add(usize::from(input.get(end) == Some(&b'\n')));
            }
        }
        let (mut part, rest) = input.split_at_checked(len).unwrap_or((*input, &[]));
        let progress = self.console.push(&mut part);
        let left = part.len().saturating_add(rest.len());
        *input = input.get(input.len().saturating_sub(left)..).unwrap_or_default();
        if progress == Ok(Progress::Message) {
            self.last = Kind::Console;
        }
        progress
    }

    /// At the front of a frame that may be COBS or raw. `Some` is text that was held.
    fn head(&mut self, input: &mut &[u8], have: usize, first: u8) -> Option<&'static [u8]> {
        if let Some(place) = self.console.store.bytes.get_mut(have) {
            *place = first;
        }
        let now = have.wrapping_add(1);
        // Without raw messages none fits.
        let longest = if self.raw { self.console.store.capacity() } else { 0 };
        self.state = match guess(self.stored(now), longest) {
            Guess::Neither => return self.release(have),
            Guess::Open => State::Head { have: now },
            Guess::Cobs => State::Cobs { have: now },
            Guess::Raw { total } => State::Raw { have: now, total },
        };
        *input = input.get(1..).unwrap_or_default();
        if !matches!(self.state, State::Head { .. }) {
            self.console.store.content = Content::Wire { announced: [0; 2], crc: Crc16::new() };
            // Zeros, or noise, may be in front of a start marker, whose first byte is part of this length then.
            for at in 0..now {
                self.feed(self.stored(now).get(at).copied().unwrap_or_default());
            }
        }
        None
    }

    /// Releases the first of `have` held bytes, which begins no frame. Zeros are empty COBS frames and no text; and what follows a zero
    /// here was noise, unless it begins a marker.
    fn release(&mut self, have: usize) -> Option<&'static [u8]> {
        let first = self.stored(1).first().copied().unwrap_or_default();
        self.drop_front(have, 1);
        self.state = match have {
            0 | 1 => State::Listening,
            _ => State::Head { have: have.wrapping_sub(1) },
        };
        match first {
            0x01 => Some(&[0x01]),
            0x02 => Some(&[0x02]),
            0x08 => Some(&[0x08]),
            0x0A => Some(&[0x0A]),
            other => {
                self.feed(other);
                None
            }
        }
    }

    /// Moves the first `have` bytes of the buffer to the front by `count`.
    fn drop_front(&mut self, have: usize, count: usize) {
        // `copy_within` panics where the bounds do not fit, which a compiler that saves space cannot exclude.
        for at in count..have {
            let byte = self.stored(have).get(at).copied().unwrap_or_default();
            if let Some(place) = self.console.store.bytes.get_mut(at.wrapping_sub(count)) {
                *place = byte;
            }
        }
    }

    /// Stores the first `count` bytes of the input behind the `have` that are there, which have to fit, and shows them to the console
    /// decoder; returns how many there are now.
    ///
    /// A console packet that they complete wins: its line feed stays in the input, and completes it once more behind the error.
    fn store(&mut self, input: &mut &[u8], have: usize, count: usize) -> Result<usize, Error> {
        let (run, _) = input.split_at_checked(count).unwrap_or((*input, &[]));
        bytes::copy(run, self.console.store.bytes.get_mut(have..).unwrap_or_default());
        let mut unread = run;
        loop {
            match self.console.push(&mut unread) {
                Ok(Progress::More) => break,
                Ok(Progress::Message) => {
                    let read = run.len().wrapping_sub(unread.len()).saturating_sub(1);
                    *input = input.get(read..).unwrap_or_default();
                    self.hand_over(have.wrapping_add(read), Line::Outside);
                    return Err(Error::Truncated);
                }
                // Text here, and damage, are part of the frame, or of the noise, that is not decided yet.
                Ok(Progress::Text(_)) | Err(_) => {}
            }
        }
        *input = input.get(run.len()..).unwrap_or_default();
        Ok(have.wrapping_add(run.len()))
    }

    /// In what may be a COBS frame.
    fn cobs(&mut self, input: &mut &[u8], have: usize) -> Result<Progress<'static>, Error> {
        let room = self.console.store.capacity().saturating_sub(have);
        match input.iter().take(room.saturating_add(1)).position(|byte| *byte == 0) {
            Some(0) => {
                *input = input.get(1..).unwrap_or_default();
                return self.unstuff(have);
            }
            None if room == 0 => {
                // The rest of the frame is no text: skipped to the line feed or the zero.
                self.hand_over(have, Line::Skip);
                return Err(Error::TooLong);
            }
            end => {
                let count = end.unwrap_or(room.min(input.len()));
                self.state = State::Cobs { have: self.store(input, have, count)? };
            }
        }
        Ok(Progress::More)
    }

    /// In what may be a raw message.
    fn raw(&mut self, input: &mut &[u8], have: usize, total: usize) -> Result<Progress<'static>, Error> {
        let left = total.saturating_sub(have);
        let count = match input.iter().take(left).position(|byte| *byte == 0) {
            Some(0) => {
                // COBS frames after noise that looks like a raw header would be lost up to its length.
                let start =
                    self.stored(have).iter().rposition(|byte| *byte == 0).map_or(0, |zero| zero.wrapping_add(1));
                if is_frame(self.stored(have).get(start..).unwrap_or_default()) {
                    self.drop_front(have, start);
                    // Its zero stays in the input.
                    self.state = State::Cobs { have: have.saturating_sub(start) };
                    return Err(Error::Truncated);
                }
                // As in `listen`: a zero ends a console packet.
                self.console.restart(Line::Outside);
                1
            }
            end => end.unwrap_or(left.min(input.len())),
        };
        let have = self.store(input, have, count)?;
        if have < total {
            self.state = State::Raw { have, total };
            return Ok(Progress::More);
        }
        self.state = State::RawMessage { len: total };
        self.last = Kind::Raw;
        Ok(Progress::Message)
    }

    /// The zero that ends a COBS frame of `have` bytes is there: decodes it in place. Back to listening if it is none.
    fn unstuff(&mut self, have: usize) -> Result<Progress<'static>, Error> {
        // A console packet that has begun in it is broken by the zero.
        self.listen_again(Line::Outside);
        let len = message_len(self.stored(have))?;
        let mut data = Unstuffed::START;
        let mut at = 0;
        while let Some(byte) = data.next(self.stored(have)) {
            // Never past what is read: a code comes before its data.
            if let Some(place) = self.console.store.bytes.get_mut(at) {
                *place = byte;
            }
            at = at.wrapping_add(1);
        }
        self.state = State::CobsMessage { len };
        self.last = Kind::Cobs;
        Ok(Progress::Message)
    }

    /// Behind a raw message of `len` bytes. It may have been noise in front of a console packet, or may only look like one at its end.
    fn leave_raw(&mut self, input: &[u8], len: usize) {
        // No line contains these bytes, but most requests begin with them.
        let begins = matches!(input, [0x00 | 0x01 | 0x02 | 0x08, ..] | [0x0A, 0x00, ..]);
        if self.console.is_open() && !begins || input.first() == Some(&0x09) && self.stored(len).last() == Some(&0x06) {
            self.hand_over(len, Line::Outside);
        } else {
            self.listen_again(Line::Outside);
        }
    }
}

/// Reads the data of a COBS frame byte by byte, to check them without a place to put them, and to decode them in place.
///
/// [`cobs::Decoder`], which is many times as fast, has to have input and output in two slices.
struct Unstuffed {
    /// Bytes that are read.
    at: usize,
    /// Bytes of the group that are still to come.
    left: u8,
    /// Whether the group stands for a zero, too, if another follows.
    zero: bool,
}

impl Unstuffed {
    const START: Self = Self { at: 0, left: 0, zero: false };

    /// The next byte of the data. At the end exactly the whole frame has been read, unless its last group is cut off.
    fn next(&mut self, wire: &[u8]) -> Option<u8> {
        loop {
            let byte = wire.get(self.at).copied();
            if let Some(left) = self.left.checked_sub(1) {
                self.left = left;
                self.at = self.at.wrapping_add(1);
                return byte;
            }
            self.left = byte?.wrapping_sub(1);
            self.at = self.at.wrapping_add(1);
            if core::mem::replace(&mut self.zero, byte != Some(0xFF)) {
                return Some(0);
            }
        }
    }
}

/// The length of the message in a COBS frame, without its zero.
fn message_len(wire: &[u8]) -> Result<usize, Error> {
    let (mut data, mut crc, mut len) = (Unstuffed::START, Crc16::new(), 0usize);
    while let Some(byte) = data.next(wire) {
        crc.update(&[byte]);
        len = len.wrapping_add(1);
    }
    match len.checked_sub(CRC) {
        Some(len @ HEAD..) if data.at == wire.len() => {
            if crc.value() == 0 {
                Ok(len)
            } else {
                Err(Error::Checksum)
            }
        }
        _ => Err(Error::Malformed),
    }
}

/// Whether bytes of a raw message are a COBS frame. The length in its SMP header has to fit, too: the payload of an upload has
/// very many runs between zeros, and a CRC fits one in 65,536.
fn is_frame(wire: &[u8]) -> bool {
    let mut data = Unstuffed::START;
    let mut head = [0; HEAD];
    for place in &mut head {
        *place = data.next(wire).unwrap_or_default();
    }
    SmpHead::total(&head).is_ok_and(|total| message_len(wire) == Ok(total))
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

    type Encoder<'m> = Encoder<'m>;

    fn encode<'m>(&self, message: &'m [u8]) -> Result<Encoder<'m>, Error> {
        Ok(Encoder(match self.last {
            Kind::Console => Inner::Console(console::Encoder::new(message)?),
            Kind::Raw => Inner::Raw(counted::Encoder::new(message)),
            Kind::Cobs => Inner::Cobs(delimited::Encoder::new(message)?),
        }))
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
                return self.console.idle(silence, Span::of(ABANDON));
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
            State::Raw { have, .. } if silence >= if have < HEAD { HOLD } else { ABANDON } => {
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

/// Puts one message into the framing that it was encoded for.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encoder<'m>(Inner<'m>);

#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Inner<'m> {
    Console(console::Encoder<'m>),
    Raw(counted::Encoder<'m>),
    Cobs(delimited::Encoder<'m>),
}

impl super::Encoder for Encoder<'_> {
    /// The console's is the largest.
    const MIN_OUT: usize = <console::Encoder<'_> as super::Encoder>::MIN_OUT;

    fn next(&mut self, out: &mut [u8]) -> usize {
        match &mut self.0 {
            Inner::Console(encoder) => encoder.next(out),
            Inner::Raw(encoder) => encoder.next(out),
            Inner::Cobs(encoder) => encoder.next(out),
        }
    }
}
