//! What drivers and protocols ask of each other: a client, a server, and where everything else goes.

use core::time::Duration;

use super::Damage;
use crate::shown::shown;

/// Who sent a message: a number that the port gives to each sender, as an address on a network. 0 is the only one there
/// is, on a port with one peer.
///
/// Policy, answer memory and sessions of a server go by it. Two senders never have the same number while a port remembers
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct Peer(pub u32);

/// What a received message is to a request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum Verdict {
    /// Its response: [`Caller::decode`] may read it.
    Answer,
    /// Not its business, for example a late response to an earlier request: dropped and counted; the wait goes on.
    Foreign,
    /// A message that the peer sends unasked: handed to the [`Sink`]; the wait goes on.
    Unsolicited,
    /// The peer asks for the request in another form, which is now in the first bytes of `tx`: this many.
    Again(usize),
}

/// A client, as a line sees it: how to make one request of type `R` and to recognise its response.
pub trait Caller<R: ?Sized> {
    /// A request in flight. To drop it is to cancel it.
    type Pending;
    /// The response, borrowed from the received message.
    type Response<'m>;
    /// Why there is no response although a message was received, or why there is no request.
    type Error;

    /// Writes the request into the front of `tx`; returns its length and the value that recognises its response.
    ///
    /// # Errors
    ///
    /// If the request does not fit `tx`, or cannot be expressed.
    fn request(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Self::Pending), Self::Error>;

    /// How long to wait for the response before [`retry`](Self::retry), from the moment at which the last byte has left.
    fn timeout(&self, pending: &Self::Pending) -> Duration;

    /// How long the line has to be silent after a request whose response is missing, because a late one could be taken for
    /// the response to the next request. Zero where a response names its request.
    fn drain(&self) -> Duration {
        Duration::ZERO
    }

    /// Says what a received message is to the request. `tx` still holds the request.
    fn receive(&mut self, pending: &mut Self::Pending, message: &[u8], tx: &mut [u8]) -> Verdict;

    /// The timeout has passed: returns the length of the repeated request in `tx`, or `None` to give up.
    fn retry(&mut self, pending: &mut Self::Pending, tx: &mut [u8]) -> Option<usize>;

    /// No response came: what was wrong with the messages that came instead, if any could almost have been one.
    fn instead(&self, pending: &Self::Pending) -> Option<Self::Error> {
        let _ = pending;
        None
    }

    /// Reads the response that [`receive`](Self::receive) has recognised.
    ///
    /// # Errors
    ///
    /// If the peer refused the request, or its response is malformed.
    fn decode<'m>(&self, pending: &Self::Pending, message: &'m [u8]) -> Result<Self::Response<'m>, Self::Error>;
}

/// What every server has, in both colours: all but the handling of a message.
pub trait Serve {
    /// What is to be done after the response has left, for example a reset of the device; by default nothing.
    type After: Default + PartialEq;

    /// The buffer size that this server promises to its peers, in bytes; `None` if it promises nothing. A link whose framing
    /// cannot take messages of that size refuses to serve.
    fn buffer_size(&self) -> Option<usize> {
        None
    }

    /// A damaged message was dropped; returns the length of a response in `tx`, 0 for none.
    fn damaged(&mut self, damage: Damage, tx: &mut [u8]) -> usize {
        let _ = (damage, tx);
        0
    }

    /// Time has passed, whether bytes came in it or not.
    fn tick(&mut self, elapsed: Duration) {
        let _ = elapsed;
    }

    /// Whether there is something to send unasked; returns its length in `tx`, 0 for nothing. Called after each message and
    /// each tick until it returns 0.
    fn poll(&mut self, tx: &mut [u8]) -> usize {
        let _ = tx;
        0
    }
}

/// A server, as the blocking driver sees it. Its async twin is in [`asynch`].
pub trait Service: Serve {
    /// Handles one message of `peer`; returns the length of the response in `tx`, 0 for none.
    fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, Self::After);
}

/// Receives what belongs to no exchange. Every method has an empty default; `()` ignores everything, and a
/// `FnMut(&[u8])` in [`Text`] receives console text.
pub trait Sink {
    /// Bytes outside of any frame: console text on the same wire.
    fn text(&mut self, text: &[u8]) {
        let _ = text;
    }

    /// A message that the peer sent unasked.
    fn unsolicited(&mut self, message: &[u8]) {
        let _ = message;
    }

    /// A damaged message was dropped.
    fn dropped(&mut self, damage: Damage) {
        let _ = damage;
    }

    /// A frame passed the wire, for a trace: `sent` is its direction. The message, not its framing.
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

/// What differs where a server may await.
pub mod asynch {
    use super::{Peer, Serve};

    /// A server, as the async driver sees it.
    pub trait Service: Serve {
        /// Handles one message of `peer`; returns the length of the response in `tx`, 0 for none.
        ///
        /// # Cancellation
        ///
        /// A dropped call leaves the request unanswered; what the handler had begun is the handler's business.
        fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> impl Future<Output = (usize, Self::After)>;
    }
}
