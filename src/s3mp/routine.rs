//! The jobs of a master that the README recommends: to [find](Connect) a slave, and to [watch](Monitor) it.
//!
//! ```text
//!            ┌────────── Absent: again, or give up
//!            ▼
//!   ──▶ Connect ── Up ──▶ Monitor ── Lost ──────────┐
//!        ▲   RESET            STATUS at intervals   │
//!        │   STATUS           GET what is stale     │
//!        │   DESCRIBE           └──── Restarted ────┤
//!        │   SUBSCRIBE                              │
//!        └───────────────── without RESET ──────────┘
//! ```
//!
//! Both run in a driver's `run` and hand on what the slave says unasked, at any moment. What is watched stands in a slice
//! of [`Watch`], one for each address, which belongs to the caller.

mod connect;
mod monitor;

use core::time::Duration;

pub use connect::{Connect, Report as ConnectReport};
pub use monitor::{Monitor, Report as MonitorReport};

use super::master::{Names, Unsolicited};
use super::value::Value;
use super::{Address, Header, Reply};
use crate::cbor::Text;
use crate::routine::remaining;
use crate::shown::shown;

/// What a message of the slave led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event<'m> {
    /// The slave is there, and said what tells this start of it from others.
    Alive(Value<'m>),
    /// Names and addresses.
    Names(Names<'m>),
    /// The value of an address, as an answer to SUBSCRIBE or GET.
    Value(Address, Value<'m>),
    /// The new value of a subscribed address.
    Push(Address, Value<'m>),
    /// The slave will not be asked about this address: it answered so.
    Refused(Address, Reply),
    /// Text for a log.
    Debug(Text<'m>),
    /// A message that answers nothing: late, an error about noise, or of an unknown code.
    Foreign(Option<Header<Reply>>),
}

impl<'m> Event<'m> {
    /// A message that is no answer.
    fn unasked(message: &'m [u8]) -> Self {
        match Unsolicited::parse(message) {
            Some(Unsolicited::Push(address, value)) => Self::Push(address, value),
            Some(Unsolicited::Debug(text)) => Self::Debug(text),
            _ => Self::Foreign(Header::parse(message).map(|(header, _)| header)),
        }
    }
}

/// An address that is watched, and for how long nothing was heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Watch {
    address: Address,
    age: Duration,
}

impl Watch {
    /// A place for an address.
    pub const NONE: Self = Self::new(Address::HOST);

    /// Watches `address`.
    #[must_use]
    pub const fn new(address: Address) -> Self {
        Self { address, age: Duration::ZERO }
    }

    /// Which one.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The time since its value was heard last.
    #[must_use]
    pub const fn age(&self) -> Duration {
        self.age
    }
}

/// A value of this address was heard just now.
fn heard(watches: &mut [Watch], address: Address) {
    for watch in watches.iter_mut().filter(|watch| watch.address == address) {
        watch.age = Duration::ZERO;
    }
}

/// What tells one start of a slave from another: the data of its answer to STATUS, of which the first 32 bytes and the length
/// are kept.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Boot {
    start: [u8; 32],
    len: usize,
}

shown!(Boot, |boot| "Boot({} bytes)", boot.len);

impl From<Value<'_>> for Boot {
    fn from(value: Value<'_>) -> Self {
        let mut boot = Self { start: [0; 32], len: value.bytes().len() };
        boot.start.iter_mut().zip(value.bytes()).for_each(|(to, from)| *to = *from);
        boot
    }
}

/// How much of the wait that a routine asked for is left. Drivers tell of it twice, by ticks and at its end; either is enough.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Wait(Duration);

impl Wait {
    /// A tick is over: that much time has passed.
    fn tick(&mut self, tick: Duration) -> Duration {
        self.0 = remaining(self.0, tick);
        tick
    }

    /// The wait is over: what ticks have not told has passed.
    fn end(&mut self) -> Duration {
        core::mem::take(&mut self.0)
    }
}
