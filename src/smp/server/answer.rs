//! One request and its response: [`Incoming`], [`Reply`], and the buffer in which a response grows.
//!
//! The buffer has room for the header in front of the payload, and for the `rc: 0` of old servers.

use crate::cbor::{BufferFull, Value, Writer};
use crate::shown::shown;
use crate::smp::{Decode, Encode, Error, Group, Header, Op, Version, error};

/// A received request whose header and length are valid.
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
    pub(super) const fn new(header: Header, payload: &'m [u8]) -> Self {
        Self { header, payload: Payload(payload) }
    }

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

    /// The group of the command.
    #[must_use]
    pub const fn group(&self) -> Group {
        self.header.group
    }

    /// The number of the command within its group.
    #[must_use]
    pub const fn command(&self) -> u8 {
        self.header.command
    }

    /// The payload, not decoded.
    #[must_use]
    pub const fn payload(&self) -> &'m [u8] {
        self.payload.0
    }

    /// Decodes the payload as the request of a command.
    ///
    /// # Errors
    ///
    /// The peer: [`Error::INVALID`] if the payload is malformed or a required key is missing.
    pub fn decode<R: Decode<'m>>(&self) -> Result<R, Error> {
        R::decode(self.payload.0).or(Err(Error::INVALID))
    }

    /// Decodes the payload as the request of a command, calls the command, and responds with its
    /// result.
    ///
    /// If the payload cannot be decoded, the response is [`Error::INVALID`], and `command` is not
    /// called.
    pub fn answer<R: Decode<'m>, E: Encode>(
        &self,
        reply: Reply<'_>,
        command: impl FnOnce(R) -> Result<E, Error>,
    ) -> Answer {
        let mut reply = reply;
        let written = self.write(&mut reply, command);
        reply.done(written)
    }

    /// Does the work of [`answer`](Self::answer) up to the header. A group with many commands then
    /// writes headers in one place and refuses requests in one place.
    pub(crate) fn write<R: Decode<'m>, E: Encode>(
        &self,
        reply: &mut Reply<'_>,
        command: impl FnOnce(R) -> Result<E, Error>,
    ) -> Result<(), Error> {
        let request = R::decode(self.payload.0).or(Err(Error::INVALID))?;
        // The command has run even if its response does not fit.
        command(request)?.encode(&mut reply.buffer.writer).or(Err(Error::TOO_LARGE))
    }

    /// Returns the value of one key of the payload, for policies: the target of the request.
    ///
    /// `name` is the file or the setting, `image` and `slot` are the target of an upload or an
    /// erase, `hash` is the image of a state write. `None` if the key is absent or its value has
    /// another type.
    #[must_use]
    pub fn target<T: Value<'m>>(&self, key: &str) -> Option<T> {
        error::beside(self.payload.0, key)
    }
}

/// The action that the device takes after a response has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum After {
    /// No action.
    #[default]
    Nothing,
    /// Wait until the response is on the wire, then at least 100 ms, then reset.
    Reset {
        /// `true` if the client asked for a reset even when the device is busy.
        force: bool,
        /// The firmware to boot: 0 the application, 1 the boot loader; the application defines
        /// others.
        mode: u8,
    },
}

/// The proof that a request was answered: only a [`Reply`] makes one.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct Answer {
    pub(super) len: usize,
    pub(super) after: After,
}

impl Answer {
    /// Adds an action to take after the response has left.
    pub const fn then(self, after: After) -> Self {
        Self { after, ..self }
    }
}

/// The place for one response.
///
/// Two words, so that it is passed in registers rather than copied at every level of a server.
pub struct Reply<'t> {
    pub(super) buffer: &'t mut AnswerBuffer<'t>,
    pub(super) request: &'t Header,
}

shown!(Reply<'_>, |reply| "Reply({:?}, {} bytes)", reply.request.version, reply.room());

impl Reply<'_> {
    /// The number of bytes of payload that the response can hold, at most 65,535.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.buffer.writer.room()
    }

    /// Responds with an error and one number beside it, for example the length of a file. Version 1
    /// has no place for the number, which is left out there.
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
        self.done(written.or(Err(error)))
    }

    /// Responds with a payload. If it does not fit, responds with [`Error::TOO_LARGE`].
    pub fn ok<E: Encode>(self, response: &E) -> Answer {
        let written = response.encode(&mut self.buffer.writer);
        self.done(written.or(Err(Error::TOO_LARGE)))
    }

    /// Responds with an error.
    pub fn error(self, error: Error) -> Answer {
        self.done(Err(error))
    }

    /// Responds with a payload or with an error.
    pub fn result<E: Encode>(self, result: Result<E, Error>) -> Answer {
        match result {
            Ok(response) => self.ok(&response),
            Err(error) => self.error(error),
        }
    }

    /// Completes a response whose payload was written, or refuses.
    pub(crate) fn done(self, written: Result<(), Error>) -> Answer {
        Answer { len: finish(self.buffer, self.request, written), after: After::Nothing }
    }
}

/// Completes a response whose payload was written, or responds with an error in place of everything
/// written so far; returns the length of the response, 0 if there is no room.
// A number leaves in a register, an `Answer` through memory: 67 bytes less on a Cortex-M0, 127 on
// an M4 (smp_five).
#[inline(never)]
fn finish(buffer: &mut AnswerBuffer<'_>, request: &Header, written: Result<(), Error>) -> usize {
    if let Err(error) = written {
        buffer.restart();
        if error.write(request.version, &mut buffer.writer).is_err() {
            // Silence, as if the response was lost.
            return 0;
        }
    }
    buffer.complete(request)
}

/// Responds with an error; see [`finish`].
pub(super) fn refuse(buffer: &mut AnswerBuffer<'_>, request: &Header, error: Error) -> usize {
    finish(buffer, request, Err(error))
}

/// The buffer of a response: the payload is written after room for the header, which is written
/// last.
pub(super) struct AnswerBuffer<'t> {
    pub(super) writer: Writer<'t>,
}

/// The bytes in front of a payload that gets the entry `rc: 0`: room for the head of the map, and
/// the key. No map begins with a zero, so a payload that begins with one has a gap in front.
const GAP: [u8; 4] = *b"\x00\x62rc";

impl<'t> AnswerBuffer<'t> {
    /// A buffer in `tx`: it uses at most the length that a header can express.
    pub(super) fn new(tx: &'t mut [u8]) -> Self {
        let room = tx.len().min(Header::LEN + usize::from(u16::MAX));
        let mut buffer = Self { writer: Writer::new(tx.get_mut(..room).unwrap_or_default()) };
        buffer.restart();
        buffer
    }

    /// Leaves room for `rc: 0`: see [`fill_gap`]. An error response has its own code and drops the
    /// gap.
    pub(super) fn leave_gap(&mut self) {
        let _ = self.writer.raw(&GAP);
    }

    pub(super) fn restart(&mut self) {
        self.writer.leave(Header::LEN);
    }

    /// Writes a whole response with its header, in place of everything written so far.
    pub(super) fn replace(&mut self, answer: &[u8]) -> Result<(), BufferFull> {
        self.writer.clear();
        self.writer.raw(answer)
    }

    /// Writes the header in front of the payload; returns the length of both, 0 if there is no room
    /// for the header.
    pub(super) fn complete(&mut self, request: &Header) -> usize {
        let len = self.writer.len();
        #[expect(clippy::cast_possible_truncation, reason = "`new` has no room for more")]
        let length = len.wrapping_sub(Header::LEN) as u16;
        let Some(header) = self.writer.written_mut().first_chunk_mut() else { return 0 };
        *header = Header { length, ..request.response() }.emit();
        len
    }
}

/// Puts `rc: 0` in front of the keys of the map in a response that was written after a gap. The
/// gap holds the key already: the head of the map moves to its front, and the byte that the head
/// leaves becomes the zero.
///
/// # Errors
///
/// [`BufferFull`] for a map of 23 keys or more, whose head would grow, and for a payload that is
/// not a map. No command of old clients has such a response.
pub(super) fn fill_gap(response: &mut [u8]) -> Result<(), BufferFull> {
    let payload = response.get_mut(Header::LEN..).unwrap_or_default();
    match payload.split_first_chunk_mut() {
        Some((gap, [head @ (0xA0..=0xB6 | 0xBF), ..])) if *gap == GAP => {
            let [front, ..] = gap;
            // The head of a map that ends with a break has no number of keys.
            *front = head.wrapping_add(u8::from(*head != 0xBF));
            *head = 0;
            Ok(())
        }
        Some((gap, _)) if *gap == GAP => Err(BufferFull),
        // An error has its own code and no gap.
        _ => Ok(()),
    }
}

// In a checkout alone.
#[path = "../../../tests/unit/smp/server"]
#[cfg(test)]
mod tests {
    #[cfg(anysmp_checkout)]
    mod answer;
}
