//! The memory of a server for repeated writes and their responses.

use core::time::Duration;

mod answers;
mod peers;
mod record;

pub use answers::Answers;
pub use peers::PeerAnswers;

use super::answer::Incoming;
use crate::cbor::{Item, Reader, keys};
use crate::line::Peer;
use crate::shown::shown;
use crate::smp::{Group, Op};
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

/// Group and command as one number, which is compared at once.
const fn name(group: Group, command: u8) -> u32 {
    (group.0 as u32) << 8 | command as u32
}

/// Returns `true` if a request must not run twice: see [Repeats](super#repeats).
pub(super) fn runs_once(incoming: &Incoming<'_>) -> bool {
    // Called for every piece of an upload, so only the header and one key are read.
    const ECHO: u32 = name(Group::OS, 0);
    const IMAGE_PIECE: u32 = name(Group::IMAGE, 1);
    const FILE_PIECE: u32 = name(Group::FS, 0);
    match name(incoming.group(), incoming.command()) {
        _ if incoming.op() == Op::Read => false,
        ECHO => false,
        // A piece of an image or a file that is not the next one changes nothing: only the first
        // one does harm when it runs twice.
        IMAGE_PIECE | FILE_PIECE => {
            let mut reader = Reader::new(incoming.payload());
            // A handler may be able to read a payload that this crate cannot.
            if cfg!(target_os = "none") {
                // The function that reads requests is linked anyway. It reads to the end, so damage
                // after an offset is remembered too, which does no harm.
                let mut off = [Item::Null];
                reader.fields(keys!["off"], false, &mut off).is_err() || matches!(off, [Item::Unsigned(0)])
            } else {
                matches!(reader.value_of("off"), Err(_) | Ok(Some(Item::Unsigned(0))))
            }
        }
        _ => true,
    }
}
