//! The codes of commands and responses.

use core::fmt;

use crate::codes::codes;

/// The code of a command of the master (README, "Commands").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number with names")]
pub struct Command(
    /// The byte on the wire.
    pub u8,
);

codes! { Command,
    /// Asks for a sign of life. Address 00.
    STATUS = 0x00;
    /// Asks for the names of the addresses. Address 00.
    DESCRIBE = 0x02;
    /// Asks for the value.
    GET = 0x10;
    /// Sets the value.
    SET = 0x11;
    /// Inverts a boolean.
    INVERT = 0x12;
    /// Asks for the value now and whenever it changes.
    SUBSCRIBE = 0xA0;
    /// Ends a subscription.
    UNSUBSCRIBE = 0xA1;
    /// Forgets everything, perhaps restarts. It has no response.
    RESET = 0xFF;
}

/// The code of a message of the slave (README, "Responses" and "Unsolicited messages").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number with names")]
pub struct ResponseCode(
    /// The byte on the wire.
    pub u8,
);

codes! { ResponseCode,
    /// The command was obeyed.
    ACK = 0x00;
    /// The message or its data were not understood.
    BAD_REQUEST = 0x40;
    /// The check of a frame did not match.
    INVALID = 0x41;
    /// The address does not exist.
    NOT_FOUND = 0x44;
    /// The address does not support the command.
    NOT_IMPLEMENTED = 0x45;
    /// Anything else; the data are text.
    ERROR = 0x50;
    /// Unsolicited: a new value of a subscribed address.
    PUSH = 0xA0;
    /// Unsolicited: text that may be ignored.
    DEBUG = 0xDE;
}

impl ResponseCode {
    /// Returns true if this is one of the five errors, which refuse a command.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(self, Self::BAD_REQUEST | Self::INVALID | Self::NOT_FOUND | Self::NOT_IMPLEMENTED | Self::ERROR)
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

impl From<u8> for ResponseCode {
    fn from(code: u8) -> Self {
        Self(code)
    }
}

impl From<ResponseCode> for u8 {
    fn from(code: ResponseCode) -> Self {
        code.0
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(self.name(), self.0, f)
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(self.name(), self.0, f)
    }
}

impl fmt::Display for ResponseCode {
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
impl defmt::Format for ResponseCode {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.name() {
            Some(name) => defmt::write!(f, "{=str}", name),
            None => defmt::write!(f, "{=u8:#04X}", self.0),
        }
    }
}
