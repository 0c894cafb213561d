//! A whole request, as policies and handlers see it.

use super::reply::{Answer, Reply};
use crate::cbor::Value;
use crate::smp::{Decode, Encode, Error, Group, Header, Op, error};

/// A whole request, ready to be handled.
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
    /// A request whose payload has arrived whole.
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

    /// The group that is asked.
    #[must_use]
    pub const fn group(&self) -> Group {
        self.header.group
    }

    /// The number of the command within its group.
    #[must_use]
    pub const fn command(&self) -> u8 {
        self.header.command
    }

    /// The payload as it came.
    #[must_use]
    pub const fn payload(&self) -> &'m [u8] {
        self.payload.0
    }

    /// Reads the payload as the request of a command.
    ///
    /// # Errors
    ///
    /// [`Error::INVALID`] if it is something else.
    pub fn decode<R: Decode<'m>>(&self) -> Result<R, Error> {
        R::decode(self.payload.0).or(Err(Error::INVALID))
    }

    /// Reads the payload as the request of a command, has it done, and answers.
    ///
    /// A payload that is something else is answered with [`Error::INVALID`], and no command is
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

    /// What the request is about, as far as a policy may want to know: the value of one key of its
    /// map.
    ///
    /// `name` tells the file or the setting, `image` and `slot` the target of an upload or an
    /// erase, `hash` the image of a state write. `None` if the key is absent or holds something
    /// else.
    #[must_use]
    pub fn target<T: Value<'m>>(&self, key: &str) -> Option<T> {
        error::beside(self.payload.0, key)
    }
}
