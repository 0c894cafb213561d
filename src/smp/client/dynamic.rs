//! Requests whose group and command are known only at run time.

use core::marker::PhantomData;
use core::time::Duration;

use super::{Client, Error, Pending, payload};
use crate::line::{Caller, Verdict};
use crate::shown::shown;
use crate::smp::{Group, Op};

/// A request that names its command at run time. Its response is the payload, not decoded.
///
/// For tools and bridges; a command that is known when the program is written is a
/// [`Request`](crate::smp::Request). Nothing is read from the response: a refusal is a payload like
/// any other, in which [`Error::find`](crate::smp::Error::find) finds the error, and a server that
/// asks for the other version is not asked again. A write counts as a request that must not run
/// twice.
///
/// ```
/// use anysmp::smp::{Client, Dynamic, Group, Op};
///
/// let mut client = Client::new(7);
/// let mut tx = [0; 32];
/// let echo = Dynamic { op: Op::Write, group: Group::OS, command: 0, payload: b"\xa1\x61d\x62hi" };
/// // With a driver: link.call(&mut client, &echo)
/// let (len, pending) = client.request_dynamic(&echo, &mut tx)?;
/// assert_eq!(tx[..len], *b"\x0a\0\0\x06\0\0\x07\0\xa1\x61d\x62hi");
///
/// let response = b"\x0b\0\0\x06\0\0\x07\0\xa1\x61r\x62hi";
/// assert!(pending.accepts(response));
/// assert_eq!(pending.decode(response)?, b"\xa1\x61r\x62hi");
/// # Ok::<(), anysmp::smp::client::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Dynamic<'b> {
    /// [`Op::Read`] or [`Op::Write`].
    pub op: Op,
    /// The group of the command.
    pub group: Group,
    /// The number of the command within its group.
    pub command: u8,
    /// The payload, at most 65,535 bytes: one CBOR map in the groups below 64.
    pub payload: &'b [u8],
}

shown!(Dynamic<'_>, |it| "Dynamic({:?}, {:?}, {}, {} bytes)", it.op, it.group, it.command, it.payload.len());

impl Client {
    /// Writes a [`Dynamic`] request to the front of `tx`; returns its length in bytes and the value
    /// that recognises its response.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`] if it does not fit. No sequence number is used up then.
    pub fn request_dynamic(
        &mut self,
        request: &Dynamic<'_>,
        tx: &mut [u8],
    ) -> Result<(usize, Pending<Dynamic<'static>>), Error> {
        let Dynamic { op, group, command, payload } = *request;
        let (len, header) = self.emit(op, group, command, tx, |writer| writer.raw(payload))?;
        let retries = if op == Op::Read { self.retries } else { self.non_idempotent_retries };
        let timeout = self.timeout();
        Ok((len, Pending { header, asked: header.version, timeout, retries, kind: PhantomData }))
    }
}

impl Pending<Dynamic<'static>> {
    /// Returns the payload of the response.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it is shorter than the length in its header.
    pub fn decode<'m>(&self, message: &'m [u8]) -> Result<&'m [u8], Error> {
        Ok(payload(message)?)
    }
}

impl Caller<Dynamic<'_>> for Client {
    type Pending = Pending<Dynamic<'static>>;
    type Response<'m> = &'m [u8];
    type Error = Error;

    fn request(&mut self, request: &Dynamic<'_>, tx: &mut [u8]) -> Result<(usize, Self::Pending), Error> {
        self.request_dynamic(request, tx)
    }

    fn timeout(&self, pending: &Self::Pending) -> Duration {
        pending.timeout
    }

    fn receive(&mut self, pending: &mut Self::Pending, message: &[u8], _: &mut [u8]) -> Verdict {
        if pending.accepts(message) { Verdict::Answer } else { Verdict::Foreign }
    }

    fn retry(&mut self, pending: &mut Self::Pending, _: &mut [u8]) -> Option<usize> {
        pending.retry()
    }

    fn decode<'m>(&self, pending: &Self::Pending, message: &'m [u8]) -> Result<&'m [u8], Error> {
        pending.decode(message)
    }
}
