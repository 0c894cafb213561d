//! RESET, STATUS until it has a response, DESCRIBE, SUBSCRIBE.

mod report;

use core::time::Duration;

pub use report::{ConnectOutcome, ConnectReport};

use super::{Boot, Event, Watch, Way, is_final, refresh};
use crate::routine::{Routine, Step, Wait, remaining};
use crate::s3mp::master::{Describe, Error, Master, Names, Pending, Status, Subscribe, is_unread};
use crate::s3mp::{Address, ResponseCode, value::Value};

/// Finds a slave and subscribes to its values.
///
/// ```text
///   Reset ─▶ Quiet ─▶ Status ◀─┐ (no ACK within an interval, or no response to a repeated command)
///                       │ ACK  │
///                       ▼      │
///                    Describe ─┤
///                       │ ACK  │
///                       ▼      │
///                   Subscribe ─┘ for each address, then Up
/// ```
///
/// A response that noise can cause, such as BAD_REQUEST, is worth a retry like a missing one.
/// An address that refuses SUBSCRIBE with NOT_IMPLEMENTED stays in the watches: a
/// [`Monitor`](super::Monitor) asks for its value.
///
/// It can be used once: build another one, perhaps [without RESET](Self::with_reset), to search
/// again.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Connect<'w> {
    watches: &'w mut [Watch],
    choice: Choice,
    /// The number of watches in use.
    used: usize,
    quiet: Duration,
    interval: Duration,
    /// The number of times that STATUS may still be repeated; `None`: without limit.
    retries: Option<u32>,
    boot: Boot,
    wait: Wait,
    state: State,
}

/// The addresses to subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Choice {
    /// Every address that the slave names.
    Named,
    /// The addresses in the watches.
    Watched,
}

/// A command to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Command {
    Status,
    Describe,
    /// SUBSCRIBE for the watch at this index of the list.
    Subscribe(usize),
}

/// A command in flight.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Asked {
    Status(Pending<Status>),
    Describe(Pending<Describe>),
    /// SUBSCRIBE for the watch at this index of the list.
    Subscribe(usize, Pending<Subscribe>),
}

#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// RESET must be sent. Exits: `Quiet`; `Ended`, if `tx` is too short for it.
    Reset,
    /// The slave restarts. Exits: `Ask` STATUS, when its time has passed.
    Quiet { left: Duration },
    /// A command must be sent, which was already sent `misses` times. Exits: `Await`; `Ended`, if
    /// `tx` is too short for it.
    Ask { command: Command, misses: u8 },
    /// The response to a command is awaited. Exits: `Ask` the next command, by the response; `Ask`
    /// the same one or STATUS, when its time has passed or the response may be noise; `Ended`,
    /// after the last response (to DESCRIBE, if there is nothing to subscribe), or when its time
    /// has passed and no retry of STATUS is left.
    Await { asked: Asked, misses: u8, left: Duration },
    /// The search has ended, with this outcome. Exits: none.
    Ended(ConnectOutcome),
}

impl<'w> Connect<'w> {
    /// The silence after RESET: 2 s, as long as an Arduino takes to start.
    pub const QUIET: Duration = Duration::from_secs(2);
    /// The time from one STATUS to the next: 1 s.
    pub const INTERVAL: Duration = Duration::from_secs(1);
    /// The number of times that DESCRIBE and SUBSCRIBE are repeated before the slave counts as
    /// gone: 2.
    const RETRIES: u8 = 2;

    /// Subscribes to the addresses in `watches`.
    #[must_use]
    pub const fn new(watches: &'w mut [Watch]) -> Self {
        let used = watches.len();
        Self::with_choice(watches, Choice::Watched, used)
    }

    /// Subscribes to the addresses that the slave names, and writes them to `watches`, as far as
    /// there is room.
    #[must_use]
    pub const fn from_names(watches: &'w mut [Watch]) -> Self {
        Self::with_choice(watches, Choice::Named, 0)
    }

    const fn with_choice(watches: &'w mut [Watch], choice: Choice, used: usize) -> Self {
        Self {
            watches,
            choice,
            used,
            quiet: Self::QUIET,
            interval: Self::INTERVAL,
            retries: None,
            boot: Boot { start: [0; 32], len: 0 },
            wait: Wait(Duration::ZERO),
            state: State::Reset,
        }
    }

    /// Sets whether it begins with RESET; by default it does. `false` is right when a slave comes
    /// back.
    #[must_use]
    pub fn with_reset(mut self, reset: bool) -> Self {
        self.state = if reset { State::Reset } else { STATUS };
        self
    }

    /// Sets the silence after RESET.
    #[must_use]
    pub const fn with_quiet(mut self, quiet: Duration) -> Self {
        self.quiet = quiet;
        self
    }

    /// Sets the time from one STATUS to the next.
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Repeats STATUS at most `retries` times if it has no response, or if its response leads to no
    /// connection. Without this it never gives up.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    fn send(&mut self, master: &mut Master, tx: &mut [u8]) -> Result<usize, Error> {
        let State::Ask { command, misses } = self.state else {
            self.state = State::Quiet { left: self.quiet };
            return master.reset(Address::HOST, tx);
        };
        let (len, asked) = match command {
            Command::Status => master.request(&Status, tx).map(|(len, pending)| (len, Asked::Status(pending))),
            Command::Describe => master.request(&Describe, tx).map(|(len, pending)| (len, Asked::Describe(pending))),
            Command::Subscribe(place) => {
                let request = Subscribe { address: self.address(place) };
                master.request(&request, tx).map(|(len, pending)| (len, Asked::Subscribe(place, pending)))
            }
        }?;
        // STATUS is sent again at its own interval: a slave that starts may miss many of them.
        let left = if command == Command::Status { self.interval } else { master.timeout() };
        self.state = State::Await { asked, misses, left };
        Ok(len)
    }

    fn address(&self, place: usize) -> Address {
        self.watches.get(place).map_or(Address::HOST, Watch::address)
    }

    /// Counts time, which may be longer than the current wait.
    fn elapsed(&mut self, time: Duration) {
        let (State::Quiet { left } | State::Await { left, .. }) = &mut self.state else { return };
        *left = remaining(*left, time);
        if !left.is_zero() {
            return;
        }
        self.state = match &self.state {
            State::Await { .. } => self.again().unwrap_or_else(|| self.miss()),
            _ => STATUS,
        };
    }

    /// Returns the state in which the same command is sent again. One lost message does not mean
    /// that the slave is gone; three in a row do. Returns `None` then, and for STATUS, which has
    /// its own interval and count.
    fn again(&self) -> Option<State> {
        let (command, misses) = match &self.state {
            State::Await { asked: Asked::Describe(_), misses, .. } => (Command::Describe, *misses),
            State::Await { asked: Asked::Subscribe(place, _), misses, .. } => (Command::Subscribe(*place), *misses),
            _ => return None,
        };
        (misses < Self::RETRIES).then_some(State::Ask { command, misses: misses.saturating_add(1) })
    }

    /// Counts a missing response; asks again if a retry is left.
    fn miss(&mut self) -> State {
        match &mut self.retries {
            Some(0) => return State::Ended(ConnectOutcome::Absent),
            Some(retries) => *retries = retries.saturating_sub(1),
            // No limit: a slave may be plugged in hours later.
            None => {}
        }
        STATUS
    }

    fn alive<'m>(&mut self, response: Result<Value<'m>, Error>, message: &'m [u8]) -> Event<'m> {
        match response {
            Ok(boot) => {
                self.boot = boot.into();
                self.state = State::Ask { command: Command::Describe, misses: 0 };
                Event::Alive(boot)
            }
            // The slave is there and refuses; the wait for an ACK continues.
            Err(error) => Event::refused(Address::HOST, error, message),
        }
    }

    fn described<'m>(&mut self, names: Result<Names<'m>, Error>, message: &'m [u8]) -> Event<'m> {
        let is_unsure = match (self.choice, names) {
            (Choice::Named, names) => names.map_or(true, |names| names.iter().next().is_none()),
            // Continues after a refusal: the addresses that the caller chose may be there.
            (Choice::Watched, names) => names.is_err_and(|error| !is_final(error)),
        };
        match self.again() {
            Some(again) if is_unsure => self.state = again,
            _ if self.choice == Choice::Watched => self.subscribe(0),
            _ if is_unsure => self.state = State::Ended(ConnectOutcome::NoNames),
            _ => {
                self.used = 0;
                for (watch, (address, _)) in self.watches.iter_mut().zip(names.into_iter().flatten()) {
                    *watch = Watch::new(address);
                    self.used = self.used.saturating_add(1);
                }
                self.subscribe(0);
            }
        }
        names.map_or_else(|error| Event::refused(Address::HOST, error, message), Event::Names)
    }

    fn subscribed<'m>(&mut self, place: usize, value: Result<Value<'m>, Error>, message: &'m [u8]) -> Event<'m> {
        let address = self.address(place);
        match (value, self.again()) {
            (Err(error), Some(again)) if !is_final(error) => self.state = again,
            // The other addresses are still worth a subscription.
            _ => self.subscribe(place.saturating_add(1)),
        }
        match value {
            Ok(value) => {
                refresh(self.watches, address, value);
                Event::Value(address, value)
            }
            Err(error) => {
                if let (Error::Remote(ResponseCode::NOT_IMPLEMENTED), Some(watch)) =
                    (error, self.watches.get_mut(place))
                {
                    *watch = Watch { way: Way::Get, age: Duration::MAX, ..*watch };
                }
                Event::refused(address, error, message)
            }
        }
    }

    /// Continues with the watch at this index, or ends.
    fn subscribe(&mut self, place: usize) {
        self.state = if place < self.used {
            State::Ask { command: Command::Subscribe(place), misses: 0 }
        } else {
            State::Ended(ConnectOutcome::Up { boot: self.boot, watched: self.used })
        };
    }
}

const STATUS: State = State::Ask { command: Command::Status, misses: 0 };

impl<'m> Event<'m> {
    pub(super) fn refused(address: Address, error: Error, message: &'m [u8]) -> Self {
        match error {
            Error::Remote(code) => Self::Refused(address, code),
            _ => Self::unasked(message),
        }
    }
}

impl Routine for Connect<'_> {
    type Client = Master;
    type Event<'m> = Event<'m>;
    type Report = ConnectReport;

    fn poll(&mut self, master: &mut Master, tx: &mut [u8]) -> Step {
        match self.state {
            State::Reset | State::Ask { .. } => match self.send(master, tx) {
                Ok(len) => Step::Send(len),
                Err(_) => {
                    self.state = State::Ended(ConnectOutcome::BufferFull);
                    Step::Done
                }
            },
            State::Quiet { left } | State::Await { left, .. } => {
                self.wait = Wait(left);
                Step::Wait(left)
            }
            State::Ended(_) => Step::Done,
        }
    }

    fn receive<'m>(&mut self, _: &mut Master, message: &'m [u8]) -> Option<Event<'m>> {
        // Repeated at once, not at the timeout: the slave is there, and could not read the request.
        if is_unread(message)
            && let Some(again) = self.again()
        {
            self.state = again;
            return Some(Event::unasked(message));
        }
        Some(match &self.state {
            State::Await { asked: Asked::Status(pending), .. } if pending.accepts(message) => {
                let boot = pending.decode(message);
                self.alive(boot, message)
            }
            State::Await { asked: Asked::Describe(pending), .. } if pending.accepts(message) => {
                let names = pending.decode(message);
                self.described(names, message)
            }
            State::Await { asked: Asked::Subscribe(place, pending), .. } if pending.accepts(message) => {
                let (place, value) = (*place, pending.decode(message));
                self.subscribed(place, value, message)
            }
            _ => {
                let event = Event::unasked(message);
                // A slave with an earlier subscription may push at any moment.
                if let Event::Push(address, value) = event {
                    refresh(self.watches, address, value);
                }
                event
            }
        })
    }

    fn tick(&mut self, tick: Duration) {
        let time = self.wait.tick(tick);
        self.elapsed(time);
    }

    fn timed_out(&mut self) {
        let time = self.wait.end();
        self.elapsed(time);
    }

    fn report(&self) -> ConnectReport {
        let outcome = match self.state {
            State::Ended(outcome) => outcome,
            _ => ConnectOutcome::Unfinished,
        };
        ConnectReport { outcome }
    }
}
