//! Framings: find whole messages in a byte stream, and put messages into frames.
//!
//! A [`Framing`] depends on no protocol and no port. Bytes go in with [`push`](Framing::push),
//! which returns the result of each step; a completed message is borrowed afterwards with
//! [`message`](Framing::message). Bytes come out of an [`Encoder`] in runs of any size, so that no
//! second buffer as large as the message is needed. The encoder does not borrow the message but is
//! given it at each call, so a half-sent frame can be kept in a static next to the buffer that
//! holds its message.
//!
//! ```text
//!   push(&mut input) ─┬─ More        the input is used up
//!                     ├─ Message     message() borrows it until the next push
//!                     ├─ Text(run)   bytes that belong to no frame (console only)
//!                     └─ Err(error)  one damaged message; the decoder is looking for the next one
//!   idle(silence)     ── the same, for what only silence can decide
//!
//!   encode(message) ──▶ Encoder      next(message, out) writes the frame in runs; 0: complete
//! ```
//!
//! # Writing a framing
//!
//! Implement [`Framing`] for a struct that borrows its message buffer, and [`Encoder`] for a struct
//! that keeps its position in the message to send. Four rules make it fit the drivers:
//!
//! * `push` advances `input` past what it has consumed, and returns [`Progress::More`] only when
//!   nothing is left;
//! * each damaged message is reported as one error, and its tail is never mistaken for a message;
//! * `idle` is given the silence since the last byte, not since the last call;
//! * `next` reads the message with `get` only, and advances even if the message ends too soon. It
//!   is given the same message each time, but nothing enforces that.
//!
//! A framing with a one-byte length, both directions:
//!
//! ```
//! use anysmp::framing::{Encoder, Error, Framing, Progress, Sizes, Unpaced};
//! use core::time::Duration;
//!
//! struct Short<'b> {
//!     buffer: &'b mut [u8],
//!     /// The part of the frame that has arrived: the length, and this many bytes of the message.
//!     have: Option<(u8, usize)>,
//! }
//!
//! impl Framing for Short<'_> {
//!     const OVERHEAD: usize = 0;
//!     type Pace = Unpaced;
//!     type Encoder = ShortEncoder;
//!
//!     fn encode(&self, message: &[u8]) -> Result<ShortEncoder, Error> {
//!         let len = u8::try_from(message.len()).or(Err(Error::Unsendable))?;
//!         Ok(ShortEncoder { len, at: 0 })
//!     }
//!
//!     fn sizes(&self) -> Sizes {
//!         let buffer = self.buffer.len();
//!         Sizes { message: buffer.min(255), buffer, out: 128, read: 64 }
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
//!                 let fits = have <= self.buffer.len();
//!                 return if fits { Ok(Progress::Message) } else { Err(Error::TooLong) };
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
//!             Some((len, have)) if have == usize::from(len) => {
//!                 self.buffer.get(..have).unwrap_or_default()
//!             }
//!             _ => &[],
//!         }
//!     }
//!
//!     fn reset(&mut self) {
//!         self.have = None;
//!     }
//! }
//!
//! struct ShortEncoder {
//!     len: u8,
//!     /// The position in the frame.
//!     at: usize,
//! }
//!
//! impl Encoder for ShortEncoder {
//!     const MIN_OUT: usize = 1;
//!
//!     fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
//!         let rest = core::iter::once(&self.len).chain(message).skip(self.at);
//!         let pairs = out.iter_mut().zip(rest);
//!         let count = pairs.map(|(place, byte)| *place = *byte).count();
//!         self.at += count;
//!         count
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

use crate::time::Span;

pub mod auto;
pub mod bridge;
pub mod console;
pub mod counted;
pub mod datagram;
pub mod delimited;
pub mod gatt;
mod head;
pub mod lrc;
mod pace;
pub mod packet;

pub use pace::{Pace, Paced, Unpaced};

/// The result of one step of a decoder: [`Framing::push`] or [`Framing::idle`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to handle each")]
pub enum Progress<'i> {
    /// The input is used up and no message is complete.
    More,
    /// A message is complete: [`Framing::message`] returns it until the next `push`, `idle` or
    /// `reset`.
    Message,
    /// Bytes outside any frame, in the order of their arrival: console text on the same wire.
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

/// The reason why a message was dropped or could not be sent.
///
/// Each error costs the damaged message only; the decoder has already recovered when it reports
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The line: the bytes arrived, but their check does not match.
    Checksum,
    /// The peer, or our buffer: the message is longer than the buffer of the decoder.
    TooLong,
    /// The line: the rest of a message did not arrive within the silence limit.
    Abandoned,
    /// The line or the peer: a byte or a length that the framing does not allow at its place.
    Malformed,
    /// The line: a new message began before this one was complete.
    Truncated,
    /// We: the framing cannot express the message to send.
    Unsendable,
}

const _: () = assert!(size_of::<Error>() == 1);

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
    /// Bytes that the framing stores next to the message in the *peer's* receive buffer: a device
    /// that offers `buf_size` bytes accepts messages of up to `buf_size - OVERHEAD`.
    const OVERHEAD: usize;

    /// True if a frame must reach the port in one `write`: datagrams, and protocols that allow no
    /// pause between bytes.
    const WHOLE: bool = false;

    /// True if one read of the port is one message, as with datagrams. The result of a read must
    /// then be pushed in one piece.
    const DATAGRAM: bool = false;

    /// The silence that is needed after an abandoned send before a new frame may start; zero where
    /// the [`preamble`](Self::preamble) resynchronises the peer.
    const QUIET: Duration = Duration::ZERO;

    /// The time that the peer needs after the [`preamble`](Self::preamble) before a frame may
    /// follow.
    const PREAMBLE_PAUSE: Duration = Duration::ZERO;

    /// [`Paced`] if [`gap`](Self::gap) or [`byte_time`](Self::byte_time) can be other than zero. A
    /// line with an [`Unpaced`] framing does not count the time that frames take.
    type Pace: Pace;

    /// The encoder of one message. It borrows neither the message nor the framing.
    type Encoder: Encoder + 'static;

    /// Starts to encode `message`. The encoder writes nothing yet; give it the same message at each
    /// [`next`](Encoder::next).
    ///
    /// # Errors
    ///
    /// We: [`Error::Unsendable`] if the framing cannot express this message, for example because of
    /// its length. A line reports any other error as this one.
    fn encode(&self, message: &[u8]) -> Result<Self::Encoder, Error>;

    /// Returns the bytes that resynchronise the peer's decoder: sent when a session starts, after a
    /// timeout and after a send that was not completed. Empty where the framing has none.
    fn preamble(&self) -> &'static [u8] {
        &[]
    }

    /// Returns the minimum silence between any two frames on the line, from either end. Zero where
    /// frames may follow each other directly.
    fn gap(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns the time of one byte on the line. Zero if it is not known.
    fn byte_time(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns true if the bytes since the last message or silence can be the front of a message,
    /// and this framing is so slow on the line that a timeout must wait for the rest
    /// ([`byte_time`](Self::byte_time) is not zero then). False by default.
    fn is_arriving(&self) -> bool {
        false
    }

    /// Returns the lengths of the buffers that suit this framing and its receive buffer.
    fn sizes(&self) -> Sizes;

    /// Returns the maximum number of bytes on the wire for a message of `message` bytes, without
    /// the [`preamble`](Self::preamble).
    fn max_encoded_len(&self, message: usize) -> usize;

    /// Consumes bytes from the front of `input` and returns the result.
    ///
    /// Call it until it returns [`Progress::More`]; only then is `input` empty.
    ///
    /// # Errors
    ///
    /// The line or the peer: one error for each damaged message. The decoder continues with the
    /// rest of `input` at the next call.
    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error>;

    /// Notifies the decoder that no byte has arrived for `silence`.
    ///
    /// May be called at any rate; a limit that has passed takes effect once. Call it until it
    /// returns [`Progress::More`].
    ///
    /// # Errors
    ///
    /// The line: [`Error::Abandoned`] when the rest of a message has not arrived in time.
    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error>;

    /// The same as [`idle`](Self::idle), in the unit that a line counts in; by default it calls
    /// `idle`. A framing that keeps its limit as a [`Span`] overrides it, so that no time is
    /// converted.
    ///
    /// # Errors
    ///
    /// As for [`idle`](Self::idle).
    fn silent(&mut self, silence: Span) -> Result<Progress<'static>, Error> {
        self.idle(silence.to_duration())
    }

    /// Returns the message that was completed last; empty if there is none.
    fn message(&self) -> &[u8];

    /// Discards a partial message, for example after a reconnect.
    fn reset(&mut self);
}

/// Encodes one message into a frame, run by run.
pub trait Encoder {
    /// The shortest `out`, in bytes, with which every call makes progress.
    const MIN_OUT: usize;

    /// Writes the next bytes of the frame of `message` to the front of `out` and returns their
    /// number: as many as fit, since what one call returns may be one write of the port.
    ///
    /// Returns 0 exactly when the frame is complete, if `out` holds at least
    /// [`MIN_OUT`](Self::MIN_OUT) bytes.
    ///
    /// `message` must be the one that the encoder was made for. Another one yields garbage on the
    /// line, but no panic, and the frame still ends.
    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize;
}

/// The buffer lengths that a link needs, all in bytes. They depend only on the framing and its
/// receive buffer.
///
/// `Console::sizes_of(512).memory()`, for example, is a constant: the length of an array in a
/// static.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "framings outside of the crate return it")]
pub struct Sizes {
    /// The longest message that fits the framing's receive buffer; `tx`, where messages to send are
    /// built, should be as long.
    pub message: usize,
    /// The buffer size that a device with this framing may promise to its peers, for example in the
    /// parameters of SMP. A peer subtracts its [`OVERHEAD`](Framing::OVERHEAD).
    pub buffer: usize,
    /// The maximum number of bytes sent in one write: a line on the console, the longest frame if
    /// it must be [whole](Framing::WHOLE), else 128.
    pub out: usize,
    /// The minimum length of a read of the port: 64 for streams, the longest datagram for
    /// datagrams.
    pub read: usize,
}

impl Sizes {
    /// Returns the sizes of a framing over a stream, whose frames may be cut anywhere.
    pub(crate) const fn of_stream(message: usize, buffer: usize) -> Self {
        Self { message, buffer, out: 128, read: 64 }
    }

    /// Returns the length of one memory that holds all parts: a message to send, bytes to write and
    /// bytes read.
    #[must_use]
    pub const fn memory(self) -> usize {
        self.message.saturating_add(self.out).saturating_add(self.read)
    }
}
