//! What both drivers have in common: their struct, and all that neither reads nor writes.

use core::time::Duration;

use super::{Before, Fault, Line, Peer, Role, Sending};
use crate::bytes::copy;
use crate::framing::{self, Framing};
use crate::time::Span;

/// What one call of a port has done. `E` is the error of the port.
pub(crate) enum Moved<E> {
    /// It has taken this many bytes.
    Sent(usize),
    /// What it had taken is on its way.
    Flushed,
    /// This many bytes came; none, at the end of a connection.
    Received(usize),
    /// It was looked at, and nothing came.
    Silence,
    /// The call was interrupted: nothing has happened.
    Interrupted(E),
    /// A read has failed.
    Unread(E),
    /// A write or a flush has failed.
    Unsent(E),
}

/// What a driver waited for: an [`Event`](super::Event) in fewer registers.
pub(crate) enum Arrival {
    Message,
    Damaged(framing::Error),
    /// Time has passed, and nothing else has happened.
    Elapsed,
}

/// How often in a row a port may be interrupted.
const INTERRUPTED: u8 = 16;

/// The longest silence that a driver waits for by looking at the clock instead of by reading, which
/// takes a tick: that of a packet of BSMP at 9,600 baud is 2.1 ms.
const SPIN: Duration = Duration::from_micros(2_500);

/// What only drivers ask of a line.
impl<F: Framing, R: Role> Line<'_, F, R> {
    /// An operation of a driver begins where another was dropped in the middle: what had begun to
    /// leave goes on, unless it has to leave in one piece; what has not begun is dropped.
    pub(crate) fn resume(&mut self) {
        if self.is_waiting() || (F::WHOLE && self.is_begun()) {
            self.abandon();
        }
    }

    /// What the clock of the port says, in whole microseconds; the rest is kept for the next time.
    pub(crate) const fn lap(&mut self, time: Duration) -> Span {
        Span::lap(time, &mut self.nanos)
    }

    /// An operation of a driver begins: the time until now is none of its own.
    pub(crate) fn start(&mut self, time: Span) {
        self.away(time);
        self.elapsed = Span::ZERO;
    }

    /// Copies a message to `tx`; returns its length.
    pub(crate) fn put<P>(&mut self, message: &[u8]) -> Result<usize, Fault<P>> {
        copy(message, self.tx.get_mut(..message.len()).ok_or(Fault::BufferFull)?);
        Ok(message.len())
    }

    /// One call of a port has ended, and this much time has passed since the one before. What it
    /// means is the same in both drivers. What was received is `peer`'s.
    pub(crate) fn moved<E>(&mut self, moved: Moved<E>, time: Span, peer: Peer) -> Result<(), Fault<E>> {
        if let (Moved::Interrupted(_), ..INTERRUPTED) = (&moved, self.interrupted) {
            self.interrupted = self.interrupted.wrapping_add(1);
            if self.is_flushing() {
                // No time of waiting yet: the port is to be flushed again.
                self.elapsed.lengthen(time);
                self.airtime = self.airtime.shortened(time);
            } else {
                self.away(time);
            }
            return Ok(());
        }
        self.interrupted = 0;
        if let Moved::Received(count) = moved {
            self.filled(count, peer);
        }
        if let Moved::Received(1..) | Moved::Silence = moved {
            self.elapsed(time);
            return Ok(());
        }
        // Time first: a wait begins when the last byte is flushed.
        self.away(time);
        let (fault, is_sending) = match moved {
            Moved::Sent(count @ 1..) => {
                self.sent(count);
                return Ok(());
            }
            Moved::Flushed | Moved::Silence => return Ok(()),
            Moved::Interrupted(error) => (Fault::Port(error), self.is_sending()),
            Moved::Sent(_) => (Fault::WriteZero, true),
            Moved::Unsent(error) => (Fault::Port(error), true),
            Moved::Received(_) => (Fault::Closed, false),
            Moved::Unread(error) => (Fault::Port(error), false),
        };
        if is_sending {
            self.abandon();
        } else {
            self.lost();
        }
        Err(fault)
    }

    /// Whether the port is to be flushed.
    pub(crate) const fn is_flushing(&self) -> bool {
        matches!(self.sending, Sending::Flushing(_)) || matches!(self.before, Before::Flushing(_))
    }

    /// Whether something has to leave before the next operation may begin.
    pub(crate) const fn is_busy(&self) -> bool {
        self.is_sending() || self.is_flushing()
    }

    /// Whether a message waits for a silence that is shorter than a tick.
    pub(crate) fn is_resting(&self) -> bool {
        self.rest().is_some_and(|left| const { Span::limit(SPIN) }.reaches(left))
    }
}

/// Defines `Link` over the `Read` and `Write` that are in scope, so that both colours have the same
/// text.
macro_rules! driver {
    () => {
        /// A port and a line, ready for exchanges.
        pub struct Link<'b, P, F: Framing, S = (), R: Role = crate::line::Asking> {
            port: P,
            line: Line<'b, F, R>,
            sink: S,
        }

        crate::shown::shown!(['b, P, F: Framing, S, R: Role] Link<'b, P, F, S, R>, |link| "Link({:?})", link.line.counters());

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

        impl<'b, P: Read + Write + Clock, F: Framing> Link<'b, P, F, (), crate::line::Serving> {
            /// As [`new`](Link::new), for a server: without `call` and `run`. What only they need
            /// of a line is not linked.
            ///
            /// # Errors
            ///
            /// As [`new`](Link::new).
            pub fn serving(
                port: P,
                framing: F,
                memory: impl Into<crate::line::Buffers<'b>>,
            ) -> Result<Self, crate::line::SizeError> {
                Ok(Self { port, line: Line::serving(framing, memory)?, sink: () })
            }
        }

        impl<'b, P, F: Framing, S, R: Role> Link<'b, P, F, S, R> {
            /// Hands everything that belongs to no exchange to `sink`: console text, unasked
            /// messages, losses.
            pub fn with_sink<T: Sink>(self, sink: T) -> Link<'b, P, F, T, R> {
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

            /// The message received last, for example to read the text beside an error. Empty if
            /// the last one was damaged.
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
            pub const fn line(&mut self) -> &mut Line<'b, F, R> {
                &mut self.line
            }

            /// The sink that was given with [`with_sink`](Self::with_sink).
            pub const fn sink(&mut self) -> &mut S {
                &mut self.sink
            }

            /// How much time has passed since the last call.
            #[inline(never)] // Called behind each call of the port: 40 bytes.
            fn lap(&mut self) -> Span
            where
                P: Clock,
            {
                self.line.lap(self.port.elapsed())
            }

            /// An operation begins: the time until now is none of its own.
            fn start(&mut self)
            where
                P: Clock,
            {
                let time = self.lap();
                self.line.start(time);
            }

            /// One call of the port has ended.
            fn moved<E>(&mut self, moved: Moved<E>) -> Result<(), Fault<E>>
            where
                P: Clock,
            {
                let time = self.lap();
                self.line.moved(moved, time, self.port.peer())
            }

            /// Gives the port back.
            pub fn into_port(self) -> P {
                self.port
            }
        }
    };
}

pub(crate) use driver;
