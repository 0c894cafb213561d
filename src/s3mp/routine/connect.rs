//! RESET, STATUS until it is answered, DESCRIBE, SUBSCRIBE.

use core::time::Duration;

use super::{Boot, Event, Wait, Watch, heard};
use crate::line::Verdict;
use crate::routine::{Routine, Step, remaining};
use crate::s3mp::master::{Describe, Error, Master, Pending, Status, Subscribe};
use crate::s3mp::{Address, value::Value};

/// Finds a slave and subscribes to its values.
///
/// ```text
///   Reset ─▶ Quiet ─▶ Status ◀─┐ (no ACK within an interval, or no answer to a repeated command)
///                       │ ACK  │
///                       ▼      │
///                    Describe ─┤
///                       │ ACK  │
///                       ▼      │
///                   Subscribe ─┘ for each address, then Up
/// ```
///
/// It works once: build another one, perhaps [without RESET](Self::without_reset), to look again.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Connect<'w> {
    watches: &'w mut [Watch],
    choice: Choice,
    /// How many of the watches are in use.
    used: usize,
    quiet: Duration,
    interval: Duration,
    /// How many STATUS may still go unanswered.
    tries: Option<u32>,
    boot: Boot,
    wait: Wait,
    state: State,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Report {
    /// It goes on.
    Busy,
    /// The slave is there and so many addresses, the first of the watches, were subscribed to or refused it.
    Up {
        /// What a `Monitor` compares later answers with.
        boot: Boot,
        /// How many of the watches are in use.
        watched: usize,
    },
    /// No answer to as many STATUS as were allowed.
    Absent,
    /// We: `tx` is shorter than three bytes.
    BufferFull,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Choice {
    /// Every address that the slave names.
    All,
    /// What the caller put in.
    These,
}

/// Which command is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Command {
    Status,
    Describe,
    /// For the watch at this place.
    Subscribe(usize),
}

#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// RESET is to be sent. Out: `Quiet`; `Over` if `tx` is too short for it.
    Reset,
    /// The slave restarts. Out: `Ask` STATUS, when its time is over.
    Quiet { left: Duration },
    /// A command is to be sent, which was sent `misses` times. Out: `Await`; `Over` if `tx` is too short for it.
    Ask { command: Command, misses: u8 },
    /// Its answer is to come. Out: `Ask` the next one at its answer, the same one or STATUS when the time is over; `Over`.
    Await { command: Command, misses: u8, pending: Pending, left: Duration },
    /// No way out.
    Over(Report),
}

impl<'w> Connect<'w> {
    /// Silence after RESET: 2 s, as long as an Arduino takes to start.
    pub const QUIET: Duration = Duration::from_secs(2);
    /// Time from one STATUS to the next: 1 s.
    pub const INTERVAL: Duration = Duration::from_secs(1);
    /// How often DESCRIBE and SUBSCRIBE are repeated before the slave counts as gone: twice.
    const RETRIES: u8 = 2;

    /// Subscribes to everything that the slave names, as far as `watches` has room.
    #[must_use]
    pub const fn all(watches: &'w mut [Watch]) -> Self {
        Self::new(watches, Choice::All, 0)
    }

    /// Subscribes to these addresses.
    #[must_use]
    pub const fn these(watches: &'w mut [Watch]) -> Self {
        let used = watches.len();
        Self::new(watches, Choice::These, used)
    }

    const fn new(watches: &'w mut [Watch], choice: Choice, used: usize) -> Self {
        Self {
            watches,
            choice,
            used,
            quiet: Self::QUIET,
            interval: Self::INTERVAL,
            tries: None,
            boot: Boot { start: [0; 32], len: 0 },
            wait: Wait(Duration::ZERO),
            state: State::Reset,
        }
    }

    /// Leaves RESET out, as is right when a slave comes back.
    #[must_use]
    pub fn without_reset(mut self) -> Self {
        self.state = STATUS;
        self
    }

    /// Changes the silence after RESET.
    #[must_use]
    pub const fn with_quiet(mut self, quiet: Duration) -> Self {
        self.quiet = quiet;
        self
    }

    /// Changes the time from one STATUS to the next.
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Gives up after so many STATUS without an answer, or answers that lead to no connection. Without this it never does.
    #[must_use]
    pub const fn with_tries(mut self, tries: u32) -> Self {
        self.tries = Some(tries);
        self
    }

    fn send(&mut self, master: &mut Master, tx: &mut [u8]) -> Result<usize, Error> {
        let State::Ask { command, misses } = self.state else {
            self.state = State::Quiet { left: self.quiet };
            return master.reset(Address::HOST, tx);
        };
        let (len, pending) = match command {
            Command::Status => master.request(&Status, tx),
            Command::Describe => master.request(&Describe, tx),
            Command::Subscribe(place) => master.request(&Subscribe(self.address(place)), tx),
        }?;
        let left = if command == Command::Status { self.interval } else { master.timeout() };
        self.state = State::Await { command, misses, pending, left };
        Ok(len)
    }

    fn address(&self, place: usize) -> Address {
        self.watches.get(place).map_or(Address::HOST, Watch::address)
    }

    /// Time passes, perhaps more than anyone waits for.
    fn pass(&mut self, time: Duration) {
        let (State::Quiet { left } | State::Await { left, .. }) = &mut self.state else { return };
        *left = remaining(*left, time);
        if left.is_zero() {
            self.state = match self.state {
                State::Await { command: command @ (Command::Describe | Command::Subscribe(_)), misses, .. }
                    if misses < Self::RETRIES =>
                {
                    State::Ask { command, misses: misses.saturating_add(1) }
                }
                State::Await { .. } => self.miss(),
                _ => STATUS,
            };
        }
    }

    /// Nobody is there: asks again, if it may.
    fn miss(&mut self) -> State {
        self.tries = self.tries.map(|tries| tries.saturating_sub(1));
        if self.tries == Some(0) { State::Over(Report::Absent) } else { STATUS }
    }

    /// Reads the answer to `command`.
    fn answer<'m>(&mut self, master: &Master, command: Command, message: &'m [u8]) -> Event<'m> {
        match command {
            Command::Status => match master.decode::<Status>(message) {
                Ok(boot) => {
                    self.boot = boot.into();
                    self.state = State::Ask { command: Command::Describe, misses: 0 };
                    Event::Alive(boot)
                }
                // The wait for an ACK goes on.
                Err(_) => Event::unasked(message),
            },
            Command::Describe => {
                let names = master.decode::<Describe>(message);
                if let (Choice::All, Ok(names)) = (self.choice, names) {
                    self.used = 0;
                    for (watch, (address, _)) in self.watches.iter_mut().zip(names.iter()) {
                        *watch = Watch::new(address);
                        self.used = self.used.saturating_add(1);
                    }
                }
                self.subscribe(0);
                names.map_or_else(|error| Event::refused(Address::HOST, error, message), Event::Names)
            }
            Command::Subscribe(place) => {
                let address = self.address(place);
                self.subscribe(place.saturating_add(1));
                match master.decode::<Subscribe>(message) {
                    Ok(value) => self.heard(address, value),
                    Err(error) => Event::refused(address, error, message),
                }
            }
        }
    }

    fn heard<'m>(&mut self, address: Address, value: Value<'m>) -> Event<'m> {
        heard(self.watches, address);
        Event::Value(address, value)
    }

    /// Goes on to the watch at this place, or ends.
    fn subscribe(&mut self, place: usize) {
        self.state = if place < self.used {
            State::Ask { command: Command::Subscribe(place), misses: 0 }
        } else {
            State::Over(Report::Up { boot: self.boot, watched: self.used })
        };
    }
}

const STATUS: State = State::Ask { command: Command::Status, misses: 0 };

impl<'m> Event<'m> {
    /// An error instead of an answer.
    pub(super) fn refused(address: Address, error: Error, message: &'m [u8]) -> Self {
        match error {
            Error::Refused(code) => Self::Refused(address, code),
            _ => Self::unasked(message),
        }
    }
}

impl Routine for Connect<'_> {
    type Client = Master;
    type Event<'m> = Event<'m>;
    type Report = Report;

    fn poll(&mut self, master: &mut Master, tx: &mut [u8]) -> Step {
        match self.state {
            State::Reset | State::Ask { .. } => match self.send(master, tx) {
                Ok(len) => Step::Send(len),
                Err(_) => {
                    self.state = State::Over(Report::BufferFull);
                    Step::Done
                }
            },
            State::Quiet { left } | State::Await { left, .. } => {
                self.wait = Wait(left);
                Step::Wait(left)
            }
            State::Over(_) => Step::Done,
        }
    }

    fn receive<'m>(&mut self, master: &mut Master, message: &'m [u8]) -> Option<Event<'m>> {
        Some(match &self.state {
            State::Await { command, pending, .. } if pending.receive(message) == Verdict::Answer => {
                self.answer(master, *command, message)
            }
            _ => {
                let event = Event::unasked(message);
                if let Event::Push(address, _) = event {
                    heard(self.watches, address);
                }
                event
            }
        })
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
            _ => Report::Busy,
        }
    }
}
