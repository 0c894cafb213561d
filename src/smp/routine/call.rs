//! One request of a routine and its response.

use core::marker::PhantomData;
use core::time::Duration;

use super::Error;
use crate::routine::Step;
use crate::shown::shown;
use crate::smp::client::{self, Client};
use crate::smp::{Header, Request, Version};

/// One request of a routine, of the kind `K`: sent, retried, and sent again in the other version if
/// the server asks for that.
///
/// It is to a [`Routine`](crate::routine::Routine) what a driver's `call` is to a program. A
/// routine keeps one in the state that waits for the response, gives it the request at each
/// [`poll`](Self::poll), and forwards its own `receive` and `timed_out` to it. The request is
/// written again for each retry, since a routine does not own `tx`.
///
/// A routine of a vendor that starts a self-test, then asks until it has ended:
///
/// ```
/// use core::time::Duration;
///
/// use anysmp::routine::{Routine, Step};
/// use anysmp::smp::routine::{Call, Error, Heard};
/// use anysmp::smp::{self, Client, Empty, Group, Op, Request};
///
/// #[derive(Debug)]
/// struct Start {}
/// #[derive(Debug)]
/// struct Progress {}
/// #[derive(Debug)]
/// struct ProgressResponse { percent: u8 }
///
/// smp::payload!(request Start {});
/// smp::payload!(request Progress {});
/// smp::payload!(response ProgressResponse { percent: "p" });
///
/// impl Request for Start {
///     const OP: Op = Op::Write;
///     const GROUP: Group = Group(64);
///     const COMMAND: u8 = 0;
///     type Kind = Self;
///     type Response<'m> = Empty;
/// }
///
/// impl Request for Progress {
///     const OP: Op = Op::Read;
///     const GROUP: Group = Group(64);
///     const COMMAND: u8 = 1;
///     type Kind = Self;
///     type Response<'m> = ProgressResponse;
/// }
///
/// enum SelfTest {
///     /// Exits: `Asking`, `Ended`.
///     Starting(Call<Start>),
///     /// Exits: `Asking` again, `Ended`.
///     Asking(Call<Progress>),
///     Ended(Result<(), Error>),
/// }
///
/// impl Routine for SelfTest {
///     type Client = Client;
///     type Event<'m> = u8;
///     type Report = Option<Result<(), Error>>;
///
///     fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
///         let timeout = client.timeout();
///         let step = match self {
///             Self::Starting(call) => call.poll(client, &Start {}, timeout, tx),
///             Self::Asking(call) => call.poll(client, &Progress {}, timeout, tx),
///             Self::Ended(_) => Ok(Step::Done),
///         };
///         step.unwrap_or_else(|error| {
///             *self = Self::Ended(Err(error));
///             Step::Done
///         })
///     }
///
///     fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<u8> {
///         let heard = match self {
///             Self::Starting(call) => call.receive(client, message).map(|_| 0),
///             Self::Asking(call) => call.receive(client, message).map(|state| state.percent),
///             Self::Ended(_) => Heard::Foreign,
///         };
///         match heard {
///             Heard::Foreign => return None,
///             Heard::Again => return Some(0),
///             Heard::Response(Ok(100)) => *self = Self::Ended(Ok(())),
///             Heard::Response(Ok(percent)) => {
///                 *self = Self::Asking(Call::new(client.retries()));
///                 return Some(percent);
///             }
///             Heard::Response(Err(error)) => *self = Self::Ended(Err(error.into())),
///         }
///         Some(100)
///     }
///
///     fn timed_out(&mut self) {
///         match self {
///             Self::Starting(call) => call.timed_out(),
///             Self::Asking(call) => call.timed_out(),
///             Self::Ended(_) => {}
///         }
///     }
///
///     fn report(&self) -> Self::Report {
///         if let Self::Ended(result) = self { Some(*result) } else { None }
///     }
/// }
///
/// // link.run(&mut client, &mut test, |percent| { … ControlFlow::Continue(()) })
/// let mut client = Client::new(0);
/// let (mut test, mut tx) = (SelfTest::Starting(Call::new(client.retries())), [0; 32]);
/// assert_eq!(test.poll(&mut client, &mut tx), Step::Send(9));
/// assert_eq!(test.receive(&mut client, b"\x0b\0\0\x01\0\x40\0\0\xa0"), Some(0));
/// assert_eq!(test.poll(&mut client, &mut tx), Step::Send(9));
/// let response = b"\x09\0\0\x05\0\x40\x01\x01\xa1\x61p\x18\x64";
/// assert_eq!(test.receive(&mut client, response), Some(100));
/// assert_eq!(test.report(), Some(Ok(())));
/// ```
pub struct Call<K> {
    state: State,
    /// The number of retries that are left.
    retries: u8,
    kind: PhantomData<fn() -> K>,
}

shown!([K] Call<K>, |it| "Call({:?}, {} retries)", it.state, it.retries);

// Not derived: that would ask for `K: Clone`.
impl<K> Clone for Call<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Call<K> {}

const _: () = assert!(size_of::<Call<()>>() <= 4);

/// The progress of a [`Call`]. Every state also exits to `Silent`, by `give_up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// To be sent for the first time. Exits: `Waiting`.
    New,
    /// To be sent with a new number in the other version, because the server refused this one.
    /// Exits: `Waiting`.
    Refused(Version),
    /// To be sent again with the same number. Exits: `Waiting`.
    Again(Asked),
    /// Sent; the response is awaited. Exits: `Refused`; `Again` or `Silent` after a timeout; none
    /// by a response, after which the owner drops the call.
    Waiting(Asked),
    /// Never answered. No exit: each poll fails.
    Silent,
}

/// A request that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Asked {
    sequence: u8,
    /// The version in which the request was first written: a server that refuses both versions is
    /// not asked a third time.
    version: Version,
}

/// The relation of a message to a [`Call`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the routine has to handle each")]
pub enum Heard<T> {
    /// It is not the response; the wait continues.
    Foreign,
    /// The server asks for the other version: poll again to send the request once more.
    Again,
    /// The response, or the reason why there is none. The call has ended.
    Response(Result<T, client::Error>),
}

shown!([T] Heard<T>, |it| "{}", it.name());

impl<T> Heard<T> {
    /// The name of the variant: a response may contain secrets, which must not be printed.
    const fn name(&self) -> &'static str {
        match self {
            Self::Foreign => "Foreign",
            Self::Again => "Again",
            Self::Response(Ok(_)) => "Response(Ok(..))",
            Self::Response(Err(_)) => "Response(Err(..))",
        }
    }

    /// Passes a response on to `responded`; returns true if the message belonged to the call.
    #[must_use]
    pub fn then(self, responded: impl FnOnce(Result<T, client::Error>)) -> bool {
        match self {
            Self::Foreign => return false,
            Self::Again => {}
            Self::Response(response) => responded(response),
        }
        true
    }

    /// Converts the content of a response that is not an error.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Heard<U> {
        match self {
            Self::Foreign => Heard::Foreign,
            Self::Again => Heard::Again,
            Self::Response(response) => Heard::Response(response.map(convert)),
        }
    }
}

/// The header of a request, in the version that the client speaks.
const fn header<R: Request>(client: &Client, Asked { sequence, .. }: Asked) -> Header {
    Header { op: R::OP, version: client.version(), length: 0, group: R::GROUP, sequence, command: R::COMMAND }
}

impl<K: Request<Kind = K>> Call<K> {
    /// A request that is repeated at most `retries` times, usually [`Client::retries`]. A request
    /// that [must not run twice](Request::is_idempotent) is repeated at most [as often as the
    /// client allows](Client::with_non_idempotent_retries).
    #[must_use]
    pub const fn new(retries: u8) -> Self {
        Self { state: State::New, retries, kind: PhantomData }
    }

    /// Returns the next step: sends the request, or waits for `timeout`, usually the longer of
    /// [`Request::TIMEOUT`] and [`Client::timeout`].
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when all retries are used up, [`Error::BufferFull`] if the request does
    /// not fit `tx`.
    pub fn poll<R: Request<Kind = K>>(
        &mut self,
        client: &mut Client,
        request: &R,
        timeout: Duration,
        tx: &mut [u8],
    ) -> Result<Step, Error> {
        let sequence = client.sequence();
        let asked = match self.state {
            State::New => Asked { sequence, version: client.version() },
            State::Refused(version) => Asked { sequence, version },
            State::Again(asked) => asked,
            State::Waiting(_) => return Ok(Step::Wait(timeout)),
            State::Silent => return Err(Error::TimedOut),
        };
        let (len, _) = client.emit_as(header::<K>(client, asked), tx, |writer| request.encode(writer))?;
        if !request.is_idempotent() {
            self.retries = self.retries.min(client.non_idempotent_retries());
        }
        self.state = State::Waiting(asked);
        Ok(Step::Send(len))
    }

    /// Compares a message with the request, and reads the response if it is one.
    pub fn receive<'m>(&mut self, client: &mut Client, message: &'m [u8]) -> Heard<K::Response<'m>> {
        let State::Waiting(asked) = self.state else { return Heard::Foreign };
        let Asked { version, .. } = asked;
        if !client::answers(&header::<K>(client, asked), message) {
            return Heard::Foreign;
        }
        match client::payload(message).map_err(client::Error::from).and_then(K::response) {
            // Only a response that the command itself decodes as a refusal: see `Client`.
            Err(client::Error::Remote(refusal)) if client.adopt_version(client.version(), version, refusal) => {
                self.state = State::Refused(version);
                Heard::Again
            }
            response => Heard::Response(response),
        }
    }

    pub(super) const fn is_new(&self) -> bool {
        matches!(self.state, State::New)
    }

    /// Gives up, because no response will come: the next [`poll`](Self::poll) fails.
    pub(super) const fn give_up(&mut self) {
        self.state = State::Silent;
    }

    /// Reports that the timeout has passed: the next [`poll`](Self::poll) repeats the request, or
    /// fails.
    pub const fn timed_out(&mut self) {
        let State::Waiting(asked) = self.state else { return };
        self.state = match self.retries.checked_sub(1) {
            Some(retries) => {
                self.retries = retries;
                State::Again(asked)
            }
            None => State::Silent,
        };
    }
}
