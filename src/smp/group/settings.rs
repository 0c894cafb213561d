//! Group 3, settings: named values that the device keeps, which newtmgr calls config.
//!
//! Specification: Zephyr Project, *Settings (Config) Management Group*.
//!
//! | command | op | request | response |
//! |---|---|---|---|
//! | 0 | read | [`Read`] | [`ReadResponse`] |
//! | 0 | write | [`Write`] | [`Empty`] |
//! | 1 | write | [`Delete`] | [`Empty`] |
//! | 2 | write | [`Commit`] | [`Empty`] |
//! | 3 | read | [`Load`] | [`Empty`] |
//! | 3 | write | [`Save`] | [`Empty`] |
//!
//! # Interpretation
//!
//! * Values are bytes in Zephyr and text in Mynewt; both are read; bytes are written unless the
//!   caller chooses text.

mod store;

pub use store::{Settings, Store};

use crate::cbor::{BufferFull, Bytes, Chunks, Item, Malformed, Text, Value, Writer};
use crate::shown::shown;
use crate::smp::server::{Answer, Incoming, Reply};
use crate::smp::{Empty, Error, Group, Op, Request, payload};

/// The value of a setting.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "bytes or text, by the specification")]
pub enum Setting<'b> {
    /// A byte string, which Zephyr sends.
    Bytes(Bytes<'b>),
    /// A text string, which Mynewt sends.
    Text(Text<'b>),
}

// A value may be a password; its name is not.
shown!(Setting<'_>, |setting| "Setting({} bytes)", setting.chunks().len());

impl<'b> Setting<'b> {
    /// The bytes of the value, in either form.
    #[must_use]
    pub const fn chunks(self) -> Chunks<'b> {
        match self {
            Self::Bytes(bytes) => bytes.chunks(),
            Self::Text(text) => text.as_bytes(),
        }
    }
}

impl<'b> From<&'b [u8]> for Setting<'b> {
    fn from(bytes: &'b [u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl<'b> Value<'b> for Setting<'b> {
    fn of(item: Item<'b>) -> Result<Self, Malformed> {
        match item {
            Item::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            Item::Text(text) => Ok(Self::Text(text)),
            _ => Err(Malformed),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self {
            Self::Bytes(bytes) => bytes.write(writer),
            Self::Text(text) => text.write(writer),
        }
    }
}

/// Asks for the value of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Read<'b> {
    /// The name, `subtree/key`; fewer than 32 bytes on Zephyr.
    pub name: Text<'b>,
    /// The longest value to return, in bytes.
    pub max_size: Option<u32>,
}

payload!(request Read<'b> { name: "name", max_size: "max_size" });

/// The value of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ReadResponse<'b> {
    /// The whole value, as bytes or text.
    pub value: Setting<'b>,
    /// The server's limit, if more was requested.
    pub max_size: Option<u32>,
}

payload!(response ReadResponse<'b> { value: Setting<'b> = "val", max_size: "max_size" });

impl Request for Read<'_> {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::SETTINGS;
    const COMMAND: u8 = 0;
    type Kind = Read<'static>;
    type Response<'m> = ReadResponse<'m>;
}

/// Sets a value until the next restart, or permanently once it is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Write<'b> {
    /// The name, `subtree/key`.
    pub name: Text<'b>,
    /// The whole value, as bytes or text.
    pub value: Setting<'b>,
    /// Mynewt: save the value at once.
    pub save: Option<bool>,
}

payload!(request Write<'b> { name: "name", value: "val", save: "save" });

impl Request for Write<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::SETTINGS;
    const COMMAND: u8 = 0;
    type Kind = Write<'static>;
    type Response<'m> = Empty;
}

/// Deletes a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Delete<'b> {
    /// The name, `subtree/key`.
    pub name: Text<'b>,
}

payload!(request Delete<'b> { name: "name" });

impl Request for Delete<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::SETTINGS;
    const COMMAND: u8 = 1;
    type Kind = Delete<'static>;
    type Response<'m> = Empty;
}

/// Makes the values that were set take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Commit {}

payload!(request Commit {});

impl Request for Commit {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::SETTINGS;
    const COMMAND: u8 = 2;
    type Kind = Self;
    type Response<'m> = Empty;
}

/// Loads all settings from storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Load {}

payload!(request Load {});

impl Request for Load {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::SETTINGS;
    const COMMAND: u8 = 3;
    type Kind = Self;
    type Response<'m> = Empty;
}

/// Saves settings to storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Save<'b> {
    /// One setting or one subtree; `None` for all. Older servers ignore it.
    pub name: Option<Text<'b>>,
}

payload!(request Save<'b> { name: "name" });

impl Request for Save<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::SETTINGS;
    const COMMAND: u8 = 3;
    type Kind = Save<'static>;
    type Response<'m> = Empty;
}

/// The device's side of this group.
pub trait Commands {
    /// Returns a value.
    ///
    /// # Errors
    ///
    /// [`error::settings::KEY_NOT_FOUND`](crate::smp::error::settings::KEY_NOT_FOUND) if there is
    /// none.
    fn read<'r>(&'r mut self, request: Read<'r>) -> Result<ReadResponse<'r>, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Sets a value.
    ///
    /// # Errors
    ///
    /// [`error::settings::WRITE_NOT_SUPPORTED`](crate::smp::error::settings::WRITE_NOT_SUPPORTED)
    /// if it cannot be set.
    fn write(&mut self, request: Write<'_>) -> Result<Empty, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Deletes a setting.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn delete(&mut self, request: Delete<'_>) -> Result<Empty, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Makes the values that were set take effect.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn commit(&mut self) -> Result<Empty, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Loads all settings.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn load(&mut self) -> Result<Empty, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Saves settings.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn save(&mut self, request: Save<'_>) -> Result<Empty, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }
}

/// Reads a request of this group, calls its command, and writes the response.
#[inline(never)] // A stack frame of its own: see *Stack* in `smp::server`.
pub fn dispatch<C: Commands + ?Sized>(commands: &mut C, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    let mut reply = reply;
    let written = match (incoming.op(), incoming.command()) {
        (Op::Read, Read::COMMAND) => incoming.write(&mut reply, |request| commands.read(request)),
        (Op::Write, Write::COMMAND) => incoming.write(&mut reply, |request| commands.write(request)),
        (Op::Write, Delete::COMMAND) => incoming.write(&mut reply, |request| commands.delete(request)),
        (Op::Write, Commit::COMMAND) => incoming.write(&mut reply, |Empty {}| commands.commit()),
        (Op::Read, Load::COMMAND) => incoming.write(&mut reply, |Empty {}| commands.load()),
        (Op::Write, Save::COMMAND) => incoming.write(&mut reply, |request| commands.save(request)),
        _ => Err(Error::NOT_SUPPORTED),
    };
    reply.done(written)
}
