//! The server: everything between a received message and the application's `match`.
//!
//! ```text
//!   message ─▶ header ─▶ length ─▶ repeat? ─▶ policy ─▶ parameters? ─▶ Handler::handle ─▶ tx
//!      │         │          │         │          │            └─ `with_parameters`: answered here
//!      │ <8: dropped        │         │          └─ refused: the policy's error
//!      │         │          │         └─ yes: the stored response or rc 10, nothing runs
//!      │         │          └─ more announced than arrived: rc 9
//!      │         └─ version 2, 3: rc 13; op 4..7: rc 8; op 1, 3: dropped
//! ```
//!
//! A [`Handler`] is usually a `match` over [`Incoming::group`] that calls the `dispatch` of each
//! group it serves, and responds to its vendor's groups itself. A [`Reply`] can be used once and
//! returns the [`Answer`], so that each request gets exactly one response.
//!
//! ```
//! use anysmp::line::Peer;
//! use anysmp::smp::server::{After, Answer, Answers, Handler, Incoming, Reply};
//! use anysmp::smp::{Empty, Error, Group, Op, Server, os};
//!
//! struct Device;
//!
//! impl os::Commands for Device {
//!     fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
//!         Ok(Empty {}) // a reset is welcome; it happens after the response has left
//!     }
//! }
//!
//! impl Handler for Device {
//!     fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
//!         match incoming.group() {
//!             Group::OS => os::dispatch(self, incoming, reply),
//!             _ => reply.error(Error::NOT_SUPPORTED),
//!         }
//!     }
//! }
//!
//! // Peer 1 is the service technician; nobody else may change anything.
//! let policy = |incoming: &Incoming<'_>, peer: Peer| {
//!     let is_allowed = incoming.op() == Op::Read || peer == Peer(1);
//!     if is_allowed { Ok(()) } else { Err(Error::ACCESS_DENIED) }
//! };
//! let mut memory = [0; Answers::memory_len(1, 32)];
//! let mut server = Server::new(Device, policy).with_parameters(1, 512).with_memory(&mut memory);
//!
//! // `Link::serve` does this with each message; here a reset, from a stranger and from peer 1.
//! let (reset, mut tx) = (b"\x0a\x00\x00\x01\x00\x00\x07\x05\xa0", [0; 64]);
//! assert_eq!(server.receive(reset, Peer(2), &mut tx).1, After::Nothing);
//! assert_eq!(server.receive(reset, Peer(1), &mut tx).1, After::Reset { force: false, mode: 0 });
//! ```
//!
//! # Repeats
//!
//! A client whose response was lost sends its request again, with the same header; and a network
//! may deliver a request twice, the second copy late. A write must not run again then. A server
//! with memory ([`Server::with_memory`], [`Answers`]) stores fingerprints of the last 8 writes of
//! each peer, and the response to the last one.
//!
//! | a write arrives that is | response | does it run |
//! |---|---|---|
//! | new, or has another sequence number | its own | yes |
//! | the last write of this peer, again | the stored one | no |
//! | the same, but the response was too long to be stored, or there was no room for one | `rc` 10 | no |
//! | the same, but the stored response no longer fits `tx` | `rc` 7 | no |
//! | one of the 7 writes before it, again; the last one too, if it has the 32-bit fingerprint of one of them | `rc` 10 | no |
//! | older than 8 writes, 128 requests or 10 s, again | its own | **yes** |
//! | equal to a write of another peer | its own | yes |
//! | of a peer that had to make room for another one, again | its own | **yes** |
//! | refused by the policy before, again | the policy is asked again | if it allows it |
//! | a reset, again | the stored one | no second reset |
//! | a later piece of an upload, again | its own | yes, without harm |
//!
//! A write is remembered for 10 s or for 128 further requests of its peer, whichever ends first; a
//! server that is never ticked has only the second limit. Reads and echo run each time and are
//! never remembered. The limits bound what a network may do: **a copy that is later runs again**,
//! as it does without memory. A simulation that delays messages for longer must count such runs
//! instead of expecting none.
//!
//! **Uploads.** Only the first piece (`off` 0) of an image or a file is remembered, because only
//! that one does harm when it runs twice: it would truncate a complete file, or erase a slot. A
//! later piece whose `off` is not the next one changes nothing and gets the right `off` in its
//! response. If all pieces were remembered, 8 of them, sent in less than a second, would push out
//! every earlier write; and a fingerprint takes 5 instructions per byte on a Cortex-M3, 10,000 for
//! a piece of 2 KB that is otherwise handled in 1,500. Finding `off` takes about 500. After 128
//! pieces the first one is forgotten like any write.
//!
//! **Equal writes.** Two processes that share an address are one peer. If both choose the same
//! sequence number (1 in 256 for clients that begin at random) and send the same write within the
//! limits, the second counts as a repeat: it gets the response and does not run. A shell command
//! that toggles something then toggles once.
//!
//! **Cancellation.** A write is remembered when its handler has returned. If the future of an async
//! handler is dropped earlier, the request is not remembered and a repeat runs again, whatever the
//! handler had done by then.
//!
//! **Peers.** The transport names the sender of a message ([`Peer`]). On a network where senders
//! can be forged, a stranger who sends writes from many addresses pushes out the writes of others:
//! make room for more peers, or have the policy refuse strangers, since a refused write is not
//! remembered. Your own [`Memory`] may keep more.
//!
//! # Stack
//!
//! Each group's `dispatch` is a separate, non-inlined call, so a server's peak stack is that of its
//! deepest group, not the sum of all groups. In a server of all groups that saves 208 to 256 bytes,
//! for up to 132 of flash.
//!
//! # Interpretation
//!
//! * Bytes after the payload, for example a second message in the same packet, are ignored.
//! * An empty payload counts as an empty map. A payload that cannot be decoded gets `rc` 3 even
//!   from a command without arguments; other servers ignore it there.
//! * A response that does not fit `tx` becomes `rc` 7, and none of it is sent.

use core::time::Duration;

mod answer;
mod handler;
mod memory;
mod parameters;
mod policy;

use answer::{AnswerBuffer, fill_gap, refuse};
use memory::runs_once;
use parameters::{is_parameters, say};

pub use answer::{After, Answer, Incoming, Reply};
pub use handler::{AsyncHandler, Handler};
pub use memory::{Answers, Known, Memory, PeerAnswers};
pub use parameters::Parameters;
pub use policy::{AllowAll, DenyWrites, Policy};

use super::header::Flaw;
use super::os::ParametersResponse;
use super::{Error, Header};
use crate::line::{Peer, Serve, Service, asynch};
use crate::shown::shown;
use crate::time::Span;

/// An SMP server: calls a [`Handler`] (or [`AsyncHandler`]) for each request that a [`Policy`]
/// allows. `M` is its memory for repeated writes: see [Repeats](self#repeats). `B` holds the sizes
/// of its buffers: see [`with_parameters`](Self::with_parameters). `LEGACY_RC`: see
/// [`with_legacy_rc`](Self::with_legacy_rc).
// All of these are types, so that a server without one of them spends neither flash nor RAM on it.
#[must_use]
pub struct Server<H, P, M = (), B = (), const LEGACY_RC: bool = false> {
    handler: H,
    policy: P,
    memory: M,
    parameters: B,
    denied: u32,
}

shown!([H, P, M, B, const LEGACY_RC: bool] Server<H, P, M, B, LEGACY_RC>, |server| "Server({} denied)", server.denied);

/// The result of the checks before the handler.
enum Checked<'i, F> {
    /// The request is done: `tx` holds a response of this length, 0 for none.
    Answered(usize),
    /// The handler is to be called.
    Handle { incoming: Incoming<'i>, fingerprint: Option<F> },
}

impl<H, P: Policy> Server<H, P> {
    /// A server without answer memory: a repeated write, whose response was lost, runs twice.
    pub const fn new(handler: H, policy: P) -> Self {
        Self { handler, policy, memory: (), parameters: (), denied: 0 }
    }
}

impl<H, P: Policy, B: Parameters, const LEGACY_RC: bool> Server<H, P, (), B, LEGACY_RC> {
    /// Stores the last writes of one peer in `memory`, so that repeats do not run:
    /// [`Answers::memory_len`] returns the length that it needs.
    pub fn with_memory(self, memory: &mut [u8]) -> Server<H, P, Answers<'_>, B, LEGACY_RC> {
        self.with_answers(Answers::new(memory))
    }

    /// Sets the memory for repeated writes: [`Answers::with_peers`], or a [`Memory`] of your own.
    pub fn with_answers<M: Memory>(self, memory: M) -> Server<H, P, M, B, LEGACY_RC> {
        let Self { handler, policy, memory: (), parameters, denied } = self;
        Server { handler, policy, memory, parameters, denied }
    }
}

impl<H, P: Policy, M: Memory, B: Parameters, const LEGACY_RC: bool> Server<H, P, M, B, LEGACY_RC> {
    /// Answers command 6 of group 0 without the handler: there are `count` receive buffers, and
    /// each holds a framed message of `size` bytes.
    ///
    /// The policy is asked first. `size` is also the [`buffer_size`](Serve::buffer_size) that a
    /// driver compares with the buffer of its framing. The longest message is 4 bytes shorter than
    /// `size` on a console, and `size` bytes long elsewhere.
    pub fn with_parameters(self, count: u32, size: u32) -> Server<H, P, M, ParametersResponse, LEGACY_RC> {
        let Self { handler, policy, memory, denied, .. } = self;
        let parameters = ParametersResponse { buf_size: size, buf_count: count };
        Server { handler, policy, memory, parameters, denied }
    }

    /// Adds `rc: 0` to every success of the groups below 64, as MCUboot's recovery does: clients
    /// written for it require that key.
    ///
    /// A response of these groups must then be a map with at most 22 keys, whose head is one byte,
    /// as all responses of this crate are; any other is replaced by [`Error::TOO_LARGE`].
    pub fn with_legacy_rc(self) -> Server<H, P, M, B, true> {
        let Self { handler, policy, memory, parameters, denied } = self;
        Server { handler, policy, memory, parameters, denied }
    }

    /// The handler, between two messages.
    pub const fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// The policy, for example to change what it allows.
    pub const fn policy(&mut self) -> &mut P {
        &mut self.policy
    }

    /// The answer memory, for example to read its counters.
    pub const fn memory(&mut self) -> &mut M {
        &mut self.memory
    }

    /// The number of requests that the policy has refused. Wraps.
    #[must_use]
    pub const fn denied(&self) -> u32 {
        self.denied
    }

    /// Checks a request, and answers it unless it is for the handler.
    #[inline(never)] // 64 to 72 bytes of stack: see *Stack* in `smp::server`.
    fn check<'i>(
        &mut self,
        message: &'i [u8],
        peer: Peer,
        buffer: &mut AnswerBuffer<'_>,
    ) -> Checked<'i, M::Fingerprint> {
        let Some((header, _)) = message.split_first_chunk() else { return Checked::Answered(0) };
        let (&[first, ..], header) = (header, Header::read(header));
        // Two servers that answered responses would answer each other forever.
        if !header.op.is_request() {
            return Checked::Answered(0);
        }
        let request = match Flaw::of(first) {
            // Answered, so that a newer client can fall back.
            Some(Flaw::Version) => Err(Error::VERSION_TOO_NEW),
            Some(Flaw::Op) => Err(Error::NOT_SUPPORTED),
            None => message.get(..Header::LEN + usize::from(header.length)).ok_or(Error::CORRUPT),
        };
        let refusal = match request {
            Err(error) => error,
            Ok(request) => {
                let payload = request.get(Header::LEN..).unwrap_or_default();
                let incoming = Incoming::new(header, payload);
                // No time is spent on a fingerprint that no memory stores.
                let fingerprint =
                    (self.memory.is_used() && runs_once(&incoming)).then(|| self.memory.fingerprint(request));
                // Before the policy, which has allowed the request that this one repeats.
                match self.memory.received(peer, request, fingerprint) {
                    Known::Executed => Error::BUSY,
                    Known::Response(response) if buffer.replace(response).is_ok() => {
                        return Checked::Answered(response.len());
                    }
                    // `tx` is shorter than it was: no reason to run the write again.
                    Known::Response(_) => Error::TOO_LARGE,
                    Known::Nothing => match self.policy.allows(&incoming, peer) {
                        Ok(()) => {
                            if Self::has_rc(&header) {
                                buffer.leave_gap();
                            }
                            match self.parameters.parameters() {
                                Some(parameters) if is_parameters(&header) => match say(parameters, payload, buffer) {
                                    Ok(()) => {
                                        let len = buffer.complete(&header);
                                        if Self::has_rc(&header) {
                                            // It cannot fail: the map has two keys.
                                            let _ = fill_gap(buffer.writer.written_mut());
                                        }
                                        return Checked::Answered(len);
                                    }
                                    Err(error) => error,
                                },
                                _ => return Checked::Handle { incoming, fingerprint },
                            }
                        }
                        Err(refusal) => {
                            self.denied = self.denied.wrapping_add(1);
                            refusal
                        }
                    },
                }
            }
        };
        Checked::Answered(refuse(buffer, &header, refusal))
    }

    /// Returns `true` if a success gets the key `rc`. Not in a vendor's group: its payload need not
    /// be a map, and old clients do not use it.
    const fn has_rc(header: &Header) -> bool {
        LEGACY_RC && header.group.0 < 64
    }

    /// Completes and remembers the response of `len` bytes that a handler has left in `tx`; returns
    /// its length.
    fn answered(
        &mut self,
        peer: Peer,
        incoming: &Incoming<'_>,
        fingerprint: Option<M::Fingerprint>,
        mut len: usize,
        tx: &mut [u8],
    ) -> usize {
        let header = incoming.header();
        if Self::has_rc(header) && fill_gap(tx.get_mut(..len).unwrap_or_default()).is_err() {
            len = refuse(&mut AnswerBuffer::new(tx), header, Error::TOO_LARGE);
        }
        // The response is complete: a repeat gets the same bytes.
        if let Some(fingerprint) = fingerprint {
            self.memory.remember(peer, fingerprint, tx.get(..len).unwrap_or_default());
        }
        len
    }

    /// Returns the size of a receive buffer, if the server reports one.
    fn promised(&self) -> Option<usize> {
        let parameters = self.parameters.parameters()?;
        Some(usize::try_from(parameters.buf_size).unwrap_or(usize::MAX))
    }
}

impl<H, P: Policy, M: Memory, B: Parameters, const LEGACY_RC: bool> Serve for Server<H, P, M, B, LEGACY_RC> {
    type After = After;

    fn buffer_size(&self) -> Option<usize> {
        self.promised()
    }

    fn tick(&mut self, elapsed: Duration) {
        self.policy.tick(elapsed);
        self.memory.tick(elapsed);
    }

    fn passed(&mut self, elapsed: Span) {
        self.policy.passed(elapsed);
        self.memory.passed(elapsed);
    }
}

impl<H: Handler, P: Policy, M: Memory, B: Parameters, const LEGACY_RC: bool> Server<H, P, M, B, LEGACY_RC> {
    /// Handles one message that `peer` sent; returns the length of the response in `tx`, 0 for
    /// none, and the action to take when it has left.
    #[must_use = "the response is in `tx` and has to be sent"]
    pub fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, After) {
        let mut buffer = AnswerBuffer::new(tx);
        match self.check(message, peer, &mut buffer) {
            Checked::Answered(len) => (len, After::Nothing),
            Checked::Handle { ref incoming, fingerprint } => {
                let reply = Reply { buffer: &mut buffer, request: incoming.header() };
                let Answer { len, after } = self.handler.handle(incoming, reply);
                (self.answered(peer, incoming, fingerprint, len, tx), after)
            }
        }
    }
}

impl<H: Handler, P: Policy, M: Memory, B: Parameters, const LEGACY_RC: bool> Service for Server<H, P, M, B, LEGACY_RC> {
    fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, After) {
        self.receive(message, peer, tx)
    }
}

impl<H: AsyncHandler, P: Policy, M: Memory, B: Parameters, const LEGACY_RC: bool> asynch::Service
    for Server<H, P, M, B, LEGACY_RC>
{
    async fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, After) {
        let mut buffer = AnswerBuffer::new(tx);
        match self.check(message, peer, &mut buffer) {
            Checked::Answered(len) => (len, After::Nothing),
            Checked::Handle { ref incoming, fingerprint } => {
                let reply = Reply { buffer: &mut buffer, request: incoming.header() };
                let Answer { len, after } = self.handler.handle(incoming, reply).await;
                (self.answered(peer, incoming, fingerprint, len, tx), after)
            }
        }
    }
}

/// Serves one message without a [`Server`]: for tests, and for transports with a loop of their own.
/// `policy` is given [`Peer(0)`](Peer).
///
/// Returns the length of the response in `tx`, 0 for none, and the action to take after it has
/// left.
pub fn serve<H: Handler, P: Policy>(handler: H, policy: P, message: &[u8], tx: &mut [u8]) -> (usize, After) {
    Server::new(handler, policy).receive(message, Peer(0), tx)
}
