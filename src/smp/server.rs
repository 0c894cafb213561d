//! The server: what stands between a received message and the application's own `match`.
//!
//! ```text
//!   message ─▶ header ─▶ length ─▶ repeat? ─▶ policy ─▶ Handler::handle(Incoming, Reply) ─▶ Answer ─▶ tx
//!      │         │          │         │          │
//!      │ <8: dropped        │         │          └─ refused: rc 11
//!      │         │          │         └─ yes: the stored answer again, nothing runs
//!      │         │          └─ more announced than arrived: rc 9
//!      │         └─ version 2, 3: rc 13; op 4..7: rc 8; op 1, 3: dropped
//! ```
//!
//! A [`Handler`] is usually a `match` over [`Incoming::group`] that calls the `dispatch` of each group it serves, and
//! answers its vendor's groups itself. A [`Reply`] can be used once and gives the [`Answer`], so that exactly one answer is
//! given to each request.
//!
//! # Repeats
//!
//! A client that has lost an answer sends its request again, with the same header. A server that was given answer memory
//! ([`Server::with_memory`]) remembers the last write request by its peer, its header and the CRC-32 of its payload. The same request again,
//! with no other in between and within [`Server::REPEAT_TIME`], gets the stored answer; nothing runs. If the answer was too
//! long for the memory, the fingerprint stays and the repeat gets `rc` 10. A repeated reset is answered and does
//! not reset again. Echo is never remembered. **Without memory a command
//! whose answer was lost runs twice.**
//!
//! # Interpretation
//!
//! * Bytes behind the payload, as a second message in the same packet, are ignored.
//! * An empty payload counts as an empty map. A payload that cannot be read gets `rc` 3 from a command without arguments
//!   too; other servers do not look at it there.
//! * A response that does not fit `tx` becomes `rc` 7, with nothing of it left.

use core::time::Duration;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use super::{Decode, Encode, Error, Group, Header, HeaderError, Op, Version, error};
use crate::cbor::{BufferFull, Value, Writer};
use crate::link::{AsyncService, Service};
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
pub struct Reply<'t> {
    tx: &'t mut [u8],
    header: Header,
    legacy: bool,
}

shown!(Reply<'_>, |reply| "Reply({:?}, {} bytes)", reply.header, reply.tx.len());

impl<'t> Reply<'t> {
    /// A place for the answer to the request with this header, in `tx`.
    const fn new(tx: &'t mut [u8], request: &Header, legacy: bool) -> Self {
        Self { tx, header: request.response(), legacy }
    }

    /// How many bytes of payload the answer can hold: never more than the header can tell.
    #[must_use]
    pub const fn room(&self) -> usize {
        let (room, most) = (self.tx.len().saturating_sub(Header::LEN), u16::MAX as usize);
        if room < most { room } else { most }
    }

    /// Answers with an error and one number beside it, as the length of a file. Version 1 has no place for the number.
    pub fn error_beside(mut self, error: Error, key: &str, number: u64) -> Answer {
        let version = self.header.version;
        let written = self.payload(|writer| match version {
            Version::V1 => error.write(version, writer),
            Version::V2 => {
                writer.map(2)?;
                error.write_entry(version, writer)?;
                writer.text(key)?;
                writer.unsigned(number)
            }
        });
        written.unwrap_or_else(|| self.refuse(error))
    }

    /// Answers with a payload. If it does not fit, answers [`Error::TOO_LARGE`].
    pub fn ok<E: Encode>(self, response: &E) -> Answer {
        self.result(Ok(response))
    }

    /// Answers with an error.
    pub fn error(mut self, error: Error) -> Answer {
        self.refuse(error)
    }

    /// Answers with a payload or with an error.
    pub fn result<E: Encode>(mut self, result: Result<E, Error>) -> Answer {
        let legacy = self.legacy;
        let error = match result {
            Ok(response) => {
                let written = self.payload(|writer| {
                    if legacy {
                        writer.prefix_rc();
                    }
                    response.encode(writer)
                });
                match written {
                    Some(answer) => return answer,
                    None => Error::TOO_LARGE,
                }
            }
            Err(error) => error,
        };
        self.refuse(error)
    }

    fn refuse(&mut self, error: Error) -> Answer {
        let version = self.header.version;
        // A `tx` that has no room for an error has none for anything: no answer at all.
        self.payload(|writer| error.write(version, writer)).unwrap_or(Answer { len: 0, after: After::Nothing })
    }

    fn payload(&mut self, write: impl FnOnce(&mut Writer<'_>) -> Result<(), BufferFull>) -> Option<Answer> {
        let (head, body) = self.tx.split_first_chunk_mut::<{ Header::LEN }>()?;
        let mut writer = Writer::new(body);
        write(&mut writer).ok()?;
        let length = u16::try_from(writer.len()).ok()?;
        *head = Header { length, ..self.header }.emit();
        Some(Answer { len: Header::LEN + usize::from(length), after: After::Nothing })
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
    /// A dropped call leaves the request unanswered; what the handler had begun is its own business.
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> impl Future<Output = Answer>;
}

/// Decides what may run, before anything does.
///
/// [`AllowAll`] and [`DenyWrites`] are the two ends; a policy of the application's own sees the request and who sent it.
/// Downloads of files, settings, statistics and core dumps are reads, and leak what they hold: a policy that must
/// keep secrets has to refuse them too.
pub trait Policy {
    /// Whether `incoming` may run. `peer` is what [`Server::set_peer`] was given last.
    fn allows(&mut self, incoming: &Incoming<'_>, peer: u32) -> bool;
}

/// Allows everything to everybody.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AllowAll;

impl Policy for AllowAll {
    fn allows(&mut self, _: &Incoming<'_>, _: u32) -> bool {
        true
    }
}

/// Allows reads and echo; nothing changes.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DenyWrites;

impl Policy for DenyWrites {
    fn allows(&mut self, incoming: &Incoming<'_>, _: u32) -> bool {
        incoming.op() == Op::Read || is_echo(&incoming.header)
    }
}

impl<F: FnMut(&Incoming<'_>, u32) -> bool> Policy for F {
    fn allows(&mut self, incoming: &Incoming<'_>, peer: u32) -> bool {
        self(incoming, peer)
    }
}

fn is_echo(header: &Header) -> bool {
    header.group == Group::OS && header.command == 0
}

/// The last write request, by which a repeat is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint {
    peer: u32,
    header: Header,
    crc: u32,
}

/// What the answer memory holds.
#[derive(Debug, Clone, Copy)]
enum Last {
    /// Nothing that could be repeated. Left by a write request.
    Nothing,
    /// A write request and its answer. Left by any other request, and after the repeat time.
    Answered { request: Fingerprint, len: usize, age: Duration },
    /// A write request whose answer does not fit the memory. Left likewise.
    TooLong { request: Fingerprint, age: Duration },
}

/// Serves SMP: a [`Handler`] (or [`AsyncHandler`]) behind a [`Policy`].
pub struct Server<'m, H, P> {
    handler: H,
    policy: P,
    memory: &'m mut [u8],
    last: Last,
    peer: u32,
    denied: u32,
    legacy: bool,
}

shown!(['m, H, P] Server<'m, H, P>, |server| "Server({} bytes, {} denied)", server.memory.len(), server.denied);

/// What the checks in front of the handler decided.
enum Checked<'m> {
    /// `tx` holds an answer of this length, or none.
    Answered(usize),
    /// The handler's turn.
    Handle { incoming: Incoming<'m>, fingerprint: Option<Fingerprint> },
}

impl<H, P: Policy> Server<'_, H, P> {
    /// For how long a repeated request gets the stored answer.
    pub const REPEAT_TIME: Duration = Duration::from_secs(10);

    /// A server without answer memory: a write whose answer is lost runs twice when the client repeats it.
    pub const fn new(handler: H, policy: P) -> Self {
        Self { handler, policy, memory: &mut [], last: Last::Nothing, peer: 0, denied: 0, legacy: false }
    }
}

impl<'m, H, P: Policy> Server<'m, H, P> {
    /// Remembers the last answer in `memory`. 64 bytes hold the answers to uploads, resets and settings; a list of two
    /// images takes about 250.
    pub fn with_memory(self, memory: &'m mut [u8]) -> Self {
        Server { memory, ..self }
    }

    /// Puts `rc: 0` into every success, as MCUboot's recovery does: clients written for it look for nothing else.
    pub fn with_legacy_rc(self) -> Self {
        Server { legacy: true, ..self }
    }

    /// Tells the policy who the next requests come from: a transport, a connection, a session.
    pub const fn set_peer(&mut self, peer: u32) {
        self.peer = peer;
    }

    /// The handler.
    pub const fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// How many requests the policy has refused. Wraps.
    pub const fn denied(&self) -> u32 {
        self.denied
    }

    fn check<'i>(&mut self, message: &'i [u8], tx: &mut [u8]) -> Checked<'i> {
        let (header, rest, error) = match Header::parse(message) {
            Err(HeaderError::Short) => return Checked::Answered(0),
            Err(HeaderError::Op(header)) => (header, &[][..], Some(Error::NOT_SUPPORTED)),
            Err(HeaderError::Version(header)) => (header, &[][..], Some(Error::VERSION_TOO_NEW)),
            Ok((header, rest)) => (header, rest, None),
        };
        // Whoever answers responses may meet itself, and never end.
        if !header.op.is_request() {
            return Checked::Answered(0);
        }
        let reply = Reply::new(tx, &header, false);
        if let Some(error) = error {
            return Checked::Answered(reply.error(error).len);
        }
        let Some(payload) = rest.get(..usize::from(header.length)) else {
            return Checked::Answered(reply.error(Error::CORRUPT).len);
        };
        let incoming = Incoming { header, payload: Payload(payload) };
        let fingerprint = (header.op == Op::Write && !is_echo(&header) && !self.memory.is_empty())
            .then(|| Fingerprint { peer: self.peer, header, crc: crc32(payload) });
        match self.last {
            Last::Answered { request, len, .. } if Some(request) == fingerprint => {
                let answer = self.memory.get(..len).unwrap_or_default();
                return Checked::Answered(match reply.tx.get_mut(..len) {
                    Some(tx) => {
                        tx.iter_mut().zip(answer).for_each(|(to, from)| *to = *from);
                        len
                    }
                    None => reply.error(Error::TOO_LARGE).len,
                });
            }
            Last::TooLong { request, .. } if Some(request) == fingerprint => {
                return Checked::Answered(reply.error(Error::BUSY).len);
            }
            _ => self.last = Last::Nothing,
        }
        if !self.policy.allows(&incoming, self.peer) {
            self.denied = self.denied.wrapping_add(1);
            return Checked::Answered(reply.error(Error::ACCESS_DENIED).len);
        }
        Checked::Handle { incoming, fingerprint }
    }

    /// Stores the answer of a request that may be repeated.
    fn remember(&mut self, fingerprint: Option<Fingerprint>, answer: &[u8]) {
        let Some(request) = fingerprint else { return };
        let (len, age) = (answer.len(), Duration::ZERO);
        self.last = match self.memory.get_mut(..len) {
            Some(memory) => {
                memory.iter_mut().zip(answer).for_each(|(to, from)| *to = *from);
                Last::Answered { request, len, age }
            }
            None => Last::TooLong { request, age },
        };
    }

    fn pass(&mut self, tick: Duration) {
        if let Last::Answered { age, .. } | Last::TooLong { age, .. } = &mut self.last {
            *age = age.saturating_add(tick);
            if *age >= Self::REPEAT_TIME {
                self.last = Last::Nothing;
            }
        }
    }
}

/// No table: 68 bytes of code, and a payload is hashed once.
fn crc32(bytes: &[u8]) -> u32 {
    const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
    CRC.checksum(bytes)
}

impl<H: Handler, P: Policy> Service for Server<'_, H, P> {
    type After = After;

    fn receive(&mut self, message: &[u8], tx: &mut [u8]) -> (usize, After) {
        match self.check(message, tx) {
            Checked::Answered(len) => (len, After::Nothing),
            Checked::Handle { incoming, fingerprint } => {
                let reply = Reply::new(tx, &incoming.header, self.legacy);
                let Answer { len, after } = self.handler.handle(&incoming, reply);
                self.remember(fingerprint, tx.get(..len).unwrap_or_default());
                (len, after)
            }
        }
    }

    fn tick(&mut self, tick: Duration) {
        self.pass(tick);
    }
}

impl<H: AsyncHandler, P: Policy> AsyncService for Server<'_, H, P> {
    type After = After;

    async fn receive(&mut self, message: &[u8], tx: &mut [u8]) -> (usize, After) {
        match self.check(message, tx) {
            Checked::Answered(len) => (len, After::Nothing),
            Checked::Handle { incoming, fingerprint } => {
                let reply = Reply::new(tx, &incoming.header, self.legacy);
                let Answer { len, after } = self.handler.handle(&incoming, reply).await;
                self.remember(fingerprint, tx.get(..len).unwrap_or_default());
                (len, after)
            }
        }
    }

    fn tick(&mut self, tick: Duration) {
        self.pass(tick);
    }
}

/// Serves one message without a [`Server`]: for tests, and for transports that bring their own loop.
///
/// Returns the length of the answer in `tx`, 0 for none, and what is to be done after it has left.
pub fn serve<H: Handler, P: Policy>(handler: H, policy: P, message: &[u8], tx: &mut [u8]) -> (usize, After) {
    Service::receive(&mut Server::new(handler, policy), message, tx)
}
