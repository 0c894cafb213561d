//! Everything between a port and a protocol, without the port: a framing, its buffers, and the
//! rules of sending.
//!
//! ```text
//!   bytes   ─▶ received ─▶ read ─▶ Framing::push ─┬─▶ Event::Message: message(), peer()
//!   time    ─▶ elapsed  ─────────▶ Framing::idle ─┼─▶ Event::Damaged
//!                                                 ├─▶ Event::Elapsed
//!                                                 └─▶ Sink: text, traces
//!   bytes   ◀─ pending  ◀─ out ◀── Encoder::next ◀──── tx ◀─ transmit(len)
//! ```
//!
//! A [`Line`] does no I/O, reads no clock and holds no borrow between two calls, so it can live in
//! a static, in an RTIC resource or in the struct of a superloop. Both drivers are loops around it:
//! every decision that they could make differently is made here, once.
//!
//! # Your own loop
//!
//! Each round makes these calls, in this order. None of them waits.
//!
//! 1. [`received`](Line::received) with all bytes that the port has. Offer those that did not fit
//!    again in the next round.
//! 2. [`elapsed`](Line::elapsed) with the time since its last call. It comes after the bytes: a
//!    round without bytes is silence, a round with bytes is not. If the clock has not moved, skip
//!    the call: an elapsed time of zero counts as a silent round.
//! 3. [`next`](Line::next) until it returns `None`: hand messages, damage and time to a server, or
//!    poll an [`Exchange`] or a [`Run`]; [`transmit`](Line::transmit) each response. Time comes
//!    last: a loop that takes one event a round never gets it while messages come in each.
//! 4. [`pending`](Line::pending) to the port, as much as it accepts, then [`sent`](Line::sent).
//!
//! `examples/superloop_server.rs` and `examples/superloop_client.rs` do this in 40 lines each, from
//! a struct, and never wait for the UART; the server also feeds a watchdog and erases a page of
//! flash in each round.
//!
//! ```
//! use anysmp::framing::console::Console;
//! use anysmp::line::{Event, Line, Peer};
//! use anysmp::smp::{Server, os};
//! use anysmp::smp::server::{AllowAll, Incoming, Reply};
//! use core::time::Duration;
//!
//! struct Device;
//! impl os::Commands for Device {}
//! let handler =
//!     |incoming: &Incoming<'_>, reply: Reply<'_>| os::dispatch(&mut Device, incoming, reply);
//! let mut server = Server::new(handler, AllowAll);
//! let (mut message, mut memory) = ([0; 256], [0; Console::sizes_of(256).memory()]);
//! let mut line = Line::new(Console::new(&mut message), &mut memory)?;
//!
//! // One round, in which these bytes came and a millisecond has passed:
//! let arrived = b"\x06\x09ABAKAAAGAAAAAKFhZGJoaeJ8\n";
//! assert_eq!(line.received(arrived, Peer(0)), arrived.len());
//! line.elapsed(Duration::from_millis(1).into());
//! while let Some(event) = line.next(&mut ()) {
//!     let (message, tx) = line.exchange();
//!     let len = match event {
//!         Event::Message => server.receive(message, Peer(0), tx).0,
//!         event => line.report(event, &mut server), // damage and time
//!     };
//!     if len > 0 {
//!         line.transmit(len).unwrap();
//!     }
//! }
//! // To the UART, as much as it accepts:
//! assert_eq!(line.pending(), b"\x06\x09ABALAAAGAAAAAKFhcmJoaaUj\n");
//! let count = line.pending().len();
//! line.sent(count);
//! # assert!(line.pending().is_empty());
//! # Ok::<(), anysmp::line::SizeError>(())
//! ```
//!
//! # Time
//!
//! There are two kinds of time. *Limits*, such as a timeout, count all time that passes, whatever
//! the peer sends: a device that never stops talking cannot hold up anything. *Silence* counts only
//! rounds in which nothing was received and nothing was sent. Both are kept in microseconds in one
//! 32-bit word ([`Span`]): a limit above 71 minutes counts as 71 minutes.
//!
//! A timeout starts when the last byte of a request has left: when the port has accepted it and, if
//! the framing has a byte time ([`Framing::byte_time`]), when the line can have carried it. If part
//! of a response has arrived when the timeout ends, the wait continues if the framing can bound it
//! ([`Framing::is_arriving`]): at most for the time that the longest message takes on the line.
//!
//! # Sending
//!
//! One message is sent at a time. It waits until the line is ready, then leaves in pieces of any
//! size.
//!
//! ```text
//!   Left ─ transmit ─▶ Waiting ─ ready ─▶ Frame ─ encoded ─▶ Last ─ sent ─▶ Flushing
//!                         │ never silent    │ abandon          │ abandon   │   │ time
//!                         ▼                 ▼                  ▼           │   ▼
//!                       Unsent ◀───────────────────────────── abandon ─────┘  Leaving ─▶ Left
//!
//!   Unsent, Flushing, Leaving ─ transmit ─▶ Waiting
//! ```
//!
//! A message waits for the framing's gap, or for one of these:
//!
//! | before the next frame | when | until |
//! |---|---|---|
//! | the framing's [gap](Framing::gap) | always | the line was silent for that long |
//! | a preamble and time for it | the first request of a session, unless the peer has sent something before; after a timeout, after a send that was given up | [`Framing::PREAMBLE_PAUSE`] has passed |
//! | a preamble | the first request of a session, with [`with_preamble_pause(false)`](Line::with_preamble_pause) | it has left |
//! | silence from us | after a send that was given up, where there is no preamble | [`Framing::QUIET`] has passed |
//! | silence from the peer | before each request, and for longer after a missing response, where responses do not identify their requests (BSMP) | the line was silent for [`Caller::drain`] |
//!
//! While a message waits, received messages are dropped as foreign: they cannot be responses to it.
//! If the line is never silent, the waiting message is given up after one second plus twice the
//! silence that it needs.
//!
//! # Log
//!
//! With the feature `defmt`, each dropped message is logged with the reason: `warn` if it was
//! damaged, `debug` if it answers no request. Nothing else is logged, and no byte of any message.
//!
//! `Debug` and `defmt::Format` of this crate's types print names, versions and echoes. Of anything
//! that may be a secret they print only the length: messages, payloads and buffers, values of
//! settings, contents of files, lines and outputs of a shell, tokens.

use core::marker::PhantomData;
use core::ops::Range;

mod ask;
mod buffers;
mod counters;
mod driver;
mod error;
mod exchange;
mod receiving;
mod role;
mod run;
mod sending;
mod service;
mod states;

pub use buffers::{Buffers, Limits, SizeError};
pub use counters::Counters;
use counters::{Loss, Tally};
pub(crate) use driver::{Moved, driver};
pub(crate) use error::Fault;
pub use error::{Damage, Error};
pub use exchange::{Exchange, Progress};
pub use role::{Asking, Role, Serving};
use role::{Keeps, Requests};
pub use run::{Run, Turn};
pub use service::{Caller, Peer, Serve, Service, Sink, Text, Verdict, asynch};
use states::{Before, Contact, Ear, Owed, Sending};

use crate::framing::Framing;
use crate::shown::shown;
use crate::time::Span;

/// An event on the line, as [`Line::next`] returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Event {
    /// A message was received: [`Line::message`] returns it until the next call of [`Line::next`].
    Message,
    /// A damaged message was dropped, for this reason.
    Damaged(Damage),
    /// This much time has passed since the last event of this kind or the last call of
    /// [`Line::take_elapsed`], whether bytes came or not.
    Elapsed(Span),
}

/// A framing with its buffers and the state of the line. See the [module](self).
// Short fields come first: a Cortex-M0 can reach halfwords and bytes with one instruction only at
// the front of a struct.
#[repr(C)]
pub struct Line<'b, F: Framing, R: Role = Asking> {
    sending: Sending<<R as Keeps>::Time<F::Pace>>,
    /// The number of interrupted calls of the port in a row.
    interrupted: u8,
    /// The part of `read` that the framing has not been given yet.
    unread: Range<u16>,
    /// The part of `out` that the port has not accepted yet; empty unless a frame has begun.
    run: Range<u16>,
    /// The length of the message that is being sent or was sent last: it is `tx[..len]`.
    len: u16,
    /// The part of the port's reported time below one microsecond, in nanoseconds.
    nanos: u16,
    tally: Tally<<R as Keeps>::Number>,
    framing: F,
    before: Before,
    ear: Ear,
    /// Time not yet returned as an event.
    elapsed: Span,
    read: &'b mut [u8],
    tx: &'b mut [u8],
    out: &'b mut [u8],
    /// The encoder of the message that is being sent.
    encoder: Option<F::Encoder>,
    /// The sender of the bytes in `read`.
    peer: Peer,
    requests: <R as Keeps>::Requests,
    role: PhantomData<R>,
}

shown!(['b, F: Framing, R: Role] Line<'b, F, R>, |line| "Line({:?})", line.counters());

impl<'b, F: Framing> Line<'b, F> {
    /// A line for clients and servers, from a framing and memory for its buffers.
    ///
    /// # Errors
    ///
    /// We: [`SizeError`] if one of the buffers is too short for the framing.
    pub fn new(framing: F, memory: impl Into<Buffers<'b>>) -> Result<Self, SizeError> {
        Self::build(framing, memory)
    }

    /// Sets whether the first request waits until the peer has had time for the preamble in front
    /// of it: [`Framing::PREAMBLE_PAUSE`], 50 ms on a console and nothing elsewhere. True by
    /// default, and right for a serial line, where somebody may have typed half a line already.
    ///
    /// With false the preamble and the first request leave at once: for a connection that is new
    /// to the peer too, such as TCP, a pipe or Bluetooth. Keep true for a TCP port that passes its
    /// bytes on to a serial line: a shell there may lose the first request, which costs a timeout.
    ///
    /// A preamble after a timeout or after a send that was given up always has its time. A line
    /// that has received messages, none of them damaged, needs no preamble before its first
    /// request.
    ///
    /// Set it before the first message is sent: afterwards it changes nothing.
    #[must_use]
    pub fn with_preamble_pause(mut self, pause: bool) -> Self {
        if let (Before::First | Before::Brief(0), false) = (self.before, F::PREAMBLE_PAUSE.is_zero()) {
            self.before = if pause { Before::First } else { Before::Brief(0) };
        }
        self
    }
}

impl<'b, F: Framing> Line<'b, F, Serving> {
    /// A line for servers only: no [`Exchange`] and no [`Run`] can begin on it, and code that only
    /// they need is not linked.
    ///
    /// # Errors
    ///
    /// As [`new`](Line::new).
    pub fn serving(framing: F, memory: impl Into<Buffers<'b>>) -> Result<Self, SizeError> {
        Self::build(framing, memory)
    }
}

impl<'b, F: Framing, R: Role> Line<'b, F, R> {
    pub(crate) fn build(framing: F, memory: impl Into<Buffers<'b>>) -> Result<Self, SizeError> {
        let [read, tx, out] = memory.into().cut(&framing)?;
        Ok(Self {
            framing,
            read,
            unread: 0..0,
            tx,
            out,
            sending: Sending::Left(Default::default()),
            encoder: None,
            len: 0,
            run: 0..0,
            before: if R::ASKS { Before::First } else { Before::Gap },
            ear: Ear::Ended,
            elapsed: Span::ZERO,
            requests: Default::default(),
            peer: Peer::default(),
            nanos: 0,
            interrupted: 0,
            tally: Tally::default(),
            role: PhantomData,
        })
    }

    /// Returns the counters since the line was built.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.tally.all(self.requests.retries())
    }

    /// Returns the properties of this line that routines adapt to.
    #[must_use]
    pub fn limits(&self) -> Limits {
        // GATT keeps the order of its pieces, so a message cut into several may use a window.
        let datagram = F::DATAGRAM && F::WHOLE;
        Limits { overhead: F::OVERHEAD, datagram, tx: self.tx.len(), rx: self.framing.sizes().message }
    }

    /// The framing, for example to ask an automatic one which kind it has found.
    pub const fn framing(&mut self) -> &mut F {
        &mut self.framing
    }

    /// Checks that this line can receive messages as long as `server` promises to its peers.
    ///
    /// # Errors
    ///
    /// We: [`Error::Size`] if the framing's receive buffer is shorter than
    /// [`buffer_size`](Serve::buffer_size).
    pub fn check<P>(&self, server: &impl Serve) -> Result<(), Error<P>> {
        let (Some(need), have) = (server.buffer_size(), self.framing.sizes().buffer) else { return Ok(()) };
        if need > have { Err(Error::Size(SizeError { need, have })) } else { Ok(()) }
    }

    /// Hands damage or time to a server; returns the length of its response in `tx`, 0 for none.
    #[must_use]
    pub fn report(&mut self, event: Event, server: &mut impl Serve) -> usize {
        match event {
            Event::Message => 0,
            Event::Damaged(damage) => server.damaged(damage, self.tx),
            Event::Elapsed(time) => {
                server.passed(time);
                0
            }
        }
    }

    /// The last message received, for example to read the text that came with an error. Empty if it
    /// was damaged.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.framing.message()
    }

    /// The sender of the bytes received last.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// The last message received, and the buffer for the message to send.
    pub fn exchange(&mut self) -> (&[u8], &mut [u8]) {
        (self.framing.message(), self.tx)
    }

    /// The buffer for a message to send. While [`is_sending`](Self::is_sending), it holds the
    /// message that is leaving and must not be changed.
    pub const fn tx(&mut self) -> &mut [u8] {
        self.tx
    }
}

/// Narrows a length or a position in a buffer of a line, which has at most 65,535 bytes.
#[expect(clippy::cast_possible_truncation, reason = "a buffer has at most 65,535 bytes that are used")]
const fn short(len: usize) -> u16 {
    len as u16
}
