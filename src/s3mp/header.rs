//! The header of a message: code, address, counter.

use core::fmt;

/// The length in bytes of a header, which comes before the data of a message.
pub const HEADER_LEN: usize = 3;

/// The address that a message concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a number with names")]
pub struct Address(
    /// The byte on the wire.
    pub u8,
);

impl Address {
    /// The slave itself.
    pub const HOST: Self = Self(0x00);
    /// All sensors and actuators, but not the slave itself.
    pub const ALL: Self = Self(0xFF);

    /// The index in the list of names: 0 for address 01. `None` for the host and for all.
    #[must_use]
    pub const fn index(self) -> Option<usize> {
        match self {
            Self::HOST | Self::ALL => None,
            Self(address) => (address as usize).checked_sub(1),
        }
    }

    /// The address of an index in the list of names, from 0; `None` from 254 on.
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

/// The number that ties a response to its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct Counter(
    /// The byte on the wire.
    pub u8,
);

impl Counter {
    /// The counter of unsolicited messages, and of errors about unreadable messages.
    pub const NONE: Self = Self(0x00);
    /// The first counter of a command.
    pub const FIRST: Self = Self(0x01);

    /// The counter after this one: 01 after FF, never 00.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0 {
            0xFF => Self::FIRST,
            counter => Self(counter.wrapping_add(1)),
        }
    }
}

/// The first three bytes of a message; `C` is [`Command`](super::Command) or
/// [`ResponseCode`](super::ResponseCode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the fields of the format")]
pub struct Header<C> {
    /// The code of the command or the response.
    pub code: C,
    /// The address that the message concerns.
    pub address: Address,
    /// The number that ties a response to its command.
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
    /// Encodes the header: code, address, counter.
    #[must_use]
    pub fn emit(self) -> [u8; HEADER_LEN] {
        [self.code.into(), self.address.0, self.counter.0]
    }
}
