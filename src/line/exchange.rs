//! The client's half of an exchange, and a routine's of many, without a port.
//!
//! Only clients bring a peer into step at the start of a session, nudge it after a timeout and drain the line: all that is
//! here, so that the image of a server does not link it.

use core::ops::ControlFlow;

use super::{Before, Caller, Ear, Error, Event, Line, Loss, Owed, Sending, Sink, Verdict};
use crate::framing::Framing;
use crate::routine::{Ended, Routine, Step};
use crate::time::Span;

/// How far an [`Exchange`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Progress {
    /// Move bytes and time, then poll again.
    Wait,
    /// The response is there: [`Exchange::response`].
    Done,
    /// No response came, not even to the retries; or the line was never silent for long enough to ask.
    TimedOut,
}

/// One request in flight on a line, with its retries. To drop it is to cancel it; what the peer answers later is foreign.
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
    /// The request leaves, or has left. Out: `Settling`, `Answered`, `Ended`.
    Asked,
    /// Its response is late: the preamble leaves before the first `len` bytes of `tx` do so again. A response is still
    /// welcome. Out: `Asked`, `Answered`.
    Settling { len: usize },
    /// The line has the response. No way out.
    Answered,
    /// There is no response. No way out.
    Ended,
}

impl<P> Exchange<P> {
    /// Writes a request into the line's `tx` and begins to send it.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] while another message is being sent; [`Error::Protocol`] if the request cannot be made; as
    /// [`Line::transmit`].
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
        line.ask(len, Span::limit(client.drain()), sink).map_err(Error::from_line)?;
        Ok(Self { pending, state: State::Asked })
    }

    /// Looks at what has come in and what time has passed. Call it after [`Line::received`] and [`Line::elapsed`], and send what is
    /// [pending](Line::pending) afterwards.
    ///
    /// # Errors
    ///
    /// As [`Line::transmit`], if the request has to be sent in another form.
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
            if event != Event::Message || self.state == State::Ended {
                continue;
            }
            let (message, tx) = line.exchange();
            match client.receive(&mut self.pending, message, tx) {
                Verdict::Answer => {
                    line.answered(Span::limit(client.timeout(&self.pending)));
                    self.state = State::Answered;
                    return Ok(Progress::Done);
                }
                Verdict::Foreign => line.counters.lose(Loss::Foreign),
                Verdict::Unsolicited => sink.unsolicited(message),
                Verdict::Again(len) => {
                    line.owed = Owed::Nothing;
                    line.ask(len, Span::limit(client.drain()), sink)?;
                    self.state = State::Asked;
                }
            }
        }
        match (self.state, line.sending) {
            (State::Settling { len }, _) if line.is_settled() => {
                line.ask(len, Span::limit(client.drain()), sink)?;
                self.state = State::Asked;
            }
            (State::Asked, Sending::Unsent) => self.state = State::Ended,
            (State::Asked, Sending::Left(waited))
                if line.is_late(waited, Span::limit(client.timeout(&self.pending))) =>
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
                            line.ask(len, Span::limit(client.drain()), sink)?;
                            self.state = State::Asked;
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(if self.state == State::Ended { Progress::TimedOut } else { Progress::Wait })
    }

    /// Why it [timed out](Progress::TimedOut), if something came that was almost a response.
    pub fn reason<R, C, P2>(&self, client: &C) -> Error<P2, C::Error>
    where
        R: ?Sized,
        C: Caller<R, Pending = P>,
    {
        client.instead(&self.pending).map_or(Error::TimedOut, Error::Protocol)
    }

    /// The response, borrowed from the line.
    ///
    /// # Errors
    ///
    /// If the peer refused the request, or its response is malformed, which it always is before [`Progress::Done`].
    pub fn response<'l, R, C, F>(&self, line: &'l Line<'_, F>, client: &C) -> Result<C::Response<'l>, C::Error>
    where
        R: ?Sized,
        C: Caller<R, Pending = P>,
        F: Framing,
    {
        client.decode(&self.pending, line.message())
    }
}

/// How far a [`Run`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Turn<R> {
    /// Move bytes and time, then poll again.
    Wait,
    /// It has ended.
    Ended(Ended<R>),
}

/// A routine on a line. To drop it is to interrupt the routine, which may be run on.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Run {
    state: RunState,
}

#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum RunState {
    /// The routine is to say what comes next. Out: `Waiting`; or itself, as long as it sends.
    Due,
    /// It waits for a message, for this long. Out: `Due`, by one of its messages; `Settling`, when time has passed.
    Waiting(Span),
    /// The preamble leaves before the routine sends again. A message is still welcome. Out: `Due`.
    Settling,
}

impl Run {
    /// Begins, or goes on.
    pub fn new<F: Framing>(line: &mut Line<'_, F>) -> Self {
        line.restart();
        Self { state: RunState::Due }
    }

    /// As [`Exchange::poll`], with the routine's own events. A message that is none of the routine's is counted and dropped, and
    /// the wait goes on.
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
                // Meanwhile only time is reported.
                while line.is_sending()
                    && let Some(event) = line.next(sink)
                {
                    if let Event::Elapsed(time) = event {
                        routine.tick(time);
                    }
                }
                // A port is flushed before anything else leaves: that is where a half-duplex one releases the line.
                if line.is_sending() || line.is_flushing() {
                    return Ok(Turn::Wait);
                }
                match routine.poll(client, line.tx) {
                    Step::Send(len) => {
                        let drain = Span::limit(routine.drain(client));
                        line.ask(len, drain, sink)?;
                        // What had come before is looked at first: the port may need the room.
                        continue;
                    }
                    Step::Wait(limit) => self.state = RunState::Waiting(Span::limit(limit)),
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

/// A client's manners.
impl<F: Framing> Line<'_, F> {
    /// Sends the request in the first `len` bytes of `tx`. The first one of a session brings the peer into step. If responses name
    /// no request (`drain` is not zero), nothing that came before may be taken for its response: the line is looked at, and is
    /// silent for as long as a response is owed.
    fn ask(&mut self, len: usize, drain: Span, sink: &mut (impl Sink + ?Sized)) -> Result<(), Error> {
        if self.counters.sent == 0 {
            self.out_of_step();
        }
        if !drain.is_zero() {
            if self.before == Before::Gap {
                self.before = Before::Silence(self.owed.silence());
                self.ear = match self.ear {
                    // What came since the last look was not seen.
                    Ear::Silent(_) => Ear::Ended,
                    other => other,
                };
            }
            // From now on, until the response is there: a caller may go away at any moment.
            self.owed = match self.owed {
                Owed::Nothing => Owed::One(drain),
                Owed::One(_) | Owed::Older(_) => Owed::Older(drain),
            };
        }
        self.transmit(len)?;
        sink.traced(self.tx.get(..len).unwrap_or_default(), true);
        Ok(())
    }

    /// A message was taken for the response. If an older one may still have been on its way, this may be it, and the right one is
    /// still to come: within a timeout, for which the line is silent before the next request. So an answer that comes even after
    /// the drain costs one wrong value, not one at each request from then on.
    fn answered(&mut self, timeout: Span) {
        if let (Owed::Older(_), Before::Gap) = (self.owed, self.before) {
            self.before = Before::Silence(timeout);
        }
        self.owed = Owed::Nothing;
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

    /// The response is late: a preamble, if the framing has one, brings the peer's decoder into step.
    fn nudge(&mut self) {
        if !self.framing.preamble().is_empty() {
            self.before = Before::Nudge(0);
        }
    }

    /// The next request begins with a preamble, if the framing has one: nobody knows what the peer's decoder has.
    fn out_of_step(&mut self) {
        if self.before == Before::Gap && !self.framing.preamble().is_empty() {
            self.before = Before::Preamble(0);
        }
    }

    /// Whether a preamble has left and the peer had time for it.
    fn is_settled(&self) -> bool {
        !matches!(self.before, Before::Nudge(_) | Before::Flushing(_) | Before::Settle(_))
    }

    /// A wait begins now, unless a message is still being sent.
    fn restart(&mut self) {
        if !self.is_sending() {
            self.sending = Sending::Left(Span::ZERO);
        }
    }
}
