//! The server: what stands between a received message and the application's own `match`.
//!
//! ```text
//!   message ─▶ header ─▶ length ─▶ repeat? ─▶ policy ─▶ parameters? ─▶ Handler::handle(Incoming, Reply) ─▶ Answer ─▶ tx
//!      │         │          │         │          │            └─ with `with_parameters`: answered here
//!      │ <8: dropped        │         │          └─ refused: the policy's error
//!      │         │          │         └─ yes: the stored response again or rc 10, nothing runs
//!      │         │          └─ more announced than arrived: rc 9
//!      │         └─ version 2, 3: rc 13; op 4..7: rc 8; op 1, 3: dropped
//! ```
//!
//! A [`Handler`] is usually a `match` over [`Incoming::group`] that calls the `dispatch` of each group it serves, and
//! answers its vendor's groups itself. A [`Reply`] can be used once and gives the [`Answer`], so that exactly one answer is
//! given to each request.
//!
//! ```
//! use anysmp::line::{Peer, Service as _};
//! use anysmp::smp::server::{After, Answer, Answers, Handler, Incoming, Reply, Server};
//! use anysmp::smp::{Empty, Error, Group, Op, os};
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
//! // Peer 1 is the service technician's; nobody else changes anything.
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
//! A client whose response was lost sends its request again, with the same header; and a network may deliver a request
//! twice, the second copy late. A write must not run again then. A server that was given memory ([`Server::with_memory`],
//! [`Answers`]) remembers of each peer the last 8 writes by a fingerprint, and the response to the last one.
//!
//! | a write arrives that is | response | does it run |
//! |---|---|---|
//! | new, or has another sequence number | its own | yes |
//! | the last write of this peer, again | the stored one | no |
//! | the same, but the response was too long to be stored, or there was no room for one | `rc` 10 | no |
//! | the same, but the stored response no longer fits `tx` | `rc` 7 | no |
//! | one of the 7 writes before it, again | `rc` 10 | no |
//! | older than 8 writes, 128 requests or 10 s, again | its own | **yes** |
//! | equal to a write of another peer | its own | yes |
//! | of a peer that had to make room for another one, again | its own | **yes** |
//! | refused by the policy before, again | the policy is asked again | as it says |
//! | a reset, again | that to the first one | no second reset |
//! | a later piece of an upload, again | its own | yes, without harm |
//!
//! A write is remembered for 10 s or for 128 further requests of its peer, whichever ends first; a server that is never ticked
//! has the second limit only. Reads and echo run each time, are never remembered, and do not make the server forget. Both
//! limits bound what a network may do: **a copy that is later than both runs again**, as one without memory does. A
//! simulation that delays messages for longer has to count such runs instead of expecting none.
//!
//! **Uploads.** Only the first piece (`off` 0) of an image or a file is remembered. It alone does harm when it runs twice: after
//! the last piece it would truncate a file that is complete, or erase a slot. A later piece whose `off` is not where the upload
//! has got to changes nothing and is answered with the right `off`. If pieces were remembered, 8 of them, which take less
//! than a second, would push out every write before them; and a fingerprint costs 5 instructions a byte on a Cortex-M3, 10,000
//! for a piece of 2 KB that is otherwise handled in 1,500. To find `off` costs about 200. After 128 pieces the first one is
//! forgotten like any write.
//!
//! **Equal writes.** Two processes behind one address are one peer. If both choose the same sequence number (1 in 256 for
//! clients that begin at random) and send the same write within the limits, the second is taken for a repeat: it is answered
//! and does not run. A shell command that toggles something then toggles once.
//!
//! **Cancellation.** A write is remembered when its handler has answered. If the future of an async handler is dropped before, the
//! request is not remembered and a repeat runs again; what the handler had done by then is its own business.
//!
//! **Peers.** The transport says who sent a message ([`Peer`]). On a network where senders can be forged, a stranger who
//! sends writes under many addresses pushes out what is remembered of others: give room for more peers, or have the policy
//! refuse strangers, whose writes are not remembered then. A [`Memory`] of the application's own may keep more.
//!
//! # Stack
//!
//! What a group needs of the stack stands in a call of its own, which its `dispatch` is: a server takes what the deepest group
//! needs, not all of them together.
//!
//! # Interpretation
//!
//! * Bytes behind the payload, as a second message in the same packet, are ignored.
//! * An empty payload counts as an empty map. A payload that cannot be read gets `rc` 3 from a command without arguments
//!   too; other servers do not look at it there.
//! * A response that does not fit `tx` becomes `rc` 7, with nothing of it left.

use core::time::Duration;

mod answer;
mod memory;

use answer::AnswerBuffer;

pub use memory::{Answers, Known, Memory, PeerAnswers};

use super::header::Flaw;
use super::os::ParametersResponse;
use super::{Decode, Empty, Encode, Error, Group, Header, Op, Version, error};
use crate::cbor::{BufferFull, Item, Reader, Value, keys};
use crate::line::{Peer, Serve, Service, asynch};
use crate::shown::shown;

/// A whole request, ready to be handled.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Incoming<'m> {
    header: Header,
    payload: Payload<'m>,
}

/// Prints its length only.
#[derive(Clone, Copy)]
struct Payload<'m>(&'m [u8]);

impl core::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Payload<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=usize} bytes", self.0.len());
    }
}

impl<'m> Incoming<'m> {
    /// The header of the request.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// [`Op::Read`] or [`Op::Write`], never a response.
    #[must_use]
    pub const fn op(&self) -> Op {
        self.header.op
    }

    /// The group that is asked.
    #[must_use]
    pub const fn group(&self) -> Group {
        self.header.group
    }

    /// The number of the command within its group.
    #[must_use]
    pub const fn command(&self) -> u8 {
        self.header.command
    }

    /// The payload as it came.
    #[must_use]
    pub const fn payload(&self) -> &'m [u8] {
        self.payload.0
    }

    /// Reads the payload as the request of a command.
    ///
    /// # Errors
    ///
    /// [`Error::INVALID`] if it is something else.
    pub fn decode<R: Decode<'m>>(&self) -> Result<R, Error> {
        R::decode(self.payload.0).or(Err(Error::INVALID))
    }

    /// Reads the payload as the request of a command, has it done, and answers.
    ///
    /// A payload that is something else is answered with [`Error::INVALID`], and no command is called.
    pub fn answer<R: Decode<'m>, E: Encode>(
        &self,
        reply: Reply<'_>,
        command: impl FnOnce(R) -> Result<E, Error>,
    ) -> Answer {
        match R::decode(self.payload.0) {
            Ok(request) => reply.result(command(request)),
            Err(_) => reply.error(Error::INVALID),
        }
    }

    /// What the request is about, as far as a policy may want to know: the value of one key of its map.
    ///
    /// `name` tells the file or the setting, `image` and `slot` the target of an upload or an erase, `hash` the image of
    /// a state write. `None` if the key is absent or holds something else.
    #[must_use]
    pub fn target<T: Value<'m>>(&self, key: &str) -> Option<T> {
        error::beside(self.payload.0, key)
    }
}

/// What the device has to do after an answer has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum After {
    /// Nothing.
    #[default]
    Nothing,
    /// Wait until the answer is on the wire, then at least 100 ms, then reset.
    Reset {
        /// Whether the client wants it in any case.
        force: bool,
        /// What to boot into: 0 the application, 1 the boot loader, others as the application says.
        mode: u8,
    },
}

/// That a request was answered: only a [`Reply`] makes one.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct Answer {
    len: usize,
    after: After,
}

impl Answer {
    /// The same answer, and what is to be done after it has left.
    pub const fn then(self, after: After) -> Self {
        Self { after, ..self }
    }
}

/// The place for one answer.
///
/// It fits two registers: a copy on each level of a server would stand in its stack.
pub struct Reply<'t> {
    buffer: &'t mut AnswerBuffer<'t>,
    request: &'t Header,
}

shown!(Reply<'_>, |reply| "Reply({:?}, {} bytes)", reply.request.version, reply.room());

impl Reply<'_> {
    /// How many bytes of payload the answer can hold: never more than the header can tell.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.buffer.writer.room()
    }

    /// Answers with an error and one number beside it, as the length of a file. Version 1 has no place for the number.
    pub fn error_beside(self, error: Error, key: &str, number: u64) -> Answer {
        let version = self.request.version;
        if version == Version::V1 {
            return self.error(error);
        }
        self.buffer.restart();
        let writer = &mut self.buffer.writer;
        let written = writer
            .map(2)
            .and_then(|()| error.write_entry(version, writer))
            .and_then(|()| writer.text(key))
            .and_then(|()| writer.unsigned(number));
        match written {
            Ok(()) => self.complete(),
            Err(_) => self.error(error),
        }
    }

    /// Answers with a payload. If it does not fit, answers [`Error::TOO_LARGE`].
    pub fn ok<E: Encode>(self, response: &E) -> Answer {
        let written = response.encode(&mut self.buffer.writer);
        self.finish(written)
    }

    /// Answers with an error.
    #[inline(never)] // Each command has its refusals.
    pub fn error(self, error: Error) -> Answer {
        Answer { len: refuse(self.buffer, self.request, error), after: After::Nothing }
    }

    /// Answers with a payload or with an error.
    pub fn result<E: Encode>(self, result: Result<E, Error>) -> Answer {
        match result {
            Ok(response) => self.ok(&response),
            Err(error) => self.error(error),
        }
    }

    /// Completes an answer whose payload was written. What comes with the type of a response is kept out of here.
    fn finish(self, written: Result<(), BufferFull>) -> Answer {
        match written.and_then(|()| self.buffer.fill_gap()) {
            Ok(()) => self.complete(),
            Err(_) => self.error(Error::TOO_LARGE),
        }
    }

    fn complete(self) -> Answer {
        Answer { len: self.buffer.complete(self.request), after: After::Nothing }
    }
}

/// Answers with an error, in place of all that was written; returns the length of the answer.
fn refuse(buffer: &mut AnswerBuffer<'_>, request: &Header, error: Error) -> usize {
    buffer.restart();
    match error.write(request.version, &mut buffer.writer) {
        Ok(()) => buffer.complete(request),
        Err(_) => 0,
    }
}

/// The application's side of a server.
///
/// Any `FnMut(&Incoming<'_>, Reply<'_>) -> Answer` is one.
pub trait Handler {
    /// Answers one request.
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer;
}

impl<F: FnMut(&Incoming<'_>, Reply<'_>) -> Answer> Handler for F {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        self(incoming, reply)
    }
}

/// The application's side of a server whose commands may await.
pub trait AsyncHandler {
    /// Answers one request.
    ///
    /// # Cancellation
    ///
    /// A dropped call leaves the request unanswered, and nothing is remembered of it: a repeat runs again. What the handler
    /// had begun is its own business.
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> impl Future<Output = Answer>;
}

/// Decides what may run, before anything does.
///
/// [`AllowAll`] and [`DenyWrites`] are the two ends; a policy of the application's own sees the request and who sent it, is
/// told the time, and can be reached through [`Server::policy`], for example by a command that logs in. Any
/// `FnMut(&Incoming<'_>, Peer) -> Result<(), Error>` is one.
///
/// Downloads of files, settings, statistics and core dumps are reads, and leak what they hold: a policy that must
/// keep secrets has to refuse them too. A repeat of a write that was allowed gets its stored response without a
/// question to the policy, as nothing runs.
pub trait Policy {
    /// Whether `incoming`, sent by `peer`, may run.
    ///
    /// # Errors
    ///
    /// What the peer is told instead of a response: [`Error::ACCESS_DENIED`], [`Error::BUSY`] for one that asks too often, or
    /// an error of the application's own group.
    fn allows(&mut self, incoming: &Incoming<'_>, peer: Peer) -> Result<(), Error>;

    /// Time has passed: called with each tick of the server.
    fn tick(&mut self, elapsed: Duration) {
        let _ = elapsed;
    }
}

/// Allows everything to everybody.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AllowAll;

impl Policy for AllowAll {
    fn allows(&mut self, _: &Incoming<'_>, _: Peer) -> Result<(), Error> {
        Ok(())
    }
}

/// Allows reads and echo; nothing changes.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DenyWrites;

impl Policy for DenyWrites {
    fn allows(&mut self, incoming: &Incoming<'_>, _: Peer) -> Result<(), Error> {
        if incoming.op() == Op::Read || is_echo(&incoming.header) { Ok(()) } else { Err(Error::ACCESS_DENIED) }
    }
}

impl<F: FnMut(&Incoming<'_>, Peer) -> Result<(), Error>> Policy for F {
    fn allows(&mut self, incoming: &Incoming<'_>, peer: Peer) -> Result<(), Error> {
        self(incoming, peer)
    }
}

fn is_echo(header: &Header) -> bool {
    header.group == Group::OS && header.command == 0
}

fn is_parameters(header: &Header) -> bool {
    header.op == Op::Read && header.group == Group::OS && header.command == 6
}

/// Writes the answer to command 6 of group 0.
fn say(parameters: ParametersResponse, payload: &[u8], buffer: &mut AnswerBuffer<'_>) -> Result<(), Error> {
    let Empty {} = Empty::decode(payload).or(Err(Error::INVALID))?;
    parameters.encode(&mut buffer.writer).and_then(|()| buffer.fill_gap()).or(Err(Error::TOO_LARGE))
}

/// Whether a request must not run twice: see [Repeats](self#repeats).
fn runs_once(incoming: &Incoming<'_>) -> bool {
    // What every piece of an upload is asked must not be more than one look at the header and one at a key.
    match (incoming.op(), incoming.group(), incoming.command()) {
        (Op::Read, ..) | (_, Group::OS, 0) => false,
        // `image` and `fs`: a piece that does not begin at the end of what has arrived changes nothing.
        (_, Group::IMAGE, 1) | (_, Group::FS, 0) => {
            let mut off = [Item::Null];
            let read = Reader::new(incoming.payload()).fields(keys!["off"], false, &mut off);
            matches!((read, off), (Ok(()), [Item::Unsigned(0)]))
        }
        _ => true,
    }
}

/// What a server says of its buffers by itself: nothing, which is `()`, or [`ParametersResponse`].
///
/// A type of its own, since a server that says nothing should take neither flash nor RAM for it.
pub trait Parameters {
    /// The answer to command 6 of group 0; `None` leaves that to the handler.
    fn parameters(&self) -> Option<ParametersResponse>;
}

impl Parameters for () {
    fn parameters(&self) -> Option<ParametersResponse> {
        None
    }
}

impl Parameters for ParametersResponse {
    fn parameters(&self) -> Option<ParametersResponse> {
        Some(*self)
    }
}

/// Serves SMP: a [`Handler`] (or [`AsyncHandler`]) behind a [`Policy`]. `M` is what it remembers of its answers: see
/// [Repeats](self#repeats). `B` is what it says of its buffers: see [`with_parameters`](Self::with_parameters).
pub struct Server<H, P, M = (), B = ()> {
    handler: H,
    policy: P,
    memory: M,
    parameters: B,
    denied: u32,
    legacy: bool,
}

shown!([H, P, M, B] Server<H, P, M, B>, |server| "Server({} denied)", server.denied);

/// What the checks in front of the handler decided.
enum Checked<'i, F> {
    /// `tx` holds an answer of this length, or none.
    Answered(usize),
    /// The handler's turn.
    Handle { incoming: Incoming<'i>, fingerprint: Option<F> },
}

impl<H, P: Policy> Server<H, P> {
    /// A server without answer memory: a write whose answer is lost runs twice when the client repeats it.
    pub const fn new(handler: H, policy: P) -> Self {
        Self { handler, policy, memory: (), parameters: (), denied: 0, legacy: false }
    }
}

impl<H, P: Policy, B: Parameters> Server<H, P, (), B> {
    /// Remembers the last writes of one peer in `memory`: [`Answers::memory_len`] says how long it must be.
    pub fn with_memory(self, memory: &mut [u8]) -> Server<H, P, Answers<'_>, B> {
        self.remembering(Answers::new(memory))
    }

    /// Remembers writes as `memory` does: [`Answers::with_peers`] for several peers, or a [`Memory`] of the application's own.
    pub fn remembering<M: Memory>(self, memory: M) -> Server<H, P, M, B> {
        let Self { handler, policy, memory: (), parameters, denied, legacy } = self;
        Server { handler, policy, memory, parameters, denied, legacy }
    }
}

impl<H, P: Policy, M: Memory, B: Parameters> Server<H, P, M, B> {
    /// Answers command 6 of group 0 by itself: it has `count` receive buffers, and each holds a framed message of `size` bytes.
    ///
    /// The policy is asked first, the handler not at all. `size` is also the [`buffer_size`](Serve::buffer_size) that a
    /// driver compares with what its framing can receive. On a console a message may be 4 bytes shorter than `size`, elsewhere
    /// all of it.
    pub fn with_parameters(self, count: u32, size: u32) -> Server<H, P, M, ParametersResponse> {
        let Self { handler, policy, memory, denied, legacy, .. } = self;
        let parameters = ParametersResponse { buf_size: size, buf_count: count };
        Server { handler, policy, memory, parameters, denied, legacy }
    }

    /// Puts `rc: 0` into every success of the groups below 64, as MCUboot's recovery does: clients written for it look for
    /// nothing else.
    pub fn with_legacy_rc(self) -> Self {
        Self { legacy: true, ..self }
    }

    /// The handler.
    pub const fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// The policy.
    pub const fn policy(&mut self) -> &mut P {
        &mut self.policy
    }

    /// The answer memory.
    pub const fn memory(&mut self) -> &mut M {
        &mut self.memory
    }

    /// How many requests the policy has refused. Wraps.
    pub const fn denied(&self) -> u32 {
        self.denied
    }

    #[inline(never)] // For the stack: see `smp::server`.
    fn check<'i>(
        &mut self,
        message: &'i [u8],
        peer: Peer,
        buffer: &mut AnswerBuffer<'_>,
    ) -> Checked<'i, M::Fingerprint> {
        let Some((header, _, flaw)) = Header::read(message) else { return Checked::Answered(0) };
        // Whoever answers responses may meet itself, and never end.
        if !header.op.is_request() {
            return Checked::Answered(0);
        }
        let request = match flaw {
            Some(Flaw::Version) => Err(Error::VERSION_TOO_NEW),
            Some(Flaw::Op) => Err(Error::NOT_SUPPORTED),
            None => message.get(..Header::LEN + usize::from(header.length)).ok_or(Error::CORRUPT),
        };
        let refusal = match request {
            Err(error) => error,
            Ok(request) => {
                let payload = request.get(Header::LEN..).unwrap_or_default();
                let incoming = Incoming { header, payload: Payload(payload) };
                let fingerprint =
                    (self.memory.is_used() && runs_once(&incoming)).then(|| self.memory.fingerprint(request));
                match self.memory.received(peer, request, fingerprint) {
                    Known::Executed => Error::BUSY,
                    Known::Response(response) if buffer.replace(response).is_ok() => {
                        return Checked::Answered(response.len());
                    }
                    Known::Response(_) => Error::TOO_LARGE,
                    Known::Nothing => match self.policy.allows(&incoming, peer) {
                        Ok(()) => {
                            // A vendor's group may send what is no map, and old clients know none of them.
                            if self.legacy && header.group.0 < 64 {
                                buffer.leave_gap();
                            }
                            match self.parameters.parameters() {
                                Some(parameters) if is_parameters(&header) => match say(parameters, payload, buffer) {
                                    Ok(()) => return Checked::Answered(buffer.complete(&header)),
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

    /// Remembers a write that the handler has answered.
    fn answered(&mut self, peer: Peer, fingerprint: Option<M::Fingerprint>, response: &[u8]) {
        if let Some(fingerprint) = fingerprint {
            self.memory.remember(peer, fingerprint, response);
        }
    }

    fn pass(&mut self, elapsed: Duration) {
        self.policy.tick(elapsed);
        self.memory.tick(elapsed);
    }

    fn promised(&self) -> Option<usize> {
        let parameters = self.parameters.parameters()?;
        Some(usize::try_from(parameters.buf_size).unwrap_or(usize::MAX))
    }
}

impl<H, P: Policy, M: Memory, B: Parameters> Serve for Server<H, P, M, B> {
    type After = After;

    fn buffer_size(&self) -> Option<usize> {
        self.promised()
    }

    fn tick(&mut self, elapsed: Duration) {
        self.pass(elapsed);
    }
}

impl<H: Handler, P: Policy, M: Memory, B: Parameters> Service for Server<H, P, M, B> {
    fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, After) {
        let mut buffer = AnswerBuffer::new(tx);
        match self.check(message, peer, &mut buffer) {
            Checked::Answered(len) => (len, After::Nothing),
            Checked::Handle { ref incoming, fingerprint } => {
                let reply = Reply { buffer: &mut buffer, request: incoming.header() };
                let Answer { len, after } = self.handler.handle(incoming, reply);
                self.answered(peer, fingerprint, tx.get(..len).unwrap_or_default());
                (len, after)
            }
        }
    }
}

impl<H: AsyncHandler, P: Policy, M: Memory, B: Parameters> asynch::Service for Server<H, P, M, B> {
    async fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, After) {
        let mut buffer = AnswerBuffer::new(tx);
        match self.check(message, peer, &mut buffer) {
            Checked::Answered(len) => (len, After::Nothing),
            Checked::Handle { ref incoming, fingerprint } => {
                let reply = Reply { buffer: &mut buffer, request: incoming.header() };
                let Answer { len, after } = self.handler.handle(incoming, reply).await;
                self.answered(peer, fingerprint, tx.get(..len).unwrap_or_default());
                (len, after)
            }
        }
    }
}

/// Serves one message without a [`Server`]: for tests, and for transports that bring their own loop. `policy` is given
/// [`Peer(0)`](Peer); a closure that knows the peer need not be.
///
/// Returns the length of the answer in `tx`, 0 for none, and what is to be done after it has left.
pub fn serve<H: Handler, P: Policy>(handler: H, policy: P, message: &[u8], tx: &mut [u8]) -> (usize, After) {
    Service::receive(&mut Server::new(handler, policy), message, Peer(0), tx)
}
