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
//!   Idle ── transmit ──▶ Waiting ── ready ──▶ Frame ── encoded ──▶ Last ── taken ──▶ Idle
//!    ▲                     │ never silent         │ abandon            │ abandon
//!    └─────────────────────┴──────────────────────┴────────────────────┘
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

use core::ops::Range;
use core::time::Duration;

mod buffers;
mod counters;
mod driver;
mod error;
mod exchange;
mod service;

pub use buffers::{Buffers, Limits, SizeError};
pub use counters::Counters;
pub(crate) use counters::Loss;
pub(crate) use driver::{Moved, driver};
pub use error::{Damage, Error};
pub use exchange::{Exchange, Progress, Run, Turn};
pub use service::{Caller, Peer, Serve, Service, Sink, Text, Verdict, asynch};

use crate::bytes::copy;
use crate::framing::{self, Encoder, Framing};
use crate::shown::shown;
use crate::time::Span;

/// For how long a message waits for a line that is never silent, beside the silence itself.
const JAMMED: Duration = Duration::from_secs(1);

/// How often in a row a port may be interrupted.
const INTERRUPTED: u8 = 16;

/// What a look at the line brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// A message: [`Line::message`] borrows it until the next call of [`Line::next`].
    Message,
    /// A message was dropped.
    Damaged(Damage),
    /// This much time has passed since the last event of this kind.
    Elapsed(#[cfg_attr(feature = "defmt", defmt(Debug2Format))] Duration),
}

/// A framing, its buffers and its manners. See the [module](self).
pub struct Line<'b, F: Framing> {
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
    since: Since,
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
}

shown!(['b, F: Framing] Line<'b, F>, |line| "Line({:?})", line.counters);

/// How far the message in `tx` has come. The encoder and the run that is encoded are beside it, where nothing moves from one stage
/// to the next: 190 bytes of flash less than variants that hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// There is none to send. Out: `Waiting` by `transmit`.
    Idle,
    /// It waits for the line. Out: `Frame`, `Last`; `Idle` if the line never gets ready, or by `abandon`.
    Waiting,
    /// Its frame has begun, and there is more than what is encoded. Out: `Last`; `Idle` by `abandon`.
    Frame,
    /// What is encoded is the end of its frame. Out: `Idle`, when the port has taken it, or by `abandon`.
    Last,
}

/// What has to happen before a frame may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The framing's gap. Out: all others.
    Gap,
    /// This silence, and at least one look at the line. Out: `Gap`, when it has passed.
    Silence(Span),
    /// The preamble, of which this many bytes have left, when a message is to be sent. Out: `Flushing`.
    Preamble(u8),
    /// The preamble now, whether there is a message or not. Out: `Flushing`.
    Nudge(u8),
    /// The port has taken what comes in front of a pause of this length. Out: `Settle`, when its time begins.
    Flushing(Span),
    /// This much time. Out: `Gap`, when it has passed.
    Settle(Span),
}

/// What was last heard of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ear {
    /// Bytes, since time last passed; or we did not listen, because we sent. Out: `Ended`, when time passes.
    Busy,
    /// Nothing since time last passed. Out: `Busy`; `Silent`, when time passes.
    Ended,
    /// Nothing for this long. Out: `Busy`.
    Silent(Span),
}

/// The responses that may still come, where a response names no request (BSMP). The time is how long the line has to be silent
/// before the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// None. Out: `One`.
    Nothing,
    /// That to the last request. Out: `Nothing`, by a response; `Older`, by the next request.
    One(Span),
    /// That to the last request, and one to a request before it, which did not come while the line was drained. A message
    /// that is taken for a response may be the older one. Out: `Nothing`, by a response; `One`, by a message in the drain.
    Older(Span),
}

impl Owed {
    const fn silence(self) -> Span {
        match self {
            Self::Nothing => Span::ZERO,
            Self::One(silence) | Self::Older(silence) => silence,
        }
    }
}

/// How long it is since the last message left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// It waits, for this long at most. Out: `Flushing` when the port has taken all of it; `Unsent`.
    Waiting(Span),
    /// The port has taken it, and the line needs this long. Out: `Leaving` or `Left`, when time passes.
    Flushing(Span),
    /// The line still carries it, for this long. Out: `Left`.
    Leaving(Span),
    /// This long. Out: `Waiting`.
    Left(Span),
    /// It was given up. Out: `Waiting`.
    Unsent,
}

impl<'b, F: Framing> Line<'b, F> {
    /// Gives a framing its buffers.
    ///
    /// # Errors
    ///
    /// [`SizeError`] if one of them is too short.
    pub fn new(framing: F, memory: impl Into<Buffers<'b>>) -> Result<Self, SizeError> {
        let [read, tx, out] = memory.into().cut(&framing)?;
        Ok(Self {
            framing,
            read,
            unread: 0..0,
            tx,
            out,
            sending: Sending::Idle,
            encoder: None,
            len: 0,
            run: 0..0,
            before: Before::Gap,
            ear: Ear::Ended,
            since: Since::Left(Span::ZERO),
            elapsed: Span::ZERO,
            airtime: Span::ZERO,
            owed: Owed::Nothing,
            peer: Peer::default(),
            nanos: 0,
            interrupted: 0,
            counters: Counters::default(),
        })
    }

    /// What this line has counted so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// What routines have to know of this line.
    pub fn limits(&self) -> Limits {
        Limits { overhead: F::OVERHEAD, datagram: F::DATAGRAM, tx: self.tx.len(), rx: self.framing.sizes().message }
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

    // What comes in.

    /// Takes bytes of one peer from the front of `bytes`; returns how many. A datagram is taken as a whole or not at all.
    ///
    /// It takes less while there is no room: call [`next`](Self::next), or get rid of what is [pending](Self::pending).
    pub fn received(&mut self, bytes: &[u8], peer: Peer) -> usize {
        if !self.unread.is_empty() && peer != self.peer {
            return 0;
        }
        let room = self.room();
        let count = bytes.len().min(room.len());
        if F::DATAGRAM && count < bytes.len() {
            if count > 0 {
                // Longer than any datagram may be: one error, and nothing of it.
                self.counters.lose(Loss::Damaged(Damage::TooLong));
                return bytes.len();
            }
            return 0;
        }
        copy(bytes, room);
        self.filled(count, peer);
        count
    }

    /// The free part of `read`, for a port that reads straight into it: [`filled`](Self::filled) says how much. Empty if there
    /// is no room.
    pub fn room(&mut self) -> &mut [u8] {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if F::DATAGRAM {
            return &mut [];
        }
        self.read.get_mut(usize::from(self.unread.end)..).unwrap_or_default()
    }

    /// The first `count` bytes of [`room`](Self::room) have come from `peer`.
    pub fn filled(&mut self, count: usize, peer: Peer) {
        if count > 0 {
            self.unread.end = self.unread.end.saturating_add(short(count)).min(short(self.read.len()));
            self.peer = peer;
            self.ear = Ear::Busy;
            // An answer, or the echo: from now on the line itself says when it is silent.
            self.airtime = Span::ZERO;
        }
    }

    /// Time has passed, in which the port was looked at: a round without bytes is silence.
    pub fn elapsed(&mut self, time: Span) {
        self.away(time);
        match &mut self.ear {
            // A port that only queues what it is given is still sending: nothing can be heard.
            _ if !self.airtime.is_zero() => self.ear = Ear::Busy,
            Ear::Silent(silence) => silence.lengthen(time),
            Ear::Ended => self.ear = Ear::Silent(time),
            // Where in this round the last byte came nobody knows.
            Ear::Busy => self.ear = Ear::Ended,
        }
    }

    /// Time has passed, in which nobody looked at the port.
    pub fn away(&mut self, time: Span) {
        self.elapsed.lengthen(time);
        self.airtime = self.airtime.shortened(time);
        match self.before {
            Before::Flushing(pause) => self.before = Before::Settle(pause),
            Before::Settle(pause) if time.reaches(pause) => {
                self.before =
                    if self.owed == Owed::Nothing { Before::Gap } else { Before::Silence(self.owed.silence()) };
            }
            Before::Settle(pause) => self.before = Before::Settle(pause.shortened(time)),
            Before::Gap | Before::Silence(_) | Before::Preamble(_) | Before::Nudge(_) => {}
        }
        self.since = match self.since {
            Since::Left(mut waited) => {
                waited.lengthen(time);
                Since::Left(waited)
            }
            // Time that the peer was promised does not count against the message.
            Since::Waiting(left) if !self.is_begun() && self.wanted().is_some() => {
                if time.reaches(left) {
                    return self.give_up();
                }
                Since::Waiting(left.shortened(time))
            }
            // In this round the last byte was handed over; that is no time of waiting.
            Since::Flushing(left) if time.reaches(left) => Since::Left(Span::ZERO),
            Since::Leaving(left) if time.reaches(left) => Since::Left(time.shortened(left)),
            Since::Flushing(left) | Since::Leaving(left) => Since::Leaving(left.shortened(time)),
            other @ (Since::Waiting(_) | Since::Unsent) => other,
        };
    }

    /// The port has lost bytes: what was half received is dropped and counted.
    pub fn lost(&mut self) {
        self.framing.reset();
        self.unread = 0..0;
        self.ear = Ear::Busy;
        self.counters.failures = self.counters.failures.wrapping_add(1);
    }

    /// What has happened since the last call; `None` if nothing is left to report. Text, traces and losses go to `sink`.
    ///
    /// While a frame is half sent, only time is reported.
    pub fn next<S: Sink + ?Sized>(&mut self, sink: &mut S) -> Option<Event> {
        self.heard(sink).or_else(|| {
            let is_time = !self.elapsed.is_zero();
            is_time.then(|| Event::Elapsed(core::mem::take(&mut self.elapsed).time()))
        })
    }

    /// The same without time.
    pub(crate) fn heard<S: Sink + ?Sized>(&mut self, sink: &mut S) -> Option<Event> {
        while !self.is_begun() {
            let progress = if !self.unread.is_empty() {
                let unread = usize::from(self.unread.start)..usize::from(self.unread.end);
                let mut input = self.read.get(unread).unwrap_or_default();
                let progress = self.framing.push(&mut input);
                self.unread.start = self.unread.end.saturating_sub(short(input.len()));
                progress
            } else if let Ear::Silent(silence) = self.ear {
                match self.framing.idle(silence.time()) {
                    Ok(framing::Progress::More) => break,
                    found => found,
                }
            } else {
                break;
            };
            if let Some(event) = note(progress, &self.framing, sink, &mut self.counters)
                && self.concerns(event)
            {
                return Some(event);
            }
        }
        None
    }

    /// Whether anybody waits for what comes in. While a message waits for the line nobody does: it is foreign.
    fn concerns(&mut self, event: Event) -> bool {
        let is_waiting = self.is_waiting();
        if is_waiting && event == Event::Message {
            self.counters.lose(Loss::Foreign);
            if let Owed::Older(silence) = self.owed {
                self.owed = Owed::One(silence);
            }
        }
        !is_waiting
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

    // What goes out.

    /// Sends the first `len` bytes of [`tx`](Self::tx), as soon as the line is ready.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] while another message is being sent, [`Error::BufferFull`] if `tx` is shorter than that,
    /// [`Error::Framing`] if the framing cannot express it.
    pub fn transmit(&mut self, len: usize) -> Result<(), Error> {
        if self.is_sending() {
            return Err(Error::Busy);
        }
        let message = self.tx.get(..len).ok_or(Error::BufferFull)?;
        let encoder = self.framing.encode(message).map_err(Error::Framing)?;
        self.encoder = Some(encoder);
        self.len = short(len);
        self.sending = Sending::Waiting;
        let mut limit = const { Span::limit(JAMMED) };
        if let Before::Silence(silence) = self.before {
            limit.lengthen(silence);
            limit.lengthen(silence);
        }
        self.since = Since::Waiting(limit);
        // Where it need not wait it has begun: nothing that comes from now on is dropped as foreign.
        self.begin();
        Ok(())
    }

    /// Whether a message is being sent, or waits to be.
    pub const fn is_sending(&self) -> bool {
        !matches!(self.sending, Sending::Idle)
    }

    /// Whether a frame is half sent.
    const fn is_begun(&self) -> bool {
        matches!(self.sending, Sending::Frame | Sending::Last)
    }

    /// Whether a message waits for the line.
    const fn is_waiting(&self) -> bool {
        matches!(self.sending, Sending::Waiting)
    }

    /// The next bytes for the port: hand over as many as it takes, and say how many with [`sent`](Self::sent). Empty if there
    /// is nothing to send, or the line is not ready.
    pub fn pending(&mut self) -> &[u8] {
        if let Before::Preamble(sent) | Before::Nudge(sent) = self.before
            && (self.is_waiting() || matches!(self.before, Before::Nudge(_)))
        {
            if let Some(rest @ [_, ..]) = self.framing.preamble().get(usize::from(sent)..) {
                return rest;
            }
            self.before = Before::Gap;
        }
        self.begin();
        self.out.get(usize::from(self.run.start)..usize::from(self.run.end)).unwrap_or_default()
    }

    /// Begins the frame of the message that waits, if there is one and the line is ready.
    fn begin(&mut self) {
        if self.is_waiting() && self.is_ready() {
            self.before = Before::Gap;
            self.fill();
        }
    }

    /// Encodes into `out`, which is empty.
    fn fill(&mut self) {
        let Some(encoder) = &mut self.encoder else { return };
        let message = self.tx.get(..usize::from(self.len)).unwrap_or_default();
        let mut used = 0usize;
        self.sending = loop {
            let room = self.out.get_mut(used..).unwrap_or_default();
            // Where a frame leaves in one piece, `out` has room for it: that was checked when the line was built. Its last byte may
            // be the last of `out`.
            if !F::WHOLE && room.len() < F::Encoder::MIN_OUT {
                break Sending::Frame;
            }
            match encoder.next(message, room) {
                0 => break Sending::Last,
                written => used = used.wrapping_add(written),
            }
        };
        self.run = 0..short(used);
    }

    /// How long the message that waits needs the line to be silent. `None` if it waits for something else.
    fn wanted(&self) -> Option<Span> {
        let gap = Span::limit(self.framing.gap());
        match self.before {
            Before::Silence(silence) if silence.reaches(gap) => Some(silence),
            Before::Gap | Before::Silence(_) => Some(gap),
            Before::Preamble(_) | Before::Nudge(_) | Before::Flushing(_) | Before::Settle(_) => None,
        }
    }

    /// Whether the frame of the message that waits may begin.
    fn is_ready(&self) -> bool {
        match (self.wanted(), self.ear) {
            (Some(wanted), Ear::Silent(silence)) => silence.reaches(wanted),
            // Silence that nobody has listened for is none, not even where no length is asked for.
            (Some(wanted), Ear::Busy | Ear::Ended) => wanted.is_zero() && self.before == Before::Gap,
            (None, _) => false,
        }
    }

    /// For how long the line has still to be silent before the message that waits may leave; `None` if no message waits for
    /// silence. For drivers, which look at the line more often then.
    pub fn rest(&self) -> Option<Span> {
        match self.ear {
            _ if !self.is_waiting() => None,
            Ear::Silent(silence) => Some(self.wanted()?.shortened(silence)),
            Ear::Busy | Ear::Ended => self.wanted(),
        }
    }

    /// The port has taken the first `count` bytes of [`pending`](Self::pending). Returns whether that was the last of them: then
    /// the port is to be flushed.
    pub fn sent(&mut self, count: usize) -> bool {
        if count == 0 {
            // A loop of one's own may say so in each round; that must not pass for a round in which we sent.
            return false;
        }
        // What came meanwhile was not seen.
        self.ear = Ear::Busy;
        let taken = short(count);
        if self.is_begun() {
            self.run.start = self.run.start.saturating_add(taken);
            // The end of a frame may be the end of what was encoded at once: then there is nothing left to hand over.
            if self.run.is_empty() && self.sending == Sending::Frame {
                self.fill();
            }
            if self.sending != Sending::Last || !self.run.is_empty() {
                return false;
            }
            self.sending = Sending::Idle;
            self.counters.sent = self.counters.sent.wrapping_add(1);
            let byte_time = self.framing.byte_time();
            // A framing that knows it sends whole frames: what is in `out` is all of it.
            let airtime = if byte_time.is_zero() { byte_time } else { byte_time.saturating_mul(self.run.end.into()) };
            self.airtime = Span::limit(airtime);
            self.since = Since::Flushing(self.airtime);
            return true;
        }
        let (Before::Preamble(sent) | Before::Nudge(sent)) = &mut self.before else { return false };
        *sent = sent.saturating_add(u8::try_from(count).unwrap_or(u8::MAX));
        if usize::from(*sent) < self.framing.preamble().len() {
            return false;
        }
        self.before = Before::Flushing(const { Span::limit(F::SETTLE) });
        true
    }

    /// Gives up the message that is being sent, because the port failed. If a part of its frame has left, the next frame is
    /// preceded by what brings the peer into step again.
    pub fn abandon(&mut self) {
        let is_cut = match self.sending {
            Sending::Waiting => false,
            Sending::Frame => true,
            // A frame that leaves in one piece has not begun before its first byte was taken.
            Sending::Last => self.run.start > 0 || !F::WHOLE,
            // All was handed over, but the port could not flush it.
            Sending::Idle => matches!(self.since, Since::Flushing(_)),
        };
        if is_cut {
            self.before = if self.framing.preamble().is_empty() {
                Before::Flushing(const { Span::limit(F::QUIET) })
            } else {
                Before::Preamble(0)
            };
        }
        if is_cut || self.is_sending() {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.sending = Sending::Idle;
        self.run = 0..0;
        self.since = Since::Unsent;
        self.counters.failures = self.counters.failures.wrapping_add(1);
    }

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
                return Ok(());
            }
            Moved::Silence => {
                self.elapsed(time);
                // The time in which it waited is real: every limit still ends.
                self.interrupted = 0;
                return Ok(());
            }
            Moved::Interrupted(_) if self.interrupted < INTERRUPTED => {
                self.away(time);
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

    /// Whether a wait for a response has ended: its limit has passed, and no message is just arriving. On a slow line a long one takes
    /// more time than any peer does to begin it; more than the longest one takes is not waited for.
    fn is_late(&self, waited: Span, limit: Span) -> bool {
        if !waited.reaches(limit) || !self.framing.is_arriving() {
            return waited.reaches(limit);
        }
        let longest = u32::try_from(self.framing.sizes().buffer).unwrap_or(u32::MAX);
        let mut most = Span::limit(self.framing.byte_time().saturating_mul(longest));
        most.lengthen(limit);
        waited.reaches(most)
    }

    /// Whether a message waits for a silence that is shorter than a tick.
    pub(crate) fn is_resting(&self) -> bool {
        self.rest().is_some_and(|left| const { Span::limit(SPIN) }.reaches(left))
    }

    /// Whether the last message was given up.
    pub const fn is_unsent(&self) -> bool {
        matches!(self.since, Since::Unsent)
    }
}

/// The longest silence that a driver waits for by looking at the clock instead of by reading, which takes a tick: that of a packet
/// of BSMP at 9,600 baud is 2.1 ms.
const SPIN: Duration = Duration::from_micros(2_500);

/// Counts what the framing found, and hands text and losses to the sink.
fn note<F: Framing, S: Sink + ?Sized>(
    progress: Result<framing::Progress<'_>, framing::Error>,
    framing: &F,
    sink: &mut S,
    counters: &mut Counters,
) -> Option<Event> {
    match progress {
        Ok(framing::Progress::More) => None,
        Ok(framing::Progress::Text(text)) => {
            sink.text(text);
            None
        }
        Ok(framing::Progress::Message) => {
            counters.received = counters.received.wrapping_add(1);
            sink.traced(framing.message(), false);
            Some(Event::Message)
        }
        Err(error) => {
            let damage = error.into();
            counters.lose(Loss::Damaged(damage));
            sink.dropped(damage);
            Some(Event::Damaged(damage))
        }
    }
}

/// A length or a position in a buffer of a line, in its own width.
#[expect(clippy::cast_possible_truncation, reason = "a buffer has at most 65,535 bytes that are used")]
const fn short(len: usize) -> u16 {
    if len > u16::MAX as usize { u16::MAX } else { len as u16 }
}
