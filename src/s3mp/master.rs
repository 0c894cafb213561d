//! The master: typed requests, their counters and their responses.
//!
//! ```text
//!   request ─▶ Master::request ─▶ tx[..len], Pending<K>
//!   message ─▶ Pending::accepts ─┬─ true ──▶ Pending::decode ─▶ Response or Error
//!                                └─ false ─▶ Unsolicited::parse ─▶ PUSH, DEBUG, or foreign
//!   silence ─▶ Caller::retry ──▶ the same request with a new counter, or the end
//! ```
//!
//! One request is in flight at a time. A driver's `call` does all of this. `RESET` has no response
//! and so is not a request: [`Master::reset`] writes the message, a driver's `send` sends it.
//!
//! ```
//! use anysmp::s3mp::master::Set;
//! use anysmp::s3mp::{Address, Counter, Error, Master, ResponseCode, value::Value};
//!
//! let mut master = Master::new(Counter::FIRST);
//! let mut tx = [0; 64];
//! let on = Set { address: Address(2), value: Value::new(&[0xF5]) }; // true, in CBOR
//! let (len, pending) = master.request(&on, &mut tx)?;
//! assert_eq!(tx[..len], [0x11, 2, 1, 0xF5]);
//! assert_eq!(pending.decode(&[0x00, 2, 1]), Ok(()));
//! assert_eq!(pending.decode(&[0x44, 2, 1]), Err(Error::Remote(ResponseCode::NOT_FOUND)));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Retries
//!
//! When no response has come within the [timeout](Master::with_timeout), or at once when the slave
//! reports that it could not read the command (INVALID; BAD_REQUEST without address), the request
//! is sent again with a new counter, at most [twice](Master::with_retries). [`Invert`] is never
//! repeated: the slave may have obeyed it although its response was lost. Then GET shows the value,
//! and SET corrects it.

mod error;
mod names;
mod pending;
mod request;
mod unsolicited;

use core::time::Duration;

pub use error::{Error, error_text};
pub use names::{Names, NamesIter};
pub use pending::Pending;
pub(super) use pending::is_unread;
pub use request::{Describe, Get, Invert, Request, Response, Set, Status, Subscribe, Unsubscribe};
pub use unsolicited::Unsolicited;

use super::{Address, Command, Counter, HEADER_LEN, Header};
use crate::bytes::copy;
use crate::line::{Caller, Verdict};

/// The master's side of the protocol: numbers requests. 24 bytes.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Master {
    next: Counter,
    timeout: Duration,
    retries: u8,
}

const _: () = assert!(size_of::<Master>() <= 24);

impl Master {
    /// The time that a response may take by default: 1 s.
    pub const TIMEOUT: Duration = Duration::from_secs(1);
    /// The number of times that a request is repeated by default: 2.
    pub const RETRIES: u8 = 2;

    /// A master whose first command has the counter `first`, or the next one that is allowed.
    ///
    /// Start at random if an earlier master may have left responses on the line.
    #[must_use]
    pub const fn new(first: Counter) -> Self {
        Self { next: first, timeout: Self::TIMEOUT, retries: Self::RETRIES }
    }

    /// Sets the time that a response may take, from the moment at which the last byte of the
    /// request has left. It must be longer than the slave needs to run its handler and to abandon a
    /// partial frame.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Repeats an unanswered request at most `retries` times, if it
    /// [may run twice](Request::is_idempotent).
    #[must_use]
    pub const fn with_retries(mut self, retries: u8) -> Self {
        self.retries = retries;
        self
    }

    /// The time that a response may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The number of times that an unanswered request is repeated if it may run twice.
    #[must_use]
    pub const fn retries(&self) -> u8 {
        self.retries
    }

    /// Writes a request to the front of `tx`; returns its length in bytes and the value that
    /// recognises its response.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`].
    pub fn request<R: Request>(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Pending<R::Kind>), Error> {
        let len = self.emit(R::COMMAND, request.address(), request.data(), tx)?;
        let counter = tx.get(2).map_or(Counter::NONE, |counter| Counter(*counter));
        // The first one may have run although its response was lost.
        let retries = if request.is_idempotent() { self.retries } else { 0 };
        Ok((len, Pending::new(request.address(), counter, len, retries)))
    }

    /// Writes a RESET, which has no response; returns its length in bytes. The slave may need 2 s
    /// before it listens again.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`].
    pub fn reset(&mut self, address: Address, tx: &mut [u8]) -> Result<usize, Error> {
        self.emit(Command::RESET, address, &[], tx)
    }

    fn emit(&mut self, code: Command, address: Address, data: &[u8], tx: &mut [u8]) -> Result<usize, Error> {
        let (front, back) = tx.split_first_chunk_mut::<HEADER_LEN>().ok_or(Error::BufferFull)?;
        *front = Header { code, address, counter: Counter::NONE }.emit();
        let back = back.get_mut(..data.len()).ok_or(Error::BufferFull)?;
        copy(data, back);
        let len = data.len().saturating_add(HEADER_LEN);
        self.number(tx.get_mut(..len).ok_or(Error::BufferFull)?);
        Ok(len)
    }

    /// Gives the message the next counter whose frame has a check other than 00 and 01: receivers
    /// that cut frames at the first zero misread those. At most two in a row are skipped.
    fn number(&mut self, message: &mut [u8]) {
        for _ in 0..3 {
            if self.next == Counter::NONE {
                self.next = Counter::FIRST;
            }
            if let Some(counter) = message.get_mut(2) {
                *counter = self.next.0;
            }
            self.next = self.next.next();
            if check(message) > 1 {
                break;
            }
        }
    }
}

/// The check byte of a message's frame, without the frame: COBS adds to the sum of the bytes one
/// for each of them, one for the first block, and one for each block of 254 bytes.
fn check(message: &[u8]) -> u8 {
    let plain = message.iter().fold(1u8, |sum, byte| sum.wrapping_add(*byte).wrapping_add(1));
    let full = message
        .split(|byte| *byte == 0)
        .flat_map(|run| run.chunks_exact(254))
        .fold(plain, |sum, _| sum.wrapping_add(1));
    full.wrapping_neg()
}

impl<K> Pending<K> {
    /// Uses one retry: gives the request in `tx` a new counter, and returns its length.
    fn retry(&mut self, master: &mut Master, tx: &mut [u8]) -> Option<usize> {
        self.retries = self.retries.checked_sub(1)?;
        let message = tx.get_mut(..self.len)?;
        master.number(message);
        self.counter = Counter(*message.get(2)?);
        Some(self.len)
    }
}

impl<R: Request> Caller<R> for Master {
    type Pending = Pending<R::Kind>;
    type Response<'m> = Response<'m, R>;
    type Error = Error;

    fn request(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Self::Pending), Error> {
        self.request(request, tx)
    }

    fn timeout(&self, _: &Self::Pending) -> Duration {
        self.timeout
    }

    fn receive(&mut self, pending: &mut Self::Pending, message: &[u8], tx: &mut [u8]) -> Verdict {
        // Repeated at once, not at the timeout: the slave reports the fault within milliseconds.
        if is_unread(message)
            && let Some(len) = pending.retry(self, tx)
        {
            return Verdict::Again(len);
        }
        pending.verdict(message)
    }

    fn retry(&mut self, pending: &mut Self::Pending, tx: &mut [u8]) -> Option<usize> {
        pending.retry(self, tx)
    }

    fn decode<'m>(&self, pending: &Self::Pending, message: &'m [u8]) -> Result<Response<'m, R>, Error> {
        pending.decode(message)
    }
}
