//! The jobs of a master that the README recommends: [finding](Connect) a slave, and
//! [watching](Monitor) it.
//!
//! ```text
//!            ┌────────── Absent: again, or give up
//!            ▼
//!   ──▶ Connect ── Up ──▶ Monitor ── Lost ──────────┐
//!        ▲   RESET            STATUS at intervals   │
//!        │   STATUS           SUBSCRIBE the stale   │
//!        │   DESCRIBE           └──── Restarted ────┤
//!        │   SUBSCRIBE                              │
//!        └───────────────── without RESET ──────────┘
//! ```
//!
//! Both run in a driver's `run` and pass on unsolicited messages at any moment. The addresses that
//! are watched are in a slice of [`Watch`], one for each, which belongs to the caller.

mod connect;
mod monitor;

use core::num::NonZeroU32;
use core::time::Duration;

pub use connect::{Connect, ConnectOutcome, ConnectReport};
pub use monitor::{Monitor, MonitorOutcome, MonitorReport};

use super::master::{Error, Names, Unsolicited};
use super::value::Value;
use super::{Address, Header, ResponseCode};
use crate::bytes::{copy, fnv};
use crate::cbor::Text;
use crate::shown::shown;

/// The result of a message of the slave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event<'m> {
    /// The slave is there; the value is the mark of its current start.
    Alive(Value<'m>),
    /// Names and addresses.
    Names(Names<'m>),
    /// The value of an address, in the response to SUBSCRIBE or GET.
    Value(Address, Value<'m>),
    /// The new value of a subscribed address.
    Push(Address, Value<'m>),
    /// A changed value of a subscribed address, in the response to another SUBSCRIBE instead of a
    /// PUSH: the PUSH was lost, the slave has restarted and forgotten the subscriptions, or it held
    /// the change back (a dead band, a pause, no time yet). The monitor subscribes again.
    Missed(Address, Value<'m>),
    /// The slave refuses SUBSCRIBE or GET of this address. With the address of the host, it refuses
    /// DESCRIBE, or STATUS, which means that the slave is not well.
    Refused(Address, ResponseCode),
    /// Text for a log.
    Debug(Text<'m>),
    /// A message that is not a response: a late one, an error about noise, or one with an unknown
    /// code.
    Foreign(Option<Header<ResponseCode>>),
}

impl<'m> Event<'m> {
    fn unasked(message: &'m [u8]) -> Self {
        match Unsolicited::parse(message) {
            Some(Unsolicited::Push(address, value)) => Self::Push(address, value),
            Some(Unsolicited::Debug(text)) => Self::Debug(text),
            _ => Self::Foreign(Header::parse(message).map(|(header, _)| header)),
        }
    }
}

/// An address that is watched, and the age of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Watch {
    address: Address,
    way: Way,
    /// A fingerprint of the value that was received last.
    value: Option<NonZeroU32>,
    age: Duration,
}

const _: () = assert!(size_of::<Watch>() <= 24);

/// The command that asks for the value of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Way {
    /// Exit: its refusal as not implemented, to `Get`.
    Subscribe,
    /// The slave has refused SUBSCRIBE. No exit.
    Get,
}

impl Watch {
    /// An unused watch, for an address to come.
    pub const NONE: Self = Self::new(Address::HOST);

    /// Watches `address`.
    #[must_use]
    pub const fn new(address: Address) -> Self {
        Self { address, way: Way::Subscribe, value: None, age: Duration::ZERO }
    }

    /// The address that is watched.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The time since its value was received last; [`Duration::MAX`] if it is requested next.
    #[must_use]
    pub const fn age(&self) -> Duration {
        self.age
    }
}

/// Records that the value of this address was received just now.
fn refresh(watches: &mut [Watch], address: Address, value: Value<'_>) {
    for watch in watches.iter_mut().filter(|watch| watch.address == address) {
        watch.age = Duration::ZERO;
        watch.value = Some(fingerprint(value));
    }
}

/// A fingerprint, which nearly always differs for a different value.
fn fingerprint(value: Value<'_>) -> NonZeroU32 {
    NonZeroU32::new(fnv(value.bytes())).unwrap_or(NonZeroU32::MIN)
}

/// Returns true if a response with this error shows for certain that the slave will not obey.
/// Noise, before the command or in it, can cause the others, and the command is worth a retry.
fn is_final(error: Error) -> bool {
    let codes = [ResponseCode::NOT_FOUND, ResponseCode::NOT_IMPLEMENTED, ResponseCode::ERROR];
    matches!(error, Error::Remote(code) if codes.contains(&code))
}

/// A mark of one start of a slave: the data of its response to STATUS, of which the first 32 bytes
/// and the length are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Boot {
    start: [u8; 32],
    len: usize,
}

shown!(Boot, |boot| "Boot({} bytes)", boot.len);

impl From<Value<'_>> for Boot {
    fn from(value: Value<'_>) -> Self {
        let mut boot = Self { start: [0; 32], len: value.bytes().len() };
        copy(value.bytes(), &mut boot.start);
        boot
    }
}
