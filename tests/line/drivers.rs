//! Both drivers over scripted ports: every partial read and write, every failure at every call,
//! every cancellation.
//!
//! The scenarios are written once, in `drivers/scenarios.rs`, and compiled for each driver.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::packet::Packet;
use anysmp::framing::{self, Encoder, Framing, Progress};
use anysmp::line::{self, Buffers, Caller, Counters, Damage, Error, Peer, Serve, Service, Sink, SizeError, Verdict};
use anysmp::port::{Clock, TimedError};
use anysmp::routine::{Ended, Routine, Step};
use anysmp::smp::client::{self, Client};
use anysmp::smp::server::{AllowAll, Incoming, Reply, Server};
use anysmp::smp::{self, Version, os};

use crate::parts;

const TICK: Duration = Duration::from_millis(100);

/// Why the scripted port fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Tick,
    Interrupted,
    Broken,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Fault {}

impl embedded_io::Error for Fault {
    fn kind(&self) -> embedded_io::ErrorKind {
        match self {
            Self::Tick => embedded_io::ErrorKind::TimedOut,
            Self::Interrupted => embedded_io::ErrorKind::Interrupted,
            Self::Broken => embedded_io::ErrorKind::Other,
        }
    }
}

/// What one call of the port does, instead of what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Odd {
    Fail(Fault),
    /// `Ok(0)`.
    Nothing,
}

/// The other end of the wire.
trait Other {
    /// Bytes arrive; returns those that it sends back.
    fn bytes(&mut self, bytes: &[u8]) -> Vec<u8>;
    /// The line was silent for one tick; returns those that it sends unasked.
    fn tick(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

/// A peer that receives and sends nothing.
struct Mute;

impl Other for Mute {
    fn bytes(&mut self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}

/// A device or a tool behind a framing: messages in, messages out.
struct Behind<F, A> {
    framing: F,
    silence: Duration,
    answer: A,
}

fn framed(framing: &impl Framing, message: &[u8]) -> Vec<u8> {
    let mut encoder = framing.encode(message).unwrap();
    let mut out = [0; 64];
    let mut wire = Vec::new();
    loop {
        match encoder.next(message, &mut out) {
            0 => return wire,
            len => wire.extend_from_slice(&out[..len]),
        }
    }
}

impl<F: Framing, A: FnMut(&[u8]) -> Vec<Vec<u8>>> Other for Behind<F, A> {
    fn bytes(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        self.silence = Duration::ZERO;
        let mut wire = Vec::new();
        loop {
            match self.framing.push(&mut bytes) {
                Ok(Progress::More) => return wire,
                Ok(Progress::Message) => {
                    for answer in (self.answer)(self.framing.message()) {
                        wire.extend(framed(&self.framing, &answer));
                    }
                }
                Ok(Progress::Text(_)) | Err(_) => {}
            }
        }
    }

    fn tick(&mut self) -> Vec<u8> {
        self.silence += TICK;
        let _ = self.framing.idle(self.silence);
        Vec::new()
    }
}

/// Something of static life for a framing to decode into.
fn room() -> &'static mut [u8] {
    Box::leak(vec![0; 600].into_boxed_slice())
}

struct Echoes;
impl os::Commands for Echoes {}

/// What a device with an echo answers.
fn device() -> impl FnMut(&[u8]) -> Vec<Vec<u8>> {
    |message: &[u8]| {
        let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| os::dispatch(&mut Echoes, incoming, reply);
        let mut tx = [0; 512];
        match smp::server::serve(handler, AllowAll, message, &mut tx) {
            (0, _) => vec![],
            (len, _) => vec![tx[..len].to_vec()],
        }
    }
}

fn behind<F: Framing + 'static>(framing: F, answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + 'static) -> Wire {
    Wire::new(Behind { framing, silence: Duration::ZERO, answer })
}

/// A port that follows a script.
struct Wire {
    peer: Box<dyn Other>,
    /// Bytes to be read.
    inbox: VecDeque<u8>,
    /// The most that one read or write moves.
    read_size: usize,
    write_size: usize,
    /// The read sees this many bytes as one datagram each.
    datagrams: VecDeque<Vec<u8>>,
    /// What has been written, and the length of each write.
    written: Vec<u8>,
    writes: Vec<usize>,
    /// Calls so far, and which of them is odd.
    calls: usize,
    odd: Option<(usize, Odd)>,
    /// From which call on each one fails like this.
    always: Option<(usize, Fault)>,
    ticks: usize,
    /// Time that the port has not reported yet.
    passed: Duration,
    /// The time that each read or write of bytes takes.
    takes: Duration,
}

impl Wire {
    fn new(peer: impl Other + 'static) -> Self {
        Self {
            peer: Box::new(peer),
            inbox: VecDeque::new(),
            read_size: usize::MAX,
            write_size: usize::MAX,
            datagrams: VecDeque::new(),
            written: Vec::new(),
            writes: Vec::new(),
            calls: 0,
            odd: None,
            always: None,
            ticks: 0,
            passed: Duration::ZERO,
            takes: Duration::ZERO,
        }
    }

    fn takes(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }

    fn sizes(mut self, read: usize, write: usize) -> Self {
        (self.read_size, self.write_size) = (read, write);
        self
    }

    fn odd(mut self, call: usize, odd: Odd) -> Self {
        self.odd = Some((call, odd));
        self
    }

    fn says(mut self, bytes: &[u8]) -> Self {
        self.inbox.extend(bytes);
        self
    }

    fn called(&mut self) -> Option<Result<usize, Fault>> {
        self.calls += 1;
        if let Some((call, fault)) = self.always
            && self.calls >= call
        {
            return Some(Err(fault));
        }
        match self.odd {
            Some((call, odd)) if call == self.calls => Some(match odd {
                Odd::Fail(fault) => Err(fault),
                Odd::Nothing => Ok(0),
            }),
            _ => None,
        }
    }

    fn read_now(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        if let Some(odd) = self.called() {
            return odd;
        }
        if let Some(datagram) = self.datagrams.pop_front() {
            buf[..datagram.len()].copy_from_slice(&datagram);
            return Ok(datagram.len());
        }
        let len = self.inbox.len().min(buf.len()).min(self.read_size);
        if len == 0 {
            self.ticks += 1;
            self.passed += TICK;
            assert!(self.ticks < 100_000, "the driver waits for ever");
            let said = self.peer.tick();
            self.inbox.extend(said);
            return Err(Fault::Tick);
        }
        self.passed += self.takes;
        for (to, from) in buf.iter_mut().zip(self.inbox.drain(..len)) {
            *to = from;
        }
        Ok(len)
    }

    fn write_now(&mut self, buf: &[u8]) -> Result<usize, Fault> {
        if let Some(odd) = self.called() {
            return odd;
        }
        self.passed += self.takes;
        assert!(self.writes.len() < 100_000, "the driver writes for ever");
        let bytes = &buf[..buf.len().min(self.write_size)];
        self.written.extend_from_slice(bytes);
        self.writes.push(bytes.len());
        let said = self.peer.bytes(bytes);
        self.inbox.extend(said);
        Ok(bytes.len())
    }

    fn flush_now(&mut self) -> Result<(), Fault> {
        self.called().unwrap_or(Ok(0)).map(drop)
    }
}

impl Clock for Wire {
    fn elapsed(&mut self) -> Duration {
        std::mem::take(&mut self.passed)
    }
}

impl embedded_io::ErrorType for Wire {
    type Error = Fault;
}

impl embedded_io::Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        self.read_now(buf)
    }
}

impl embedded_io::Write for Wire {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Fault> {
        self.write_now(buf)
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.flush_now()
    }
}

/// Pending once: a place to drop a future at.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl embedded_io_async::Read for Wire {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        Yield(false).await;
        self.read_now(buf)
    }
}

impl embedded_io_async::Write for Wire {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Fault> {
        Yield(false).await;
        self.write_now(buf)
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        Yield(false).await;
        self.flush_now()
    }
}

struct Noop;
impl Wake for Noop {
    fn wake(self: Arc<Self>) {}
}

/// Polls at most so often; `None` if the future was dropped before it was ready.
fn poll_times<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Noop));
    let mut context = Context::from_waker(&waker);
    for _ in 0..times {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
    }
    None
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    poll_times(future, 10_000_000).expect("the future is never ready")
}

/// What a sink was handed.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    text: Vec<u8>,
    unsolicited: Vec<Vec<u8>>,
    dropped: Vec<Damage>,
    traced: Vec<(Vec<u8>, bool)>,
}

impl Sink for Heard {
    fn text(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    fn unsolicited(&mut self, message: &[u8]) {
        self.unsolicited.push(message.to_vec());
    }

    fn dropped(&mut self, damage: Damage) {
        self.dropped.push(damage);
    }

    fn traced(&mut self, message: &[u8], sent: bool) {
        self.traced.push((message.to_vec(), sent));
    }
}

/// A server that records what the driver reports to it.
#[derive(Debug, Default)]
struct Toy {
    log: Vec<String>,
    /// Messages to be sent unasked.
    waiting: Vec<Vec<u8>>,
    /// Sent unasked with each tick.
    each_tick: Option<Vec<u8>>,
}

impl Toy {
    fn put(message: &[u8], tx: &mut [u8]) -> usize {
        tx[..message.len()].copy_from_slice(message);
        message.len()
    }

    fn answer(&mut self, message: &[u8], tx: &mut [u8]) -> (usize, u32) {
        self.log.push(format!("message {}", message.len()));
        (Self::put(&answer_to(message), tx), 7)
    }

    fn complain(&mut self, error: Damage, tx: &mut [u8]) -> usize {
        self.log.push(format!("{error:?}"));
        Self::put(&[3, 0, 0, 1, 0, 0, 0, 0, 0xA0], tx)
    }

    fn next(&mut self, tx: &mut [u8]) -> usize {
        self.waiting.pop().map_or(0, |message| Self::put(&message, tx))
    }
}

/// The time of an entry of the log that is a tick.
fn micros(entry: &str) -> Duration {
    entry.strip_prefix("tick ").map_or(Duration::ZERO, |micros| Duration::from_micros(micros.parse().unwrap()))
}

/// The same message, as an answer.
fn answer_to(message: &[u8]) -> Vec<u8> {
    let mut answer = message.to_vec();
    answer[0] |= 1;
    answer
}

impl Serve for Toy {
    type After = u32;

    fn damaged(&mut self, damage: Damage, tx: &mut [u8]) -> usize {
        self.complain(damage, tx)
    }

    fn tick(&mut self, elapsed: Duration) {
        self.log.push(format!("tick {}", elapsed.as_micros()));
        self.waiting.extend(self.each_tick.clone());
    }

    fn poll(&mut self, tx: &mut [u8]) -> usize {
        self.next(tx)
    }
}

impl Service for Toy {
    fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, u32) {
        self.answer(message, tx)
    }
}

impl line::asynch::Service for Toy {
    async fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, u32) {
        Yield(false).await;
        self.answer(message, tx)
    }
}

/// A client that takes messages of op 1 for unasked ones.
struct Listener(Client);

impl Caller<os::Echo<'_>> for Listener {
    type Pending = client::Pending<os::Echo<'static>>;
    type Response<'m> = os::EchoResponse<'m>;
    type Error = client::Error;

    fn request(&mut self, _: &os::Echo<'_>, tx: &mut [u8]) -> Result<(usize, Self::Pending), client::Error> {
        self.0.request(&os::Echo::new("hi"), tx)
    }

    fn timeout(&self, _: &Self::Pending) -> Duration {
        TICK
    }

    fn receive(&mut self, pending: &mut Self::Pending, message: &[u8], _: &mut [u8]) -> Verdict {
        match message[0] & 7 {
            1 => Verdict::Unsolicited,
            _ if pending.accepts(message) => Verdict::Answer,
            _ => Verdict::Foreign,
        }
    }

    fn retry(&mut self, _: &mut Self::Pending, _: &mut [u8]) -> Option<usize> {
        None
    }

    fn decode<'m>(&self, pending: &Self::Pending, message: &'m [u8]) -> Result<os::EchoResponse<'m>, client::Error> {
        pending.decode(message)
    }
}

/// Sends this many echoes, one after the other.
struct Count {
    left: u32,
    state: Waits,
    timeouts: u32,
    reopen: bool,
}

#[derive(Debug, PartialEq)]
enum Waits {
    Ready,
    Answer,
}

impl Count {
    fn new(left: u32) -> Self {
        Self { left, state: Waits::Ready, timeouts: 0, reopen: false }
    }
}

impl Routine for Count {
    type Client = Client;
    type Event<'m> = &'m [u8];
    type Report = (u32, u32);

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        match self.state {
            _ if self.timeouts == 5 => Step::Done,
            _ if std::mem::take(&mut self.reopen) => Step::Reopen,
            Waits::Answer => Step::Wait(TICK * 3),
            Waits::Ready if self.left == 0 => Step::Done,
            Waits::Ready => {
                self.state = Waits::Answer;
                Step::Send(client.request(&os::Echo::new("run"), tx).unwrap().0)
            }
        }
    }

    fn receive<'m>(&mut self, _: &mut Client, message: &'m [u8]) -> Option<&'m [u8]> {
        self.left -= 1;
        self.state = Waits::Ready;
        Some(message)
    }

    fn timed_out(&mut self) {
        self.timeouts += 1;
        self.state = Waits::Ready;
    }

    fn report(&self) -> (u32, u32) {
        (self.left, self.timeouts)
    }
}

/// A framing in thirty lines: `7E`, length, message, sum.
struct Plain<'b> {
    buffer: &'b mut [u8],
    have: usize,
    complete: bool,
}

impl Framing for Plain<'_> {
    const OVERHEAD: usize = 3;
    type Pace = framing::Paced;
    type Encoder = PlainEncoder;

    fn encode(&self, message: &[u8]) -> Result<PlainEncoder, framing::Error> {
        let len = u8::try_from(message.len()).or(Err(framing::Error::Unsendable))?;
        Ok(PlainEncoder { head: [0x7E, len], at: 0 })
    }

    fn sizes(&self) -> framing::Sizes {
        framing::Sizes { message: self.buffer.len() - 3, buffer: self.buffer.len(), out: 128, read: 64 }
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        message + 3
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, framing::Error> {
        if std::mem::take(&mut self.complete) {
            self.have = 0;
        }
        while let Some((byte, rest)) = input.split_first() {
            if self.have == 0 && *byte != 0x7E {
                let (text, rest) = input.split_at(input.iter().position(|byte| *byte == 0x7E).unwrap_or(input.len()));
                *input = rest;
                return Ok(Progress::Text(text));
            }
            *input = rest;
            self.buffer[self.have] = *byte;
            self.have += 1;
            if self.have > 2 && self.have == usize::from(self.buffer[1]) + 3 {
                self.complete = true;
                let sum = self.message().iter().fold(0, |sum, byte| sum ^ byte);
                return if sum == *byte { Ok(Progress::Message) } else { Err(framing::Error::Checksum) };
            }
        }
        Ok(Progress::More)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, framing::Error> {
        if self.complete || self.have == 0 || silence < TICK * 3 {
            return Ok(Progress::More);
        }
        self.have = 0;
        Err(framing::Error::Abandoned)
    }

    fn message(&self) -> &[u8] {
        if self.complete { &self.buffer[2..self.have - 1] } else { &[] }
    }

    fn reset(&mut self) {
        (self.have, self.complete) = (0, false);
    }
}

struct PlainEncoder {
    head: [u8; 2],
    at: usize,
}

impl Encoder for PlainEncoder {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let sum = message.iter().fold(0, |sum, byte| sum ^ byte);
        let frame = self.head.iter().chain(message).chain(std::iter::once(&sum)).skip(self.at);
        let written = out.iter_mut().zip(frame).map(|(to, from)| *to = *from).count();
        self.at += written;
        written
    }
}

fn plain() -> Plain<'static> {
    Plain { buffer: room(), have: 0, complete: false }
}

mod blocking {
    use super::*;
    use anysmp::blocking::Link;

    macro_rules! wait {
        ($call:expr) => {
            $call
        };
    }
    include!("drivers/scenarios.rs");
}

mod asynch {
    use super::*;
    use anysmp::asynch::Link;

    macro_rules! wait {
        ($call:expr) => {
            block_on($call)
        };
    }
    include!("drivers/scenarios.rs");
    include!("drivers/cancellation.rs");
}

mod timed {
    use super::*;
    include!("drivers/timed.rs");
}
