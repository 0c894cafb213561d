//! The one response to a request, and the action after it.

use super::answer::AnswerBuffer;
use crate::cbor::BufferFull;
use crate::shown::shown;
use crate::smp::{Encode, Error, Header, Version};

/// The action that the device takes after a response has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum After {
    /// Nothing.
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
        match written {
            Ok(()) => self.complete(),
            Err(_) => self.error(error),
        }
    }

    /// Responds with a payload. If it does not fit, responds with [`Error::TOO_LARGE`].
    pub fn ok<E: Encode>(self, response: &E) -> Answer {
        let written = response.encode(&mut self.buffer.writer);
        self.finish(written)
    }

    /// Responds with an error.
    #[inline(never)] // One copy: each command has its refusals.
    pub fn error(self, error: Error) -> Answer {
        Answer { len: refuse(self.buffer, self.request, error), after: After::Nothing }
    }

    /// Responds with a payload or with an error.
    pub fn result<E: Encode>(self, result: Result<E, Error>) -> Answer {
        match result {
            Ok(response) => self.ok(&response),
            Err(error) => self.error(error),
        }
    }

    /// Completes a response whose payload was written. Not generic, so that there is one copy for
    /// all types of response.
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

/// Responds with an error, in place of everything written so far; returns the length of the
/// response.
pub(super) fn refuse(buffer: &mut AnswerBuffer<'_>, request: &Header, error: Error) -> usize {
    buffer.restart();
    match error.write(request.version, &mut buffer.writer) {
        Ok(()) => buffer.complete(request),
        Err(_) => 0,
    }
}
