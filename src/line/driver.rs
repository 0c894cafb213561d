//! The part that both drivers share: their struct, and all code that neither reads nor writes.

use core::time::Duration;

use super::{Before, Fault, Line, Peer, Role, Sending};
use crate::bytes::copy;
use crate::framing::Framing;
use crate::time::Span;

/// The result of one call of a port. `E` is the error of the port.
pub(crate) enum Moved<E> {
    /// The port accepted this many bytes.
    Sent(usize),
    /// The port has sent all bytes that it had accepted.
    Flushed,
    /// This many bytes came; 0 is the end of the connection.
    Received(usize),
    /// The port was looked at, and nothing came.
    Silence,
    /// The call was interrupted, and nothing happened.
    Interrupted(E),
    /// A read failed.
    Unread(E),
    /// A write or a flush failed.
    Unsent(E),
}

/// The number of times in a row that a port may be interrupted.
const INTERRUPTED: u8 = 16;

/// The longest silence for which a driver polls the clock. For a longer one it waits in a read,
/// which takes at least a tick. A BSMP packet at 9,600 baud needs 2.1 ms.
const SPIN: Duration = Duration::from_micros(2_500);

/// The methods of a line that only drivers use.
impl<F: Framing, R: Role> Line<'_, F, R> {
    /// Cleans up after an operation that was dropped in the middle. A frame that had begun to leave
    /// continues, unless it has to leave in one piece; a message that had not begun is dropped.
    pub(crate) fn resume(&mut self) {
        if self.is_waiting() || (F::WHOLE && self.is_begun()) {
            self.abandon();
        }
    }

    /// Converts a time of the port's clock to whole microseconds; keeps the remainder for the next
    /// call.
    pub(crate) const fn lap(&mut self, time: Duration) -> Span {
        Span::lap(time, &mut self.nanos)
    }

    /// Begins an operation: the time until now is not part of it.
    pub(crate) const fn start(&mut self) {
        self.elapsed = Span::ZERO;
    }

    /// Copies a message to `tx`; returns its length.
    pub(crate) fn put<P>(&mut self, message: &[u8]) -> Result<usize, Fault<P>> {
        copy(message, self.tx.get_mut(..message.len()).ok_or(Fault::BufferFull)?);
        Ok(message.len())
    }

    /// Returns `true` if a call of a port was interrupted and must be made again.
    pub(crate) const fn may_repeat<E>(&self, moved: &Moved<E>) -> bool {
        matches!(moved, Moved::Interrupted(_)) && self.interrupted < INTERRUPTED
    }

    /// Counts an interrupted call, and adds the time since the call before it.
    pub(crate) fn repeat(&mut self, time: Span) {
        let interrupted = self.interrupted.wrapping_add(1);
        if self.is_flushing() {
            // Not `away`: a timeout must not start before the port is flushed, and the flush is
            // repeated.
            self.elapsed = self.elapsed.saturating_add(time);
            self.carried(time);
        } else {
            self.away(time);
        }
        self.interrupted = interrupted;
    }

    /// Handles the result of one call of a port. [`away`](Self::away) was called before, with
    /// `time`: a wait begins when the last byte is flushed. Received bytes were sent by `peer`.
    pub(crate) fn moved<E>(&mut self, moved: Moved<E>, time: Span, peer: Peer) -> Result<(), Fault<E>> {
        let (fault, is_sending) = match moved {
            Moved::Received(count @ 1..) => {
                self.filled(count, peer);
                self.listened(time);
                return Ok(());
            }
            Moved::Silence => {
                self.listened(time);
                return Ok(());
            }
            Moved::Sent(count @ 1..) => {
                self.sent(count);
                return Ok(());
            }
            Moved::Flushed => return Ok(()),
            Moved::Interrupted(error) => (Fault::Port(error), self.is_sending()),
            Moved::Sent(_) => (Fault::WriteZero, true),
            Moved::Unsent(error) => (Fault::Port(error), true),
            Moved::Received(_) => (Fault::Closed, false),
            Moved::Unread(error) => (Fault::Port(error), false),
        };
        // A failed send spoils the frame that leaves; any other failure, the one that arrives.
        if is_sending {
            self.abandon();
        } else {
            self.lost();
        }
        Err(fault)
    }

    /// Returns `true` if the port must be flushed.
    pub(crate) const fn is_flushing(&self) -> bool {
        matches!(self.sending, Sending::Flushing(_)) || matches!(self.before, Before::Flushing(_))
    }

    /// Returns `true` while something has to leave before the next operation may begin.
    pub(crate) const fn is_busy(&self) -> bool {
        self.is_sending() || self.is_flushing()
    }

    /// Returns `true` while a message waits for a silence of at most [`SPIN`].
    pub(crate) fn is_resting(&self) -> bool {
        self.rest().is_some_and(|left| const { Span::ceil(SPIN) } >= left)
    }
}

/// Defines `Link` over the `Read` and `Write` in scope, so that both drivers share one source.
macro_rules! driver {
    () => {
        /// A port joined to a line: makes requests, runs routines and serves.
        pub struct Link<'b, P, F: Framing, S = (), R: Role = crate::line::Asking> {
            port: P,
            line: Line<'b, F, R>,
            sink: S,
        }

        crate::shown::shown!(['b, P, F: Framing, S, R: Role] Link<'b, P, F, S, R>, |link| "Link({:?})", link.line.counters());

        impl<'b, P: Read + Write + Clock, F: Framing> Link<'b, P, F> {
            /// Joins a port and a framing, with memory for the buffers.
            ///
            /// # Errors
            ///
            /// We: [`SizeError`](crate::line::SizeError) if a buffer is too short for the framing:
            /// see [`Buffers`](crate::line::Buffers).
            pub fn new(
                port: P,
                framing: F,
                memory: impl Into<crate::line::Buffers<'b>>,
            ) -> Result<Self, crate::line::SizeError> {
                Ok(Self { port, line: Line::new(framing, memory)?, sink: () })
            }
        }

        impl<'b, P: Read + Write + Clock, F: Framing> Link<'b, P, F, (), crate::line::Serving> {
            /// Joins a port and a framing for a server: there is no `call` and no `run`, and code
            /// that only they need is not linked.
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

        impl<P, F: Framing, S> Link<'_, P, F, S> {
            /// Sets whether the first request waits until the peer has had time for the preamble in
            /// front of it ([`Framing::PREAMBLE_PAUSE`]): true by default. False is for a
            /// connection that is new to the peer too, such as TCP: see
            /// [`Line::with_preamble_pause`](crate::line::Line::with_preamble_pause).
            #[must_use]
            pub fn with_preamble_pause(self, pause: bool) -> Self {
                Self { line: self.line.with_preamble_pause(pause), ..self }
            }
        }

        impl<'b, P, F: Framing, S, R: Role> Link<'b, P, F, S, R> {
            /// Sets a sink for everything that belongs to no exchange: console text, unsolicited
            /// messages, losses.
            #[must_use]
            pub fn with_sink<T: Sink>(self, sink: T) -> Link<'b, P, F, T, R> {
                Link { port: self.port, line: self.line, sink }
            }

            /// Returns the counters since the line was built.
            #[must_use]
            pub fn counters(&self) -> crate::line::Counters {
                self.line.counters()
            }

            /// Returns the properties of this link that routines adapt to.
            #[must_use]
            pub fn limits(&self) -> crate::line::Limits {
                self.line.limits()
            }

            /// The last message received, for example to read the text that came with an error.
            /// Empty if it was damaged.
            pub fn message(&self) -> &[u8] {
                self.line.message()
            }

            /// The sender of the bytes received last.
            #[must_use]
            pub const fn peer(&self) -> crate::line::Peer {
                self.line.peer()
            }

            /// The port, for example to change its baud rate or to write text between frames.
            pub const fn port(&mut self) -> &mut P {
                &mut self.port
            }

            /// The line, for its state, or to use it without this driver for a while.
            pub const fn line(&mut self) -> &mut Line<'b, F, R> {
                &mut self.line
            }

            /// The sink that was set with [`with_sink`](Self::with_sink).
            pub const fn sink(&mut self) -> &mut S {
                &mut self.sink
            }

            /// Reports the time since the last call to the line, and returns it.
            #[inline(never)] // Called after each call of the port: inlined, it takes 40 bytes more.
            fn lap(&mut self) -> Span
            where
                P: Clock,
            {
                let time = self.line.lap(self.port.elapsed());
                self.line.away(time);
                time
            }

            /// Begins an operation: the time until now is not part of it.
            fn start(&mut self)
            where
                P: Clock,
            {
                self.lap();
                self.line.start();
            }

            /// Handles the result of one call of the port.
            fn moved<E>(&mut self, moved: Moved<E>) -> Result<(), Fault<E>>
            where
                P: Clock,
            {
                // Not an error yet, and not a look at the port: its time is not silence.
                if self.line.may_repeat(&moved) {
                    let time = self.line.lap(self.port.elapsed());
                    self.line.repeat(time);
                    return Ok(());
                }
                let time = self.lap();
                self.line.moved(moved, time, self.port.peer())
            }

            /// Ends the link, and gives the port back.
            #[must_use]
            pub fn into_port(self) -> P {
                self.port
            }
        }
    };
}

pub(crate) use driver;
