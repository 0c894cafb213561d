//! The client's side of one exchange, or of all exchanges of a routine, without a port.
//!
//! Only clients bring a peer into step at the start of a session, nudge it after a timeout and
//! drain the line. All of that is in this file, so that the image of a server does not link it.

use core::ops::ControlFlow;

use super::{Before, Caller, Ear, Error, Event, Line, Loss, Owed, Sending, Sink, Verdict};
use crate::framing::Framing;
use crate::routine::{Ended, Routine, Step};
use crate::time::Span;

/// The result of one poll of an [`Exchange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Progress {
    /// Move bytes and time, then poll again.
    Wait,
    /// The response has arrived: [`Exchange::response`] decodes it.
    Done,
    /// Time: no response came, not even to the retries; or the line was never silent for long
    /// enough to send the request.
    TimedOut,
}

/// One request in flight on a line, with its retries. Drop it to cancel the request; a response
/// that comes later is foreign.
///
/// ```text
///   Asked ── timeout ──▶ Settling ── the peer had time for the preamble ──▶ Asked
///     │  └─ timeout, no retry left ──▶ Ended       │
///     └─ response ──▶ Answered ◀──────── response ─┘
/// ```
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Exchange<P> {
    pending: P,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// The request leaves, or has left. Exits: `Settling`, `Answered`, `Ended`; itself, if the
    /// peer requires another form or no preamble is needed before a retry.
    Asked,
    /// The response is late: the preamble leaves, then the first `len` bytes of `tx` once more. A
    /// response is still accepted. Exits: `Asked`, `Answered`.
    Settling { len: usize },
    /// The line holds the response. No exit.
    Answered,
    /// There is no response. No exit.
    Ended,
}

impl<P> Exchange<P> {
    /// Writes a request into the line's `tx` and begins to send it.
    ///
    /// # Errors
    ///
    /// We: [`Error::Busy`] while another message is being sent; [`Error::Protocol`] if the request
    /// cannot be made; as [`Line::transmit`].
    pub fn begin<R, C, F, S>(
        line: &mut Line<'_, F>,
        client: &mut C,
        request: &R,
        sink: &mut S,
    ) -> Result<Self, Error<core::convert::Infallible, C::Error>>
    where
        R: ?Sized,
        C: Caller<R, Pending = P>,
        F: Framing,
        S: Sink + ?Sized,
    {
        if line.is_sending() {
            return Err(Error::Busy);
        }
        let (len, pending) = client.request(request, line.tx).map_err(Error::Protocol)?;
        line.ask(len, span(client.drain()), sink).map_err(Error::from_line)?;
        Ok(Self { pending, state: State::Asked })
    }

    /// Handles the messages and the time that have arrived. Call it after [`Line::received`] and
    /// [`Line::elapsed`], and send the [pending](Line::pending) bytes afterwards.
    ///
    /// # Errors
    ///
    /// As [`Line::transmit`], if a retry or another form of the request cannot be sent.
    pub fn poll<R, C, F, S>(&mut self, line: &mut Line<'_, F>, client: &mut C, sink: &mut S) -> Result<Progress, Error>
    where
        R: ?Sized,
        C: Caller<R, Pending = P>,
        F: Framing,
        S: Sink + ?Sized,
    {
        if self.state == State::Answered {
            return Ok(Progress::Done);
        }
        while let Some(event) = line.next(sink) {
            // A damaged message says nothing about the request, whose clock is `Sending::Left`.
            // After the end no message can be the response.
            if event != Event::Message || self.state == State::Ended {
                continue;
            }
            let (message, tx) = line.exchange();
            match client.receive(&mut self.pending, message, tx) {
                Verdict::Answer => {
                    line.answered(Span::ceil(client.timeout(&self.pending)));
                    self.state = State::Answered;
                    return Ok(Progress::Done);
                }
                Verdict::Foreign => line.counters.lose(Loss::Foreign),
                Verdict::Unsolicited => sink.unsolicited(message),
                Verdict::Again(len) => {
                    line.owed = Owed::Nothing;
                    line.ask(len, span(client.drain()), sink)?;
                    self.state = State::Asked;
                }
            }
        }
        match (self.state, line.sending) {
            (State::Settling { len }, _) if line.is_settled() => {
                line.ask(len, span(client.drain()), sink)?;
                self.state = State::Asked;
            }
            (State::Asked, Sending::Unsent) => self.state = State::Ended,
            (State::Asked, Sending::Left(waited))
                if line.is_late(waited, Span::ceil(client.timeout(&self.pending))) =>
            {
                match client.retry(&mut self.pending, line.tx) {
                    None => {
                        line.out_of_step();
                        self.state = State::Ended;
                    }
                    Some(len) => {
                        line.counters.retries = line.counters.retries.wrapping_add(1);
                        line.nudge();
                        self.state = State::Settling { len };
                        if line.is_settled() {
                            line.ask(len, span(client.drain()), sink)?;
                            self.state = State::Asked;
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(if self.state == State::Ended { Progress::TimedOut } else { Progress::Wait })
    }

    /// The error of an exchange that has [timed out](Progress::TimedOut): the protocol's, if a
    /// message came that was almost the response, else [`Error::TimedOut`].
    pub fn reason<R, C, P2>(&self, client: &C) -> Error<P2, C::Error>
    where
        R: ?Sized,
        C: Caller<R, Pending = P>,
    {
        client.instead(&self.pending).map_or(Error::TimedOut, Error::Protocol)
    }

    /// Decodes the response, which borrows from the line.
    ///
    /// # Errors
    ///
    /// The peer: it refused the request, or its response is malformed. Before [`Progress::Done`] it
    /// always counts as malformed.
    pub fn response<'l, R, C, F>(&self, line: &'l Line<'_, F>, client: &C) -> Result<C::Response<'l>, C::Error>
    where
        R: ?Sized,
        C: Caller<R, Pending = P>,
        F: Framing,
    {
        client.decode(&self.pending, line.message())
    }
}

/// The result of one poll of a [`Run`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Turn<R> {
    /// Move bytes and time, then poll again.
    Wait,
    /// The run has ended with this result.
    Ended(Ended<R>),
}

/// A routine that runs on a line. Drop it to interrupt the routine, which may be run again.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Run {
    state: RunState,
}

#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum RunState {
    /// The routine is due to be polled. Exits: `Waiting`; itself, as long as it sends.
    Due,
    /// It waits for a message, for this long. Exits: `Due`, by one of its messages; `Settling`,
    /// when the time has passed or its request could not be sent.
    Waiting(Span),
    /// The preamble leaves before the routine sends again. A message is still accepted. Exits:
    /// `Due`.
    Settling,
}

impl Run {
    /// Begins a run, or continues the routine of an earlier one: its wait starts now.
    pub fn new<F: Framing>(line: &mut Line<'_, F>) -> Self {
        line.restart();
        Self { state: RunState::Due }
    }

    /// Handles the messages and the time that have arrived, as [`Exchange::poll`] does, and polls
    /// the routine. `on_event` is given its events. A message that does not belong to the routine
    /// is counted and dropped, and the wait continues.
    ///
    /// # Errors
    ///
    /// As [`Line::transmit`].
    pub fn poll<R, F, S>(
        &mut self,
        line: &mut Line<'_, F>,
        client: &mut R::Client,
        routine: &mut R,
        sink: &mut S,
        mut on_event: impl FnMut(R::Event<'_>) -> ControlFlow<()>,
    ) -> Result<Turn<R::Report>, Error>
    where
        R: Routine,
        F: Framing,
        S: Sink + ?Sized,
    {
        loop {
            if let RunState::Due = self.state {
                // Messages stay in the line until the frame has left, since the routine may answer
                // them at once. Time continues, or its intervals would stop.
                while line.is_sending()
                    && let Some(event) = line.next(sink)
                {
                    if let Event::Elapsed(time) = event {
                        routine.tick(time);
                    }
                }
                // Flushed before anything else leaves: a half-duplex port releases the line in its
                // flush.
                if line.is_sending() || line.is_flushing() {
                    return Ok(Turn::Wait);
                }
                match routine.poll(client, line.tx) {
                    Step::Send(len) => {
                        let drain = span(routine.drain(client));
                        line.ask(len, drain, sink)?;
                        // Received messages are handled first: the port may need the room.
                        continue;
                    }
                    Step::Wait(limit) => self.state = RunState::Waiting(Span::ceil(limit)),
                    Step::Reopen => return Ok(Turn::Ended(Ended::Reopen)),
                    Step::Done => return Ok(Turn::Ended(Ended::Done(routine.report()))),
                }
            }
            match line.next(sink) {
                Some(Event::Message) => {
                    let flow = routine.receive(client, line.message()).map(&mut on_event);
                    let Some(flow) = flow else {
                        line.counters.lose(Loss::Foreign);
                        continue;
                    };
                    line.answered(match self.state {
                        RunState::Waiting(limit) => limit,
                        RunState::Due | RunState::Settling => Span::ZERO,
                    });
                    line.restart();
                    self.state = RunState::Due;
                    if flow.is_break() {
                        return Ok(Turn::Ended(Ended::Stopped));
                    }
                }
                Some(Event::Elapsed(time)) => routine.tick(time),
                Some(Event::Damaged(_)) => {}
                None => {
                    match (self.state, line.sending) {
                        (RunState::Waiting(limit), Sending::Left(waited)) if line.is_late(waited, limit) => {
                            line.nudge();
                            self.state = RunState::Settling;
                        }
                        (RunState::Waiting(_), Sending::Unsent) => self.state = RunState::Settling,
                        _ => {}
                    }
                    match self.state {
                        RunState::Settling if line.is_settled() => {
                            routine.timed_out();
                            line.restart();
                            self.state = RunState::Due;
                        }
                        _ => return Ok(Turn::Wait),
                    }
                }
            }
        }
    }
}

/// Converts the drain of a protocol. Most protocols have none; if that is a constant, so is the
/// result, and code that only a drain needs is not linked.
#[inline(always)]
fn span(drain: core::time::Duration) -> Span {
    if drain.is_zero() { Span::ZERO } else { Span::ceil(drain) }
}

/// The rules of sending that apply to clients only.
impl<F: Framing> Line<'_, F> {
    /// Sends the request in the first `len` bytes of `tx`. The first one of a session brings the
    /// peer into step. If responses name no request (`drain` is not zero), nothing received earlier
    /// may pass for its response: the port is looked at first, and the line is kept silent for as
    /// long as a response is owed.
    fn ask(&mut self, len: usize, drain: Span, sink: &mut (impl Sink + ?Sized)) -> Result<(), Error> {
        // If messages have come and none was damaged, the peer is in step.
        let is_heard = self.counters.received != 0 && self.counters.damaged == 0;
        if let (Before::First | Before::Brief(_), true) = (self.before, is_heard) {
            self.before = Before::Gap;
        }
        if self.before == Before::First {
            self.out_of_step();
        }
        if !drain.is_zero() {
            if self.before == Before::Gap {
                self.before = Before::Silence(self.owed.silence());
                self.ear = match self.ear {
                    // Bytes that came since the last look are still unseen.
                    Ear::Silent(_) => Ear::Ended,
                    other => other,
                };
            }
            // Set now and not at the timeout, because a caller may be cancelled at any moment.
            self.owed = match self.owed {
                Owed::Nothing => Owed::One(drain),
                Owed::One(_) | Owed::Older(_) => Owed::Older(drain),
            };
        }
        self.transmit(len)?;
        sink.traced(self.tx.get(..len).unwrap_or_default(), true);
        Ok(())
    }

    /// Notes that a message was accepted as the response. If an older response was still owed, this
    /// may be that one, and the right one comes within a timeout: the line is kept silent for that
    /// time before the next request. A response that comes even after the drain thus costs one
    /// wrong value, not one for every later request.
    fn answered(&mut self, timeout: Span) {
        if let (Owed::Older(_), Before::Gap) = (self.owed, self.before) {
            self.before = Before::Silence(timeout);
        }
        self.owed = Owed::Nothing;
    }

    /// Returns `true` if a wait for a response has ended: its limit has passed, and no message is
    /// arriving. On a slow line a long response takes longer to arrive than to begin; the wait is
    /// extended at most by the time of the longest one.
    fn is_late(&self, waited: Span, limit: Span) -> bool {
        if waited < limit || !self.framing.is_arriving() {
            return waited >= limit;
        }
        let longest = u32::try_from(self.framing.sizes().buffer).unwrap_or(u32::MAX);
        waited >= Span::ceil(self.framing.byte_time().saturating_mul(longest)).saturating_add(limit)
    }

    /// Sends the preamble, if the framing has one, at once: the response is late, and the peer's
    /// decoder may be out of step.
    fn nudge(&mut self) {
        if !self.framing.preamble().is_empty() {
            self.before = Before::Nudge(0);
        }
    }

    /// Puts the preamble, if the framing has one, in front of the next request: the state of the
    /// peer's decoder is unknown.
    fn out_of_step(&mut self) {
        if let Before::First | Before::Gap = self.before {
            self.before = if self.framing.preamble().is_empty() { Before::Gap } else { Before::Preamble(0) };
        }
    }

    /// Returns `true` if a preamble has left and the peer has had time for it.
    fn is_settled(&self) -> bool {
        !matches!(self.before, Before::Nudge(_) | Before::Flushing(_) | Before::Settle(_))
    }

    /// Starts a wait now, unless a message is still being sent.
    fn restart(&mut self) {
        if !self.is_sending() {
            self.sending = Sending::Left(Span::ZERO);
        }
    }
}
