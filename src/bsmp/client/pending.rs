//! Requests in flight, which recognise their answers.

use super::{Error, Request};
use crate::bsmp::{Command, Header, Refusal};
use crate::shown::shown;

/// A request in flight, of the kind `K`. Dropping it cancels the request.
///
/// It borrows nothing, so it can be kept in a struct or a static: `Pending<variable::Read>`,
/// `Pending<variable::Write<'static>>`.
#[must_use]
pub struct Pending<K: Request> {
    expectation: K::Expectation,
    is_on_bus: bool,
    len: usize,
    retries: u8,
    /// The fault of the last message that came instead of an answer.
    instead: Option<Error>,
}

shown!([K: Request] Pending<K>, |it| "Pending({:?}, {} bytes, {} retries)", K::COMMAND, it.len, it.retries);

impl<K: Request> Pending<K> {
    pub(super) const fn new(expectation: K::Expectation, is_on_bus: bool, len: usize, retries: u8) -> Self {
        Self { expectation, is_on_bus, len, retries, instead: None }
    }

    /// Returns true if `message` can be the answer: see [Answers](super#answers).
    #[must_use]
    pub fn accepts(&self, message: &[u8]) -> bool {
        matches!(self.judge(message), Judged::Answer(_))
    }

    /// Reads the answer.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] or [`Error::Function`] if the node refused; for a message that is not
    /// [accepted](Self::accepts), its fault.
    pub fn decode<'m>(&self, message: &'m [u8]) -> Result<K::Response<'m>, Error> {
        match self.judge(message) {
            Judged::Answer(response) => response,
            Judged::Foreign(error) => Err(error),
            Judged::Elsewhere => Err(Error::Malformed),
        }
    }

    fn judge<'m>(&self, message: &'m [u8]) -> Judged<K::Response<'m>> {
        judge::<K>(self.is_on_bus, &self.expectation, message)
    }

    /// Does the same as [`accepts`](Self::accepts), and keeps the fault of a message that is not
    /// accepted.
    pub(super) fn receive(&mut self, message: &[u8]) -> bool {
        match self.judge(message) {
            Judged::Answer(_) => true,
            Judged::Foreign(error) => {
                self.instead = Some(error);
                false
            }
            Judged::Elsewhere => false,
        }
    }

    /// Uses one retry; returns the length of the request, which has not changed.
    pub(super) fn retry(&mut self) -> Option<usize> {
        self.retries = self.retries.checked_sub(1)?;
        Some(self.len)
    }

    pub(super) const fn instead(&self) -> Option<Error> {
        self.instead
    }
}

/// The relation of a message to a request.
pub(in crate::bsmp) enum Judged<T> {
    /// Its answer: the value or the refusal of the node.
    Answer(Result<T, Error>),
    /// Addressed to the master, but not the answer, for this reason.
    Foreign(Error),
    /// Not addressed to the master, for example its own echo.
    Elsewhere,
}

/// Compares a message with the answer that a request of the kind `K` expects.
pub(in crate::bsmp) fn judge<'m, K: Request>(
    is_on_bus: bool,
    expectation: &K::Expectation,
    message: &'m [u8],
) -> Judged<K::Response<'m>> {
    let message = match (is_on_bus, message) {
        (false, message) | (true, [0, message @ ..]) => message,
        _ => return Judged::Elsewhere,
    };
    let Some((Header { command, .. }, payload)) = Header::parse(message) else {
        return Judged::Foreign(Error::Malformed);
    };
    match (command, Refusal::from_code(command.0), payload) {
        _ if command == K::ANSWER => match K::decode(expectation, payload) {
            Ok(response) => Judged::Answer(Ok(response)),
            // The right kind, but not the answer to this request: a late one to an earlier request.
            Err(error) => Judged::Foreign(error),
        },
        // Only functions fail with an error of the device: elsewhere 0x53 is a late answer as well.
        (Command::FUNCTION_ERROR, _, [error]) if K::COMMAND == Command::EXECUTE => {
            Judged::Answer(Err(Error::Function(*error)))
        }
        (Command::FUNCTION_ERROR, ..) if K::COMMAND == Command::EXECUTE => Judged::Foreign(Error::WrongSize),
        (_, Some(refusal), []) => Judged::Answer(Err(Error::Remote(refusal))),
        // A refusal has no payload: this is noise, or a code of the vendor.
        (_, Some(_), _) => Judged::Foreign(Error::WrongSize),
        _ => Judged::Foreign(Error::Unexpected(command)),
    }
}
