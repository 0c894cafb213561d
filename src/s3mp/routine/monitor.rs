//! STATUS at intervals, GET for what was not heard of for too long.

use core::time::Duration;

use super::{Boot, Event, Wait, Watch, heard};
use crate::line::Verdict;
use crate::routine::{Routine, Step, remaining};
use crate::s3mp::Address;
use crate::s3mp::master::{Get, Master, Pending, Status};

/// Watches a slave that [`Connect`](super::Connect) has found, until it is lost or has restarted.
///
/// ```text
///            interval over, or a value stale: STATUS or GET
///   Idle ───────────────────────────────────────────────────▶ Await
///    ▲                                                          │
///    ├──────────── answer, or a miss ───────────────────────────┤
///    └                     Over ◀── misses in a row, other boot ┘
/// ```
///
/// Any valid message of the slave is a sign of life. A command that is not answered within the master's patience is a miss;
/// values that were missed are asked for again at once, STATUS at its next interval.
///
/// Break off in the callback to use the line for something else, and run the same monitor on afterwards.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Monitor<'w> {
    watches: &'w mut [Watch],
    boot: Boot,
    interval: Duration,
    misses_allowed: u8,
    fresh: Duration,
    /// Time since the last STATUS was sent.
    since: Duration,
    /// Commands in a row that were not answered.
    misses: u8,
    wait: Wait,
    state: State,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Report {
    /// It goes on.
    Watching,
    /// Too many commands in a row were not answered.
    Lost,
    /// What the slave says of its start has changed: names and subscriptions are out of date.
    Restarted,
    /// We: `tx` is shorter than three bytes.
    BufferFull,
}

/// Which command is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Command {
    Status,
    Get(Address),
}

#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// Nothing is due. Out: `Await` when something is; `Over` if `tx` is too short for it.
    Idle,
    /// The answer is to come. Out: `Idle` at an answer or a miss, `Over`.
    Await { command: Command, pending: Pending, left: Duration },
    /// No way out.
    Over(Report),
}

impl<'w> Monitor<'w> {
    /// Time from one STATUS to the next: 5 s.
    pub const INTERVAL: Duration = Duration::from_secs(5);
    /// Misses in a row after which a slave is lost: 3.
    pub const MISSES: u8 = 3;
    /// Time after which a value is stale: 30 s.
    pub const FRESH: Duration = Duration::from_secs(30);

    /// Watches the slave with this start, and the values of these addresses.
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

    /// Changes the time from one STATUS to the next.
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Changes after how many misses in a row a slave is lost; 0 is taken as 1.
    #[must_use]
    pub const fn with_misses(mut self, misses: u8) -> Self {
        self.misses_allowed = misses;
        self
    }

    /// Changes after which time a value is stale.
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

    /// What is to be asked now.
    fn due(&self) -> Option<Command> {
        if self.since >= self.interval {
            return Some(Command::Status);
        }
        self.watches.iter().find(|watch| watch.age >= self.fresh).map(|watch| Command::Get(watch.address))
    }

    /// The time until something is due.
    fn until_due(&self) -> Duration {
        let status = remaining(self.interval, self.since);
        self.watches.iter().map(|watch| remaining(self.fresh, watch.age)).fold(status, Duration::min)
    }

    fn send(&mut self, command: Command, master: &mut Master, tx: &mut [u8]) -> Step {
        let request = match command {
            Command::Status => {
                self.since = Duration::ZERO;
                master.request(&Status, tx)
            }
            Command::Get(address) => master.request(&Get(address), tx),
        };
        match request {
            Ok((len, pending)) => {
                self.state = State::Await { command, pending, left: master.timeout() };
                Step::Send(len)
            }
            Err(_) => {
                self.state = State::Over(Report::BufferFull);
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
            self.misses = self.misses.saturating_add(1);
            self.state = if self.misses >= self.misses_allowed { State::Over(Report::Lost) } else { State::Idle };
        }
    }

    fn answer<'m>(&mut self, master: &Master, command: Command, message: &'m [u8]) -> Event<'m> {
        self.state = State::Idle;
        match command {
            Command::Status => match master.decode::<Status>(message) {
                Ok(boot) => {
                    if Boot::from(boot) != self.boot {
                        self.state = State::Over(Report::Restarted);
                    }
                    Event::Alive(boot)
                }
                Err(error) => Event::refused(Address::HOST, error, message),
            },
            Command::Get(address) => {
                // A refusal is news as well: the next question is due when this one is stale.
                heard(self.watches, address);
                match master.decode::<Get>(message) {
                    Ok(value) => Event::Value(address, value),
                    Err(error) => Event::refused(address, error, message),
                }
            }
        }
    }
}

impl Routine for Monitor<'_> {
    type Client = Master;
    type Event<'m> = Event<'m>;
    type Report = Report;

    fn poll(&mut self, master: &mut Master, tx: &mut [u8]) -> Step {
        let left = match (&self.state, self.due()) {
            (State::Over(_), _) => return Step::Done,
            (State::Await { left, .. }, _) => *left,
            (State::Idle, Some(command)) => return self.send(command, master, tx),
            (State::Idle, None) => self.until_due(),
        };
        self.wait = Wait(left);
        Step::Wait(left)
    }

    fn receive<'m>(&mut self, master: &mut Master, message: &'m [u8]) -> Option<Event<'m>> {
        let event = match &self.state {
            State::Await { command, pending, .. } if pending.receive(message) == Verdict::Answer => {
                self.answer(master, *command, message)
            }
            _ => Event::unasked(message),
        };
        if event != Event::Foreign(None) {
            self.misses = 0;
        }
        if let Event::Push(address, _) = event {
            heard(self.watches, address);
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

    fn report(&self) -> Report {
        match self.state {
            State::Over(report) => report,
            _ => Report::Watching,
        }
    }
}
