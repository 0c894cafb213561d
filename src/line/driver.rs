//! What both drivers have in common: their struct, and all that neither reads nor writes.

use core::time::Duration;

use super::{Before, Error, Line, Peer, Since};
use crate::bytes::copy;
use crate::framing::Framing;
use crate::time::Span;

/// What one call of a port has done. `E` is the error of the port.
pub(crate) enum Moved<E> {
    /// It has taken this many bytes.
    Sent(usize),
    /// What it had taken is on its way.
    Flushed,
    /// This many bytes came; none, at the end of a connection.
    Received(usize, Peer),
    /// It was looked at, and nothing came.
    Silence,
    /// The call was interrupted: nothing has happened.
    Interrupted(E),
    /// A read has failed.
    Unread(E),
    /// A write or a flush has failed.
    Unsent(E),
}

/// How often in a row a port may be interrupted.
const INTERRUPTED: u8 = 16;

/// The longest silence that a driver waits for by looking at the clock instead of by reading, which takes a tick: that of a packet
/// of BSMP at 9,600 baud is 2.1 ms.
const SPIN: Duration = Duration::from_micros(2_500);

/// What only drivers ask of a line.
impl<F: Framing> Line<'_, F> {
    /// An operation of a driver begins where another was dropped in the middle: what had begun to leave goes on, unless it has to
    /// leave in one piece; what has not begun is dropped.
    pub(crate) fn resume(&mut self) {
        if self.is_waiting() || (F::WHOLE && self.is_begun()) {
            self.abandon();
        }
    }

    /// An operation of a driver begins: the time until now is none of its own.
    pub(crate) fn start(&mut self, time: Duration) {
        let time = Span::lap(time, &mut self.nanos);
        self.away(time);
        self.elapsed = Span::ZERO;
    }

    /// Copies a message to `tx`; returns its length.
    pub(crate) fn put(&mut self, message: &[u8]) -> Result<usize, Error> {
        copy(message, self.tx.get_mut(..message.len()).ok_or(Error::BufferFull)?);
        Ok(message.len())
    }

    /// One call of a port has ended, and this much time has passed since the one before. What it means is the same in both
    /// drivers.
    pub(crate) fn moved<E>(&mut self, moved: Moved<E>, time: Duration) -> Result<(), Error<E>> {
        let time = Span::lap(time, &mut self.nanos);
        let (error, is_sending) = match moved {
            Moved::Sent(count @ 1..) => {
                // Time first: a wait begins when the last byte is flushed.
                self.away(time);
                self.sent(count);
                self.interrupted = 0;
                return Ok(());
            }
            Moved::Received(count @ 1.., peer) => {
                self.filled(count, peer);
                self.elapsed(time);
                self.interrupted = 0;
                return Ok(());
            }
            Moved::Flushed => {
                self.away(time);
                self.interrupted = 0;
                return Ok(());
            }
            Moved::Silence => {
                self.elapsed(time);
                self.interrupted = 0;
                return Ok(());
            }
            Moved::Interrupted(_) if self.interrupted < INTERRUPTED => {
                if self.is_flushing() {
                    // No time of waiting yet: the port is to be flushed again.
                    self.elapsed.lengthen(time);
                    self.airtime = self.airtime.shortened(time);
                } else {
                    self.away(time);
                }
                self.interrupted = self.interrupted.wrapping_add(1);
                return Ok(());
            }
            Moved::Interrupted(error) => (Error::Port(error), self.is_sending()),
            Moved::Sent(_) => (Error::WriteZero, true),
            Moved::Unsent(error) => (Error::Port(error), true),
            Moved::Received(..) => (Error::Closed, false),
            Moved::Unread(error) => (Error::Port(error), false),
        };
        self.away(time);
        self.interrupted = 0;
        if is_sending {
            self.abandon();
        } else {
            self.lost();
        }
        Err(error)
    }

    /// Whether the port is to be flushed.
    pub(crate) const fn is_flushing(&self) -> bool {
        matches!(self.since, Since::Flushing(_)) || matches!(self.before, Before::Flushing(_))
    }

    /// Whether a message waits for a silence that is shorter than a tick.
    pub(crate) fn is_resting(&self) -> bool {
        self.rest().is_some_and(|left| const { Span::limit(SPIN) }.reaches(left))
    }
}

/// Defines `Link` over the `Read` and `Write` that are in scope, so that both colours have the same text.
macro_rules! driver {
    () => {
        /// A port and a line, ready for exchanges.
        pub struct Link<'b, P, F: Framing, S = ()> {
            port: P,
            line: Line<'b, F>,
            sink: S,
        }

        crate::shown::shown!(['b, P, F: Framing, S] Link<'b, P, F, S>, |link| "Link({:?})", link.line.counters());

        impl<'b, P: Read + Write + Clock, F: Framing> Link<'b, P, F> {
            /// Joins a port and a framing.
            ///
            /// # Errors
            ///
            /// [`SizeError`](crate::line::SizeError) if a buffer is too short for the framing: see
            /// [`Buffers`](crate::line::Buffers).
            pub fn new(
                port: P,
                framing: F,
                memory: impl Into<crate::line::Buffers<'b>>,
            ) -> Result<Self, crate::line::SizeError> {
                Ok(Self { port, line: Line::new(framing, memory)?, sink: () })
            }
        }

        impl<'b, P, F: Framing, S> Link<'b, P, F, S> {
            /// Hands everything that belongs to no exchange to `sink`: console text, unasked messages, losses.
            pub fn with_sink<T: Sink>(self, sink: T) -> Link<'b, P, F, T> {
                Link { port: self.port, line: self.line, sink }
            }

            /// What this link has counted so far.
            pub const fn counters(&self) -> crate::line::Counters {
                self.line.counters()
            }

            /// What routines have to know of this link.
            pub fn limits(&self) -> crate::line::Limits {
                self.line.limits()
            }

            /// The message received last, for example to read the text beside an error. Empty if the last one was damaged.
            pub fn message(&self) -> &[u8] {
                self.line.message()
            }

            /// Who sent what was received last.
            pub const fn peer(&self) -> crate::line::Peer {
                self.line.peer()
            }

            /// The port, for example to change its speed or to write text beside the frames.
            pub const fn port(&mut self) -> &mut P {
                &mut self.port
            }

            /// The line.
            pub const fn line(&mut self) -> &mut Line<'b, F> {
                &mut self.line
            }

            /// The sink that was given with [`with_sink`](Self::with_sink).
            pub const fn sink(&mut self) -> &mut S {
                &mut self.sink
            }

            /// Gives the port back.
            pub fn into_port(self) -> P {
                self.port
            }
        }
    };
}

pub(crate) use driver;
