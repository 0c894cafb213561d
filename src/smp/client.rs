//! The client: numbers requests and recognises their responses.
//!
//! ```text
//!   request ──▶ Client::request ──▶ tx[..len], Pending<K> ──▶ (the driver sends, waits, retries)
//!                                                 │
//!   message ──▶ Pending::accepts ── false: foreign, the wait continues
//!                    └─ true ──▶ Pending::decode ──▶ R::Response<'_>  or  Error::Remote
//! ```
//!
//! A request in flight is a value; dropping it cancels the request. Nothing here waits:
//! `blocking::Link::call` and `asynch::Link::call` do.
//!
//! ```
//! use anysmp::smp::{Client, Pending, client, os};
//!
//! /// A request in flight names its kind, so it can be kept in a struct or a static.
//! struct Asking { pending: Pending<os::Echo<'static>> }
//!
//! let mut client = Client::new(0);
//! let mut tx = [0; 32];
//! let (len, pending) = client.request(&os::Echo::new("hi"), &mut tx)?;
//! assert_eq!(tx[..len], *b"\x0a\0\0\x06\0\0\0\0\xa1\x61d\x62hi");
//! let asking = Asking { pending };
//!
//! let response = b"\x0b\0\0\x06\0\0\0\0\xa1\x61r\x62hi";
//! assert!(asking.pending.accepts(response));
//! assert_eq!(asking.pending.decode(response)?.text, "hi");
//! # Ok::<(), client::Error>(())
//! ```
//!
//! A function that is generic over its request:
//!
//! ```
//! use anysmp::blocking::Link;
//! use anysmp::smp::{Client, Request, client};
//! use anysmp::{framing::console::Console, line, port::Clock};
//!
//! struct Device<'b, P> { link: Link<'b, P, Console<'b>>, client: Client }
//!
//! impl<P: embedded_io::Read + embedded_io::Write + Clock> Device<'_, P> {
//!     fn call<R: Request>(
//!         &mut self,
//!         request: &R,
//!     ) -> Result<R::Response<'_>, line::Error<P::Error, client::Error>> {
//!         self.link.call(&mut self.client, request)
//!     }
//! }
//! ```
//!
//! # Responses
//!
//! A message is the response to a request if it has its sequence number, group and command, and the
//! op that answers its op. Version, flags and reserved bits are not compared: old servers answer in
//! version 0 whatever the request was.
//!
//! # Retries
//!
//! An unanswered request is repeated with the same number, twice by default, if it [may run
//! twice](Request::is_idempotent). Shell commands, resets and those writes of a vendor that return
//! `false` there may not: most servers do not remember the requests that they have answered, so the
//! response may be lost although the command has run. [`Client::with_non_idempotent_retries`]
//! repeats these too.
//!
//! ```
//! use anysmp::smp::client::Error;
//! use anysmp::smp::{Client, os};
//!
//! let (mut client, mut tx) = (Client::new(7), [0; 64]);
//! let (len, pending) = client.request(&os::Echo::new("hi"), &mut tx)?;
//! assert_eq!(&tx[..len], b"\x0a\x00\x00\x06\x00\x00\x07\x00\xa1\x61d\x62hi");
//!
//! let late = b"\x0b\x00\x00\x01\x00\x00\x06\x00\xa0"; // answers the request before
//! let response = b"\x0b\x00\x00\x06\x00\x00\x07\x00\xa1\x61r\x62hi";
//! assert!(!pending.accepts(late) && pending.accepts(response));
//! assert_eq!(pending.decode(response)?.text, "hi");
//!
//! let refusal = b"\x0b\x00\x00\x05\x00\x00\x07\x00\xa1\x62rc\x0b";
//! assert_eq!(pending.decode(refusal), Err(Error::Remote(anysmp::smp::Error::ACCESS_DENIED)));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Interpretation
//!
//! * `rc` 13 (too new) and 12 (too old) make the client repeat the request once in the other
//!   version, with a new number, and keep that version. They count only as the first key of a
//!   response, where servers write them.

use core::marker::PhantomData;
use core::time::Duration;

use super::{Error as Refusal, Group, Header, Op, Request, Version};
use crate::cbor::{BufferFull, Writer};
use crate::line::{Caller, Verdict};
use crate::time::Span;

mod dynamic;
mod error;
mod pending;
mod response;

pub use dynamic::Dynamic;
pub use error::Error;
pub use pending::Pending;
pub use response::{answers, payload, refusal};
pub(super) use response::{of_version, payload_of};

/// The client's side of the protocol: numbers requests and writes them.
///
/// 8 bytes; one per device.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Client {
    version: Version,
    sequence: u8,
    timeout: Span,
    retries: u8,
    non_idempotent_retries: u8,
}

const _: () = assert!(size_of::<Client>() <= 8);

impl Client {
    /// The time that a client waits for a response by default: 2.5 s.
    pub const TIMEOUT: Duration = Duration::from_millis(2500);
    /// The number of times that an unanswered request is repeated by default: 2.
    pub const RETRIES: u8 = 2;

    /// A client that speaks version 2, and whose first request has the number `sequence`.
    ///
    /// A tool that is started often should begin at a random number, so that a late response to its
    /// last run does not pass for one of this run.
    #[must_use]
    pub const fn new(sequence: u8) -> Self {
        Self {
            version: Version::V2,
            sequence,
            timeout: const { Span::ceil(Self::TIMEOUT) },
            retries: Self::RETRIES,
            non_idempotent_retries: 0,
        }
    }

    /// Speaks `version` until a server asks for the other one.
    #[must_use]
    pub const fn with_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Sets the time to wait for a response after the request has left. For a command that
    /// [needs longer](Request::TIMEOUT), such as an erase, the longer of the two counts. It is kept
    /// in whole microseconds, and at most 71 minutes long.
    #[must_use]
    pub const fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Span::ceil(timeout), ..self }
    }

    /// Repeats an unanswered request at most `retries` times, if it
    /// [may run twice](Request::is_idempotent).
    #[must_use]
    pub const fn with_retries(self, retries: u8) -> Self {
        Self { retries, ..self }
    }

    /// Repeats an unanswered request that [must not run twice](Request::is_idempotent) at most
    /// `retries` times; by default it is not repeated.
    ///
    /// Safe with a server that remembers the requests that it has answered, as ours does with
    /// [`Server::with_memory`](super::Server::with_memory). Any other server may run the command
    /// twice.
    #[must_use]
    pub const fn with_non_idempotent_retries(self, retries: u8) -> Self {
        Self { non_idempotent_retries: retries, ..self }
    }

    /// The version in which the next request is written.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The time that this client waits for an ordinary response.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout.to_duration()
    }

    /// The same time as a [`Span`].
    pub(super) const fn limit(&self) -> Span {
        self.timeout
    }

    /// The number of times that an unanswered request is repeated if it may run twice.
    #[must_use]
    pub const fn retries(&self) -> u8 {
        self.retries
    }

    /// The number of times that an unanswered request is repeated although it must not run twice.
    #[must_use]
    pub const fn non_idempotent_retries(&self) -> u8 {
        self.non_idempotent_retries
    }

    /// Writes a request to the front of `tx`; returns its length in bytes and the value that
    /// recognises its response.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`] if it does not fit. No sequence number is used up then.
    pub fn request<R: Request>(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Pending<R::Kind>), Error> {
        let (len, header) = self.emit(R::OP, R::GROUP, R::COMMAND, tx, |writer| request.encode(writer))?;
        let pending = Pending {
            header,
            asked: header.version,
            timeout: R::TIMEOUT.max(self.timeout()),
            retries: if request.is_idempotent() { self.retries } else { self.non_idempotent_retries },
            kind: PhantomData,
        };
        Ok((len, pending))
    }

    /// Writes header and payload of any request with a new sequence number; returns the length in
    /// bytes and the header.
    ///
    /// For routines that keep several requests in flight; for one at a time there is
    /// [`routine::Call`](super::routine::Call).
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`] if it does not fit. No sequence number is used up then.
    pub fn emit(
        &mut self,
        op: Op,
        group: Group,
        command: u8,
        tx: &mut [u8],
        payload: impl FnOnce(&mut Writer<'_>) -> Result<(), BufferFull>,
    ) -> Result<(usize, Header), Error> {
        let header = Header { op, version: self.version, length: 0, group, sequence: self.sequence, command };
        self.emit_as(header, tx, payload)
    }

    pub(super) const fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Writes a message as [`emit`] does. The number in `header` is that of the next request, which
    /// it uses up, or that of an earlier one, which is repeated.
    pub(super) fn emit_as(
        &mut self,
        header: Header,
        tx: &mut [u8],
        payload: impl FnOnce(&mut Writer<'_>) -> Result<(), BufferFull>,
    ) -> Result<(usize, Header), Error> {
        let emitted = emit(header, tx, payload)?;
        // Only now, so that a request that does not fit uses up no number.
        if header.sequence == self.sequence {
            self.sequence = self.sequence.wrapping_add(1);
        }
        Ok(emitted)
    }

    /// Adopts the other version for all further requests if `refusal`, of a request in the version
    /// `written`, asks for it; returns true if it does. The request must then be written again.
    ///
    /// `asked` is the version in which the request was first written: a server that refuses both
    /// versions is not asked a third time.
    pub fn adopt_version(&mut self, written: Version, asked: Version, refusal: Refusal) -> bool {
        let version = match refusal {
            Refusal::VERSION_TOO_NEW => Version::V1,
            Refusal::VERSION_TOO_OLD => Version::V2,
            _ => return false,
        };
        // The server asks for the version that it has refused.
        if written == version || written != asked {
            return false;
        }
        self.version = version;
        true
    }

    /// Adopts the other version if `refusal` asks for it, and rewrites the header of the request in
    /// `tx`, with a new number, so that a late response to the first request does not pass for a
    /// response to this one.
    fn fall_back(&mut self, header: &mut Header, asked: Version, refusal: Refusal, tx: &mut [u8]) -> bool {
        let Some(head) = tx.first_chunk_mut() else { return false };
        if !self.adopt_version(header.version, asked, refusal) {
            return false;
        }
        *header = Header { version: self.version, sequence: self.sequence, ..*header };
        self.sequence = self.sequence.wrapping_add(1);
        *head = header.emit();
        true
    }
}

/// Writes a message: `header`, with the length of the payload filled in, and the payload. Returns
/// the length of the message in bytes and the header that was written. To repeat a request, pass
/// the header that was returned.
///
/// # Errors
///
/// [`Error::BufferFull`] if it does not fit `tx`, or the payload has more than 65,535 bytes.
pub fn emit(
    header: Header,
    tx: &mut [u8],
    payload: impl FnOnce(&mut Writer<'_>) -> Result<(), BufferFull>,
) -> Result<(usize, Header), Error> {
    let mut writer = Writer::new(tx.get_mut(Header::LEN..).ok_or(Error::BufferFull)?);
    payload(&mut writer)?;
    let len = writer.len();
    complete(header, tx, len)
}

/// Writes the header in front of `len` bytes of payload.
fn complete(header: Header, tx: &mut [u8], len: usize) -> Result<(usize, Header), Error> {
    let (Some(head), Ok(length)) = (tx.first_chunk_mut(), u16::try_from(len)) else { return Err(Error::BufferFull) };
    let header = Header { length, ..header };
    *head = header.emit();
    Ok((Header::LEN + usize::from(length), header))
}

impl<R: Request> Caller<R> for Client {
    type Pending = Pending<R::Kind>;
    type Response<'m> = R::Response<'m>;
    type Error = Error;

    fn request(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Self::Pending), Error> {
        self.request(request, tx)
    }

    fn timeout(&self, pending: &Self::Pending) -> Duration {
        pending.timeout
    }

    fn receive(&mut self, pending: &mut Self::Pending, message: &[u8], tx: &mut [u8]) -> Verdict {
        let Some(payload) = payload_of(&pending.header, message) else { return Verdict::Foreign };
        // The whole response is read once, by `decode`.
        if of_version(payload).is_none() {
            return Verdict::Answer;
        }
        match pending.decode(message) {
            // Only a response that the command itself decodes as a refusal leads here: a shell
            // command that returns 13 in `rc` has run, and must not run twice.
            Err(Error::Remote(refusal)) if self.fall_back(&mut pending.header, pending.asked, refusal, tx) => {
                Verdict::Again(pending.len())
            }
            _ => Verdict::Answer,
        }
    }

    fn retry(&mut self, pending: &mut Self::Pending, _: &mut [u8]) -> Option<usize> {
        pending.retry()
    }

    fn decode<'m>(&self, pending: &Self::Pending, message: &'m [u8]) -> Result<R::Response<'m>, Error> {
        pending.decode(message)
    }
}
