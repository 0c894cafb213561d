//! The application's side of a slave.

use core::time::Duration;

use crate::s3mp::value::{self, Value};
use crate::s3mp::{Address, Command};

/// The longest name of an address, in characters.
pub const MAX_NAME: usize = 32;
/// The maximum number of addresses, 01 to FE.
pub const MAX_NAMES: usize = 254;

/// The application's side of a slave: sensors, which are read, and actuators, which are set as
/// well.
///
/// A type implements at least `names` and `get`.
///
/// Values are bytes: one CBOR item by custom, which [`value::encode`] writes and [`Value`] reads.
pub trait Resources {
    /// The names of the addresses 01, 02 and so on. An empty name is an unused address. The names
    /// must never change.
    fn names(&self) -> &[&str];

    /// Writes the value to the front of `out` and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotImplemented`] if the address has no value that can be read.
    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal>;

    /// Sets a new value.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotImplemented`] for a sensor, [`Refusal::BadRequest`] for a value of the wrong
    /// type or range.
    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        let _ = (address, value);
        Err(Refusal::NotImplemented)
    }

    /// Inverts a boolean, writes the new value to the front of `out` and returns its length in
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotImplemented`] for everything but a boolean that can be set.
    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let _ = (address, out);
        Err(Refusal::NotImplemented)
    }

    /// Returns true if the value differs from the one that [`get`](Self::get) or
    /// [`invert`](Self::invert) wrote last: see [`Watched`](super::Watched). `None` if this address
    /// is not watched: SUBSCRIBE is then refused with NOT_IMPLEMENTED.
    ///
    /// By default no address is watched. Implement this, or wrap the resources in
    /// [`Compared`](super::Compared), which watches by comparing the encoded values.
    fn changed(&mut self, address: Address) -> Option<bool> {
        let _ = address;
        None
    }

    /// Returns true if the address can be subscribed to. By default it calls
    /// [`changed`](Self::changed); implement it if that is expensive.
    fn is_watched(&mut self, address: Address) -> bool {
        self.changed(address).is_some()
    }

    /// Reports whether the device is well, for the response to STATUS. If it is, writes a mark of
    /// its current start, for example the time, to the front of `out` and returns the length in
    /// bytes, 0 for none.
    ///
    /// # Errors
    ///
    /// [`Refusal::Failed`] or [`Refusal::Explained`] if it is not. To a master the slave is down
    /// until it is well again.
    fn status(&mut self, out: &mut [u8]) -> Result<usize, Refusal> {
        let _ = out;
        Ok(0)
    }

    /// Writes the reason for a [`Refusal::Explained`], as text, to the front of `out`; returns its
    /// length in bytes.
    fn explain(&mut self, address: Address, out: &mut [u8]) -> usize {
        let _ = (address, out);
        0
    }

    /// Called when time has passed: see [`Damped::tick`](super::Damped::tick).
    fn tick(&mut self, elapsed: Duration) {
        let _ = elapsed;
    }

    /// Restores the initial settings of one address, or of the device itself for [`Address::HOST`].
    fn reset(&mut self, address: Address) {
        let _ = address;
    }

    /// Writes text for the master's log, if there is any, to the front of `out`; returns its length
    /// in bytes, 0 for none.
    fn debug(&mut self, out: &mut [u8]) -> usize {
        let _ = out;
        0
    }

    /// Returns true if `command`, one of GET, SUBSCRIBE and UNSUBSCRIBE, may be used on
    /// [`Address::ALL`].
    fn serves_all(&self, command: Command) -> bool {
        let _ = command;
        false
    }
}

/// The reason why a command is not obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Refusal {
    /// The master: there is no such address. The slave itself handles unused names.
    NotFound,
    /// The master: the address does not support this command.
    NotImplemented,
    /// The master: the data are not understood.
    BadRequest,
    /// We: the command failed, for this reason.
    Failed(&'static str),
    /// We: the command failed, for the reason that [`Resources::explain`] writes.
    Explained,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no such address",
            Self::NotImplemented => "the address does not support this command",
            Self::BadRequest => "the data are not understood",
            Self::Failed(reason) => reason,
            Self::Explained => "it did not work",
        })
    }
}

impl core::error::Error for Refusal {}

/// The response does not fit `tx`.
pub(super) const TOO_LONG: Refusal = Refusal::Failed("too long");

impl From<value::Error> for Refusal {
    fn from(error: value::Error) -> Self {
        match error {
            value::Error::BufferFull => TOO_LONG,
            value::Error::Mismatch => Self::BadRequest,
        }
    }
}

/// We: the reason why a list of names cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum NameError {
    /// The number of names exceeds [`MAX_NAMES`].
    TooMany,
    /// The name at this index, from 0, is longer than [`MAX_NAME`], starts or ends with a space, or
    /// has a character that is not printable ASCII or that is `;`.
    Name(usize),
}

impl core::fmt::Display for NameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooMany => f.write_str("there are more names than addresses"),
            Self::Name(place) => write!(f, "name {place} is not allowed"),
        }
    }
}

impl core::error::Error for NameError {}

/// Checks a list of names; usable in a `const`, so that a wrong one does not compile.
///
/// # Errors
///
/// See [`NameError`].
pub const fn check_names(names: &[&str]) -> Result<(), NameError> {
    let mut place: usize = 0;
    let mut rest = names;
    while let Some((name, more)) = rest.split_first() {
        if place == MAX_NAMES {
            return Err(NameError::TooMany);
        }
        if !is_name(name.as_bytes()) {
            return Err(NameError::Name(place));
        }
        place = place.wrapping_add(1);
        rest = more;
    }
    Ok(())
}

const fn is_name(name: &[u8]) -> bool {
    if name.len() > MAX_NAME || matches!(name.first(), Some(b' ')) || matches!(name.last(), Some(b' ')) {
        return false;
    }
    let mut rest = name;
    while let Some((byte, more)) = rest.split_first() {
        if !matches!(byte, b' '..=b'~') || *byte == b';' {
            return false;
        }
        rest = more;
    }
    true
}
