//! The master: requests in, messages out; answers in, values out.
//!
//! A [`Client`] is an address and a timeout. It holds no state of an exchange: a request in flight is a [`Pending`], and to
//! drop that is to cancel it.
//!
//! # Answers
//!
//! A BSMP answer names neither its request nor its sender, only the kind of answer. So:
//!
//! * every answer is checked for its code, its length, the size of the entity, and the curve and block that it echoes;
//! * a packet that is not addressed to the master, as its own echo, is [`Foreign`](Verdict::Foreign) and the wait goes on;
//! * an answer that comes after its time-out can be taken for the answer to the next request of the same kind. After a
//!   time-out let the line fall silent before you ask again; the [routines](super::routine) do.
//!
//! # Repeats
//!
//! None by default. [`with_retries`](Client::with_retries) repeats a request whose answer is missing if that does no harm:
//! reads and plain writes, but not XOR and toggle, group creation, curve blocks and functions.

use core::time::Duration;

use super::{Address, Command, Full, Header, Payload, Refusal, Version};
use crate::line::{Caller, Verdict};
use crate::routine::SourceFailed;

/// The master's side of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Client {
    to: Option<Address>,
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    timeout: Duration,
    retries: u8,
}

impl Client {
    /// A master of bare messages, as on TCP and UDP. Waits 100 ms for an answer.
    #[must_use]
    pub const fn new() -> Self {
        Self { to: None, timeout: Duration::from_millis(100), retries: 0 }
    }

    /// A master on a bus that talks to `address`: the address goes in front of each message. Waits 100 ms for an answer.
    #[must_use]
    pub const fn to(address: Address) -> Self {
        Self { to: Some(address), ..Self::new() }
    }

    /// Waits so long for an answer.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Repeats a request that does no harm when it arrives twice, so many times.
    #[must_use]
    pub const fn with_retries(mut self, retries: u8) -> Self {
        self.retries = retries;
        self
    }

    /// Where the requests go, on a bus.
    #[must_use]
    pub const fn address(&self) -> Option<Address> {
        self.to
    }

    /// How long the master waits for an answer.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How often a harmless request is repeated.
    #[must_use]
    pub const fn retries(&self) -> u8 {
        self.retries
    }

    /// Writes a request whose answer nobody waits for, and returns its length: for multicast and broadcast, and for
    /// functions that never answer.
    ///
    /// Leave the line quiet for as long as the slowest node needs before the next request.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`] or [`Error::Argument`].
    pub fn post<R: Request + ?Sized>(&self, request: &R, tx: &mut [u8]) -> Result<usize, Error> {
        self.compose(R::COMMAND, tx, |payload| request.encode(payload))
    }

    pub(super) fn compose(
        &self,
        command: Command,
        tx: &mut [u8],
        encode: impl FnOnce(&mut Payload<'_>) -> Result<(), Error>,
    ) -> Result<usize, Error> {
        let (start, message) = match self.to {
            Some(address) => {
                let (first, message) = tx.split_first_mut().ok_or(Error::BufferFull)?;
                *first = address.value();
                (1, message)
            }
            None => (0, tx),
        };
        let (head, body) = message.split_first_chunk_mut().ok_or(Error::BufferFull)?;
        let mut payload = Payload::new(body);
        encode(&mut payload)?;
        let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
        *head = Header { command, length }.emit();
        Ok(start + Header::LEN + usize::from(length))
    }

    /// The BSMP message within a received one, if it is addressed to the master.
    fn open<'m>(&self, message: &'m [u8]) -> Option<&'m [u8]> {
        match (self.to, message) {
            (None, message) | (Some(_), [0, message @ ..]) => Some(message),
            _ => None,
        }
    }

    /// Reads the answer to a request of type `R`. `None` if the message is not for the master.
    ///
    /// # Errors
    ///
    /// If the node refused the request, or its answer is malformed.
    pub fn answer<'m, R: Request + ?Sized>(
        &self,
        expect: &R::Expect,
        message: &'m [u8],
    ) -> Option<Result<R::Response<'m>, Error>> {
        Some(match unwrap(R::ANSWER, self.open(message)?) {
            Ok(payload) => R::decode(expect, payload),
            Err(error) => Err(error),
        })
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// The payload of an answer, if it is the `wanted` one.
fn unwrap(wanted: Command, message: &[u8]) -> Result<&[u8], Error> {
    let (Header { command, .. }, payload) = Header::parse(message).ok_or(Error::Malformed)?;
    if command == wanted {
        return Ok(payload);
    }
    match (command, Refusal::from_code(command.0), payload) {
        (Command::FUNCTION_ERROR, _, [error]) => Err(Error::Function(*error)),
        (Command::FUNCTION_ERROR, _, _) => Err(Error::WrongSize),
        (_, Some(refusal), []) => Err(Error::Node(refusal)),
        (_, Some(_), _) => Err(Error::WrongSize),
        _ => Err(Error::Unexpected(command)),
    }
}

/// "Done" has no payload.
pub(super) fn done(payload: &[u8]) -> Result<(), Error> {
    if payload.is_empty() { Ok(()) } else { Err(Error::WrongSize) }
}

/// Something that a master asks: a struct for each command, in the modules of the entities.
///
/// A device with commands of its own implements it as well.
pub trait Request {
    /// The answer, borrowed from the received message.
    type Response<'m>;
    /// What the answer is checked against.
    type Expect: core::fmt::Debug + Copy;
    /// The code of the request.
    const COMMAND: Command;
    /// The code of the answer that brings the response.
    const ANSWER: Command;

    /// Writes the payload; nothing for a request without arguments.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`], or [`Error::Argument`] if no node could accept it.
    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        let _ = payload;
        Ok(())
    }

    /// What the answer is to be checked against.
    fn expect(&self) -> Self::Expect;

    /// Reads the payload of the answer.
    ///
    /// # Errors
    ///
    /// If it is not what the request asked for.
    fn decode<'m>(expect: &Self::Expect, payload: &'m [u8]) -> Result<Self::Response<'m>, Error>;

    /// Whether it does no harm if the request arrives twice.
    fn is_idempotent(&self) -> bool {
        true
    }
}

/// A request that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pending<X> {
    expect: X,
    length: usize,
    retries: u8,
}

impl<R: Request + ?Sized> Caller<R> for Client {
    type Pending = Pending<R::Expect>;
    type Response<'m> = R::Response<'m>;
    type Error = Error;

    fn request(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Self::Pending), Error> {
        if self.to.is_some_and(|address| !address.is_node()) {
            return Err(Error::NoAnswer);
        }
        let length = self.post(request, tx)?;
        let retries = if request.is_idempotent() { self.retries } else { 0 };
        Ok((length, Pending { expect: request.expect(), length, retries }))
    }

    fn timeout(&self, _: &Self::Pending) -> Duration {
        self.timeout
    }

    fn receive(&mut self, _: &mut Self::Pending, message: &[u8], _: &mut [u8]) -> Verdict {
        match self.open(message) {
            Some(_) => Verdict::Answer,
            None => Verdict::Foreign,
        }
    }

    fn retry(&mut self, pending: &mut Self::Pending, _: &mut [u8]) -> Option<usize> {
        pending.retries = pending.retries.checked_sub(1)?;
        Some(pending.length)
    }

    fn decode<'m>(&self, pending: &Self::Pending, message: &'m [u8]) -> Result<R::Response<'m>, Error> {
        self.answer::<R>(&pending.expect, message).unwrap_or(Err(Error::Malformed))
    }
}

/// Why a request has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// We: the request does not fit `tx`.
    BufferFull,
    /// We: no node could accept the arguments, as a value of 0 bytes.
    Argument,
    /// We: nobody answers a multicast or a broadcast; use [`Client::post`].
    NoAnswer,
    /// We: the data are longer than the curve.
    TooLarge,
    /// We: the source of the data to write failed.
    Source,
    /// We, or the peer: there are more entities than the storage holds, or than BSMP allows.
    TooMany,
    /// The peer: the answer is shorter than its header, or its length field is wrong.
    Malformed,
    /// The peer, or an earlier request: an answer of another kind.
    Unexpected(Command),
    /// The peer: the answer has the right kind and an impossible size.
    WrongSize,
    /// The peer, or an earlier request: a block of another curve, or another block.
    WrongEcho,
    /// The peer: the members of a group do not ascend.
    WrongOrder,
    /// The peer: a group has a member that the node has not listed.
    UnknownId,
    /// The peer: it speaks a version that this crate does not know.
    Version(Version),
    /// The peer, or the line: the curve that was transferred has another checksum.
    Checksum,
    /// The peer refuses.
    Node(Refusal),
    /// The peer: a function failed, with this error of the device.
    Function(u8),
    /// Time: no answer in a routine, not even to its repeats.
    TimedOut,
    /// We: the report of a routine that has not come to its end.
    Unfinished,
}

impl From<SourceFailed> for Error {
    fn from(SourceFailed: SourceFailed) -> Self {
        Self::Source
    }
}

impl From<Full> for Error {
    fn from(Full: Full) -> Self {
        Self::BufferFull
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferFull => f.write_str("the request does not fit the buffer"),
            Self::Argument => f.write_str("no node could accept the arguments"),
            Self::NoAnswer => f.write_str("nobody answers a multicast or a broadcast"),
            Self::TooLarge => f.write_str("the data are longer than the curve"),
            Self::Source => f.write_str("the data to write cannot be read"),
            Self::TooMany => f.write_str("too many entities"),
            Self::Malformed => f.write_str("the answer is malformed"),
            Self::Unexpected(command) => write!(f, "the answer is {command:?}, which answers something else"),
            Self::WrongSize => f.write_str("the answer has the wrong size"),
            Self::WrongEcho => f.write_str("the answer brings another block"),
            Self::WrongOrder => f.write_str("the members of a group are out of order"),
            Self::UnknownId => f.write_str("a group has an unknown member"),
            Self::Version(version) => write!(f, "the node speaks BSMP {version}"),
            Self::Checksum => f.write_str("the checksum of the curve does not match"),
            Self::Node(refusal) => write!(f, "the node refuses: {refusal}"),
            Self::Function(error) => write!(f, "the function failed with error {error}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Unfinished => f.write_str("not finished"),
        }
    }
}

impl core::error::Error for Error {}
