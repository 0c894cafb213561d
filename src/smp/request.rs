//! The trait of a request.

use core::time::Duration;

use super::{Decode, Encode, Group, Op, client};

/// A request of a client: one command, and the type of its response.
///
/// A vendor's command implements it in the same seven lines as ours: see
/// [`payload!`](super::payload!).
pub trait Request: Encode {
    /// [`Op::Read`] or [`Op::Write`].
    const OP: Op;
    /// The group that the command belongs to.
    const GROUP: Group;
    /// The number of the command within its group.
    const COMMAND: u8;
    /// The time that the device may need, if that is longer than the client's timeout: for commands
    /// that erase flash, for example.
    const TIMEOUT: Duration = Duration::ZERO;
    /// The request's kind, by which its response is decoded: the type itself, with every lifetime
    /// `'static`. So a [`Pending`](super::Pending) borrows nothing from its request.
    type Kind: for<'m> Request<Kind = Self::Kind, Response<'m> = Self::Response<'m>> + 'static;
    /// The response, borrowed from the received message.
    type Response<'m>: Decode<'m>;

    /// Returns true if running the request twice does no more harm than running it once. Only then
    /// is it repeated when its response is missing; a write that switches, adds or starts something
    /// has to return `false`.
    fn is_idempotent(&self) -> bool {
        true
    }

    /// Reads the payload of a response. Only a command whose responses break the common rule for
    /// `rc` overrides it.
    ///
    /// # Errors
    ///
    /// [`client::Error::Remote`] if the server refused, [`client::Error::Malformed`] if the payload
    /// is not a response of the command.
    fn response(payload: &[u8]) -> Result<Self::Response<'_>, client::Error> {
        Self::Response::decode_response(payload)
    }
}
