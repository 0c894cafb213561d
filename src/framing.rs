//! Whole messages out of a byte stream, and back.
//!
//! A [`Framing`] knows no protocol and no port. Bytes go in with [`push`](Framing::push), which says after each step what
//! happened; a completed message is borrowed afterwards with [`message`](Framing::message). Bytes come out of an
//! [`Encoder`] in runs of any size, so that no second buffer as large as the message is needed. The encoder does not
//! borrow the message, but is handed it at each call: a frame that is half sent can be kept in a static, beside the
//! buffer that holds its message.
//!
//! ```text
//!   push(&mut input) ─┬─ More        the input is used up
//!                     ├─ Message     message() borrows it until the next push
//!                     ├─ Text(run)   bytes that belong to no frame (console only)
//!                     └─ Err(error)  one damaged message; the decoder already looks for the next one
//!   idle(silence)     ── the same, for what only silence can decide
//!
//!   encode(message) ──▶ Encoder      next(message, out) writes the frame run by run; 0 bytes: it is complete
//! ```
//!
//! # How to write one more framing
//!
//! Implement [`Framing`] for a struct that borrows its message buffer, and [`Encoder`] for a struct that keeps its
//! position in the message to send. Four rules make it fit the drivers:
//!
//! * `push` advances `input` past what it has consumed, and returns [`Progress::More`] only when nothing is left;
//! * an error is reported once for each damaged message, and its tail is never taken for a message;
//! * `idle` is told for how long the line has been silent since the last byte, not since the last call;
//! * `next` takes from the message with `get` only, and moves on even where the message ends too soon. It is handed the
//!   same message each time, but nothing enforces that.
//!
//! The framing of a one-byte length, with both directions:
//!
//! ```
//! use anysmp::framing::{Encoder, Error, Framing, Progress, Sizes};
//! use core::time::Duration;
//!
//! struct Short<'b> {
//!     buffer: &'b mut [u8],
//!     /// Bytes of the frame that have arrived: the length, and so many bytes of the message.
//!     have: Option<(u8, usize)>,
//! }
//!
//! impl Framing for Short<'_> {
//!     const OVERHEAD: usize = 0;
//!     type Encoder = ShortEncoder;
//!
//!     fn encode(&self, message: &[u8]) -> Result<ShortEncoder, Error> {
//!         let len = u8::try_from(message.len()).or(Err(Error::Unsendable))?;
//!         Ok(ShortEncoder::Len(len))
//!     }
//!
//!     fn sizes(&self) -> Sizes {
//!         Sizes { message: self.buffer.len().min(255), buffer: self.buffer.len(), out: 128, read: 64 }
//!     }
//!
//!     fn max_encoded_len(&self, message: usize) -> usize {
//!         message.saturating_add(1)
//!     }
//!
//!     fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
//!         while let Some((byte, rest)) = input.split_first() {
//!             *input = rest;
//!             let (len, have) = match self.have {
//!                 Some((len, have)) if have < len.into() => {
//!                     if let Some(place) = self.buffer.get_mut(have) {
//!                         *place = *byte;
//!                     }
//!                     (len, have + 1)
//!                 }
//!                 _ => (*byte, 0),
//!             };
//!             self.have = Some((len, have));
//!             if have == usize::from(len) {
//!                 return if have > self.buffer.len() { Err(Error::TooLong) } else { Ok(Progress::Message) };
//!             }
//!         }
//!         Ok(Progress::More)
//!     }
//!
//!     fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
//!         match self.have {
//!             Some((len, have)) if have < len.into() && silence >= Duration::from_secs(1) => {
//!                 self.reset();
//!                 Err(Error::Abandoned)
//!             }
//!             _ => Ok(Progress::More),
//!         }
//!     }
//!
//!     fn message(&self) -> &[u8] {
//!         match self.have {
//!             Some((len, have)) if have == usize::from(len) => self.buffer.get(..have).unwrap_or_default(),
//!             _ => &[],
//!         }
//!     }
//!
//!     fn reset(&mut self) {
//!         self.have = None;
//!     }
//! }
//!
//! enum ShortEncoder {
//!     /// The length comes next.
//!     Len(u8),
//!     /// The message comes next, from this position on.
//!     Message(usize),
//! }
//!
//! impl Encoder for ShortEncoder {
//!     const MIN_OUT: usize = 1;
//!
//!     fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
//!         match self {
//!             Self::Len(len) => {
//!                 let Some(place) = out.first_mut() else { return 0 };
//!                 *place = *len;
//!                 *self = Self::Message(0);
//!                 1
//!             }
//!             Self::Message(at) => {
//!                 let rest = message.get(*at..).unwrap_or_default();
//!                 let count = out.iter_mut().zip(rest).map(|(place, byte)| *place = *byte).count();
//!                 *at += count;
//!                 count
//!             }
//!         }
//!     }
//! }
//!
//! let (mut buffer, mut wire) = ([0; 16], [0; 8]);
//! let mut framing = Short { buffer: &mut buffer, have: None };
//! let mut encoder = framing.encode(b"a message")?;
//! loop {
//!     let mut run = match encoder.next(b"a message", &mut wire) {
//!         0 => break,
//!         count => &wire[..count],
//!     };
//!     framing.push(&mut run)?;
//! }
//! assert_eq!(framing.message(), b"a message");
//! # Ok::<(), Error>(())
//! ```

use core::time::Duration;

pub mod auto;
pub mod console;
pub mod counted;
pub mod datagram;
pub mod delimited;
pub mod gatt;
mod head;
pub mod lrc;
pub mod packet;

/// What [`Framing::push`] and [`Framing::idle`] found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Progress<'i> {
    /// The input is used up and no message is complete.
    More,
    /// A message is complete: [`Framing::message`] lends it until the next `push`, `idle` or `reset`.
    Message,
    /// Bytes outside of any frame, in the order of their arrival: console text on the same wire.
    Text(&'i [u8]),
}

impl core::fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::More => f.write_str("More"),
            Self::Message => f.write_str("Message"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Progress<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::More => defmt::write!(f, "More"),
            Self::Message => defmt::write!(f, "Message"),
            Self::Text(text) => defmt::write!(f, "Text({} bytes)", text.len()),
        }
    }
}

/// Why a message was dropped, or could not be sent.
///
/// Each error costs the damaged message only; the decoder has already recovered when it reports one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The line: the bytes arrived, but their check does not match.
    Checksum,
    /// The line or the peer: a byte or a length that the framing does not allow at its place.
    Malformed,
    /// The line: a new message began before this one was complete.
    Truncated,
    /// The line: the rest of a message did not arrive within the silence limit.
    Abandoned,
    /// The peer, or our buffer: the message is longer than the buffer that was given to the decoder.
    TooLong,
    /// We: the message to send does not fit what the framing can express.
    Unsendable,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Checksum => "the checksum of a frame does not match",
            Self::Malformed => "a frame is malformed",
            Self::Truncated => "a frame was cut off by the next one",
            Self::Abandoned => "the rest of a frame did not arrive in time",
            Self::TooLong => "a message is longer than the receive buffer",
            Self::Unsendable => "the message does not fit this framing",
        })
    }
}

impl core::error::Error for Error {}

/// Finds whole messages in a byte stream, and puts messages into frames.
pub trait Framing {
    /// Bytes that the framing stores beside the message in the *peer's* receive buffer: a device that offers
    /// `buf_size` bytes takes messages of `buf_size - OVERHEAD`.
    const OVERHEAD: usize;

    /// Whether a frame has to reach the port in one `write`: datagrams, and protocols whose bytes may not be spaced.
    const WHOLE: bool = false;

    /// Whether one read of the port is one message: datagrams. What a read returns must then be pushed in one piece.
    const DATAGRAM: bool = false;

    /// How long the line has to be silent after an abandoned send before a new frame may start; zero where the
    /// [`preamble`](Self::preamble) resynchronises the peer.
    const QUIET: Duration = Duration::ZERO;

    /// How long the peer needs after the [`preamble`](Self::preamble) before a frame may follow it.
    const SETTLE: Duration = Duration::ZERO;

    /// The encoder of one message. It borrows neither the message nor the framing.
    type Encoder: Encoder + 'static;

    /// Starts to encode `message`. The encoder writes nothing yet; it is to be handed the same message at each
    /// [`next`](Encoder::next).
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if the framing cannot express this message, because of its length for example.
    fn encode(&self, message: &[u8]) -> Result<Self::Encoder, Error>;

    /// Bytes that bring the peer's decoder into step: sent when a session starts, after a time-out and after a send that
    /// was not completed. Empty where the framing has none.
    fn preamble(&self) -> &'static [u8] {
        &[]
    }

    /// The least silence between any two frames on the line, whoever sends them. Zero where frames may follow each
    /// other.
    fn gap(&self) -> Duration {
        Duration::ZERO
    }

    /// How long one byte takes on the line. Zero if that is not known.
    fn byte_time(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether what has come since the last message or silence can be the front of a message, where that takes so long on the line
    /// that a timeout has to know ([`byte_time`](Self::byte_time) is not zero then). False by default.
    fn is_arriving(&self) -> bool {
        false
    }

    /// How long the buffers are that suit this framing and its receive buffer.
    fn sizes(&self) -> Sizes;

    /// The most bytes on the wire that a message of `message` bytes takes, without the [`preamble`](Self::preamble).
    fn max_encoded_len(&self, message: usize) -> usize;

    /// Consumes bytes from the front of `input` and says what they led to.
    ///
    /// Call it until it returns [`Progress::More`]; only then is `input` empty.
    ///
    /// # Errors
    ///
    /// One error for each damaged message; the decoder goes on with the rest of `input` at the next call.
    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error>;

    /// Tells the decoder that no byte has arrived for `silence`.
    ///
    /// Safe to call as often as wanted; a limit that has passed is acted upon once. Call it until it returns
    /// [`Progress::More`].
    ///
    /// # Errors
    ///
    /// [`Error::Abandoned`] when a partial message has waited too long.
    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error>;

    /// The message that was completed last. Empty if none is.
    fn message(&self) -> &[u8];

    /// Forgets a partial message, as after a reconnect.
    fn reset(&mut self);
}

/// Puts one message into a frame, run by run.
pub trait Encoder {
    /// The shortest `out` with which every call makes progress.
    const MIN_OUT: usize;

    /// Writes the next bytes of the frame of `message` to the front of `out` and returns how many.
    ///
    /// Returns 0 exactly when the frame is complete, if `out` holds at least [`MIN_OUT`](Self::MIN_OUT) bytes.
    ///
    /// `message` is the one that the encoder was made for. Another one yields garbage on the line, but no panic, and
    /// the frame still ends.
    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize;
}

/// How long the buffers of a link must be, all in bytes. They depend on the framing and on its receive buffer only.
///
/// `Console::sizes_of(512).memory()`, for example, is a constant: the length of an array in a static.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sizes {
    /// The longest message that the framing's receive buffer takes; `tx`, where messages to send are built, should hold
    /// as much.
    pub message: usize,
    /// The buffer size that a device with this framing may promise to its peers, in SMP's parameters for example. Peers
    /// fill it less their [`OVERHEAD`](Framing::OVERHEAD).
    pub buffer: usize,
    /// The most bytes sent in one write: a line on the console, the longest frame where it has to be
    /// [whole](Framing::WHOLE), 128 elsewhere.
    pub out: usize,
    /// The least that one read of the port has to take: 64 from streams, the longest datagram from datagrams.
    pub read: usize,
}

impl Sizes {
    /// The sizes of a framing over a stream, which may cut its frames where it likes.
    pub(crate) const fn of_stream(message: usize, buffer: usize) -> Self {
        Self { message, buffer, out: 128, read: 64 }
    }

    /// The memory of a link that holds all of these: a message to send, what is written and what is read.
    #[must_use]
    pub const fn memory(self) -> usize {
        self.message.saturating_add(self.out).saturating_add(self.read)
    }
}
