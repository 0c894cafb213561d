//! The client: numbers requests and knows their answers.
//!
//! ```text
//!   request ──▶ Client::request ──▶ tx[..len], Pending<R> ──▶ (the driver sends, waits, repeats)
//!                                                 │
//!   message ──▶ Pending::accepts ── false: not ours, go on waiting
//!                    └─ true ──▶ Pending::decode ──▶ R::Response<'_>  or  Error::Remote
//! ```
//!
//! A request in flight is a value; to drop it is to cancel it. Nothing here waits: `blocking::Link::call` and
//! `asynch::Link::call` do.
//!
//! ```
//! use anysmp::smp::client::{Client, Error};
//! use anysmp::smp::os;
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
//! * An answer is one that has our sequence number, group and command, and the op that answers ours. Version, flags and
//!   reserved bits are not compared: old servers answer version 0 whatever was asked.
//! * `rc` 13 (too new) and 12 (too old) make the client repeat the request once in the other version, with a new number,
//!   and keep that version.

use core::marker::PhantomData;
use core::time::Duration;

use super::{Group, Header, Op, Request, Version, error};
use crate::cbor::{BufferFull, Malformed, Writer};
use crate::line::{Caller, Verdict};

/// Why a request has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// We: the request does not fit `tx`.
    BufferFull,
    /// The peer: its answer is not what the command promises.
    Malformed,
    /// The peer refused.
    Remote(error::Error),
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferFull => BufferFull.fmt(f),
            Self::Malformed => f.write_str("the device answered something that makes no sense"),
            Self::Remote(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

impl From<BufferFull> for Error {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

impl From<Malformed> for Error {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// Numbers requests. 24 bytes; one per device that is talked to.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Client {
    version: Version,
    sequence: u8,
    timeout: Duration,
    retries: u8,
}

impl Client {
    /// How long a client waits for an answer by default.
    pub const TIMEOUT: Duration = Duration::from_millis(2500);

    /// A client that speaks version 2, and whose first request has the number `sequence`. Tools that are started again and
    /// again should begin at a random one, so that a late answer to the last run is not taken for one of this run.
    #[must_use]
    pub const fn new(sequence: u8) -> Self {
        Self { version: Version::V2, sequence, timeout: Self::TIMEOUT, retries: 2 }
    }

    /// Speaks `version` until a server asks for the other one.
    #[must_use]
    pub const fn with_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Waits for each answer for that long. Slow commands (erase) wait longer by themselves.
    #[must_use]
    pub const fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sends a request that is not answered up to so many times more.
    #[must_use]
    pub const fn with_retries(self, retries: u8) -> Self {
        Self { retries, ..self }
    }

    /// The version that the next request is written in.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// How long this client waits for an ordinary answer.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How often this client repeats a request that is not answered.
    #[must_use]
    pub const fn retries(&self) -> u8 {
        self.retries
    }

    /// Writes a request to the front of `tx`; returns its length and the value that knows its answer.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`] if it does not fit. No number is used up then.
    pub fn request<R: Request>(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Pending<R>), Error> {
        let (len, header) = self.emit(R::OP, R::GROUP, R::COMMAND, tx, |writer| request.encode(writer))?;
        let pending = Pending {
            header,
            asked: header.version,
            timeout: R::TIMEOUT.max(self.timeout),
            retries: self.retries,
            request: PhantomData,
        };
        Ok((len, pending))
    }

    /// Writes header and payload of any request; returns the length and the header.
    pub(crate) fn emit(
        &mut self,
        op: Op,
        group: Group,
        command: u8,
        tx: &mut [u8],
        payload: impl FnOnce(&mut Writer<'_>) -> Result<(), BufferFull>,
    ) -> Result<(usize, Header), Error> {
        let header = Header { op, version: self.version, length: 0, group, sequence: self.sequence, command };
        let emitted = emit(header, tx, payload)?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(emitted)
    }

    /// Takes the other version if `message` asks for it, and writes the request in `tx` anew. `asked` is the version in
    /// which the request was first made: a server that refuses both is not asked a third time.
    pub(crate) fn fall_back(&mut self, header: &mut Header, asked: Version, message: &[u8], tx: &mut [u8]) -> bool {
        let Some(head) = tx.first_chunk_mut() else { return false };
        if !self.take_version(header.version, asked, message) {
            return false;
        }
        *header = Header { version: self.version, sequence: self.sequence, ..*header };
        self.sequence = self.sequence.wrapping_add(1);
        *head = header.emit();
        true
    }

    /// Takes the other version for all further requests if `message`, which answers a request in the version `written`,
    /// asks for it. `asked` is as in [`fall_back`](Self::fall_back).
    pub(crate) fn take_version(&mut self, written: Version, asked: Version, message: &[u8]) -> bool {
        let refused = payload(message).ok().and_then(|payload| error::Error::find(payload).ok()).flatten();
        let version = match refused {
            Some(error::Error::VERSION_TOO_NEW) => Version::V1,
            Some(error::Error::VERSION_TOO_OLD) => Version::V2,
            _ => return false,
        };
        if written == version || written != asked {
            return false;
        }
        self.version = version;
        true
    }
}

/// Writes a message: this header with the right length, and a payload. To repeat a request, give the header it had.
pub(crate) fn emit(
    header: Header,
    tx: &mut [u8],
    payload: impl FnOnce(&mut Writer<'_>) -> Result<(), BufferFull>,
) -> Result<(usize, Header), Error> {
    let (head, body) = tx.split_first_chunk_mut::<{ Header::LEN }>().ok_or(Error::BufferFull)?;
    let mut writer = Writer::new(body);
    payload(&mut writer)?;
    let length = u16::try_from(writer.len()).or(Err(Error::BufferFull))?;
    let header = Header { length, ..header };
    *head = header.emit();
    Ok((Header::LEN + usize::from(length), header))
}

/// The payload of a message whose header was recognised: as long as its header says.
pub(crate) fn payload(message: &[u8]) -> Result<&[u8], Malformed> {
    let (header, rest) = Header::parse(message).or(Err(Malformed))?;
    rest.get(..usize::from(header.length)).ok_or(Malformed)
}

/// Whether `message` answers the request with this header.
pub(crate) fn answers(header: &Header, message: &[u8]) -> bool {
    Header::parse(message).is_ok_and(|(answer, _)| {
        answer.op == header.op.response()
            && answer.sequence == header.sequence
            && answer.group == header.group
            && answer.command == header.command
    })
}

/// A request in flight.
pub struct Pending<R> {
    header: Header,
    /// The version in which the request was first made.
    asked: Version,
    timeout: Duration,
    retries: u8,
    request: PhantomData<fn() -> R>,
}

impl<R> core::fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pending").field("header", &self.header).field("repeats", &self.retries).finish()
    }
}

#[cfg(feature = "defmt")]
impl<R> defmt::Format for Pending<R> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Pending({})", self.header);
    }
}

impl<R: Request> Pending<R> {
    /// The header that was sent.
    #[must_use]
    pub const fn header(&self) -> Header {
        self.header
    }

    /// Whether `message` is the answer.
    #[must_use]
    pub fn accepts(&self, message: &[u8]) -> bool {
        answers(&self.header, message)
    }

    /// Reads the answer.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] if the peer refused, [`Error::Malformed`] if it answered nonsense.
    pub fn decode<'m>(&self, message: &'m [u8]) -> Result<R::Response<'m>, Error> {
        R::response(payload(message)?)
    }
}

impl<R: Request> Caller<R> for Client {
    type Pending = Pending<R>;
    type Response<'m> = R::Response<'m>;
    type Error = Error;

    fn request(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Pending<R>), Error> {
        self.request(request, tx)
    }

    fn timeout(&self, pending: &Pending<R>) -> Duration {
        pending.timeout
    }

    fn receive(&mut self, pending: &mut Pending<R>, message: &[u8], tx: &mut [u8]) -> Verdict {
        if !pending.accepts(message) {
            Verdict::Foreign
        } else if matches!(pending.decode(message), Err(Error::Remote(_)))
            && self.fall_back(&mut pending.header, pending.asked, message, tx)
        {
            // Only what the command itself calls a refusal: a shell's `rc` 13 must not run its command twice.
            Verdict::Again(Header::LEN + usize::from(pending.header.length))
        } else {
            Verdict::Answer
        }
    }

    fn retry(&mut self, pending: &mut Pending<R>, _: &mut [u8]) -> Option<usize> {
        pending.retries = pending.retries.checked_sub(1)?;
        Some(Header::LEN + usize::from(pending.header.length))
    }

    fn decode<'m>(&self, pending: &Pending<R>, message: &'m [u8]) -> Result<R::Response<'m>, Error> {
        pending.decode(message)
    }
}
