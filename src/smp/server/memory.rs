//! What a server remembers of its responses.

use core::time::Duration;

mod answers;
mod peers;
mod record;

pub use answers::Answers;
pub use peers::PeerAnswers;

use crate::line::Peer;
use crate::shown::shown;

/// What a memory knows of a request that has arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Known<'m> {
    /// Nothing: it is executed.
    Nothing,
    /// It was executed, and this was the response: it is sent again.
    Response(&'m [u8]),
    /// It was executed, and its response is not stored: rc 10,
    /// [`Error::BUSY`](crate::smp::Error::BUSY).
    Executed,
}

shown!(
    Known<'_>,
    |known| "Known({} bytes)",
    match known {
        Known::Response(response) => response.len(),
        Known::Nothing | Known::Executed => 0,
    }
);

/// What a server remembers of its responses: nothing, which is `()`, or the last writes, which is
/// [`Answers`] for one peer and [`PeerAnswers`] for more.
///
/// The server calls [`received`](Self::received) once for each request, then
/// [`remember`](Self::remember) if that was a write that it executed. See [Repeats](super#repeats).
pub trait Memory {
    /// How a request is recognised.
    type Fingerprint: Copy;

    /// Whether anything is kept at all: if not, no request is fingerprinted.
    fn is_used(&self) -> bool;

    /// The fingerprint of a write request, header and payload.
    fn fingerprint(&self, request: &[u8]) -> Self::Fingerprint;

    /// A request of `peer` has arrived: returns what is known of it.
    ///
    /// `fingerprint` is `None` for requests that are never remembered: reads, echo, later pieces of
    /// an upload.
    fn received(&mut self, peer: Peer, request: &[u8], fingerprint: Option<Self::Fingerprint>) -> Known<'_>;

    /// A write of `peer` was executed; `response` is empty if there was no room for one.
    fn remember(&mut self, peer: Peer, fingerprint: Self::Fingerprint, response: &[u8]);

    /// Time has passed.
    fn tick(&mut self, elapsed: Duration);
}

/// Nothing is remembered: a write whose response is lost runs again when the client repeats it.
/// Takes no flash.
impl Memory for () {
    type Fingerprint = ();

    fn is_used(&self) -> bool {
        false
    }

    fn fingerprint(&self, _: &[u8]) {}

    fn received(&mut self, _: Peer, _: &[u8], _: Option<()>) -> Known<'_> {
        Known::Nothing
    }

    fn remember(&mut self, _: Peer, (): (), _: &[u8]) {}

    fn tick(&mut self, _: Duration) {}
}
