//! The blocking driver: a loop that moves bytes between a port and a [`Line`].
//!
//! | method | side | what it does |
//! |---|---|---|
//! | [`Link::call`] | client | one request, its retries, its response |
//! | [`Link::run`] | client | a [`Routine`]: many exchanges |
//! | [`Link::serve`] | server | waits for one message or for time to pass, answers it |
//! | [`Link::send`], [`Link::recv`] | both | one message, nothing around it |
//!
//! What a port has to do is in [`port`](crate::port), how long the buffers are in
//! [`Buffers`](crate::line::Buffers), and all that is not moving bytes in [`line`](crate::line).
//!
//! ```no_run
//! use anysmp::blocking::Link;
//! use anysmp::framing::console::Console;
//! use anysmp::port::Ticking;
//! use anysmp::smp::{client::Client, os};
//! use core::time::Duration;
//! use embedded_io::{Read, Write};
//!
//! /// Asks the board on the other UART for an echo; returns whether it is well.
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
//! An error of the port does not end a link: what was half received is dropped and counted, the
//! error is returned, and the next call goes on. A server's loop goes on, too, or the device cannot
//! be managed any more after the first overrun:
//!
//! ```no_run
//! # use anysmp::{blocking::Link, framing::Framing, line::Service, port::Clock};
//! # fn serve<P: embedded_io::Read + embedded_io::Write + Clock>(mut link: Link<'_, P, impl Framing>, mut server: impl Service) {
//! # let count = |_| ();
//! loop {
//!     match link.serve(&mut server) {
//!         Ok(after) => { /* what is to be done now that the response has left, such as a reset */ }
//!         Err(error) => count(error), // an overrun, a pulled cable: the link goes on
//!     }
//! }
//! # }
//! ```
//!
//! Only [`Error::Closed`] is the end, where the port is a connection.
//!
//! `src/asynch.rs` is the same file with `async` in it.

use core::ops::ControlFlow;
use core::time::Duration;

use embedded_io::{Read, Write};

use crate::framing::Framing;
use crate::line::{Arrival, Caller, Error, Exchange, Fault, Heard, Line, Moved, Progress, Role, Run, Sink, Turn};
use crate::port::{Clock, unread, unsent};
use crate::routine::{Ended, Routine};
use crate::time::Span;

pub use crate::line::Service;

crate::line::driver!();

impl<P: Read + Write + Clock, F: Framing, S: Sink> Link<'_, P, F, S> {
    /// Makes one request and waits for its response, repeating it as the client says.
    ///
    /// Late responses and other foreign messages are counted and dropped; unasked messages go to
    /// the sink.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] after the last retry; [`Error::Protocol`] if the peer refused or
    /// answered nonsense; the port's own failures. The link stays usable in each case.
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

    /// Runs a routine until it is done, needs the port reopened, or `on_event` breaks off.
    ///
    /// After [`Ended::Reopen`] and after [`Ended::Stopped`] the same routine may be run again, on
    /// this link or on another.
    ///
    /// # Errors
    ///
    /// Only the link's own: what the peer refuses is part of the routine's report.
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
    /// Waits for one message or for time to pass, and sends what the service answers.
    ///
    /// Call it in a loop; what it returns is to be done after the response has left.
    ///
    /// # Errors
    ///
    /// The link's own, and [`Error::Size`] if the service promises a buffer that the framing does
    /// not have. If there is something to be done, such as a reset, and the response cannot be
    /// sent, what is to be done is returned all the same: the client was refused nothing. A port
    /// that has failed for good fails the next call.
    pub fn serve<V: Service>(&mut self, service: &mut V) -> Result<V::After, Error<P::Error>> {
        self.line.check(service)?;
        let mut after = V::After::default();
        let arrival = self.arrival()?;
        // Time first, with every message too: a peer that never pauses would stop the service's
        // clock.
        if let Some(time) = self.line.lapsed() {
            service.tick(time.time());
        }
        let mut len = match arrival {
            Arrival::Message => {
                let peer = self.line.peer();
                let (message, tx) = self.line.exchange();
                let (len, then) = service.receive(message, peer, tx);
                after = then;
                len
            }
            Arrival::Damaged(error) => service.damaged(error.into(), self.line.tx()),
            Arrival::Elapsed => 0,
        };
        loop {
            if len == 0 {
                len = service.poll(self.line.tx());
            }
            if len == 0 {
                return Ok(after);
            }
            match self.deliver(len) {
                Err(_) if after != V::After::default() => return Ok(after),
                sent => sent?,
            }
            len = 0;
        }
    }

    /// Waits up to `limit` for one whole message, and borrows it.
    ///
    /// # Errors
    ///
    /// Only the link's own; [`Error::TimedOut`] after `limit` without a message.
    pub fn recv(&mut self, limit: Duration) -> Result<&[u8], Error<P::Error>> {
        self.begin()?;
        let mut waited = Span::ZERO;
        while !waited.reaches(Span::limit(limit)) {
            if let Arrival::Message = self.arrival()? {
                return Ok(self.line.message());
            }
            // Damaged frames take time as well: a peer that sends nothing else cannot stop this
            // clock.
            waited.lengthen(self.line.lapsed().unwrap_or_default());
        }
        Err(Error::TimedOut)
    }

    /// Sends one message and expects nothing.
    ///
    /// # Errors
    ///
    /// Only the link's own.
    pub fn send(&mut self, message: &[u8]) -> Result<(), Error<P::Error>> {
        self.begin()?;
        let len = self.line.put(message)?;
        Ok(self.deliver(len)?)
    }

    /// Before an operation of a client: a frame whose sending was interrupted leaves, and time
    /// until now is no time of this operation.
    fn begin(&mut self) -> Result<(), Fault<P::Error>> {
        self.line.resume();
        while self.line.is_busy() {
            self.step()?;
        }
        self.start();
        Ok(())
    }

    /// Sends the first `len` bytes of `tx`. What time that takes is reported later: nobody can ask
    /// for anything meanwhile.
    #[inline(never)] // What it needs of the stack is free while a request is handled: 100 bytes on a Cortex-M0.
    fn deliver(&mut self, len: usize) -> Result<(), Fault<P::Error>> {
        self.line.post(len)?;
        self.sink.traced(self.line.tx().get(..len).unwrap_or_default(), true);
        while self.line.is_busy() {
            // What comes after the frame has left is for the next call. What came before it began
            // is foreign, and may fill the room that the port needs.
            if self.line.is_sending() {
                self.line.heard(&mut self.sink);
            }
            self.step()?;
        }
        if self.line.is_unsent() { Err(Fault::TimedOut) } else { Ok(()) }
    }

    /// Moves bytes until something has happened.
    fn arrival(&mut self) -> Result<Arrival, Fault<P::Error>> {
        let mut is_first = true;
        loop {
            if !self.line.is_sending() {
                match self.line.heard(&mut self.sink) {
                    Some(Heard::Message) => return Ok(Arrival::Message),
                    Some(Heard::Damaged(error)) => return Ok(Arrival::Damaged(error)),
                    // Time not before a look at the port: a server that has something to send
                    // whenever time has passed would never look.
                    None if !is_first && self.line.has_lapsed() => return Ok(Arrival::Elapsed),
                    None => {}
                }
            }
            is_first = false;
            self.step()?;
        }
    }

    /// Makes one call of the port: sends what is pending; if nothing is, looks what has come.
    fn step(&mut self) -> Result<(), Fault<P::Error>> {
        let pending = self.line.pending();
        let moved = if !pending.is_empty() {
            self.port.write(pending).map_or_else(unsent, Moved::Sent)
        } else if self.line.is_flushing() {
            self.port.flush().map_or_else(unsent, |()| Moved::Flushed)
        } else if self.line.is_resting() && self.port.ready() == Some(false) {
            // A gap is shorter than a tick: where the port can say that nothing has come, the clock
            // is enough.
            Moved::Silence
        } else {
            let read = self.port.read(self.line.room());
            read.map_or_else(unread, Moved::Received)
        };
        self.moved(moved)
    }
}
