//! Requests in flight.

use core::marker::PhantomData;

use super::{Error, Request};
use crate::line::Verdict;
use crate::s3mp::{Address, Counter, Header, ResponseCode};
use crate::shown::shown;

/// A request in flight, of the kind `K`. Dropping it cancels the request.
///
/// It borrows nothing, so it can be kept in a struct or a static: `Pending<Get>`,
/// `Pending<Set<'static>>`.
#[must_use]
pub struct Pending<K> {
    address: Address,
    pub(super) counter: Counter,
    pub(super) len: usize,
    pub(super) retries: u8,
    kind: PhantomData<fn() -> K>,
}

shown!([K] Pending<K>, |it| "Pending({:?}, {} bytes, {} retries)", it.counter, it.len, it.retries);

impl<K: Request> Pending<K> {
    pub(super) const fn new(address: Address, counter: Counter, len: usize, retries: u8) -> Self {
        Self { address, counter, len, retries, kind: PhantomData }
    }

    /// Returns true if `message` is the response: it has the counter and the address of the
    /// request, or is an error about something unreadable, with zero in place of one or both.
    ///
    /// An error about something unreadable is accepted only after the last retry: the request is
    /// sent again at once instead. If noise has caused the error, the response to the first request
    /// is a late one.
    #[must_use]
    pub fn accepts(&self, message: &[u8]) -> bool {
        self.verdict(message) == Verdict::Answer
    }

    /// Reads the response.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] for every code but ACK, known or not; [`Error::Malformed`].
    pub fn decode<'m>(&self, message: &'m [u8]) -> Result<K::Response<'m>, Error> {
        match Header::<ResponseCode>::parse(message) {
            Some((Header { code: ResponseCode::ACK, .. }, data)) => K::decode(data),
            Some((header, _)) => Err(Error::Remote(header.code)),
            None => Err(Error::Malformed),
        }
    }

    /// The relation of a received message to the request.
    pub(super) fn verdict(&self, message: &[u8]) -> Verdict {
        let Some((header, _)) = Header::<ResponseCode>::parse(message) else { return Verdict::Foreign };
        match header.code {
            // Whatever their counter is, these never respond to anything.
            ResponseCode::PUSH | ResponseCode::DEBUG => Verdict::Unsolicited,
            _ if self.retries > 0 && is_unread(message) => Verdict::Foreign,
            _ if header.counter == self.counter && header.address == self.address => Verdict::Answer,
            // The slave could not read the counter, or the whole command. Only one request is in
            // flight, so the error is about that one.
            code if code.is_error()
                && (header.counter == Counter::NONE || header.counter == self.counter)
                && (header.address == Address::HOST || header.address == self.address) =>
            {
                Verdict::Answer
            }
            _ if header.counter == Counter::NONE => Verdict::Unsolicited,
            // A late response to an earlier request, or one that was damaged on its way.
            _ => Verdict::Foreign,
        }
    }
}

/// Returns true if the slave reports that it could not read something: a damaged command, or noise.
pub(in crate::s3mp) fn is_unread(message: &[u8]) -> bool {
    Header::<ResponseCode>::parse(message).is_some_and(|(header, _)| match header.code {
        ResponseCode::INVALID => true,
        // With the address of the command it refers to the command's data.
        ResponseCode::BAD_REQUEST => header.address == Address::HOST && header.counter == Counter::NONE,
        _ => false,
    })
}
