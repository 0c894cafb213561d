//! A received request, for policies and handlers.

use super::reply::{Answer, Reply};
use crate::cbor::Value;
use crate::smp::{Decode, Encode, Error, Group, Header, Op, error};

/// A received request whose header and length are valid.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Incoming<'m> {
    header: Header,
    payload: Payload<'m>,
}

/// Prints its length only.
#[derive(Clone, Copy)]
struct Payload<'m>(&'m [u8]);

impl core::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Payload<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=usize} bytes", self.0.len());
    }
}

impl<'m> Incoming<'m> {
    /// A request with this header and its whole payload.
    pub(super) const fn new(header: Header, payload: &'m [u8]) -> Self {
        Self { header, payload: Payload(payload) }
    }

    /// The header of the request.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// [`Op::Read`] or [`Op::Write`], never a response.
    #[must_use]
    pub const fn op(&self) -> Op {
        self.header.op
    }

    /// The group of the command.
    #[must_use]
    pub const fn group(&self) -> Group {
        self.header.group
    }

    /// The number of the command within its group.
    #[must_use]
    pub const fn command(&self) -> u8 {
        self.header.command
    }

    /// The payload, not decoded.
    #[must_use]
    pub const fn payload(&self) -> &'m [u8] {
        self.payload.0
    }

    /// Decodes the payload as the request of a command.
    ///
    /// # Errors
    ///
    /// The peer: [`Error::INVALID`] if the payload is malformed or lacks a required key.
    pub fn decode<R: Decode<'m>>(&self) -> Result<R, Error> {
        R::decode(self.payload.0).or(Err(Error::INVALID))
    }

    /// Decodes the payload as the request of a command, calls the command, and responds with its
    /// result.
    ///
    /// If the payload cannot be decoded, the response is [`Error::INVALID`], and `command` is not
    /// called.
    pub fn answer<R: Decode<'m>, E: Encode>(
        &self,
        reply: Reply<'_>,
        command: impl FnOnce(R) -> Result<E, Error>,
    ) -> Answer {
        match R::decode(self.payload.0) {
            Ok(request) => reply.result(command(request)),
            Err(_) => reply.error(Error::INVALID),
        }
    }

    /// Returns the value of one key of the payload, for policies: the target of the request.
    ///
    /// `name` is the file or the setting, `image` and `slot` are the target of an upload or an
    /// erase, `hash` is the image of a state write. `None` if the key is absent or its value has
    /// another type.
    #[must_use]
    pub fn target<T: Value<'m>>(&self, key: &str) -> Option<T> {
        error::beside(self.payload.0, key)
    }
}
