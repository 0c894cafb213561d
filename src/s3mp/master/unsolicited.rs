//! Unsolicited messages of a slave.

use crate::cbor::Text;
use crate::s3mp::value::Value;
use crate::s3mp::{Address, Counter, Header, ResponseCode};

/// An unsolicited message of a slave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Unsolicited<'m> {
    /// A subscribed address has a new value.
    Push(Address, Value<'m>),
    /// Text for a log, by custom; may be ignored.
    Debug(Text<'m>),
    /// An error about something unreadable: noise, if no command is in flight.
    Error(ResponseCode),
    /// A code that the README does not define.
    Other(Header<ResponseCode>),
}

impl<'m> Unsolicited<'m> {
    /// Reads a message. `None` if it is too short, or a response to a command.
    #[must_use]
    pub fn parse(message: &'m [u8]) -> Option<Self> {
        let (header, data) = Header::<ResponseCode>::parse(message)?;
        Some(match header.code {
            ResponseCode::PUSH => Self::Push(header.address, Value::new(data)),
            ResponseCode::DEBUG => Self::Debug(Text::from_bytes(data)),
            _ if header.counter != Counter::NONE => return None,
            code if code.is_error() => Self::Error(code),
            _ => Self::Other(header),
        })
    }
}
