//! STATUS at intervals, SUBSCRIBE for values that are stale.

mod report;

use core::time::Duration;

pub use report::{MonitorOutcome, MonitorReport};

use super::{Boot, Event, Watch, Way, fingerprint, refresh};
use crate::routine::{Routine, Step, Wait, remaining};
use crate::s3mp::master::{Error, Get, Master, Pending, Status, Subscribe, is_unread};
use crate::s3mp::value::Value;
use crate::s3mp::{Address, ResponseCode};

/// Watches a slave that [`Connect`](super::Connect) has found, until it is lost or has restarted.
///
/// ```text
///            interval passed, or a value stale: STATUS or SUBSCRIBE
///   Idle ─────────────────────────────────────────────────────▶ Await
///    ▲                                                            │
///    ├──────────── response, or a miss ───────────────────────────┤
///    └                     Ended ◀── misses in a row, other boot ─┘
/// ```
///
/// Any valid message of the slave is a sign of life, unless it reports something unreadable. A
/// command without a response within the master's timeout is a miss; values that were missed are
/// due again at once, in turn with others that are stale, STATUS at its next interval. A command
/// that the slave could not read is sent again at once.
///
/// Stale values are requested with SUBSCRIBE. It changes nothing on a slave that has the
/// subscription, and renews it on one that has restarted, even if its STATUS does not show the
/// restart. If such a value differs from the last one although no PUSH has come, subscriptions may
/// be lost: the event is [`Event::Missed`], and the other addresses that were silent for an
/// interval are subscribed to at once. Addresses that refuse SUBSCRIBE are read with GET.
///
/// Stop it in the callback to use the line for something else, and run the same monitor again
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
    /// The command that was sent last.
    last: Last,
    /// The index of the value whose turn is next.
    next: usize,
    /// The number of commands in a row that had no response.
    misses: u8,
    /// The number of commands in a row that the slave could not read.
    unread: u8,
    wait: Wait,
    state: State,
}

/// A command in flight.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Asked {
    Status(Pending<Status>),
    Subscribe(Address, Pending<Subscribe>),
    Get(Address, Pending<Get>),
}

#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// Nothing is due. Exits: `Await`, when something is; `Ended`, if `tx` is too short for it.
    Idle,
    /// A response is awaited. Exits: `Idle`, by the response, by an error about something
    /// unreadable, or by a miss; `Ended`, by the last miss, or by a response to STATUS with another
    /// mark.
    Await { asked: Asked, left: Duration },
    /// The monitor has ended, with this outcome. Exits: none.
    Ended(MonitorOutcome),
}

/// A command to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Status,
    /// The value of the watch at this index.
    Value(usize, Address, Way),
}

/// The kind of the command that was sent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Last {
    /// Exits: the command of a value, or a STATUS that the slave could not read, to `Value`.
    Status,
    /// Exit: STATUS, to `Status`.
    Value,
}

impl<'w> Monitor<'w> {
    /// The time from one STATUS to the next: 5 s.
    pub const INTERVAL: Duration = Duration::from_secs(5);
    /// The number of misses in a row after which a slave is lost: 3.
    pub const MISSES: u8 = 3;
    /// The number of commands in a row that are repeated at once if the slave could not read them:
    /// 2.
    const UNREAD: u8 = 2;
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
            last: Last::Value,
            next: 0,
            misses: 0,
            unread: 0,
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

    fn due(&self) -> Option<Due> {
        let status = (self.since >= self.interval).then_some(Due::Status);
        match self.last {
            // STATUS first: values of a slave that has restarted mean nothing.
            Last::Value => status.or_else(|| self.stale()),
            // STATUS is not sent twice in a row while values wait, however short its interval is.
            Last::Status => self.stale().or(status),
        }
    }

    /// The first stale value from the one whose turn it is. Values take turns, so that one
    /// which never comes, or is stale again at once, does not keep the others waiting.
    fn stale(&self) -> Option<Due> {
        let mut found = None;
        for (place, watch) in self.watches.iter().enumerate().filter(|(_, watch)| watch.age >= self.fresh) {
            let due = Due::Value(place, watch.address, watch.way);
            if place >= self.next {
                return Some(due);
            }
            // The first stale value of all, if there is none from that index on.
            found = found.or(Some(due));
        }
        found
    }

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
            Due::Value(_, address, Way::Subscribe) => master
                .request(&Subscribe { address }, tx)
                .map(|(len, pending)| (len, Asked::Subscribe(address, pending))),
            Due::Value(_, address, Way::Get) => {
                master.request(&Get { address }, tx).map(|(len, pending)| (len, Asked::Get(address, pending)))
            }
        };
        match request {
            Ok((len, asked)) => {
                self.last = match due {
                    Due::Status => Last::Status,
                    Due::Value(place, ..) => {
                        self.next = place.saturating_add(1);
                        Last::Value
                    }
                };
                self.state = State::Await { asked, left: master.timeout() };
                Step::Send(len)
            }
            Err(_) => {
                self.state = State::Ended(MonitorOutcome::BufferFull);
                Step::Done
            }
        }
    }

    fn elapsed(&mut self, time: Duration) {
        self.since = self.since.saturating_add(time);
        for watch in self.watches.iter_mut() {
            watch.age = watch.age.saturating_add(time);
        }
        let State::Await { left, .. } = &mut self.state else { return };
        *left = remaining(*left, time);
        if left.is_zero() {
            // The values stay stale, so that they are due at once; STATUS waits for its interval.
            self.misses = self.misses.saturating_add(1);
            self.state =
                if self.misses >= self.misses_allowed { State::Ended(MonitorOutcome::Lost) } else { State::Idle };
        }
    }

    const fn answered(&mut self) {
        self.state = State::Idle;
        self.unread = 0;
    }

    fn alive<'m>(&mut self, response: Result<Value<'m>, Error>, message: &'m [u8]) -> Event<'m> {
        self.answered();
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
        self.answered();
        match response {
            Ok(value) => self.valued(address, value),
            Err(error) => {
                for watch in self.watches.iter_mut().filter(|watch| watch.address == address) {
                    // A refusal is a response too: the value is requested again when this response
                    // is stale.
                    watch.age = Duration::ZERO;
                    if error == Error::Remote(ResponseCode::NOT_IMPLEMENTED) && watch.way == Way::Subscribe {
                        *watch = Watch { way: Way::Get, age: Duration::MAX, ..*watch };
                    }
                }
                Event::refused(address, error, message)
            }
        }
    }

    /// Records the requested value of an address.
    fn valued<'m>(&mut self, address: Address, value: Value<'m>) -> Event<'m> {
        let is_missed = self.watches.iter().any(|watch| {
            watch.address == address
                && watch.way == Way::Subscribe
                && watch.value.is_some_and(|last| last != fingerprint(value))
        });
        refresh(self.watches, address, value);
        if !is_missed {
            return Event::Value(address, value);
        }
        // Values that were updated just now are left out: otherwise two values that change without
        // a PUSH would keep each other stale.
        for watch in self.watches.iter_mut().filter(|watch| watch.age >= self.interval) {
            watch.age = Duration::MAX;
        }
        Event::Missed(address, value)
    }

    /// Called when the slave could not read something while a command was in flight: the command is
    /// due again.
    fn unread(&mut self) {
        if let State::Await { asked, .. } = &self.state
            && self.unread < Self::UNREAD
        {
            match asked {
                Asked::Status(_) => {
                    self.since = self.interval;
                    self.last = Last::Value;
                }
                // It is the turn of the same value again.
                Asked::Subscribe(..) | Asked::Get(..) => self.next = self.next.saturating_sub(1),
            }
            self.unread = self.unread.saturating_add(1);
            self.state = State::Idle;
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
        if is_unread(message) {
            self.unread();
            return Some(Event::unasked(message));
        }
        let event = match &self.state {
            State::Await { asked: Asked::Status(pending), .. } if pending.accepts(message) => {
                let boot = pending.decode(message);
                self.alive(boot, message)
            }
            State::Await { asked: Asked::Subscribe(address, pending), .. } if pending.accepts(message) => {
                let (address, value) = (*address, pending.decode(message));
                self.got(address, value, message)
            }
            State::Await { asked: Asked::Get(address, pending), .. } if pending.accepts(message) => {
                let (address, value) = (*address, pending.decode(message));
                self.got(address, value, message)
            }
            _ => Event::unasked(message),
        };
        // Any message with a header shows that the slave is alive.
        if event != Event::Foreign(None) {
            self.misses = 0;
        }
        if let Event::Push(address, value) = event {
            refresh(self.watches, address, value);
        }
        Some(event)
    }

    fn tick(&mut self, tick: Duration) {
        let time = self.wait.tick(tick);
        self.elapsed(time);
    }

    fn timed_out(&mut self) {
        let time = self.wait.end();
        self.elapsed(time);
    }

    fn report(&self) -> MonitorReport {
        let outcome = match self.state {
            State::Ended(outcome) => outcome,
            _ => MonitorOutcome::Unfinished,
        };
        MonitorReport { outcome }
    }
}
