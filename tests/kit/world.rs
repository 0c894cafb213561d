//! Time, the air, and the stations.

use std::cell::RefCell;
use std::rc::Rc;

use super::air::Air;
use super::station::Station;

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MS;

/// What a driver did with its port, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Write(u64),
    Flush(u64),
    Read,
}

pub struct World<'w> {
    pub air: Air,
    stations: Vec<Box<dyn Station + 'w>>,
    /// Calls of the client's port by the current operation.
    pub calls: u64,
    /// The maximum number of calls that one operation may make.
    pub most_calls: u64,
    /// What the driver did, if that is recorded.
    pub recorded: Option<Vec<Call>>,
}

pub type Shared<'w> = Rc<RefCell<World<'w>>>;

impl<'w> World<'w> {
    pub fn new(air: Air) -> Self {
        Self { air, stations: Vec::new(), calls: 0, most_calls: 2_000_000, recorded: None }
    }

    pub fn add(&mut self, station: impl Station + 'w) {
        self.stations.push(Box::new(station));
    }

    /// One call of the client's port.
    pub fn call(&mut self) {
        self.calls += 1;
        assert!(self.calls <= self.most_calls, "an operation takes more than {} calls of the port", self.most_calls);
    }

    pub fn record(&mut self, call: impl FnOnce(u64) -> Call) {
        if let Some(recorded) = &mut self.recorded {
            recorded.push(call(self.air.now));
        }
    }

    /// Time goes on until `until`, or until something arrives at the client, if that is asked for.
    pub fn pass(&mut self, until: u64, stop_at_byte: bool) {
        loop {
            if stop_at_byte && self.air.peek(0).is_some() {
                return;
            }
            let stations = self.stations.iter().map(|station| station.next()).min().unwrap_or(u64::MAX);
            let next = self.air.next().min(stations).min(until).max(self.air.now);
            self.air.now = next;
            self.air.land();
            for (place, station) in self.stations.iter_mut().enumerate() {
                if std::mem::take(&mut self.air.heard[place + 1]) {
                    station.poke(next);
                }
                if station.next() <= next {
                    station.step(&mut self.air);
                }
            }
            if next >= until {
                return;
            }
        }
    }
}
