//! The client's side of all exchanges of a routine, without a port.

use core::ops::ControlFlow;

use super::ask::span;
use super::{Error, Event, Line, Loss, Sending, Sink};
use crate::framing::Framing;
use crate::routine::{Ended, Routine, Step};
use crate::time::Span;

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
    #[must_use]
    pub fn new<F: Framing>(line: &mut Line<'_, F>) -> Self {
        line.restart();
        Self { state: RunState::Due }
    }

    /// Handles the messages and the time that have arrived, as
    /// [`Exchange::poll`](super::Exchange::poll) does, and polls the routine. `on_event` is given
    /// its events. A message that does not belong to the routine is counted and dropped, and the
    /// wait continues.
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
                        routine.tick(time.to_duration());
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
                        line.tally.lose(Loss::Foreign);
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
                Some(Event::Elapsed(time)) => routine.tick(time.to_duration()),
                // A damaged message answers nothing: the wait continues.
                Some(Event::Damaged(_)) => {}
                None => {
                    match (self.state, line.sending) {
                        (RunState::Waiting(limit), Sending::Left(waited)) if line.is_late(waited, limit) => {
                            line.nudge();
                            self.state = RunState::Settling;
                        }
                        // The line was never silent: to the routine this is a timeout.
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
