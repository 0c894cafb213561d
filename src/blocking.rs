//! The blocking driver: a loop that moves bytes between a port and a [`Line`].
//!
//! | method | side | what it does |
//! |---|---|---|
//! | [`Link::call`] | client | one request, its retries, its response |
//! | [`Link::run`] | client | a [`Routine`]: many exchanges |
//! | [`Link::serve`] | server | waits for one message or for time to pass, answers it |
//! | [`Link::send`], [`Link::recv`] | both | one message, without a protocol |
//!
//! See [`port`](crate::port) for the requirements on a port, [`Buffers`](crate::line::Buffers) for
//! the lengths of the buffers, and [`line`](crate::line) for everything but moving bytes.
//!
//! ```no_run
//! use anysmp::blocking::Link;
//! use anysmp::framing::console::Console;
//! use anysmp::port::Ticking;
//! use anysmp::smp::{Client, os};
//! use core::time::Duration;
//! use embedded_io::{Read, Write};
//!
//! /// Asks the board on the other UART for an echo; returns true if it answers.
//! fn is_well(uart: impl Read + Write) -> bool {
//!     let (mut message, mut memory) = ([0; 256], [0; Console::sizes_of(256).memory()]);
//!     let (tick, byte) = (Duration::from_millis(10), Duration::from_micros(86));
//!     let port = Ticking::new(uart, tick).with_byte_time(byte);
//!     let Ok(mut link) = Link::new(port, Console::new(&mut message), &mut memory) else {
//!         return false;
//!     };
//!     let mut client = Client::new(0).with_timeout(Duration::from_secs(1)).with_retries(2);
//!     link.call(&mut client, &os::Echo::new("hi")).is_ok_and(|echo| echo.text == "hi")
//! }
//! ```
//!
//! A server is a loop around [`Link::serve`]: see below, and `examples/dfu_server.rs` for a whole
//! one.
//!
//! # Errors
//!
//! An error of the port does not end a link: a half-received frame is dropped and counted, the
//! error is returned, and the next call continues. A server's loop must continue too: otherwise the
//! device can no longer be managed after the first overrun:
//!
//! ```no_run
//! # use anysmp::{blocking::Link, framing::Framing, line::Service, port::Clock};
//! # use embedded_io::{Read, Write};
//! # fn serve<P: Read + Write + Clock>(
//! #     mut link: Link<'_, P, impl Framing>,
//! #     mut server: impl Service,
//! # ) {
//! # let count = |_| ();
//! loop {
//!     match link.serve(&mut server) {
//!         Ok(after) => { /* the response has left: reset, if `after` requests it */ }
//!         Err(error) => count(error), // an overrun, a pulled cable: the link stays usable
//!     }
//! }
//! # }
//! ```
//!
//! Only [`Error::Closed`] is final: the port is a connection, and it has ended.
//!
//! `src/asynch.rs` is the same file with `async` in it.

use core::ops::ControlFlow;
use core::time::Duration;

use embedded_io::{Read, Write};

use crate::framing::Framing;
use crate::line::{Caller, Error, Event, Exchange, Fault, Line, Moved, Progress, Role, Run, Sink, Turn};
use crate::port::{Clock, unread, unsent};
use crate::routine::{Ended, Routine};
use crate::time::Span;

pub use crate::line::Service;

crate::line::driver!();

impl<P: Read + Write + Clock, F: Framing, S: Sink> Link<'_, P, F, S> {
    /// Sends one request and waits for its response, with the client's timeout and retries.
    ///
    /// Late responses and other foreign messages are counted and dropped; unsolicited messages go
    /// to the sink.
    ///
    /// # Errors
    ///
    /// Time: [`Error::TimedOut`] after the last retry. The peer: [`Error::Protocol`] if it refused
    /// the request or its response is malformed. We: the request does not fit a buffer. The port:
    /// its own failures. The link stays usable in each case.
    pub fn call<'l, R, C>(
        &'l mut self,
        client: &mut C,
        request: &R,
    ) -> Result<C::Response<'l>, Error<P::Error, C::Error>>
    where
        R: ?Sized,
        C: Caller<R>,
    {
        self.begin()?;
        let mut exchange =
            Exchange::begin(&mut self.line, client, request, &mut self.sink).map_err(Error::with_port)?;
        loop {
            match exchange.poll(&mut self.line, client, &mut self.sink).map_err(Error::from_line)? {
                Progress::Wait => self.step()?,
                Progress::Done => return exchange.response(&self.line, client).map_err(Error::Protocol),
                Progress::TimedOut => return Err(exchange.reason(client)),
            }
        }
    }

    /// Runs a routine until it is done, needs the port reopened, or `on_event` stops it.
    ///
    /// After [`Ended::Reopen`] and [`Ended::Stopped`] the same routine may be run again, on this
    /// link or on another.
    ///
    /// # Errors
    ///
    /// Only the link's own: refusals of the peer are part of the routine's report.
    pub fn run<R: Routine>(
        &mut self,
        client: &mut R::Client,
        routine: &mut R,
        mut on_event: impl FnMut(R::Event<'_>) -> ControlFlow<()>,
    ) -> Result<Ended<R::Report>, Error<P::Error>> {
        self.begin()?;
        let mut run = Run::new(&mut self.line);
        loop {
            let turn = run.poll(&mut self.line, client, routine, &mut self.sink, &mut on_event);
            match turn.map_err(Error::from_line)? {
                Turn::Wait => self.step()?,
                Turn::Ended(ended) => return Ok(ended),
            }
        }
    }
}

impl<P: Read + Write + Clock, F: Framing, S: Sink, R: Role> Link<'_, P, F, S, R> {
    /// Waits for one message or for time to pass, and sends the service's response.
    ///
    /// Call it in a loop. It returns the action to take now that the response has left.
    ///
    /// # Errors
    ///
    /// The link's own, and [`Error::Size`] if the service promises a buffer that the framing does
    /// not have. If there is an action, such as a reset, and the response cannot be sent, the
    /// action is returned all the same: the request was accepted. A port that has failed
    /// permanently fails in the next call.
    pub fn serve<V: Service>(&mut self, service: &mut V) -> Result<V::After, Error<P::Error>> {
        self.line.check(service)?;
        let mut after = V::After::default();
        let mut is_looked_at = false;
        let mut len = loop {
            // Time is counted first, and with each message: a peer that never pauses would stop the
            // service's clock otherwise.
            let (time, event) = self.line.next_and_elapsed(&mut self.sink);
            if let Some(time) = time {
                service.passed(time);
            }
            match event {
                Some(Event::Damaged(damage)) => break service.damaged(damage, self.line.tx()),
                Some(_) => {
                    let peer = self.line.peer();
                    let (message, tx) = self.line.exchange();
                    let (len, then) = service.receive(message, peer, tx);
                    after = then;
                    break len;
                }
                // Not before the first look at the port: a server that sends something on each
                // tick would never read the port.
                None if time.is_some() && is_looked_at => break 0,
                None if time.is_some() => {}
                None => {
                    self.step()?;
                    is_looked_at = true;
                }
            }
        };
        loop {
            if len == 0 {
                len = service.poll(self.line.tx());
            }
            if len == 0 {
                return Ok(after);
            }
            // The action matters more than the error: see the docs.
            match self.deliver(len) {
                Err(_) if after != V::After::default() => return Ok(after),
                sent => sent?,
            }
            len = 0;
        }
    }

    /// Waits up to `limit` for one whole message, and returns it.
    ///
    /// # Errors
    ///
    /// Time: [`Error::TimedOut`] after `limit` without a message. The port: its own failures.
    pub fn recv(&mut self, limit: Duration) -> Result<&[u8], Error<P::Error>> {
        self.begin()?;
        let mut waited = Span::ZERO;
        loop {
            match self.line.next(&mut self.sink) {
                Some(Event::Message) => return Ok(self.line.message()),
                Some(Event::Elapsed(time)) => waited = waited.saturating_add(time),
                Some(Event::Damaged(_)) => {}
                // After the messages: one that has arrived is never late.
                None if waited >= Span::ceil(limit) => return Err(Error::TimedOut),
                None => self.step()?,
            }
        }
    }

    /// Sends one message, without waiting for a response.
    ///
    /// # Errors
    ///
    /// We: the message does not fit `tx`, or cannot be framed. Time: [`Error::TimedOut`] if the
    /// line was never silent for long enough. The port: its own failures.
    pub fn send(&mut self, message: &[u8]) -> Result<(), Error<P::Error>> {
        self.begin()?;
        let len = self.line.put(message)?;
        Ok(self.deliver(len)?)
    }

    /// Begins an operation: sends the rest of an interrupted frame, and restarts the clock.
    fn begin(&mut self) -> Result<(), Fault<P::Error>> {
        self.line.resume();
        while self.line.is_busy() {
            self.step()?;
        }
        self.start();
        Ok(())
    }

    /// Sends the first `len` bytes of `tx`. The time that this takes is reported later, since no
    /// request is handled meanwhile.
    #[inline(never)] // Its frame is gone while a request is handled: 100 bytes on a Cortex-M0.
    fn deliver(&mut self, len: usize) -> Result<(), Fault<P::Error>> {
        self.line.transmit(len)?;
        self.sink.traced(self.line.tx().get(..len).unwrap_or_default(), true);
        while self.line.is_busy() {
            // A message that is received after the frame has left is for the next call.
            self.line.drop_foreign(&mut self.sink);
            self.step()?;
        }
        if self.line.is_unsent() { Err(Fault::TimedOut) } else { Ok(()) }
    }

    /// Makes one call of the port: sends pending bytes, else flushes, else reads.
    fn step(&mut self) -> Result<(), Fault<P::Error>> {
        let pending = self.line.pending();
        let moved = if !pending.is_empty() {
            self.port.write(pending).map_or_else(unsent, Moved::Sent)
        } else if self.line.is_flushing() {
            self.port.flush().map_or_else(unsent, |()| Moved::Flushed)
        } else if self.line.is_resting() && self.port.ready() == Some(false) {
            // A gap is shorter than a tick, so a read would wait too long: if the port reports that
            // nothing has come, looking at the clock is enough.
            Moved::Silence
        } else {
            let read = self.port.read(self.line.room());
            read.map_or_else(unread, Moved::Received)
        };
        self.moved(moved)
    }
}
