//! The errors of exchanges and sends, and the reasons why messages are dropped.

use core::convert::Infallible;

use super::SizeError;
use crate::framing;

/// The error of a line or a driver. `P` is the error of the port, `E` that of the protocol; a line
/// by itself has neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error<P = Infallible, E = Infallible> {
    /// The port: it failed, or was interrupted more than 16 times in a row. A half-received frame
    /// is dropped and counted; the link stays usable.
    Port(P),
    /// The port: it reached its end, for example because the peer closed the connection.
    Closed,
    /// The port: it accepted no byte.
    WriteZero,
    /// Time: no response came, not even to the retries; or the line was never silent for long
    /// enough to send.
    TimedOut,
    /// We: the last message has not left yet.
    Busy,
    /// We: the message is longer than the line's `tx`.
    BufferFull,
    /// We: the message cannot be framed.
    Framing(framing::Error),
    /// We: a buffer is too short for its contents.
    Size(SizeError),
    /// The protocol: its error shows whose fault it is.
    Protocol(E),
}

impl<P, E> Error<P, E> {
    /// Converts an error of a line to the type of a driver.
    #[must_use]
    pub fn from_line(error: Error) -> Self {
        error.with_port::<P>().widen()
    }
}

impl<P> Error<P> {
    /// Converts to a type that can also hold an error of a protocol.
    #[must_use]
    pub fn widen<E>(self) -> Error<P, E> {
        match self {
            Self::Port(error) => Error::Port(error),
            Self::Closed => Error::Closed,
            Self::WriteZero => Error::WriteZero,
            Self::TimedOut => Error::TimedOut,
            Self::Busy => Error::Busy,
            Self::BufferFull => Error::BufferFull,
            Self::Framing(error) => Error::Framing(error),
            Self::Size(error) => Error::Size(error),
            Self::Protocol(never) => match never {},
        }
    }
}

impl<E> Error<Infallible, E> {
    /// Converts to a type that can also hold an error of a port.
    #[must_use]
    pub fn with_port<P>(self) -> Error<P, E> {
        match self {
            Self::Port(never) => match never {},
            Self::Closed => Error::Closed,
            Self::WriteZero => Error::WriteZero,
            Self::TimedOut => Error::TimedOut,
            Self::Busy => Error::Busy,
            Self::BufferFull => Error::BufferFull,
            Self::Framing(error) => Error::Framing(error),
            Self::Size(error) => Error::Size(error),
            Self::Protocol(error) => Error::Protocol(error),
        }
    }
}

impl<P: core::fmt::Display, E: core::fmt::Display> core::fmt::Display for Error<P, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Port(error) => write!(f, "the port failed: {error}"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::WriteZero => f.write_str("the port accepts no bytes"),
            Self::TimedOut => f.write_str("no response in time"),
            Self::Busy => f.write_str("the last message has not left yet"),
            Self::BufferFull => f.write_str("the message does not fit the line's buffer"),
            Self::Framing(error) => write!(f, "{error}"),
            Self::Size(error) => write!(f, "{error}"),
            Self::Protocol(error) => write!(f, "{error}"),
        }
    }
}

impl<P, E> core::error::Error for Error<P, E>
where
    P: core::error::Error + 'static,
    E: core::error::Error + 'static,
{
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Port(error) => Some(error),
            Self::Framing(error) => Some(error),
            Self::Size(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::Closed | Self::WriteZero | Self::TimedOut | Self::Busy | Self::BufferFull => None,
        }
    }
}

/// The error of one step of a driver: an [`Error`] without the variants of protocols and sizes, and
/// without content but for that of the port. So it is returned in two registers where that is a
/// word. [`Framing::encode`](crate::framing::Framing::encode) has only one error.
pub(crate) enum Fault<P> {
    Port(P),
    Closed,
    WriteZero,
    TimedOut,
    BufferFull,
    Unsendable,
}

const _: () = assert!(size_of::<Error>() <= 3 * size_of::<usize>());
const _: () = assert!(size_of::<Fault<u32>>() <= 8);

impl<P, E> From<Fault<P>> for Error<P, E> {
    fn from(fault: Fault<P>) -> Self {
        match fault {
            Fault::Port(error) => Self::Port(error),
            Fault::Closed => Self::Closed,
            Fault::WriteZero => Self::WriteZero,
            Fault::TimedOut => Self::TimedOut,
            Fault::BufferFull => Self::BufferFull,
            Fault::Unsendable => Self::Framing(framing::Error::Unsendable),
        }
    }
}

/// For [`Line::transmit`](super::Line::transmit), which a driver calls only when nothing is being
/// sent.
impl<P> From<Error> for Fault<P> {
    fn from(error: Error) -> Self {
        debug_assert!(error != Error::Busy, "a driver sends one message after the other");
        if let Error::BufferFull = error { Self::BufferFull } else { Self::Unsendable }
    }
}

/// The reason why a received message was dropped: a framing's error, in terms that do not depend on
/// the framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a sink has to handle each")]
// As wide as a `Span`, so that an `Event` is returned in two registers without being packed.
#[repr(u32)]
pub enum Damage {
    /// The line: the bytes arrived, but their check does not match.
    Checksum,
    /// The peer, or our buffer: the message is longer than the buffer that was given to the
    /// framing.
    TooLong,
    /// The line: the rest of a message never came.
    Lost,
    /// The line or the peer: a byte or a length that the framing does not allow there, or a new
    /// message before the end of the last one.
    Malformed,
}

impl From<framing::Error> for Damage {
    fn from(error: framing::Error) -> Self {
        match error {
            framing::Error::Checksum => Self::Checksum,
            framing::Error::TooLong => Self::TooLong,
            framing::Error::Abandoned => Self::Lost,
            // `Truncated` is not `Lost`: if the next frame cut off a frame, its sender may still
            // wait for a response. `Unsendable` is an error of encoders only. Not listed: with the
            // other three in front in both enums, this is one comparison, and 40 bytes less.
            _ => Self::Malformed,
        }
    }
}

impl core::fmt::Display for Damage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Checksum => "the checksum of a frame does not match",
            Self::TooLong => "a message is longer than the receive buffer",
            Self::Malformed => "a frame is malformed",
            Self::Lost => "the rest of a frame did not arrive",
        })
    }
}
