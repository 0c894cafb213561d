//! Routines that are watched while they run, so that a table is drawn, a time limit takes effect,
//! and a missing answer shows although no event occurs.

use std::time::Duration;

use anysmp::routine::{Routine, Step};

/// The longest wait without a request in flight.
const LOOK: Duration = Duration::from_millis(100);

/// A routine with a callback at each tick and after each wait. If it returns `false`, the run ends
/// with [`Ended::Reopen`](anysmp::routine::Ended::Reopen), and may be continued.
pub struct Looked<'r, R, L> {
    routine: &'r mut R,
    look: L,
    is_stopped: bool,
    /// True while a request is in flight; the wait for its response is left to the routine.
    is_asking: bool,
    /// The rest of the wait that the routine has requested, after the current part.
    left: Duration,
}

impl<'r, R, L: FnMut(&R) -> bool> Looked<'r, R, L> {
    /// Calls `look` with the routine.
    pub const fn new(routine: &'r mut R, look: L) -> Self {
        Self { routine, look, is_stopped: false, is_asking: false, left: Duration::ZERO }
    }

    fn look(&mut self) {
        self.is_stopped |= !(self.look)(self.routine);
    }
}

impl<R: Routine, L: FnMut(&R) -> bool> Routine for Looked<'_, R, L> {
    type Client = R::Client;
    type Event<'m> = R::Event<'m>;
    type Report = R::Report;

    fn poll(&mut self, client: &mut R::Client, tx: &mut [u8]) -> Step {
        self.look();
        if self.is_stopped {
            return Step::Reopen;
        }
        // Continues a divided wait without polling the routine.
        let step = match self.left {
            Duration::ZERO => self.routine.poll(client, tx),
            left => Step::Wait(left),
        };
        self.left = Duration::ZERO;
        match step {
            Step::Send(len) => {
                self.is_asking = true;
                Step::Send(len)
            }
            Step::Wait(limit) if !self.is_asking => {
                let part = limit.min(LOOK);
                self.left = limit.saturating_sub(part);
                Step::Wait(part)
            }
            step => step,
        }
    }

    fn receive<'m>(&mut self, client: &mut R::Client, message: &'m [u8]) -> Option<R::Event<'m>> {
        let event = self.routine.receive(client, message);
        if event.is_some() {
            self.is_asking = false;
            self.left = Duration::ZERO;
        }
        event
    }

    fn drain(&self, client: &R::Client) -> Duration {
        self.routine.drain(client)
    }

    fn tick(&mut self, elapsed: Duration) {
        self.routine.tick(elapsed);
        self.look();
    }

    fn timed_out(&mut self) {
        if self.left.is_zero() {
            self.routine.timed_out();
            self.is_asking = false;
        }
    }

    fn report(&self) -> R::Report {
        self.routine.report()
    }
}
