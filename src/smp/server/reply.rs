//! The one answer to a request, and what the device does after it.

use super::answer::AnswerBuffer;
use crate::cbor::BufferFull;
use crate::shown::shown;
use crate::smp::{Encode, Error, Header, Version};

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
    pub(super) len: usize,
    pub(super) after: After,
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
    pub(super) buffer: &'t mut AnswerBuffer<'t>,
    pub(super) request: &'t Header,
}

shown!(Reply<'_>, |reply| "Reply({:?}, {} bytes)", reply.request.version, reply.room());

impl Reply<'_> {
    /// How many bytes of payload the answer can hold: never more than the header can tell.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.buffer.writer.room()
    }

    /// Answers with an error and one number beside it, as the length of a file. Version 1 has no
    /// place for the number.
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

    /// Completes an answer whose payload was written. What comes with the type of a response is
    /// kept out of here.
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
pub(super) fn refuse(buffer: &mut AnswerBuffer<'_>, request: &Header, error: Error) -> usize {
    buffer.restart();
    match error.write(request.version, &mut buffer.writer) {
        Ok(()) => buffer.complete(request),
        Err(_) => 0,
    }
}
