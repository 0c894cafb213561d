//! Jobs of many exchanges, as values without a port or a clock.
//!
//! A [`Routine`] decides; a driver moves bytes. A driver, blocking or async, is this loop:
//!
//! ```text
//!          ┌───────────────────────────── poll(client, tx) ◀───────────────────────────┐
//!          │                                                                            │
//!   Send(len): send tx[..len] ──────────────────────────────────────────────────────────┤
//!   Wait(limit): ── a message ──▶ receive(client, message) ─▶ event ─▶ the caller ──────┤
//!                └─ limit passed without one ──▶ timed_out() ───────────────────────────┘
//!   Reopen: end of `run`; the caller opens the port again and runs the same routine on
//!   Done:   end of `run`; `report()` returns the outcome
//! ```
//!
//! # Run one
//!
//! ```no_run
//! # use anysmp::{blocking::Link, framing::Framing, line::Error, port::Clock};
//! # use embedded_io::{Read, Write};
//! use anysmp::routine::Ended;
//! use anysmp::smp::Client;
//! use anysmp::smp::routine::{Upload, UploadOutcome};
//! use core::ops::ControlFlow;
//!
//! # fn upload<P: Read + Write + Clock>(
//! #     link: &mut Link<'_, P, impl Framing>,
//! #     file: &[u8],
//! # ) -> Result<(), Error<P::Error>> {
//! let mut upload = Upload::new(file).with_limits(link.limits());
//! let ended = link.run(&mut Client::new(0), &mut upload, |event| {
//!     println!("{} of {} bytes", event.off, event.len);
//!     ControlFlow::Continue(()) // `Break` stops here; the same routine may be run on later
//! })?;
//! match ended {
//!     Ended::Done(report) => println!("{}", report.outcome), // refusals are in here
//!     Ended::Reopen => { /* open the port again, build a new link, run the same routine */ }
//!     Ended::Stopped => { /* the callback stopped it */ }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Write one
//!
//! Your routines can do everything that those of this crate do. This one asks for three echoes:
//!
//! ```
//! use anysmp::routine::{Routine, Step};
//! use anysmp::smp::os::Echo;
//! use anysmp::smp::{Client, Pending};
//! use core::time::Duration;
//!
//! struct Pings {
//!     answered: u8,
//!     lost: u8,
//!     state: State,
//! }
//!
//! enum State {
//!     /// A request is due. Exits: `Waiting`.
//!     Ready,
//!     /// One is in flight. Exits: `Ready`.
//!     Waiting(Pending<Echo<'static>>),
//! }
//!
//! impl Routine for Pings {
//!     type Client = Client;
//!     type Event<'m> = u8;
//!     type Report = (u8, u8);
//!
//!     fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
//!         match self.state {
//!             _ if self.answered + self.lost == 3 => Step::Done,
//!             State::Waiting(_) => Step::Wait(client.timeout()),
//!             State::Ready => match client.request(&Echo::new("ping"), tx) {
//!                 Ok((len, pending)) => {
//!                     self.state = State::Waiting(pending);
//!                     Step::Send(len)
//!                 }
//!                 Err(_) => Step::Done, // `tx` is too short for it
//!             },
//!         }
//!     }
//!
//!     fn receive(&mut self, _: &mut Client, message: &[u8]) -> Option<u8> {
//!         let State::Waiting(pending) = &self.state else { return None };
//!         pending.accepts(message).then_some(())?; // anything else is foreign
//!         (self.state, self.answered) = (State::Ready, self.answered + 1);
//!         Some(self.answered)
//!     }
//!
//!     fn timed_out(&mut self) {
//!         (self.state, self.lost) = (State::Ready, self.lost + 1);
//!     }
//!
//!     fn report(&self) -> (u8, u8) {
//!         (self.answered, self.lost)
//!     }
//! }
//!
//! // A driver makes these calls:
//! let mut pings = Pings { answered: 0, lost: 0, state: State::Ready };
//! let (mut client, mut tx) = (Client::new(7), [0; 64]);
//! let Step::Send(len) = pings.poll(&mut client, &mut tx) else { panic!() };
//! assert_eq!(pings.poll(&mut client, &mut []), Step::Wait(Client::TIMEOUT));
//! tx[0] += 1; // the response to a write
//! assert_eq!(pings.receive(&mut client, &tx[..len]), Some(1));
//! # while let Step::Send(_) = pings.poll(&mut client, &mut tx) { pings.timed_out(); }
//! # assert_eq!(pings.report(), (1, 2));
//! ```

use core::time::Duration;

/// The next step that a [`Routine`] asks its driver for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Step {
    /// Send the first bytes of `tx`, this many, then poll again at once.
    Send(usize),
    /// Wait for a message; after this time without one, call [`Routine::timed_out`].
    Wait(Duration),
    /// Close the port and open it again (the device restarts), then continue with the same routine.
    Reopen,
    /// Nothing is left to do: ask for the [`report`](Routine::report).
    Done,
}

/// The way in which a driver's `run` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Ended<R> {
    /// The routine is done and this is its report.
    Done(R),
    /// The device restarts: open the port again, build a new link and call `run` with the same
    /// routine.
    Reopen,
    /// The caller's callback stopped the run. The routine may be run again later, or dropped.
    Stopped,
}

/// A job of many exchanges.
pub trait Routine {
    /// The client whose numbers and version the requests carry.
    type Client;
    /// The result of a received message; may borrow from it.
    type Event<'m>;
    /// The result of the job, at its end or so far.
    type Report;

    /// Returns the next step, and writes a request into `tx` if the step is to send one.
    fn poll(&mut self, client: &mut Self::Client, tx: &mut [u8]) -> Step;

    /// Handles a message from the peer; `None` if it is foreign to the routine: then the wait
    /// continues.
    fn receive<'m>(&mut self, client: &mut Self::Client, message: &'m [u8]) -> Option<Self::Event<'m>>;

    /// The silence that the line needs after a request whose response is missing: see
    /// [`Caller::drain`](crate::line::Caller::drain).
    fn drain(&self, client: &Self::Client) -> Duration {
        let _ = client;
        Duration::ZERO
    }

    /// Called when time has passed. For routines that keep several times at once, for example an
    /// interval that continues while messages come in; others need only
    /// [`timed_out`](Self::timed_out).
    fn tick(&mut self, elapsed: Duration) {
        let _ = elapsed;
    }

    /// Called when the time of the last [`Step::Wait`] has passed without a message of the routine.
    fn timed_out(&mut self);

    /// Returns the result of the job so far.
    fn report(&self) -> Self::Report;
}

/// Returns the part of `limit` that is left after `passed`, never less than zero.
///
/// `Duration::saturating_sub` does the same, but at some levels of optimisation it keeps a path to
/// a panic: the compiler does not see that the difference of the nanoseconds is below a second.
pub(crate) fn remaining(limit: Duration, passed: Duration) -> Duration {
    const LAST: u32 = 999_999_999;
    if passed >= limit {
        return Duration::ZERO;
    }
    let secs = limit.as_secs().wrapping_sub(passed.as_secs());
    match limit.subsec_nanos().checked_sub(passed.subsec_nanos()) {
        Some(nanos) => Duration::new(secs, nanos.min(LAST)),
        None => {
            let borrowed = limit.subsec_nanos().wrapping_add(LAST).wrapping_add(1);
            Duration::new(secs.wrapping_sub(1), borrowed.wrapping_sub(passed.subsec_nanos()).min(LAST))
        }
    }
}

/// The rest of the wait that a routine asked for. Drivers report its time twice, by ticks and at
/// its end; either is enough.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Wait(pub(crate) Duration);

impl Wait {
    /// Counts a tick; returns the time that has passed.
    pub(crate) fn tick(&mut self, tick: Duration) -> Duration {
        self.0 = remaining(self.0, tick);
        tick
    }

    /// Ends the wait; returns the time that ticks have not reported.
    pub(crate) fn end(&mut self) -> Duration {
        core::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remaining_time_is_the_saturating_difference() {
        let times =
            [0, 1, 999_999_999, 1_000_000_000, 1_000_000_001, 1_999_999_999, u64::MAX].map(Duration::from_nanos);
        for limit in times {
            for passed in times {
                assert_eq!(remaining(limit, passed), limit.saturating_sub(passed));
            }
        }
        assert_eq!(remaining(Duration::MAX, Duration::ZERO), Duration::MAX);
    }
}
