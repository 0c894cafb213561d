//! The client's side of one exchange, without a port.

use super::ask::span;
use super::{Caller, Error, Event, Line, Loss, Owed, Sending, Sink, Verdict};
use crate::framing::Framing;
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
            // A damaged message answers nothing; the clock of the request is `Sending::Left`.
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
                Verdict::Foreign => line.tally.lose(Loss::Foreign),
                Verdict::Unsolicited => sink.unsolicited(message),
                Verdict::Again(len) => {
                    // This was the response, so none is owed any more.
                    line.requests.owed = Owed::Nothing;
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
            // The line was never silent: without a request there is no response to wait for.
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
                        line.requests.retries = line.requests.retries.wrapping_add(1);
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
    #[must_use]
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
    /// The peer: it refused, or its response is malformed. Before [`Progress::Done`] there is no
    /// response, which is malformed too.
    pub fn response<'l, R, C, F>(&self, line: &'l Line<'_, F>, client: &C) -> Result<C::Response<'l>, C::Error>
    where
        R: ?Sized,
        C: Caller<R, Pending = P>,
        F: Framing,
    {
        // Before that, the line may still hold the response to an earlier request.
        let message = if self.state == State::Answered { line.message() } else { &[] };
        client.decode(&self.pending, message)
    }
}
