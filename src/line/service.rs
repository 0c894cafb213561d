//! The traits between drivers and protocols: clients, servers, and the sink for everything else.

use core::time::Duration;

use super::Damage;
use crate::shown::shown;
use crate::time::Span;

/// The sender of a message: a number that the port assigns to each address. On a port with one peer
/// it is 0.
///
/// Policy, answer memory and sessions of a server distinguish clients by it. Two senders never have
/// the same number while the port remembers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct Peer(pub u32);

/// The relation of a received message to a request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Verdict {
    /// It is the response: [`Caller::decode`] reads it.
    Answer,
    /// It belongs to something else, for example a late response to an earlier request: it is
    /// dropped and counted, and the wait continues.
    Foreign,
    /// The peer sent it without a request: it is handed to the [`Sink`], and the wait continues.
    Unsolicited,
    /// The peer requires the request in another form, which is now in `tx` and this many bytes
    /// long.
    Again(usize),
}

/// A client that can make requests of type `R` and recognise their responses.
pub trait Caller<R: ?Sized> {
    /// A request in flight. Dropping it cancels the request.
    type Pending;
    /// The response, borrowed from the received message.
    type Response<'m>;
    /// The reason why a request could not be made, or a received message is not a response.
    type Error;

    /// Writes the request into the front of `tx`; returns its length and the value that recognises
    /// its response.
    ///
    /// # Errors
    ///
    /// We: the request does not fit `tx`, or cannot be expressed.
    fn request(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Self::Pending), Self::Error>;

    /// The time to wait for the response before [`retry`](Self::retry), from the moment at which
    /// the last byte has left.
    fn timeout(&self, pending: &Self::Pending) -> Duration;

    /// The silence that the line needs after a request whose response is missing, because a late
    /// one could pass for the response to the next request. Zero where a response identifies its
    /// request.
    fn drain(&self) -> Duration {
        Duration::ZERO
    }

    /// Compares a received message with the request. `tx` still holds the request.
    fn receive(&mut self, pending: &mut Self::Pending, message: &[u8], tx: &mut [u8]) -> Verdict;

    /// Called when the timeout has passed: returns the length of the repeated request in `tx`, or
    /// `None` to give up.
    fn retry(&mut self, pending: &mut Self::Pending, tx: &mut [u8]) -> Option<usize>;

    /// Called when no response came: returns the error of a message that was almost the response,
    /// if there was one.
    fn instead(&self, pending: &Self::Pending) -> Option<Self::Error> {
        let _ = pending;
        None
    }

    /// Decodes the response that [`receive`](Self::receive) has recognised.
    ///
    /// # Errors
    ///
    /// The peer: it refused the request, or its response is malformed.
    fn decode<'m>(&self, pending: &Self::Pending, message: &'m [u8]) -> Result<Self::Response<'m>, Self::Error>;
}

/// The part of a server that is the same in both drivers: everything but the handling of a message.
pub trait Serve {
    /// An action to take after the response has left, for example a reset of the device; by default
    /// none.
    type After: Default + PartialEq;

    /// The buffer size that this server promises to its peers, in bytes; `None` if it promises
    /// nothing. A link whose framing cannot receive messages of that size refuses to serve.
    fn buffer_size(&self) -> Option<usize> {
        None
    }

    /// Called when a damaged message was dropped; returns the length of a response in `tx`, 0 for
    /// none.
    fn damaged(&mut self, damage: Damage, tx: &mut [u8]) -> usize {
        let _ = (damage, tx);
        0
    }

    /// Called when time has passed, whether bytes have come or not.
    ///
    /// While a response is leaving, a driver does not call it: that time is part of the next call,
    /// which is made before the next message is handed out. The time of other operations of the
    /// link, such as `recv` or `call`, is not reported.
    fn tick(&mut self, elapsed: Duration) {
        let _ = elapsed;
    }

    /// The same as [`tick`](Self::tick), in the unit that a line counts in; by default it calls
    /// `tick`. Drivers call this one. A server that counts in a [`Span`] overrides it, so that no
    /// time is converted.
    fn passed(&mut self, elapsed: Span) {
        self.tick(elapsed.to_duration());
    }

    /// Writes an unsolicited message into `tx`, if there is one; returns its length, 0 for none.
    /// Called after each message and each tick until it returns 0.
    fn poll(&mut self, tx: &mut [u8]) -> usize {
        let _ = tx;
        0
    }
}

/// A server for the blocking driver and for your own loop. Its async twin is in [`asynch`].
pub trait Service: Serve {
    /// Handles one message that `peer` sent; returns the length of the response in `tx`, 0 for
    /// none, and the action to take when it has left.
    fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, Self::After);
}

/// Receives everything that belongs to no exchange. Every method does nothing by default; `()`
/// ignores everything, and a `FnMut(&[u8])` in [`Text`] receives console text.
pub trait Sink {
    /// Receives bytes outside any frame: console text on the same wire.
    fn text(&mut self, text: &[u8]) {
        let _ = text;
    }

    /// Receives a message that the peer sent without a request.
    fn unsolicited(&mut self, message: &[u8]) {
        let _ = message;
    }

    /// Called when a damaged message was dropped.
    fn dropped(&mut self, damage: Damage) {
        let _ = damage;
    }

    /// Receives each message for a trace, without its framing. `sent` is `true` if it was ours.
    fn traced(&mut self, message: &[u8], sent: bool) {
        let _ = (message, sent);
    }
}

impl Sink for () {}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn text(&mut self, text: &[u8]) {
        (**self).text(text);
    }

    fn unsolicited(&mut self, message: &[u8]) {
        (**self).unsolicited(message);
    }

    fn dropped(&mut self, damage: Damage) {
        (**self).dropped(damage);
    }

    fn traced(&mut self, message: &[u8], sent: bool) {
        (**self).traced(message, sent);
    }
}

/// A [`Sink`] that hands console text to a closure and ignores the rest.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the caller wraps a function in it")]
pub struct Text<F>(pub F);

shown!([F] Text<F>, |_| "Text");

impl<F: FnMut(&[u8])> Sink for Text<F> {
    fn text(&mut self, text: &[u8]) {
        (self.0)(text);
    }
}

/// The counterpart of [`Service`] for servers that may await.
pub mod asynch {
    use super::{Peer, Serve};

    /// A server for the async driver.
    pub trait Service: Serve {
        /// Handles one message that `peer` sent; returns the length of the response in `tx`, 0 for
        /// none, and the action to take when it has left.
        ///
        /// # Cancellation
        ///
        /// Dropping the future leaves the request unanswered. The implementation decides what
        /// happens to work that it has begun.
        fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> impl Future<Output = (usize, Self::After)>;
    }
}
