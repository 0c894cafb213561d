//! Requests in flight, which recognise their responses.

use core::marker::PhantomData;
use core::time::Duration;

use super::{Error, answers, payload};
use crate::shown::shown;
use crate::smp::{Header, Request, Version};

/// A request in flight, of the kind `K`. Dropping it cancels the request.
///
/// It borrows nothing, so it can be kept in a struct or a static: `Pending<os::Reset>`,
/// `Pending<os::Echo<'static>>`. A response can only be decoded as one of this kind.
#[must_use]
pub struct Pending<K> {
    pub(super) header: Header,
    /// The version in which the request was first written.
    pub(super) asked: Version,
    pub(super) timeout: Duration,
    pub(super) retries: u8,
    pub(super) kind: PhantomData<fn() -> K>,
}

shown!([K] Pending<K>, |it| "Pending({:?}, {} retries)", it.header, it.retries);

impl<K> Pending<K> {
    /// The header that was sent.
    #[must_use]
    pub const fn header(&self) -> Header {
        self.header
    }

    /// Returns true if `message` is the response to this request: see [Responses](super#responses).
    #[must_use]
    pub fn accepts(&self, message: &[u8]) -> bool {
        answers(&self.header, message)
    }

    /// Uses one retry; returns the length of the request, which has not changed.
    pub(super) fn retry(&mut self) -> Option<usize> {
        self.retries = self.retries.checked_sub(1)?;
        Some(self.len())
    }

    /// The length of the request in bytes, with its header.
    pub(super) fn len(&self) -> usize {
        Header::LEN + usize::from(self.header.length)
    }
}

impl<K: Request> Pending<K> {
    /// Reads the response.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] if the peer refused, [`Error::Malformed`] if the response makes no sense.
    pub fn decode<'m>(&self, message: &'m [u8]) -> Result<K::Response<'m>, Error> {
        K::response(payload(message)?)
    }
}
