//! What both drivers have in common: their struct, and all that neither reads nor writes.

use super::Peer;

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
