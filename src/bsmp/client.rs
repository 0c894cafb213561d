//! The master: requests in, messages out; answers in, values out.
//!
//! A [`Client`] is an address and a timeout. It holds no state of an exchange: a request in flight is a [`Pending`], and to
//! drop that is to cancel it.
//!
//! # Answers
//!
//! A BSMP answer names neither its request nor its sender, only its own kind. So:
//!
//! * A message is an answer only if it can answer *this* request: its command is the one that belongs to it or a refusal,
//!   its length is right, and the size, the curve and the block are those that were asked for. All else, including a
//!   packet that is not addressed to the master (its own echo), is foreign, and the wait goes on. If no answer comes, the error says
//!   what was wrong with what came instead.
//! * What came before a request is dropped before it is sent.
//! * After a request without an answer the line has to be silent for [`drain`](Client::with_drain): whatever comes in that time
//!   is too late and is dropped. A link does so before a retry and before the next request, whichever node that is for.
//! * If nothing came in that time, the answer may still come. So after the next exchange the line is drained once more, for one
//!   timeout.
//!
//! # What BSMP cannot tell apart
//!
//! * An answer of the same kind and size that comes even later than timeout and drain, while another request is in flight. It
//!   costs one wrong value; the drain after that exchange drops the answer that it took the place of.
//! * The second copy of an answer that comes twice, while the next request of the same kind and size is in flight. Each answer may
//!   then be taken for the next one until the line is silent for once.
//!
//! On RS-485 and TCP nothing doubles or delays messages on the way: set `drain` to the longest time that a node may take, and both
//! are impossible. On UDP they are not. Where a wrong value does harm, choose requests whose answers differ: a group of its own
//! size, a block of a curve, which names itself. A curve that is written is certain only with a checksum (`curve::Md5`).
//!
//! # Time
//!
//! The [timeout](Client::with_timeout) begins when the last byte of the request has left, however long that takes. On a bus
//! (`framing::packet`, which knows the speed of the line) the answer has to begin before it ends; one of which a part is there is
//! waited for, at most as long as the longest packet takes. Elsewhere the whole answer has to be there.
//!
//! A broadcast is answered by nobody. `Link::send` keeps the gap in front of the next packet, but does not know how long the
//! nodes need: see [`Client::post`].
//!
//! # Retries
//!
//! None by default. [`with_retries`](Client::with_retries) repeats a request whose answer is missing if that does no harm:
//! reads and plain writes, but not XOR and toggle, group creation, curve blocks and functions.

use core::time::Duration;

use super::{Address, Command, Full, Header, Payload, Refusal, Version};
use crate::line::{Caller, Verdict};
use crate::shown::shown;
use crate::source::SourceFailed;

/// The master's side of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Client {
    to: Option<Address>,
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    timeout: Duration,
    /// `None`: as long as the default says.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    drain: Option<Duration>,
    retries: u8,
}

impl Client {
    /// How long a master waits for an answer by default.
    pub const TIMEOUT: Duration = Duration::from_millis(100);
    /// For how long, at least, the line is silent by default after a request without an answer.
    pub const DRAIN: Duration = Duration::from_secs(1);

    /// A master of bare messages, as on TCP and UDP. Waits 100 ms for an answer.
    #[must_use]
    pub const fn new() -> Self {
        Self { to: None, timeout: Self::TIMEOUT, drain: None, retries: 0 }
    }

    /// A master on a bus that talks to `address`: the address goes in front of each message. Waits 100 ms for an answer.
    #[must_use]
    pub const fn to(address: Address) -> Self {
        Self { to: Some(address), ..Self::new() }
    }

    /// How long to wait for an answer after the request has left: see [Time](self#time).
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long the line has to be silent after a request whose answer is missing, before the next request: as long as an answer
    /// may still come. By default [`DRAIN`](Self::DRAIN), or twice the timeout if that is longer. With zero the next request is
    /// sent at once, and a late answer is taken for its answer.
    ///
    /// A node that does not answer costs this time, and the nodes that are asked after it wait. If the nodes of a bus answer
    /// within 5 ms or never, 5 ms are enough.
    #[must_use]
    pub const fn with_drain(mut self, drain: Duration) -> Self {
        self.drain = Some(drain);
        self
    }

    /// How often to repeat a request that does no harm when it arrives twice.
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

    /// How long the line is silent after a request without an answer.
    #[must_use]
    pub fn drain(&self) -> Duration {
        // Not multiplied: that keeps a path to a panic at opt-level z.
        self.drain.unwrap_or_else(|| self.timeout.saturating_add(self.timeout).max(Self::DRAIN))
    }

    /// How often a harmless request is repeated.
    #[must_use]
    pub const fn retries(&self) -> u8 {
        self.retries
    }

    /// Writes a request whose answer nobody waits for, and returns its length: for multicast and broadcast, and for
    /// functions that never answer.
    ///
    /// `Link::send` sends it. Before the next request leave the line alone for as long as the slowest node needs to execute this
    /// one: a node that is busy does not hear it.
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

    /// What a message is to a request of type `R`. `None` if it is not for the master.
    pub fn answer<'m, R: Request + ?Sized>(
        &self,
        expect: &R::Expect,
        message: &'m [u8],
    ) -> Option<Answer<R::Response<'m>>> {
        let message = self.open(message)?;
        let Some((Header { command, .. }, payload)) = Header::parse(message) else {
            return Some(Answer::Foreign(Error::Malformed));
        };
        Some(match (command, Refusal::from_code(command.0), payload) {
            _ if command == R::ANSWER => match R::decode(expect, payload) {
                Ok(response) => Answer::Ours(Ok(response)),
                // Right kind, but it cannot belong to what was asked.
                Err(error) => Answer::Foreign(error),
            },
            (Command::FUNCTION_ERROR, _, [error]) if R::COMMAND == Command::EXECUTE => {
                Answer::Ours(Err(Error::Function(*error)))
            }
            (Command::FUNCTION_ERROR, ..) if R::COMMAND == Command::EXECUTE => Answer::Foreign(Error::WrongSize),
            (_, Some(refusal), []) => Answer::Ours(Err(Error::Node(refusal))),
            (_, Some(_), _) => Answer::Foreign(Error::WrongSize),
            _ => Answer::Foreign(Error::Unexpected(command)),
        })
    }
}

/// What a message that is addressed to the master is to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer<T> {
    /// Its answer: a response, or the node's refusal.
    Ours(Result<T, Error>),
    /// It cannot be its answer, for this reason.
    Foreign(Error),
}

// Without the response, which may be the bytes of a value.
shown!([T] Answer<T>, |answer| "Answer({})", match answer {
    Answer::Ours(Ok(_)) => "ours",
    Answer::Ours(Err(_)) => "ours, a refusal",
    Answer::Foreign(_) => "foreign",
});

impl Default for Client {
    fn default() -> Self {
        Self::new()
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
    /// What was wrong with what came instead of an answer.
    instead: Option<Error>,
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
        Ok((length, Pending { expect: request.expect(), length, retries, instead: None }))
    }

    fn timeout(&self, _: &Self::Pending) -> Duration {
        self.timeout
    }

    fn drain(&self) -> Duration {
        self.drain()
    }

    fn receive(&mut self, pending: &mut Self::Pending, message: &[u8], _: &mut [u8]) -> Verdict {
        match self.answer::<R>(&pending.expect, message) {
            Some(Answer::Ours(_)) => Verdict::Answer,
            Some(Answer::Foreign(error)) => {
                pending.instead = Some(error);
                Verdict::Foreign
            }
            None => Verdict::Foreign,
        }
    }

    fn retry(&mut self, pending: &mut Self::Pending, _: &mut [u8]) -> Option<usize> {
        pending.retries = pending.retries.checked_sub(1)?;
        Some(pending.length)
    }

    fn decode<'m>(&self, pending: &Self::Pending, message: &'m [u8]) -> Result<R::Response<'m>, Error> {
        match self.answer::<R>(&pending.expect, message) {
            Some(Answer::Ours(response)) => response,
            Some(Answer::Foreign(error)) => Err(error),
            None => Err(Error::Malformed),
        }
    }

    fn instead(&self, pending: &Self::Pending) -> Option<Error> {
        pending.instead
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
    /// Time: no answer in a routine, not even to its retries.
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
