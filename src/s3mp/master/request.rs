//! The commands of a master that have a response.

use super::{Error, Names};
use crate::s3mp::value::Value;
use crate::s3mp::{Address, Command};

/// The response to a request of type `R`, borrowed from the received message.
pub type Response<'m, R> = <<R as Request>::Kind as Request>::Response<'m>;

/// A command that has a response: a struct for each.
pub trait Request {
    /// The request's kind, by which its response is decoded: the type itself, with every lifetime
    /// `'static`. So a [`Pending`](super::Pending) borrows nothing from its request.
    type Kind: Request<Kind = Self::Kind> + 'static;
    /// The response, borrowed from the received message.
    type Response<'m>;
    /// The code of the command.
    const COMMAND: Command;

    /// The address that the command is for; by default the slave itself.
    fn address(&self) -> Address {
        Address::HOST
    }

    /// The data after the header; by default none.
    fn data(&self) -> &[u8] {
        &[]
    }

    /// Reads the data of an ACK.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`].
    fn decode(data: &[u8]) -> Result<Self::Response<'_>, Error>;

    /// Returns true if running the request twice does no more harm than running it once. Only then
    /// is it repeated when its response is missing.
    fn is_idempotent(&self) -> bool {
        true
    }
}

/// Asks for a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Status;

impl Request for Status {
    type Kind = Self;
    /// A mark of this start of the slave, perhaps its time; empty if the slave has none.
    type Response<'m> = Value<'m>;
    const COMMAND: Command = Command::STATUS;

    fn decode(data: &[u8]) -> Result<Value<'_>, Error> {
        Ok(Value::new(data))
    }
}

/// Asks for the names of all addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Describe;

impl Request for Describe {
    type Kind = Self;
    type Response<'m> = Names<'m>;
    const COMMAND: Command = Command::DESCRIBE;

    fn decode(data: &[u8]) -> Result<Names<'_>, Error> {
        Names::parse(data)
    }
}

/// Asks for the value of an address; for [`Address::ALL`] see [`Value::entries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Get {
    /// The address, 01 to FE; FF for all of them, where the slave serves that.
    pub address: Address,
}

impl Request for Get {
    type Kind = Self;
    type Response<'m> = Value<'m>;
    const COMMAND: Command = Command::GET;

    fn address(&self) -> Address {
        self.address
    }

    fn decode(data: &[u8]) -> Result<Value<'_>, Error> {
        Ok(Value::new(data))
    }
}

/// Sets the value of an actuator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Set<'v> {
    /// The address, 01 to FE.
    pub address: Address,
    /// The new value.
    pub value: Value<'v>,
}

impl Request for Set<'_> {
    type Kind = Set<'static>;
    type Response<'m> = ();
    const COMMAND: Command = Command::SET;

    fn address(&self) -> Address {
        self.address
    }

    fn data(&self) -> &[u8] {
        self.value.bytes()
    }

    fn decode(_: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

/// Inverts a boolean; the response is the new value. Never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Invert {
    /// The address, 01 to FE.
    pub address: Address,
}

impl Request for Invert {
    type Kind = Self;
    type Response<'m> = Value<'m>;
    const COMMAND: Command = Command::INVERT;

    fn address(&self) -> Address {
        self.address
    }

    fn decode(data: &[u8]) -> Result<Value<'_>, Error> {
        Ok(Value::new(data))
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}

/// Asks for the value of an address now, and for a PUSH whenever it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Subscribe {
    /// The address, 01 to FE; FF for all of them, where the slave serves that.
    pub address: Address,
}

impl Request for Subscribe {
    type Kind = Self;
    type Response<'m> = Value<'m>;
    const COMMAND: Command = Command::SUBSCRIBE;

    fn address(&self) -> Address {
        self.address
    }

    fn decode(data: &[u8]) -> Result<Value<'_>, Error> {
        Ok(Value::new(data))
    }
}

/// Ends a subscription: no PUSH comes after the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Unsubscribe {
    /// The address, 01 to FE; FF for all of them, where the slave serves that.
    pub address: Address,
}

impl Request for Unsubscribe {
    type Kind = Self;
    type Response<'m> = ();
    const COMMAND: Command = Command::UNSUBSCRIBE;

    fn address(&self) -> Address {
        self.address
    }

    fn decode(_: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}
