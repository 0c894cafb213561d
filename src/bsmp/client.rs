//! The master: writes requests and reads their answers.
//!
//! ```text
//!   request ──▶ Client::request ──▶ tx[..len], Pending<K> ──▶ (the driver sends, waits, retries)
//!                                                 │
//!   message ──▶ Pending::accepts ── false: foreign, the wait continues
//!                    └─ true ──▶ Pending::decode ──▶ Response  or  Error::Remote, Error::Function
//! ```
//!
//! A [`Client`] is an address and a timeout. It holds no state of an exchange: a request in flight
//! is a [`Pending`], and dropping it cancels the request.
//!
//! ```
//! use anysmp::bsmp::{Address, Client, Error, Pending, Refusal, variable::Read};
//!
//! /// A request in flight names its kind, so it can be kept in a struct or a static.
//! struct Reading { pending: Pending<Read> }
//!
//! let client = Client::new().with_address(Address::node(5).unwrap());
//! let mut tx = [0; 16];
//! let (len, pending) = client.request(&Read { id: 0, size: Some(2) }, &mut tx)?;
//! assert_eq!(tx[..len], [5, 0x10, 0, 1, 0]);
//! let reading = Reading { pending };
//!
//! let answer = [0, 0x11, 0, 2, 0x12, 0x34];
//! assert!(reading.pending.accepts(&answer));
//! assert_eq!(reading.pending.decode(&answer), Ok(&[0x12, 0x34][..]));
//! assert_eq!(reading.pending.decode(&[0, 0xE8, 0, 0]), Err(Error::Remote(Refusal::Busy)));
//!
//! // Foreign, and the wait continues: an answer of another size; our own echo.
//! assert!(!reading.pending.accepts(&[0, 0x11, 0, 1, 0x12]));
//! assert!(!reading.pending.accepts(&[5, 0x10, 0, 1, 0]));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Answers
//!
//! A BSMP answer names neither its request nor its sender, only its own kind. So:
//!
//! * A message is accepted only if it can answer *this* request: its command is the one that
//!   belongs to the request, or a refusal; its length is right; and size, curve and block are those
//!   that were requested. Everything else, including a packet that is not addressed to the master
//!   (its own echo), is foreign, and the wait continues. If no answer comes, the error describes
//!   the fault of the message that came instead.
//! * Messages that came before a request are dropped before the request is sent.
//! * After a request without an answer the line has to be silent for [`drain`](Client::with_drain):
//!   whatever comes in that time is too late and is dropped. A link does so before a retry and
//!   before the next request, whichever node it is for.
//! * If nothing came in that time, the answer may still come. So the line is drained once more
//!   after the next exchange, for one timeout.
//!
//! # Answers that BSMP cannot distinguish
//!
//! * An answer of the same kind and size that comes even later than timeout and drain, while
//!   another request is in flight. It costs one wrong value; the drain after that exchange drops
//!   the answer whose place it took.
//! * The second copy of an answer that comes twice, while the next request of the same kind and
//!   size is in flight. Each answer may then be taken for the next one until the line falls silent.
//!
//! On RS-485 and TCP nothing doubles or delays messages on the way: set `drain` to the longest time
//! that a node may take, and both are impossible. On UDP they are not. Where a wrong value does
//! harm, choose requests whose answers differ: a group of its own size, or a block of a curve,
//! which contains its number. A written curve is certain to be right only with a checksum
//! (`curve::Md5`).
//!
//! # Time
//!
//! The [timeout](Client::with_timeout) begins when the last byte of the request has left, however
//! long that takes. On a bus (`framing::packet`, which has the speed of the line) the answer has to
//! begin before the timeout ends; if an answer is just arriving, the wait continues, at most for
//! the time of the longest packet. Elsewhere the whole answer has to be there.
//!
//! Nobody answers a broadcast. `Link::send` keeps the gap in front of the next packet, but the time
//! that the nodes need is unknown to it: see [`Client::post`].
//!
//! # Retries
//!
//! None by default. [`with_retries`](Client::with_retries) repeats an unanswered request that
//! [may run twice](Request::is_idempotent): reads and plain writes, but not XOR and toggle, group
//! creation, curve blocks and functions.

mod error;
mod pending;
mod request;

use core::time::Duration;

pub use error::Error;
pub use pending::Pending;
pub(super) use pending::{Judged, judge};
pub use request::{Request, Response};

use super::{Address, Command, Header, Payload};
use crate::line::{Caller, Verdict};

/// The master's side of the protocol: the address of a node, and the times to wait for it. 40
/// bytes. BSMP numbers no requests, so a request does not change it.
///
/// The setters may come in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Client {
    to: Option<Address>,
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    timeout: Duration,
    /// `None` for the default.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    drain: Option<Duration>,
    retries: u8,
}

const _: () = assert!(size_of::<Client>() <= 40);

impl Client {
    /// The time that a master waits for an answer by default: 100 ms.
    pub const TIMEOUT: Duration = Duration::from_millis(100);
    /// The least silence, by default, after a request without an answer: 1 s.
    pub const DRAIN: Duration = Duration::from_secs(1);
    /// The number of times that an unanswered request is repeated by default: 0.
    pub const RETRIES: u8 = 0;

    /// A master of bare messages, as on TCP and UDP. For a bus, add
    /// [`with_address`](Self::with_address).
    #[must_use]
    pub const fn new() -> Self {
        Self { to: None, timeout: Self::TIMEOUT, drain: None, retries: Self::RETRIES }
    }

    /// Puts `address` in front of each message, for a bus.
    #[must_use]
    pub const fn with_address(mut self, address: Address) -> Self {
        self.to = Some(address);
        self
    }

    /// Sets the time to wait for an answer after the request has left: see [Time](self#time).
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the silence that the line needs after a request whose answer is missing, before the
    /// next request: the time for which an answer may still come. By default
    /// [`DRAIN`](Self::DRAIN), or twice the timeout if that is longer. With zero the next request
    /// is sent at once, and a late answer passes for its answer.
    ///
    /// A node that does not answer costs this time, and the nodes after it have to wait. If the
    /// nodes of a bus answer within 5 ms or never, 5 ms are enough.
    #[must_use]
    pub const fn with_drain(mut self, drain: Duration) -> Self {
        self.drain = Some(drain);
        self
    }

    /// Repeats an unanswered request at most `retries` times, if it
    /// [may run twice](Request::is_idempotent).
    #[must_use]
    pub const fn with_retries(mut self, retries: u8) -> Self {
        self.retries = retries;
        self
    }

    /// The address to which requests go, on a bus.
    #[must_use]
    pub const fn address(&self) -> Option<Address> {
        self.to
    }

    /// The time that the master waits for an answer.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The silence after a request without an answer.
    #[must_use]
    pub fn drain(&self) -> Duration {
        // A sum, since a multiplication keeps a path to a panic at opt-level z.
        self.drain.unwrap_or_else(|| self.timeout.saturating_add(self.timeout).max(Self::DRAIN))
    }

    /// The number of times that an unanswered request is repeated if it may run twice.
    #[must_use]
    pub const fn retries(&self) -> u8 {
        self.retries
    }

    /// Writes a request to the front of `tx`; returns its length in bytes and the value that
    /// recognises its answer.
    ///
    /// # Errors
    ///
    /// [`Error::NoAnswer`] if the address is not one node's, [`Error::BufferFull`],
    /// [`Error::Argument`].
    pub fn request<R: Request>(&self, request: &R, tx: &mut [u8]) -> Result<(usize, Pending<R::Kind>), Error> {
        // A wait for an answer that nobody sends would only end with a timeout.
        if self.to.is_some_and(|address| !address.is_node()) {
            return Err(Error::NoAnswer);
        }
        let len = self.post(request, tx)?;
        // The first one may have run although its answer was lost.
        let retries = if request.is_idempotent() { self.retries } else { 0 };
        Ok((len, Pending::new(request.expectation(), self.is_on_bus(), len, retries)))
    }

    /// Writes a request whose answer is not awaited, and returns its length in bytes: for multicast
    /// and broadcast, and for functions that never answer.
    ///
    /// `Link::send` sends it. Then send nothing for as long as the slowest node needs to execute
    /// the request: a busy node misses the next one.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`] or [`Error::Argument`].
    pub fn post<R: Request>(&self, request: &R, tx: &mut [u8]) -> Result<usize, Error> {
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
        let len = u16::try_from(payload.len()).unwrap_or(u16::MAX);
        *head = Header { command, len }.emit();
        Ok(start + Header::LEN + usize::from(len))
    }

    /// Returns true if messages have an address in front of them.
    pub(super) const fn is_on_bus(&self) -> bool {
        self.to.is_some()
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Request> Caller<R> for Client {
    type Pending = Pending<R::Kind>;
    type Response<'m> = Response<'m, R>;
    type Error = Error;

    fn request(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Self::Pending), Error> {
        Self::request(self, request, tx)
    }

    fn timeout(&self, _: &Self::Pending) -> Duration {
        self.timeout
    }

    fn drain(&self) -> Duration {
        self.drain()
    }

    fn receive(&mut self, pending: &mut Self::Pending, message: &[u8], _: &mut [u8]) -> Verdict {
        if pending.receive(message) { Verdict::Answer } else { Verdict::Foreign }
    }

    fn retry(&mut self, pending: &mut Self::Pending, _: &mut [u8]) -> Option<usize> {
        pending.retry()
    }

    fn decode<'m>(&self, pending: &Self::Pending, message: &'m [u8]) -> Result<Response<'m, R>, Error> {
        pending.decode(message)
    }

    fn instead(&self, pending: &Self::Pending) -> Option<Error> {
        pending.instead()
    }
}

/// Reads the payload of "done", which is empty.
pub(super) fn done(payload: &[u8]) -> Result<(), Error> {
    if payload.is_empty() { Ok(()) } else { Err(Error::WrongSize) }
}
