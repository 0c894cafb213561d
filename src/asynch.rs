//! The async driver: a port of `embedded-io-async`, a framing and two buffers make a [`Link`].
//!
//! ```text
//!   port.read ─▶ chunk ─▶ Framing::push ─▶ message ─▶ call │ run │ serve
//!   port.write ◀─ out ◀─ Encoder::next ◀── tx ◀────── call │ run │ serve
//! ```
//!
//! | method | side | what it does |
//! |---|---|---|
//! | [`Link::call`] | client | one request, its repeats, its answer |
//! | [`Link::run`] | client | a [`Routine`]: many exchanges |
//! | [`Link::serve`] | server | waits for one message or one tick, answers it |
//! | [`Link::send`], [`Link::recv`] | both | one message, nothing around it |
//!
//! The port has to give up waiting from time to time: its `read` returns an error of kind `TimedOut` after each *tick*
//! (see [`line`](crate::line)). [`Timed`] makes such a port from one that waits for ever and a delay.
//!
//! `src/blocking.rs` is the same file without `async`.
//!
//! # Cancellation
//!
//! Every future here may be dropped at any await, given a port whose `read` and `write` may be: they must not have
//! consumed or sent bytes when they are dropped before they are ready. The link remembers a send that was begun: the
//! next one starts with the framing's preamble, or, where there is none (raw), after the line was silent for long
//! enough. A request that was in flight is forgotten; its late answer is dropped by its sequence number.

use core::convert::Infallible;
use core::future::poll_fn;
use core::ops::{ControlFlow, Range};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use embedded_io_async::{Error as _, ErrorKind, Read, Write};

use crate::framing::{self, Encoder, Framing, Progress};
use crate::line::{
    AsyncService as Service, CHATTER, Caller, Counters, Error, Loss, Peer, Sink, Span, TimedError, Verdict,
};
use crate::routine::{Ended, Routine, Step};
use crate::shown::shown;

/// Room for any encoder to say whether it is done.
const PROBE: usize = 8;

/// What one look at the line brought.
enum Arrival {
    Message,
    Damaged(framing::Error),
    Tick,
}

/// A port and a framing, ready for exchanges.
///
/// `chunk` takes what one `read` of the port delivers; `out` collects what one `write` sends. Both may be small for a
/// stream (64 bytes do; 128 make one write per console line); for datagrams each must hold the largest one, and for
/// framings with [`Framing::WHOLE`] `out` must hold a whole frame. Of `chunk`, 65,535 bytes are used at most.
pub struct Link<'b, P, F, S = ()> {
    port: P,
    framing: F,
    sink: S,
    chunk: &'b mut [u8],
    /// The part of `chunk` that was read but not yet pushed.
    unread: Range<u16>,
    out: &'b mut [u8],
    tick: Span,
    /// How long the line has been silent, in whole ticks.
    silence: Span,
    /// Bytes received since the last tick.
    chatter: u16,
    /// Whether the peer's decoder may be out of step, so that a preamble goes first.
    resync: bool,
    /// Whether a send was begun and not completed.
    abandoned: bool,
    counters: Counters,
}

shown!(['b, P, F, S] Link<'b, P, F, S>, |link| "Link({:?})", link.counters);

impl<'b, P: Read + Write, F: Framing> Link<'b, P, F> {
    /// Joins a port and a framing. `tick` is the time after which the port's `read` gives up; below 1 µs it counts as that.
    pub fn new(port: P, framing: F, chunk: &'b mut [u8], out: &'b mut [u8], tick: Duration) -> Self {
        let longest = chunk.len().min(usize::from(u16::MAX));
        Self {
            port,
            framing,
            sink: (),
            chunk: chunk.get_mut(..longest).unwrap_or_default(),
            unread: 0..0,
            out,
            tick: Span::of(tick.max(Duration::from_micros(1))),
            silence: Span::ZERO,
            chatter: 0,
            resync: false,
            abandoned: false,
            counters: Counters::default(),
        }
    }
}

impl<'b, P: Read + Write, F: Framing, S: Sink> Link<'b, P, F, S> {
    /// Hands everything that belongs to no exchange to `sink`: console text, unasked messages, losses.
    pub fn with_sink<T: Sink>(self, sink: T) -> Link<'b, P, F, T> {
        Link {
            port: self.port,
            framing: self.framing,
            sink,
            chunk: self.chunk,
            unread: self.unread,
            out: self.out,
            tick: self.tick,
            silence: self.silence,
            chatter: self.chatter,
            resync: self.resync,
            abandoned: self.abandoned,
            counters: self.counters,
        }
    }

    /// What this link has counted so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The message received last, as to read the text beside an error. Empty if the last one was damaged.
    pub fn message(&self) -> &[u8] {
        self.framing.message()
    }

    /// The port, as to change its speed or to write text beside the frames.
    pub const fn port(&mut self) -> &mut P {
        &mut self.port
    }

    /// The sink that was given with [`with_sink`](Self::with_sink).
    pub const fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Gives the port back.
    pub fn into_port(self) -> P {
        self.port
    }

    /// Makes one request and waits for its answer, repeating it as the client says.
    ///
    /// Late answers and other foreign messages are counted and dropped; unasked messages go to the sink.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] after the last repeat; [`Error::Protocol`] if the peer refused or answered nonsense; the
    /// port's own failures. The link stays usable in each case but the port's.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the request. The device may have executed it all the same.
    pub async fn call<'l, R, C>(
        &'l mut self,
        client: &mut C,
        request: &R,
        tx: &mut [u8],
    ) -> Result<C::Response<'l>, Error<P::Error, C::Error>>
    where
        R: ?Sized,
        C: Caller<R>,
    {
        let (mut len, mut pending) = client.request(request, tx).map_err(Error::Protocol)?;
        'send: loop {
            self.request(tx.get(..len).unwrap_or_default()).await.map_err(Error::widen)?;
            let mut waited = Span::ZERO;
            loop {
                match self.arrival().await.map_err(Error::widen)? {
                    Arrival::Message => match client.receive(&mut pending, self.framing.message(), tx) {
                        Verdict::Answer => break 'send,
                        Verdict::Foreign => self.counters.lose(Loss::Foreign),
                        Verdict::Unsolicited => self.sink.unsolicited(self.framing.message()),
                        Verdict::Again(again) => {
                            len = again;
                            continue 'send;
                        }
                    },
                    Arrival::Damaged(_) => {}
                    Arrival::Tick => {
                        if self.expired(&mut waited, client.timeout(&pending)).await.map_err(Error::widen)? {
                            let Some(again) = client.retry(&mut pending, tx) else {
                                self.resync = true;
                                return Err(Error::TimedOut);
                            };
                            len = again;
                            self.counters.retries = self.counters.retries.wrapping_add(1);
                            continue 'send;
                        }
                    }
                }
            }
        }
        client.decode(&pending, self.framing.message()).map_err(Error::Protocol)
    }

    /// Runs a routine until it is done, wants the port reopened, or `on_event` breaks off.
    ///
    /// After [`Ended::Reopen`] and after [`Ended::Stopped`] the same routine may be run again, on this link or on
    /// another.
    ///
    /// # Errors
    ///
    /// Only the link's own: what the peer refuses is part of the routine's report.
    ///
    /// # Cancellation
    ///
    /// The routine keeps its state and may be run again; what was outstanding is repeated.
    pub async fn run<R: Routine>(
        &mut self,
        client: &mut R::Client,
        routine: &mut R,
        tx: &mut [u8],
        mut on_event: impl FnMut(R::Event<'_>) -> ControlFlow<()>,
    ) -> Result<Ended<R::Report>, Error<P::Error, Infallible>> {
        let (mut waited, mut messages) = (Span::ZERO, 0u8);
        loop {
            let limit = match routine.poll(client, tx) {
                Step::Send(len) => {
                    (waited, messages) = (Span::ZERO, 0);
                    self.request(tx.get(..len).unwrap_or_default()).await?;
                    continue;
                }
                Step::Wait(limit) => limit,
                Step::Reopen => return Ok(Ended::Reopen),
                Step::Done => return Ok(Ended::Done(routine.report())),
            };
            loop {
                match self.arrival().await? {
                    Arrival::Message => {
                        // Each message starts the wait anew, but a peer that talks without end cannot hold it up for ever.
                        messages = messages.saturating_add(1);
                        if messages < u8::MAX {
                            waited = Span::ZERO;
                        }
                        let event = routine.receive(client, self.framing.message());
                        if on_event(event).is_break() {
                            return Ok(Ended::Stopped);
                        }
                        break;
                    }
                    Arrival::Damaged(_) => {}
                    Arrival::Tick => {
                        routine.tick(self.tick.time());
                        if self.expired(&mut waited, limit).await? {
                            waited = Span::ZERO;
                            routine.timed_out();
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Waits for one message or one tick, and sends what the service answers.
    ///
    /// Call it in a loop; what it returns is to be done after the answer has left.
    ///
    /// # Errors
    ///
    /// Only the link's own. If there is something to be done, as a reset, and the answer cannot be sent, what is to be done is
    /// returned all the same: the client was refused nothing. A port that has failed for good fails the next call.
    ///
    /// # Cancellation
    ///
    /// A request that was being handled stays unanswered; what its handler had begun is the handler's business. While the answer
    /// is sent, what was to be done after it is lost with it.
    pub async fn serve<V: Service>(
        &mut self,
        service: &mut V,
        tx: &mut [u8],
    ) -> Result<V::After, Error<P::Error, Infallible>> {
        let (mut len, after) = match self.arrival().await {
            Ok(Arrival::Message) => service.receive(self.framing.message(), Peer(0), tx).await,
            Ok(Arrival::Damaged(error)) => (service.damaged(error, tx), V::After::default()),
            Ok(Arrival::Tick) => {
                service.tick(self.tick.time());
                (0, V::After::default())
            }
            // `?` and then `match` would take the same result apart twice.
            Err(error) => return Err(error),
        };
        if len == 0 {
            len = service.poll(tx);
        }
        while len > 0 {
            let sent = self.send(tx.get(..len).unwrap_or_default()).await;
            if sent.is_err() && after != V::After::default() {
                return Ok(after);
            }
            sent?;
            len = service.poll(tx);
        }
        Ok(after)
    }

    /// Waits up to `limit` for one whole message, and lends it.
    ///
    /// # Errors
    ///
    /// Only the link's own; [`Error::TimedOut`] after `limit` without a message.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: bytes that were read stay with the framing.
    pub async fn recv(&mut self, limit: Duration) -> Result<&[u8], Error<P::Error, Infallible>> {
        let mut waited = Span::ZERO;
        loop {
            match self.arrival().await? {
                Arrival::Message => return Ok(self.framing.message()),
                Arrival::Damaged(_) => {}
                Arrival::Tick => {
                    if waited.lengthen(self.tick).reaches(Span::of(limit)) {
                        return Err(Error::TimedOut);
                    }
                }
            }
        }
    }

    /// Sends one message and expects nothing.
    ///
    /// # Errors
    ///
    /// Only the link's own.
    ///
    /// # Cancellation
    ///
    /// The peer has seen a part of the frame, and the link knows.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), Error<P::Error, Infallible>> {
        if self.abandoned {
            self.resync = true;
            if !F::QUIET.is_zero() {
                self.quiet(F::QUIET).await?;
            }
        }
        if self.resync {
            self.preamble().await?;
            if !F::SETTLE.is_zero() {
                self.quiet(F::SETTLE).await?;
            }
        }
        let mut encoder = self.framing.encode(message).map_err(Error::Framing)?;
        let mut used = 0usize;
        loop {
            let room = self.out.get_mut(used..).unwrap_or_default();
            let is_whole = if room.len() >= <F::Encoder<'_> as Encoder>::MIN_OUT {
                let written = encoder.next(room);
                used = used.wrapping_add(written);
                if written > 0 {
                    continue;
                }
                true
            } else if F::WHOLE {
                // `out` is full: fine if the frame ended just there.
                const { assert!(<F::Encoder<'_> as Encoder>::MIN_OUT <= PROBE, "an encoder that needs more room") };
                if encoder.next(&mut [0; PROBE]) > 0 {
                    return Err(Error::BufferFull);
                }
                true
            } else if used == 0 {
                return Err(Error::BufferFull);
            } else {
                false
            };
            self.abandoned = true;
            write(&mut self.port, self.out.get(..used).unwrap_or_default()).await?;
            if is_whole {
                break;
            }
            used = 0;
        }
        flush(&mut self.port).await?;
        self.abandoned = false;
        self.resync = false;
        self.counters.sent = self.counters.sent.wrapping_add(1);
        self.sink.traced(message, true);
        Ok(())
    }

    /// Sends a request: as [`send`](Self::send), and the first one of a session brings the peer into step.
    async fn request(&mut self, message: &[u8]) -> Result<(), Error<P::Error, Infallible>> {
        self.resync |= self.counters.sent == 0;
        self.send(message).await
    }

    /// Adds a tick to a wait, and says whether it is over: after `limit`, and after the time that the preamble takes which
    /// is sent then. Answers that come meanwhile are still welcome.
    async fn expired(&mut self, waited: &mut Span, limit: Duration) -> Result<bool, Error<P::Error, Infallible>> {
        let (before, limit) = (*waited, Span::of(limit));
        let mut end = limit;
        end.lengthen(Span::of(F::SETTLE));
        if waited.lengthen(self.tick).reaches(limit) && !before.reaches(limit) {
            self.preamble().await?;
        }
        Ok(waited.reaches(end))
    }

    /// Sends the framing's preamble, if it has one.
    async fn preamble(&mut self) -> Result<(), Error<P::Error, Infallible>> {
        let preamble = self.framing.preamble();
        if !preamble.is_empty() {
            write(&mut self.port, preamble).await?;
            flush(&mut self.port).await?;
        }
        Ok(())
    }

    /// Says nothing for `limit`, and drops what comes meanwhile: nothing was asked.
    async fn quiet(&mut self, limit: Duration) -> Result<(), Error<P::Error, Infallible>> {
        let (mut waited, limit) = (Span::ZERO, Span::of(limit));
        while !waited.reaches(limit) {
            match self.arrival().await {
                Ok(Arrival::Tick) => drop(waited.lengthen(self.tick)),
                Ok(Arrival::Message) => self.counters.lose(Loss::Foreign),
                Ok(Arrival::Damaged(_)) => {}
                Err(error) => return Err(error), // As in `serve`.
            }
        }
        Ok(())
    }

    /// Moves bytes until a message is complete, one is lost, or a tick has passed.
    async fn arrival(&mut self) -> Result<Arrival, Error<P::Error, Infallible>> {
        loop {
            while !self.unread.is_empty() {
                let unread = usize::from(self.unread.start)..usize::from(self.unread.end);
                let mut input = self.chunk.get(unread).unwrap_or_default();
                let progress = self.framing.push(&mut input);
                self.unread.start = self.unread.end.saturating_sub(short(input.len()));
                if let Some(arrival) = note(progress, &self.framing, &mut self.sink, &mut self.counters) {
                    return Ok(arrival);
                }
            }
            if usize::from(self.chatter) >= CHATTER {
                self.chatter = 0;
                return Ok(Arrival::Tick);
            }
            match self.port.read(self.chunk).await {
                Ok(0) => return Err(Error::Closed),
                Ok(read) => {
                    let read = short(read.min(self.chunk.len()));
                    self.unread = 0..read;
                    self.chatter = self.chatter.saturating_add(read);
                    self.silence = Span::ZERO;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    self.chatter = 0;
                    let silence = self.silence.lengthen(self.tick).time();
                    loop {
                        let progress = self.framing.idle(silence);
                        let over = progress == Ok(Progress::More);
                        match note(progress, &self.framing, &mut self.sink, &mut self.counters) {
                            Some(arrival) => return Ok(arrival),
                            None if over => return Ok(Arrival::Tick),
                            None => {}
                        }
                    }
                }
                Err(error) => return Err(Error::Port(error)),
            }
        }
    }
}

/// Counts what the framing found, and hands text and losses to the sink.
fn note<F: Framing, S: Sink>(
    progress: Result<Progress<'_>, framing::Error>,
    framing: &F,
    sink: &mut S,
    counters: &mut Counters,
) -> Option<Arrival> {
    match progress {
        Ok(Progress::More) => None,
        Ok(Progress::Text(text)) => {
            sink.text(text);
            None
        }
        Ok(Progress::Message) => {
            counters.received = counters.received.wrapping_add(1);
            sink.traced(framing.message(), false);
            Some(Arrival::Message)
        }
        Err(error) => {
            counters.lose(Loss::Damaged(error));
            sink.dropped(error);
            Some(Arrival::Damaged(error))
        }
    }
}

/// What was read into a chunk, in its own width.
#[expect(clippy::cast_possible_truncation, reason = "a chunk has at most 65,535 bytes")]
const fn short(len: usize) -> u16 {
    len as u16
}

/// Writes all of `bytes`. The trait's own `write_all` panics when a port returns `Ok(0)`.
async fn write<P: Write>(port: &mut P, mut bytes: &[u8]) -> Result<(), Error<P::Error, Infallible>> {
    while !bytes.is_empty() {
        match port.write(bytes).await {
            Ok(0) => return Err(Error::WriteZero),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Port(error)),
        }
    }
    Ok(())
}

/// Waits until what was written is on its way.
async fn flush<P: Write>(port: &mut P) -> Result<(), Error<P::Error, Infallible>> {
    loop {
        match port.flush().await {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map_err(Error::Port),
        }
    }
}

/// Makes a port that ticks from one that waits for ever: races each `read` with a delay.
///
/// The port's `read` must be cancel-safe: it is dropped when the tick wins.
pub struct Timed<P, D> {
    port: P,
    delay: D,
    tick: Duration,
}

shown!([P, D] Timed<P, D>, |timed| "Timed({} us)", timed.tick.as_micros());

impl<P, D> Timed<P, D> {
    /// Wraps `port`; build the [`Link`] with the same `tick`.
    pub const fn new(port: P, delay: D, tick: Duration) -> Self {
        Self { port, delay, tick }
    }
}

impl<P: embedded_io_async::ErrorType, D> embedded_io_async::ErrorType for Timed<P, D> {
    type Error = TimedError<P::Error>;
}

impl<P, D> Read for Timed<P, D>
where
    P: Read,
    D: embedded_hal_async::delay::DelayNs,
{
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        let micros = u32::try_from(self.tick.as_micros()).unwrap_or(u32::MAX);
        let mut read = pin!(self.port.read(buf));
        let mut delay = pin!(self.delay.delay_us(micros));
        poll_fn(|context| {
            if let Poll::Ready(result) = read.as_mut().poll(context) {
                return Poll::Ready(result.map_err(TimedError::Port));
            }
            delay.as_mut().poll(context).map(|()| Err(TimedError::Tick))
        })
        .await
    }
}

impl<P: Write, D> Write for Timed<P, D> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.port.write(buf).await.map_err(TimedError::Port)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.port.flush().await.map_err(TimedError::Port)
    }
}
