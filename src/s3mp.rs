//! S3MP, the Simple Serial Slave-Master Protocol: a host that asks, a microcontroller with sensors and actuators.
//!
//! One master and one slave share a line that both may use at any time. A message is
//!
//! ```text
//!   offset   0      1         2         3 ..
//!          ┌──────┬─────────┬─────────┬──────────┐
//!          │ code │ address │ counter │ data ... │
//!          └──────┴─────────┴─────────┴──────────┘
//!   code      a Command towards the slave, a Reply towards the master: the same bytes mean different things
//!   address   00 the slave itself, 01..FE its sensors and actuators, FF all of those
//!   counter   01..FF chosen by the master and repeated in the answer; 00 in what nobody asked for
//!   data      a value (one CBOR item, by custom) or text
//! ```
//!
//! | command | | address | data | answer |
//! |---|---|---|---|---|
//! | [`STATUS`](Command::STATUS) | 00 | 00 | | ACK: nothing, or what tells one start of the device from another |
//! | [`DESCRIBE`](Command::DESCRIBE) | 02 | 00 | | ACK: the names, each closed by `;`, in the order of addresses |
//! | [`GET`](Command::GET) | 10 | 01..FE | | ACK: the value |
//! | [`SET`](Command::SET) | 11 | 01..FE | value | ACK: nothing |
//! | [`INVERT`](Command::INVERT) | 12 | 01..FE | | ACK: the new value of a boolean |
//! | [`SUBSCRIBE`](Command::SUBSCRIBE) | A0 | 01..FF | | ACK: the value; from then on PUSH when it changes |
//! | [`UNSUBSCRIBE`](Command::UNSUBSCRIBE) | A1 | 01..FF | | ACK: nothing |
//! | [`RESET`](Command::RESET) | FF | any | | none, ever |
//!
//! The [`slave`] keeps one bit for each subscription and asks the application for all values. The [`master`] makes one
//! request after the other; [`routine`] holds the two jobs that the README recommends: to find a slave, and to watch it.
//! [`value`] reads and writes values in CBOR. Framing is found in [`framing::lrc`](crate::framing::lrc); nothing here
//! knows it.
//!
//! # A slave
//!
//! ```
//! use anysmp::s3mp::slave::{Refusal, Resources, Slave, Watched};
//! use anysmp::s3mp::{Address, value::{self, Value}};
//!
//! struct Greenhouse { temperature: Watched<i8>, relay: Watched<bool> }
//!
//! impl Resources for Greenhouse {
//!     fn names(&self) -> &[&str] { &["temperature", "relay"] }
//!     fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
//!         match address {
//!             Address(1) => Ok(value::encode(self.temperature.tell(), out)?),
//!             Address(2) => Ok(value::encode(self.relay.tell(), out)?),
//!             _ => Err(Refusal::NotFound),
//!         }
//!     }
//!     fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
//!         match address {
//!             Address(2) => Ok(self.relay.set(value.bool()?)),
//!             _ => Err(Refusal::NotImplemented),
//!         }
//!     }
//!     fn changed(&mut self, address: Address) -> bool {
//!         match address {
//!             Address(1) => self.temperature.is_changed(),
//!             _ => self.relay.is_changed(),
//!         }
//!     }
//! }
//!
//! let mut slave = Slave::new(Greenhouse { temperature: Watched::new(21), relay: Watched::new(false) })?;
//! let mut tx = [0; 64];
//! // What a framing found, and what goes back: in a loop, `Link::serve` does all of this.
//! let (len, _) = slave.receive(&[0xA0, 0x01, 0x07], &mut tx);
//! assert_eq!(tx[..len], [0x00, 0x01, 0x07, 21]);
//! slave.resources().temperature.set(22);
//! let len = slave.poll(&mut tx);
//! assert_eq!(tx[..len], [0xA0, 0x01, 0x00, 22]);
//! assert_eq!(slave.poll(&mut tx), 0);
//! # Ok::<(), anysmp::s3mp::slave::NameError>(())
//! ```
//!
//! # A master
//!
//! ```
//! use anysmp::s3mp::master::{Describe, Get, Master, Set, Unsolicited};
//! use anysmp::s3mp::{Address, Counter};
//! use anysmp::line::Verdict;
//!
//! let mut master = Master::new(Counter::FIRST);
//! let mut tx = [0; 64];
//! // With a port, `link.call(&mut master, &Describe, &mut tx)?` is all of the next three lines.
//! let (len, mut pending) = master.request(&Describe, &mut tx)?;
//! assert_eq!(tx[..len], [0x02, 0x00, 0x01]);
//! let answer = b"\x00\x00\x01temperature;relay;";
//! assert_eq!(pending.receive(answer), Verdict::Answer);
//! let names = master.decode::<Describe>(answer)?;
//! assert_eq!(names.find("relay"), Some(Address(2)));
//!
//! // Between a command and its answer, and at any other time, the slave may speak unasked.
//! let (_, mut pending) = master.request(&Get(Address(1)), &mut tx)?;
//! let push = [0xA0, 0x01, 0x00, 22];
//! assert_eq!(pending.receive(&push), Verdict::Unsolicited);
//! let Some(Unsolicited::Push(address, value)) = Unsolicited::parse(&push) else { unreachable!() };
//! assert_eq!((address, value.u64()), (Address(1), Ok(22)));
//! # Ok::<(), anysmp::s3mp::master::Error>(())
//! ```
//!
//! # Interpretation
//!
//! The README of S3MP (github.com/lucastorri/s3mp) is the whole definition, and no other implementation was ever
//! published. Where it is silent or contradicts itself, this crate does the following. (Framing has its own list.)
//!
//! * *Length.* Both ends publish the longest message they take: here, the length of the buffer given to the framing and of
//!   `tx`. 256 bytes are usual, 64 the least. A longer one is skipped and answered BAD_REQUEST.
//! * *Short messages.* Under three bytes: the slave answers BAD_REQUEST with address and counter 00, the master drops it.
//! * *Surplus data* on a command that takes none is ignored.
//! * *Addresses.* "Any other address (00 - FE)" means 01..FE. The answer repeats the address. The host has no value: every
//!   command on 00 but STATUS, DESCRIBE and RESET is NOT_IMPLEMENTED, and so are STATUS and DESCRIBE on any other address.
//! * *Counters.* A command with counter 00 is obeyed and answered with 00, but this master never sends one. The answer to
//!   a command has its counter, or is one of the five errors with counter 00. Anything else is a late answer: dropped, and the
//!   wait goes on. (The README would allow to let the command fail; then one lost answer would fail all that follow.)
//! * *Counters to avoid.* The master skips counters that would give its frame the check 00 or 01: slaves that
//!   split at the first zero misread those.
//! * *Order of errors.* INVALID (sum), BAD_REQUEST (blocks, length), silence (RESET), NOT_FOUND (address), NOT_IMPLEMENTED
//!   (code), BAD_REQUEST (data), ERROR (handler). The address is judged before the code.
//! * *Counters of errors.* INVALID and BAD_REQUEST carry 00, the others that of the command. The master takes both from
//!   all five. INVALID and BAD_REQUEST about something unreadable carry address 00.
//! * *INVALID* can be the answer to line noise: the master goes on waiting, and repeats the command when its time is over.
//! * *RESET* is never answered, not even for an unknown address. On an address it drops the subscription
//!   and tells the application; on FF it does so for all addresses; on 00 for all, and the device may restart.
//! * *STATUS.* What the README calls start time is opaque: the master only compares. A change, or data that disappear, mean that the
//!   slave has restarted.
//! * *DESCRIBE.* "Separated by `;`", yet the example closes each name: the slave closes each, the master takes both. A name
//!   has 1 to 32 printable ASCII characters, no `;`, no space at its ends. An empty name is an unused address, which
//!   answers NOT_FOUND. The list is plain text, not a CBOR string: the two could not be told apart. It cannot be split, so the names have to
//!   fit one message; otherwise ERROR.
//! * *SET* of a sensor is NOT_IMPLEMENTED, of a wrong type or of anything but exactly one item BAD_REQUEST. Setting the present value changes nothing.
//! * *INVERT* is defined for booleans only; NOT_IMPLEMENTED for others. The master never repeats it, because it may have been obeyed.
//! * *SUBSCRIBE* and *UNSUBSCRIBE* may be repeated. A PUSH goes out when a value differs from the one told last, in an ACK or a PUSH. It never
//!   comes before the answer to the command that caused it; if values change faster than the line, the latest is sent.
//! * *Address FF* is optional. A slave without it answers NOT_IMPLEMENTED. With it, GET and SUBSCRIBE answer one map from address
//!   to value, in ascending order, of the addresses that have one; later PUSHes name single addresses. If the map does not fit: ERROR, and
//!   nothing is subscribed. SET and INVERT on FF are NOT_IMPLEMENTED.
//! * *DEBUG* has address and counter 00 and any text. It neither satisfies nor prolongs a command.
//! * *Values* are one CBOR item and nothing behind it; names, DEBUG and ERROR are text. The bytes as such are always at hand.
//! * *Echo.* A line that echoes must drop the echo before it comes here: STATUS and ACK are the same byte.
//!
//! Not supported: DESCRIBE on addresses other than 00, whose content the README leaves open.

pub mod master;
pub mod routine;
pub mod slave;
pub mod value;

use core::fmt;

/// The longest message that is usual, in bytes.
pub const USUAL_MESSAGE: usize = 256;
/// The longest message that each end has to take at least, in bytes.
pub const LEAST_MESSAGE: usize = 64;
/// Bytes before the data of a message.
pub const HEADER_LEN: usize = 3;

/// What the master wants (README, "Commands").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Command(pub u8);

impl Command {
    /// Is the slave there? Address 00.
    pub const STATUS: Self = Self(0x00);
    /// Which names do the addresses have? Address 00.
    pub const DESCRIBE: Self = Self(0x02);
    /// What is the value?
    pub const GET: Self = Self(0x10);
    /// Take this value.
    pub const SET: Self = Self(0x11);
    /// Turn a boolean over.
    pub const INVERT: Self = Self(0x12);
    /// Tell the value now and whenever it changes.
    pub const SUBSCRIBE: Self = Self(0xA0);
    /// No longer tell the value.
    pub const UNSUBSCRIBE: Self = Self(0xA1);
    /// Forget everything, perhaps restart. Never answered.
    pub const RESET: Self = Self(0xFF);

    /// The README's word for it.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::STATUS => "STATUS",
            Self::DESCRIBE => "DESCRIBE",
            Self::GET => "GET",
            Self::SET => "SET",
            Self::INVERT => "INVERT",
            Self::SUBSCRIBE => "SUBSCRIBE",
            Self::UNSUBSCRIBE => "UNSUBSCRIBE",
            Self::RESET => "RESET",
            _ => return None,
        })
    }
}

/// What the slave says (README, "Responses" and "Unsolicited messages").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reply(pub u8);

impl Reply {
    /// The command was obeyed.
    pub const ACK: Self = Self(0x00);
    /// The message or its data were not understood.
    pub const BAD_REQUEST: Self = Self(0x40);
    /// The check of a frame did not match.
    pub const INVALID: Self = Self(0x41);
    /// There is no such address.
    pub const NOT_FOUND: Self = Self(0x44);
    /// The address does not know the command.
    pub const NOT_IMPLEMENTED: Self = Self(0x45);
    /// Anything else; the data are text.
    pub const ERROR: Self = Self(0x50);
    /// Unasked: a new value of a subscribed address.
    pub const PUSH: Self = Self(0xA0);
    /// Unasked: text that may be ignored.
    pub const DEBUG: Self = Self(0xDE);

    /// The README's word for it.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::ACK => "ACK",
            Self::BAD_REQUEST => "BAD_REQUEST",
            Self::INVALID => "INVALID",
            Self::NOT_FOUND => "NOT_FOUND",
            Self::NOT_IMPLEMENTED => "NOT_IMPLEMENTED",
            Self::ERROR => "ERROR",
            Self::PUSH => "PUSH",
            Self::DEBUG => "DEBUG",
            _ => return None,
        })
    }

    /// Whether it is one of the five that refuse a command.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(self, Self::BAD_REQUEST | Self::INVALID | Self::NOT_FOUND | Self::NOT_IMPLEMENTED | Self::ERROR)
    }
}

/// Whom a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Address(pub u8);

impl Address {
    /// The slave itself.
    pub const HOST: Self = Self(0x00);
    /// All sensors and actuators, but not the slave itself.
    pub const ALL: Self = Self(0xFF);

    /// The place in the list of names: 0 for address 01. `None` for the host and for all.
    #[must_use]
    pub const fn index(self) -> Option<usize> {
        match self {
            Self::HOST | Self::ALL => None,
            Self(address) => (address as usize).checked_sub(1),
        }
    }

    /// The address of a place in the list of names; `None` from 254 on.
    #[must_use]
    pub fn at(index: usize) -> Option<Self> {
        u8::try_from(index.checked_add(1)?).ok().map(Self).filter(|address| *address != Self::ALL)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What ties an answer to its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counter(pub u8);

impl Counter {
    /// Of messages that nobody asked for, and of errors about what could not be read.
    pub const NONE: Self = Self(0x00);
    /// The first one of a command.
    pub const FIRST: Self = Self(0x01);

    /// The one after it: 01 after FF, never 00.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0 {
            0xFF => Self::FIRST,
            counter => Self(counter.wrapping_add(1)),
        }
    }
}

/// The first three bytes of a message; `C` is [`Command`] or [`Reply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header<C> {
    /// What it is.
    pub code: C,
    /// Whom it is about.
    pub address: Address,
    /// What ties an answer to its command.
    pub counter: Counter,
}

impl<C: From<u8>> Header<C> {
    /// Splits a message into header and data. `None` if it is shorter than a header.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<(Self, &[u8])> {
        let (&[code, address, counter], data) = message.split_first_chunk()?;
        Some((Self { code: code.into(), address: Address(address), counter: Counter(counter) }, data))
    }
}

impl<C: Into<u8>> Header<C> {
    /// The three bytes.
    #[must_use]
    pub fn emit(self) -> [u8; HEADER_LEN] {
        [self.code.into(), self.address.0, self.counter.0]
    }
}

impl From<u8> for Command {
    fn from(code: u8) -> Self {
        Self(code)
    }
}

impl From<Command> for u8 {
    fn from(code: Command) -> Self {
        code.0
    }
}

impl From<u8> for Reply {
    fn from(code: u8) -> Self {
        Self(code)
    }
}

impl From<Reply> for u8 {
    fn from(code: Reply) -> Self {
        code.0
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(self.name(), self.0, f)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(self.name(), self.0, f)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(self.name(), self.0, f)
    }
}

fn named(name: Option<&str>, code: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match name {
        Some(name) => f.write_str(name),
        None => write!(f, "{code:#04X}"),
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Command {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.name() {
            Some(name) => defmt::write!(f, "{=str}", name),
            None => defmt::write!(f, "{=u8:#04X}", self.0),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Reply {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.name() {
            Some(name) => defmt::write!(f, "{=str}", name),
            None => defmt::write!(f, "{=u8:#04X}", self.0),
        }
    }
}
