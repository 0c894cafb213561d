//! The trait of all requests.

use super::Error;
use crate::bsmp::{Command, Payload};

/// The answer to a request of type `R`, borrowed from the received message.
///
/// A function that is generic over its request returns this:
///
/// ```
/// use anysmp::blocking::Link;
/// use anysmp::bsmp::{self, Client, Request, Response};
/// use anysmp::{framing::packet::Packet, line, port::Clock};
///
/// struct Node<'b, P> { link: Link<'b, P, Packet<'b>>, client: Client }
///
/// impl<'b, P: embedded_io::Read + embedded_io::Write + Clock> Node<'b, P> {
///     fn call<R: Request>(
///         &mut self,
///         request: &R,
///     ) -> Result<Response<'_, R>, line::Error<P::Error, bsmp::Error>> {
///         self.link.call(&mut self.client, request)
///     }
/// }
/// ```
pub type Response<'m, R> = <<R as Request>::Kind as Request>::Response<'m>;

/// A request of a master: a struct for each command, in the modules of the entities.
///
/// Implement it for the commands of your own device:
///
/// ```
/// use anysmp::bsmp::{Command, Error, Payload, Request};
///
/// /// Sets the clock; the node answers with the clock that it had.
/// struct SetClock { seconds: u32 }
///
/// impl Request for SetClock {
///     type Kind = Self;
///     type Response<'m> = u32;
///     type Expectation = ();
///     const COMMAND: Command = Command(0x60);
///     const ANSWER: Command = Command(0x61);
///     fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
///         Ok(payload.put(&self.seconds.to_le_bytes())?)
///     }
///     fn expectation(&self) {}
///     fn decode((): &(), payload: &[u8]) -> Result<u32, Error> {
///         Ok(u32::from_le_bytes(payload.try_into().map_err(|_| Error::WrongSize)?))
///     }
/// }
/// ```
pub trait Request {
    /// The request's kind, by which its answer is recognised and decoded: the type itself, with
    /// every lifetime `'static`. So a [`Pending`](super::Pending) borrows nothing from its request.
    type Kind: Request<Kind = Self::Kind, Expectation = Self::Expectation> + 'static;
    /// The answer, borrowed from the received message.
    type Response<'m>;
    /// The values that the answer is checked against, for example a size.
    type Expectation: core::fmt::Debug + Copy;
    /// The code of the request.
    const COMMAND: Command;
    /// The code of its answer, unless the node refuses: that of BSMP 2.30, or "done" if BSMP does
    /// not have the request.
    const ANSWER: Command = match Self::COMMAND.answer() {
        Some(answer) => answer,
        None => Command::OK,
    };

    /// Writes the payload; by default there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if no node could accept it, [`Error::BufferFull`].
    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        let _ = payload;
        Ok(())
    }

    /// Returns the values that the answer is checked against.
    fn expectation(&self) -> Self::Expectation;

    /// Reads the payload of the answer.
    ///
    /// # Errors
    ///
    /// The fault of a payload that cannot be the answer to the request: the message is then
    /// foreign, and the wait continues.
    fn decode<'m>(expectation: &Self::Expectation, payload: &'m [u8]) -> Result<Self::Response<'m>, Error>;

    /// Returns true if running the request twice does no more harm than running it once. Only then
    /// is it repeated when its answer is missing.
    fn is_idempotent(&self) -> bool {
        true
    }
}
