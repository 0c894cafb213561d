//! STATUS at intervals, GET for values that are stale.

use core::time::Duration;

use super::{Boot, Event, Wait, Watch, refresh};
use crate::routine::{Routine, Step, remaining};
use crate::s3mp::Address;
use crate::s3mp::master::{Error, Get, Master, Pending, Status};
use crate::s3mp::value::Value;

/// Watches a slave that [`Connect`](super::Connect) has found, until it is lost or has restarted.
///
/// ```text
///            interval passed, or a value stale: STATUS or GET
///   Idle ─────────────────────────────────────────────────────▶ Await
///    ▲                                                            │
///    ├──────────── response, or a miss ───────────────────────────┤
///    └                     Ended ◀── misses in a row, other boot ─┘
/// ```
///
/// Any valid message of the slave is a sign of life. A command without a response within the
/// master's timeout is a miss; values that were missed are asked for again at once, STATUS at its
/// next interval.
///
/// Stop it in the callback to use the line for something else, and run the same monitor on
/// afterwards.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Monitor<'w> {
    watches: &'w mut [Watch],
    boot: Boot,
    interval: Duration,
    misses_allowed: u8,
    fresh: Duration,
    /// The time since the last STATUS was sent.
    since: Duration,
    /// The number of commands in a row that had no response.
    misses: u8,
    wait: Wait,
    state: State,
}

/// The end of a [`Monitor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub struct MonitorReport {
    /// The outcome.
    pub outcome: MonitorOutcome,
}

/// The outcome of a [`Monitor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum MonitorOutcome {
    /// Not yet: it may be run on.
    Unfinished,
    /// Too many commands in a row had no response.
    Lost,
    /// The mark of the slave's start has changed: names and subscriptions are out of date.
    Restarted,
    /// We: `tx` is shorter than three bytes.
    BufferFull,
}

impl core::fmt::Display for MonitorReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.outcome.fmt(f)
    }
}

impl core::fmt::Display for MonitorOutcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "the slave is watched",
            Self::Lost => "the slave does not respond any more",
            Self::Restarted => "the slave has restarted",
            Self::BufferFull => "the buffer is too short for a command",
        })
    }
}

/// A command in flight.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Asked {
    Status(Pending<Status>),
    Get(Address, Pending<Get>),
}

#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// Nothing is due. Exits: `Await`, when something is; `Ended`, if `tx` is too short for it.
    Idle,
    /// A response is to come. Exits: `Idle`, by the response or a miss; `Ended`, by the last miss,
    /// or by a response to STATUS with another mark.
    Await { asked: Asked, left: Duration },
    /// It has ended. Exits: none.
    Ended(MonitorOutcome),
}

/// A command to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Status,
    Get(Address),
}

impl<'w> Monitor<'w> {
    /// The time from one STATUS to the next: 5 s.
    pub const INTERVAL: Duration = Duration::from_secs(5);
    /// The number of misses in a row after which a slave is lost: 3.
    pub const MISSES: u8 = 3;
    /// The time after which a value is stale: 30 s.
    pub const FRESH: Duration = Duration::from_secs(30);

    /// Watches the slave with this mark of its start, and the values of these addresses.
    #[must_use]
    pub const fn new(boot: Boot, watches: &'w mut [Watch]) -> Self {
        Self {
            watches,
            boot,
            interval: Self::INTERVAL,
            misses_allowed: Self::MISSES,
            fresh: Self::FRESH,
            since: Duration::ZERO,
            misses: 0,
            wait: Wait(Duration::ZERO),
            state: State::Idle,
        }
    }

    /// Sets the time from one STATUS to the next.
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the number of misses in a row after which a slave is lost; 0 counts as 1.
    #[must_use]
    pub const fn with_misses(mut self, misses: u8) -> Self {
        self.misses_allowed = misses;
        self
    }

    /// Sets the time after which a value is stale.
    #[must_use]
    pub const fn with_fresh(mut self, fresh: Duration) -> Self {
        self.fresh = fresh;
        self
    }

    /// The watches, with their ages.
    #[must_use]
    pub const fn watches(&self) -> &[Watch] {
        self.watches
    }

    /// The command that is due now.
    fn due(&self) -> Option<Due> {
        // STATUS first: values of a slave that has restarted mean nothing.
        if self.since >= self.interval {
            return Some(Due::Status);
        }
        self.watches.iter().find(|watch| watch.age >= self.fresh).map(|watch| Due::Get(watch.address))
    }

    /// The time until something is due.
    fn until_due(&self) -> Duration {
        let status = remaining(self.interval, self.since);
        self.watches.iter().map(|watch| remaining(self.fresh, watch.age)).fold(status, Duration::min)
    }

    fn send(&mut self, due: Due, master: &mut Master, tx: &mut [u8]) -> Step {
        let request = match due {
            Due::Status => {
                self.since = Duration::ZERO;
                master.request(&Status, tx).map(|(len, pending)| (len, Asked::Status(pending)))
            }
            Due::Get(address) => {
                master.request(&Get(address), tx).map(|(len, pending)| (len, Asked::Get(address, pending)))
            }
        };
        match request {
            Ok((len, asked)) => {
                self.state = State::Await { asked, left: master.timeout() };
                Step::Send(len)
            }
            Err(_) => {
                self.state = State::Ended(MonitorOutcome::BufferFull);
                Step::Done
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.since = self.since.saturating_add(time);
        for watch in self.watches.iter_mut() {
            watch.age = watch.age.saturating_add(time);
        }
        let State::Await { left, .. } = &mut self.state else { return };
        *left = remaining(*left, time);
        if left.is_zero() {
            // The values stay stale, so that GET is due at once; STATUS waits for its interval.
            self.misses = self.misses.saturating_add(1);
            self.state =
                if self.misses >= self.misses_allowed { State::Ended(MonitorOutcome::Lost) } else { State::Idle };
        }
    }

    fn alive<'m>(&mut self, response: Result<Value<'m>, Error>, message: &'m [u8]) -> Event<'m> {
        self.state = State::Idle;
        match response {
            Ok(boot) => {
                // Subscriptions do not survive a restart.
                if Boot::from(boot) != self.boot {
                    self.state = State::Ended(MonitorOutcome::Restarted);
                }
                Event::Alive(boot)
            }
            Err(error) => Event::refused(Address::HOST, error, message),
        }
    }

    fn got<'m>(&mut self, address: Address, response: Result<Value<'m>, Error>, message: &'m [u8]) -> Event<'m> {
        self.state = State::Idle;
        // A refusal is news as well: the next GET is due when this one is stale.
        refresh(self.watches, address);
        match response {
            Ok(value) => Event::Value(address, value),
            Err(error) => Event::refused(address, error, message),
        }
    }
}

impl Routine for Monitor<'_> {
    type Client = Master;
    type Event<'m> = Event<'m>;
    type Report = MonitorReport;

    fn poll(&mut self, master: &mut Master, tx: &mut [u8]) -> Step {
        let left = match (&self.state, self.due()) {
            (State::Ended(_), _) => return Step::Done,
            (State::Await { left, .. }, _) => *left,
            (State::Idle, Some(due)) => return self.send(due, master, tx),
            (State::Idle, None) => self.until_due(),
        };
        self.wait = Wait(left);
        Step::Wait(left)
    }

    fn receive<'m>(&mut self, _: &mut Master, message: &'m [u8]) -> Option<Event<'m>> {
        let event = match &self.state {
            State::Await { asked: Asked::Status(pending), .. } if pending.accepts(message) => {
                let boot = pending.decode(message);
                self.alive(boot, message)
            }
            State::Await { asked: Asked::Get(address, pending), .. } if pending.accepts(message) => {
                let (address, value) = (*address, pending.decode(message));
                self.got(address, value, message)
            }
            _ => Event::unasked(message),
        };
        // Whatever has a header is a sign of life.
        if event != Event::Foreign(None) {
            self.misses = 0;
        }
        if let Event::Push(address, _) = event {
            refresh(self.watches, address);
        }
        Some(event)
    }

    fn tick(&mut self, tick: Duration) {
        let time = self.wait.tick(tick);
        self.pass(time);
    }

    fn timed_out(&mut self) {
        let time = self.wait.end();
        self.pass(time);
    }

    fn report(&self) -> MonitorReport {
        let outcome = match self.state {
            State::Ended(outcome) => outcome,
            _ => MonitorOutcome::Unfinished,
        };
        MonitorReport { outcome }
    }
}
