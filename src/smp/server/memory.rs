//! The memory of a server for repeated writes and their responses.

use core::time::Duration;

mod answers;
mod peers;
mod record;

pub use answers::Answers;
pub use peers::PeerAnswers;

use crate::line::Peer;
use crate::shown::shown;
use crate::time::Span;

/// The result of looking up a received request in a memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Known<'m> {
    /// A new request: the handler executes it.
    Nothing,
    /// A request that was executed with this response, which is sent again.
    Response(&'m [u8]),
    /// A request that was executed, and whose response is not stored: the peer gets rc 10,
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

/// The memory of a server for repeated writes: none (`()`), [`Answers`] for one peer, or
/// [`PeerAnswers`] for several.
///
/// The server calls [`received`](Self::received) once for each request, then
/// [`remember`](Self::remember) if that was a write that it executed; no time passes in between.
/// See [Repeats](super#repeats).
pub trait Memory {
    /// The value by which a repeated request is recognised.
    type Fingerprint: Copy;

    /// Returns `false` if nothing is ever stored: then no request is fingerprinted.
    fn is_used(&self) -> bool;

    /// Returns the fingerprint of a write request, header and payload.
    fn fingerprint(&self, request: &[u8]) -> Self::Fingerprint;

    /// Counts a request that `peer` sent, and looks it up.
    ///
    /// `fingerprint` is `None` for requests that are never remembered: reads, echo, later pieces of
    /// an upload.
    fn received(&mut self, peer: Peer, request: &[u8], fingerprint: Option<Self::Fingerprint>) -> Known<'_>;

    /// Stores a write that `peer` sent and that was executed; `response` is empty if there was no
    /// room for one.
    fn remember(&mut self, peer: Peer, fingerprint: Self::Fingerprint, response: &[u8]);

    /// Called when time has passed.
    fn tick(&mut self, elapsed: Duration);

    /// The same as [`tick`](Self::tick), in the unit that a line counts in; by default it calls
    /// `tick`. Drivers call this one.
    fn passed(&mut self, elapsed: Span) {
        self.tick(elapsed.to_duration());
    }
}

/// Remembers nothing: a write runs again if its response is lost and the client repeats it. Takes
/// no flash.
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

    fn passed(&mut self, _: Span) {}
}
