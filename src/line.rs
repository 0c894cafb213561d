//! What the drivers and the protocols ask of each other.
//!
//! A *link* is a port plus a framing. The two drivers, `blocking::Link` and `asynch::Link`, are thin twins: they move bytes and count ticks,
//! and find everything else behind the traits of this module, which know neither ports nor framings:
//!
//! * [`Caller`]: a client. One request, its answer, its repeats.
//! * [`Service`] and [`AsyncService`]: a server. A message comes in, perhaps one goes out.
//! * [`Sink`]: where the bytes, messages and losses go that belong to no exchange.
//!
//! # Time
//!
//! A port tells time in one way only: its `read` fails with `ErrorKind::TimedOut`. That is a tick, not a verdict. A link is built with the
//! length of its port's tick and adds the ticks up: for a framing, how long the line has been silent; for a request, how
//! long the answer has been missing. A line that never falls silent is charged one tick for every [`CHATTER`] bytes, so
//! that a device which prints without end cannot hold up a request for ever.
//!
//! # Log
//!
//! With the feature `defmt` a driver logs each message that it drops, with the reason: `warn` if it was damaged, `debug` if it
//! answers nothing that was asked. Nothing else is logged, and no byte of any message: every type of this crate that carries
//! some prints its length, in `Debug` as in `defmt::Format`.

use core::time::Duration;

use crate::framing;
use crate::shown::shown;

/// Received bytes that count as one tick on a line that never falls silent.
pub const CHATTER: usize = 16 * 1024;

/// A time that grows tick by tick. Half the size of a [`Duration`], and its sums take a third of the code on 32-bit targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    secs: u32,
    nanos: u32,
}

impl Span {
    pub(crate) const ZERO: Self = Self { secs: 0, nanos: 0 };
    const SECOND: u32 = 1_000_000_000;

    /// What is longer than 136 years becomes that.
    pub(crate) const fn of(time: Duration) -> Self {
        let secs = time.as_secs();
        #[expect(clippy::cast_possible_truncation, reason = "checked")]
        let secs = if secs > u32::MAX as u64 { u32::MAX } else { secs as u32 };
        Self { secs, nanos: time.subsec_nanos() }
    }

    pub(crate) fn time(self) -> Duration {
        // Always less than a second; where the compiler does not see that, it keeps a division and a panic.
        Duration::new(self.secs.into(), self.nanos.min(Self::SECOND - 1))
    }

    /// Adds a tick, and returns the sum.
    #[inline(never)] // Called from five places of a driver.
    pub(crate) const fn lengthen(&mut self, tick: Self) -> Self {
        let (mut secs, mut nanos) = (self.secs.saturating_add(tick.secs), self.nanos.wrapping_add(tick.nanos));
        if nanos >= Self::SECOND {
            nanos -= Self::SECOND;
            secs = secs.saturating_add(1);
        }
        *self = Self { secs, nanos };
        *self
    }

    pub(crate) const fn reaches(self, limit: Self) -> bool {
        self.number() >= limit.number()
    }

    /// Both fields in one number, by which times are compared in two instructions.
    const fn number(self) -> u64 {
        (self.secs as u64) << 32 | self.nanos as u64
    }
}

/// Why a driver gave up. `P` is the error of the port, `E` that of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error<P, E> {
    /// The port: it failed.
    Port(P),
    /// The port: it reached its end, as when the peer closed a connection.
    Closed,
    /// The port: it accepted none of the bytes, and never will.
    WriteZero,
    /// Time: no answer came, not even to the repeats.
    TimedOut,
    /// We: the message does not fit the link's `out` buffer, and this framing has to send it in one piece.
    BufferFull,
    /// We: the message cannot be framed.
    Framing(framing::Error),
    /// The exchange itself: see the protocol's error.
    Protocol(E),
}

impl<P> Error<P, core::convert::Infallible> {
    /// The same error where a protocol's own errors are possible too.
    pub fn widen<E>(self) -> Error<P, E> {
        match self {
            Self::Port(error) => Error::Port(error),
            Self::Closed => Error::Closed,
            Self::WriteZero => Error::WriteZero,
            Self::TimedOut => Error::TimedOut,
            Self::BufferFull => Error::BufferFull,
            Self::Framing(error) => Error::Framing(error),
            Self::Protocol(never) => match never {},
        }
    }
}

impl<P: core::fmt::Display, E: core::fmt::Display> core::fmt::Display for Error<P, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Port(error) => write!(f, "the port failed: {error}"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::WriteZero => f.write_str("the port accepts no bytes"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::BufferFull => f.write_str("the message does not fit the link's output buffer"),
            Self::Framing(error) => write!(f, "{error}"),
            Self::Protocol(error) => write!(f, "{error}"),
        }
    }
}

impl<P, E> core::error::Error for Error<P, E>
where
    P: core::fmt::Debug + core::fmt::Display,
    E: core::fmt::Debug + core::fmt::Display,
{
}

/// What a received message is to a request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// Its answer: [`Caller::decode`] may read it.
    Answer,
    /// None of its business, as a late answer to an earlier request: dropped, the wait goes on.
    Foreign,
    /// A message that the peer sends unasked: handed to the [`Sink`], the wait goes on.
    Unsolicited,
    /// The peer wants the request in another form, which now stands in the first so many bytes of `tx`.
    Again(usize),
}

/// A client, as a driver sees it: how to make one request of type `R` and to know its answer.
pub trait Caller<R: ?Sized> {
    /// A request in flight. To drop it is to cancel it.
    type Pending;
    /// The answer, borrowed from the received message.
    type Response<'m>;
    /// Why there is no response although a message was received, or why there is no request.
    type Error;

    /// Writes the request into the front of `tx`; returns its length and the value that knows its answer.
    ///
    /// # Errors
    ///
    /// If the request does not fit `tx`, or cannot be expressed.
    fn request(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Self::Pending), Self::Error>;

    /// How long to wait for the answer before [`repeat`](Self::retry).
    fn timeout(&self, pending: &Self::Pending) -> Duration;

    /// Says what a received message is to the request. `tx` still holds the request.
    fn receive(&mut self, pending: &mut Self::Pending, message: &[u8], tx: &mut [u8]) -> Verdict;

    /// The patience is used up: returns the length of the repeated request in `tx`, or `None` to give up.
    fn retry(&mut self, pending: &mut Self::Pending, tx: &mut [u8]) -> Option<usize>;

    /// Reads the answer that [`receive`](Self::receive) has recognised.
    ///
    /// # Errors
    ///
    /// If the peer refused the request, or its answer is malformed.
    fn decode<'m>(&self, pending: &Self::Pending, message: &'m [u8]) -> Result<Self::Response<'m>, Self::Error>;
}

/// Who sent a message: a number that a transport gives to each address, connection or session. 0 is the only peer there is,
/// as on a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Peer(pub u32);

/// A server, as the blocking driver sees it.
pub trait Service {
    /// What is to be done after the answer has left, as a reset of the device; by default nothing.
    type After: Default + PartialEq;

    /// Handles one message of `peer`; returns the length of the answer in `tx`, 0 for none.
    fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, Self::After);

    /// The size of a receive buffer that this server promises to its peers, in bytes; `None` if it promises none. A
    /// framing that cannot receive messages for such a buffer cannot serve it.
    fn buffer_size(&self) -> Option<usize> {
        None
    }

    /// A damaged message was dropped; returns the length of an answer in `tx`, 0 for none.
    fn damaged(&mut self, error: framing::Error, tx: &mut [u8]) -> usize {
        let _ = (error, tx);
        0
    }

    /// One tick has passed in silence.
    fn tick(&mut self, tick: Duration) {
        let _ = tick;
    }

    /// Whether there is something to send unasked; returns its length in `tx`, 0 for nothing. Called after each message and each
    /// tick until it returns 0.
    fn poll(&mut self, tx: &mut [u8]) -> usize {
        let _ = tx;
        0
    }
}

/// A server, as the async driver sees it: [`Service`] with a `receive` that may await.
pub trait AsyncService {
    /// What is to be done after the answer has left, as a reset of the device; by default nothing.
    type After: Default + PartialEq;

    /// Handles one message of `peer`; returns the length of the answer in `tx`, 0 for none.
    ///
    /// # Cancellation
    ///
    /// A dropped call leaves the request unanswered; what the handler had begun is the handler's business.
    fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> impl Future<Output = (usize, Self::After)>;

    /// The size of a receive buffer that this server promises to its peers, in bytes; `None` if it promises none. A
    /// framing that cannot receive messages for such a buffer cannot serve it.
    fn buffer_size(&self) -> Option<usize> {
        None
    }

    /// A damaged message was dropped; returns the length of an answer in `tx`, 0 for none.
    fn damaged(&mut self, error: framing::Error, tx: &mut [u8]) -> usize {
        let _ = (error, tx);
        0
    }

    /// One tick has passed in silence.
    fn tick(&mut self, tick: Duration) {
        let _ = tick;
    }

    /// Whether there is something to send unasked; returns its length in `tx`, 0 for nothing.
    fn poll(&mut self, tx: &mut [u8]) -> usize {
        let _ = tx;
        0
    }
}

/// Takes what belongs to no exchange. Every method has an empty default; `()` ignores everything, and a
/// `FnMut(&[u8])` in [`Text`] takes console text.
pub trait Sink {
    /// Bytes outside of any frame: console text on the same wire.
    fn text(&mut self, text: &[u8]) {
        let _ = text;
    }

    /// A message that the peer sent unasked.
    fn unsolicited(&mut self, message: &[u8]) {
        let _ = message;
    }

    /// A damaged message was dropped.
    fn dropped(&mut self, error: framing::Error) {
        let _ = error;
    }

    /// A frame passed the wire, for a trace: `sent` says in which direction. The message, not its framing.
    fn traced(&mut self, message: &[u8], sent: bool) {
        let _ = (message, sent);
    }
}

impl Sink for () {}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn text(&mut self, text: &[u8]) {
        (**self).text(text);
    }

    fn unsolicited(&mut self, message: &[u8]) {
        (**self).unsolicited(message);
    }

    fn dropped(&mut self, error: framing::Error) {
        (**self).dropped(error);
    }

    fn traced(&mut self, message: &[u8], sent: bool) {
        (**self).traced(message, sent);
    }
}

/// A [`Sink`] that hands console text to a closure and ignores the rest.
#[derive(Clone, Copy)]
pub struct Text<F>(pub F);

shown!([F] Text<F>, |_| "Text");

impl<F: FnMut(&[u8])> Sink for Text<F> {
    fn text(&mut self, text: &[u8]) {
        (self.0)(text);
    }
}

/// What a link has counted since it was built. The counters wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counters {
    /// Messages sent.
    pub sent: u32,
    /// Whole messages received.
    pub received: u32,
    /// Damaged messages dropped by the framing.
    pub damaged: u32,
    /// Whole messages that answered nothing we asked.
    pub foreign: u32,
    /// Requests sent again.
    pub retries: u32,
}

/// Why a message is dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Loss {
    /// The framing found it damaged.
    Damaged(framing::Error),
    /// It answers nothing that was asked.
    Foreign,
}

impl Counters {
    /// Counts a message that is dropped and, with the feature `defmt`, logs it with the reason: `warn` for damage, `debug` for
    /// the rest. The crate logs nothing else, and never what a message says.
    pub(crate) fn lose(&mut self, loss: Loss) {
        match loss {
            Loss::Damaged(error) => {
                self.damaged = self.damaged.wrapping_add(1);
                #[cfg(feature = "defmt")]
                defmt::warn!("frame dropped: {}", error);
                let _ = error;
            }
            Loss::Foreign => {
                self.foreign = self.foreign.wrapping_add(1);
                #[cfg(feature = "defmt")]
                defmt::debug!("message dropped: it answers nothing that was asked");
            }
        }
    }
}

/// The error of a port that tells time: the port's own, or a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TimedError<E> {
    /// One tick has passed without a byte.
    Tick,
    /// The port failed.
    Port(E),
}

impl<E: core::fmt::Display> core::fmt::Display for TimedError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Tick => f.write_str("no byte within one tick"),
            Self::Port(error) => write!(f, "{error}"),
        }
    }
}

impl<E: core::fmt::Debug + core::fmt::Display> core::error::Error for TimedError<E> {}

impl<E: embedded_io::Error> embedded_io::Error for TimedError<E> {
    fn kind(&self) -> embedded_io::ErrorKind {
        match self {
            Self::Tick => embedded_io::ErrorKind::TimedOut,
            Self::Port(error) => error.kind(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_grows_as_the_sum_of_its_ticks() {
        for tick in [1, 999_999_999, 1_000_000_000, 1_000_000_001, 174_000, 333_333_333].map(Duration::from_nanos) {
            let (mut span, mut time) = (Span::ZERO, Duration::ZERO);
            for _ in 0..10_000 {
                time += tick;
                assert_eq!(span.lengthen(Span::of(tick)).time(), time);
            }
        }
    }

    #[test]
    fn a_span_reaches_what_is_not_longer() {
        let spans = [0, 1, 999_999_999, 1_000_000_000, 1_000_000_001, 2_000_000_000].map(Duration::from_nanos);
        for one in spans {
            for other in spans {
                assert_eq!(Span::of(one).reaches(Span::of(other)), one >= other, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_span_ends_where_its_seconds_do() {
        let longest = Span::of(Duration::MAX);
        assert!(longest.time() >= Duration::from_secs(u32::MAX.into()));
        let mut span = longest;
        assert!(
            span.lengthen(Span::of(Duration::from_secs(2))).reaches(Span::of(Duration::from_secs(u32::MAX.into())))
        );
    }
}
