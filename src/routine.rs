//! Jobs of many exchanges, as values without a port or a clock.
//!
//! A [`Routine`] decides, a driver moves bytes. The whole duty of a driver, blocking or async, is
//! this loop:
//!
//! ```text
//!          ┌───────────────────────────── poll(client, tx) ◀───────────────────────────┐
//!          │                                                                            │
//!   Send(len): send tx[..len] ──────────────────────────────────────────────────────────┤
//!   Wait(limit): ── a message ──▶ receive(client, message) ─▶ event ─▶ the caller ──────┤
//!                └─ limit passed without one ──▶ timed_out() ───────────────────────────┘
//!   Reopen: end of `run`; the caller opens the port again and runs the same routine on
//!   Done:   end of `run`; `report()` says how it ended
//! ```

use core::time::Duration;

pub use crate::source::{Source, SourceFailed};

/// The next step that a [`Routine`] asks its driver for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub enum Step {
    /// Send the first bytes of `tx`, this many, then poll again at once.
    Send(usize),
    /// Wait for a message; after this time without one, call [`Routine::timed_out`].
    Wait(Duration),
    /// Close the port and open it again (the device restarts), then go on with the same routine.
    Reopen,
    /// Nothing is left to do: ask for the [`report`](Routine::report).
    Done,
}

/// How a driver's `run` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub enum Ended<R> {
    /// The routine is done and this is its report.
    Done(R),
    /// The device restarts: open the port again, build a new link and call `run` with the same
    /// routine.
    Reopen,
    /// The caller's callback broke off. The routine may be run again later, or dropped.
    Stopped,
}

/// A job of many exchanges.
pub trait Routine {
    /// The client whose numbers and version the requests carry.
    type Client;
    /// The result of a received message; may borrow from it.
    type Event<'m>;
    /// The result of the job.
    type Report;

    /// Returns the next step, and writes a request into `tx` if the step is to send one.
    fn poll(&mut self, client: &mut Self::Client, tx: &mut [u8]) -> Step;

    /// Handles a message from the peer; `None` if it is foreign to the routine: then the wait goes
    /// on.
    fn receive<'m>(&mut self, client: &mut Self::Client, message: &'m [u8]) -> Option<Self::Event<'m>>;

    /// How long the line has to be silent after a request whose response is missing: see
    /// [`Caller::drain`](crate::line::Caller::drain).
    fn drain(&self, client: &Self::Client) -> Duration {
        let _ = client;
        Duration::ZERO
    }

    /// Time has passed. For routines that keep several times at once, for example an interval that
    /// goes on while messages come in; the others need only [`timed_out`](Self::timed_out).
    fn tick(&mut self, elapsed: Duration) {
        let _ = elapsed;
    }

    /// The time of the last [`Step::Wait`] has passed without a message.
    fn timed_out(&mut self);

    /// The result of the job so far.
    fn report(&self) -> Self::Report;
}

/// The time that is left of `limit` when `passed` has passed.
///
/// `Duration::saturating_sub` does the same, but keeps a path to a panic at some levels of
/// optimisation, where the compiler does not see that the difference of the nanoseconds is less
/// than a second.
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
