//! A framing with its buffers and its manners: everything between a port and a protocol, without the port.
//!
//! ```text
//!   bytes   ─▶ received ─▶ read ─▶ Framing::push ─┬─▶ Event::Message: message(), peer()
//!   time    ─▶ elapsed  ──────────▶ Framing::idle ─┼─▶ Event::Damaged
//!                                                  ├─▶ Event::Elapsed
//!                                                  └─▶ Sink: text, traces
//!   bytes   ◀─ pending  ◀─ out ◀── Encoder::next ◀──── tx ◀─ transmit(len)
//! ```
//!
//! A [`Line`] does no I/O, reads no clock and keeps no borrow between two calls, so that it can be kept in a static, in an RTIC
//! resource or in the struct of a superloop. The drivers are loops around it: all that one of them could do wrong and the other
//! right is here, once.
//!
//! # A loop of one's own
//!
//! In this order, as often as wanted, and never waiting:
//!
//! 1. [`received`](Line::received): everything that the port has. What did not fit is offered again in the next round.
//! 2. [`elapsed`](Line::elapsed): how much time has passed since this was last said. It comes after the bytes: a round
//!    without bytes is silence, a round with bytes is not. A clock that has not moved says nothing, not zero: that would count as a
//!    round.
//! 3. [`next`](Line::next) until it returns `None`: hand messages, damage and time to a server, or have an [`Exchange`] or a
//!    [`Run`] poll it; [`transmit`](Line::transmit) what is to be sent.
//! 4. [`pending`](Line::pending) to the port, as much as it takes, and [`sent`](Line::sent).
//!
//! `examples/superloop_server.rs` and `examples/superloop_client.rs` do this in 40 lines each, from a struct, with a UART that is
//! never waited for; the server feeds a watchdog and erases a page of flash in each round.
//!
//! ```
//! use anysmp::framing::console::Console;
//! use anysmp::line::{Event, Line, Peer, Service as _};
//! use anysmp::smp::os;
//! use anysmp::smp::server::{AllowAll, Incoming, Reply, Server};
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
//! Two kinds of time are told apart. *Limits*, such as a timeout, count all time that passes, whatever the peer sends: a device
//! that never stops talking cannot hold up anything. *Silence* counts only rounds in which nothing came and nothing was sent.
//! Both are kept in microseconds in one word ([`Span`]): a limit above 71 minutes counts as 71 minutes.
//! A timeout starts when the last byte of a request has left: when the port has taken it and, if the framing knows how long a
//! byte takes ([`Framing::byte_time`]), when the line can have carried it. A
//! response of which a part is there when it ends is waited for, if the framing knows how long that can take
//! ([`Framing::is_arriving`]): at most as long as the longest message takes on the line.
//!
//! # Sending
//!
//! One message at a time. It waits until the line is ready for it, then leaves in pieces of any size.
//!
//! ```text
//!   Left ── transmit ──▶ Waiting ── ready ──▶ Frame ── encoded ──▶ Last ── taken ──▶ Flushing ── time ──▶ Leaving ──▶ Left
//!     ▲                     │ never silent      │ abandon            │ abandon          │ abandon
//!     └───── transmit ── Unsent ◀───────────────┴────────────────────┴──────────────────┘
//! ```
//!
//! What a message waits for is the framing's gap, or one of these:
//!
//! | before the next frame | when | until |
//! |---|---|---|
//! | the framing's [gap](Framing::gap) | always | the line was silent for that long |
//! | a preamble and time for it | the first request of a session, after a timeout, after a send that was given up | [`Framing::SETTLE`] has passed |
//! | silence of ours | after a send that was given up, where there is no preamble | [`Framing::QUIET`] has passed |
//! | silence of the peer | before each request, and for longer after a missing response, where responses name no request (BSMP) | the line was silent for [`Caller::drain`] |
//!
//! While a message waits, whole messages that come in are dropped as foreign: they cannot be responses to it. A line that is
//! never silent loses the message that waits, after a second and twice the silence that it waits for.
//!
//! # Log
//!
//! With the feature `defmt` each dropped message is logged with the reason: `warn` if it was damaged, `debug` if it answers
//! nothing that was asked. Nothing else is logged, and no byte of any message: every type of this crate that holds some prints
//! its length, in `Debug` as in `defmt::Format`.

use core::marker::PhantomData;
use core::ops::Range;
use core::time::Duration;

mod buffers;
mod counters;
mod driver;
mod error;
mod exchange;
mod receiving;
mod role;
mod sending;
mod service;
mod states;

pub use buffers::{Buffers, Limits, SizeError};
pub use counters::Counters;
pub(crate) use counters::Loss;
pub(crate) use driver::{Arrival, Moved, driver};
pub(crate) use error::Fault;
pub use error::{Damage, Error};
pub use exchange::{Exchange, Progress, Run, Turn};
pub(crate) use receiving::Heard;
pub use role::{Asking, Role, Serving};
pub use service::{Caller, Peer, Serve, Service, Sink, Text, Verdict, asynch};
use states::{Before, Ear, Owed, Sending};

use crate::framing::Framing;
use crate::shown::shown;
use crate::time::Span;

/// What a look at the line brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Event {
    /// A message: [`Line::message`] borrows it until the next call of [`Line::next`].
    Message,
    /// A message was dropped.
    Damaged(Damage),
    /// This much time has passed since the last event of this kind.
    Elapsed(#[cfg_attr(feature = "defmt", defmt(Debug2Format))] Duration),
}

/// A framing, its buffers and its manners. See the [module](self).
pub struct Line<'b, F: Framing, R: Role = Asking> {
    framing: F,
    read: &'b mut [u8],
    /// The part of `read` that the framing has not seen.
    unread: Range<u16>,
    tx: &'b mut [u8],
    out: &'b mut [u8],
    sending: Sending,
    /// Of the message that is sent, or was last.
    encoder: Option<F::Encoder>,
    /// That message is `tx[..len]`.
    len: u16,
    /// The part of `out` that the port has not taken; empty unless a frame has begun.
    run: Range<u16>,
    before: Before,
    ear: Ear,
    /// Time that was not yet returned as an event.
    elapsed: Span,
    /// How long the line still carries what was sent last.
    airtime: Span,
    /// What is still to come of earlier requests, where a response names none.
    owed: Owed,
    /// Who sent what is in `read`.
    peer: Peer,
    /// What is left of the time that the port has reported, in nanoseconds.
    nanos: u16,
    /// How often in a row the port was interrupted.
    interrupted: u8,
    counters: Counters,
    role: PhantomData<R>,
}

shown!(['b, F: Framing, R: Role] Line<'b, F, R>, |line| "Line({:?})", line.counters);

impl<'b, F: Framing> Line<'b, F> {
    /// Gives a framing its buffers.
    ///
    /// # Errors
    ///
    /// [`SizeError`] if one of them is too short.
    pub fn new(framing: F, memory: impl Into<Buffers<'b>>) -> Result<Self, SizeError> {
        Self::build(framing, memory)
    }
}

impl<'b, F: Framing> Line<'b, F, Serving> {
    /// As [`new`](Line::new), for a server: no [`Exchange`] and no [`Run`] can be begun on it.
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
            sending: Sending::Left(Span::ZERO),
            encoder: None,
            len: 0,
            run: 0..0,
            before: Before::Gap,
            ear: Ear::Ended,
            elapsed: Span::ZERO,
            airtime: Span::ZERO,
            owed: Owed::Nothing,
            peer: Peer::default(),
            nanos: 0,
            interrupted: 0,
            counters: Counters::default(),
            role: PhantomData,
        })
    }

    /// What this line has counted so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// What routines have to know of this line.
    pub fn limits(&self) -> Limits {
        // GATT keeps the order of its pieces, and a message of several is no datagram.
        let datagram = F::DATAGRAM && F::WHOLE;
        Limits { overhead: F::OVERHEAD, datagram, tx: self.tx.len(), rx: self.framing.sizes().message }
    }

    /// The framing, for example to ask an automatic one what it has found.
    pub const fn framing(&mut self) -> &mut F {
        &mut self.framing
    }

    /// Whether this line can take what `server` promises to its peers.
    ///
    /// # Errors
    ///
    /// [`Error::Size`] if the framing's receive buffer is too short for what they would send.
    pub fn check<P>(&self, server: &impl Serve) -> Result<(), Error<P>> {
        let (Some(need), have) = (server.buffer_size(), self.framing.sizes().buffer) else { return Ok(()) };
        if need > have { Err(Error::Size(SizeError { need, have })) } else { Ok(()) }
    }

    /// Reports damage or time to a server; returns the length of its response in `tx`, 0 for none.
    pub fn report(&mut self, event: Event, server: &mut impl Serve) -> usize {
        match event {
            Event::Message => 0,
            Event::Damaged(damage) => server.damaged(damage, self.tx),
            Event::Elapsed(time) => {
                server.tick(time);
                0
            }
        }
    }

    /// The message that was received last, for example to read the text beside an error. Empty if the last one was damaged.
    pub fn message(&self) -> &[u8] {
        self.framing.message()
    }

    /// Who sent what was received last.
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// The message that was received last, and the room for the one to send.
    pub fn exchange(&mut self) -> (&[u8], &mut [u8]) {
        (self.framing.message(), self.tx)
    }

    /// The room for a message to send. While one is being sent, its bytes are here: see [`is_sending`](Self::is_sending).
    pub const fn tx(&mut self) -> &mut [u8] {
        self.tx
    }
}

/// A length or a position in a buffer of a line, in its own width.
#[expect(clippy::cast_possible_truncation, reason = "a buffer has at most 65,535 bytes that are used")]
const fn short(len: usize) -> u16 {
    len as u16
}
