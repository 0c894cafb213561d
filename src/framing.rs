//! Whole messages out of a byte stream, and back.
//!
//! A [`Framing`] knows no protocol and no port. Bytes go in with [`push`](Framing::push), which says after each step what
//! happened; a completed message is borrowed afterwards with [`message`](Framing::message). Bytes come out of an
//! [`Encoder`] in runs of any size, so that no second buffer as large as the message is needed.
//!
//! ```text
//!   push(&mut input) ─┬─ More        the input is used up
//!                     ├─ Message     message() borrows it until the next push
//!                     ├─ Text(run)   bytes that belong to no frame (console only)
//!                     └─ Err(error)  one damaged message; the decoder already looks for the next one
//!   idle(silence)     ── the same, for what only silence can decide
//! ```
//!
//! # How to write one more framing
//!
//! Implement [`Framing`] for a struct that borrows its message buffer, and [`Encoder`] for a struct that borrows the
//! message to send. Three rules make it fit the drivers:
//!
//! * `push` advances `input` past what it has consumed, and returns [`Progress::More`] only when nothing is left;
//! * an error is reported once for each damaged message, and its tail is never taken for a message;
//! * `idle` is told for how long the line has been silent since the last byte, not since the last call.

use core::time::Duration;

pub mod auto;
pub mod console;
pub mod counted;
pub mod datagram;
pub mod delimited;
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

    /// How long the line has to be silent after an abandoned send before a new frame may start; zero where the
    /// [`preamble`](Self::preamble) resynchronises the peer.
    const QUIET: Duration = Duration::ZERO;

    /// How long the peer needs after the [`preamble`](Self::preamble) before a frame may follow it.
    const SETTLE: Duration = Duration::ZERO;

    /// The encoder of one message.
    type Encoder<'m>: Encoder;

    /// Starts to encode `message`.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if the framing cannot express a message of this length.
    fn encode<'m>(&self, message: &'m [u8]) -> Result<Self::Encoder<'m>, Error>;

    /// Bytes that bring the peer's decoder into step: sent when a session starts, after a time-out and after a send that
    /// was not completed. Empty where the framing has none.
    fn preamble(&self) -> &'static [u8] {
        &[]
    }

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

    /// Writes the next bytes of the frame to the front of `out` and returns how many.
    ///
    /// Returns 0 exactly when the frame is complete, if `out` holds at least [`MIN_OUT`](Self::MIN_OUT) bytes.
    fn next(&mut self, out: &mut [u8]) -> usize;
}
