//! A line in simulated time: a master at one end, a node that is a function at the other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anysmp::bsmp::{Address, Client, Error, Request, Response};
use anysmp::checksum::Sum;
use anysmp::framing::Framing;
use anysmp::framing::counted::{Counted, Head3};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp::line::{self, Counters};
use anysmp::port::Clock;
use anysmp::routine::{Ended, Routine};
use anysmp::{asynch, blocking};

pub const MS: u64 = 1_000_000;

/// What a node sends, and when it begins.
pub type Sends = Vec<(u64, Sent)>;
/// A node: handles the message of a request that has arrived at this time, and may send more than
/// one thing.
pub type Node = Box<dyn FnMut(&[u8], u64) -> Sends>;

pub enum Sent {
    /// A message, in a frame of the carrier.
    Message(Vec<u8>),
    /// Bytes as they are: noise.
    Raw(Vec<u8>),
}

/// What the master's driver did with its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Write(u64),
    Flush(u64),
    Read,
}

/// A byte on the line, with the times of its first and its last bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    pub from: u64,
    pub to: u64,
    pub byte: u8,
    pub is_ours: bool,
}

/// How a line differs from others.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Bits per second; 0 for a carrier whose bytes take no time.
    pub baud: u32,
    /// How long a read waits for the first byte.
    pub tick: u64,
    /// The driver is the async one.
    pub is_async: bool,
    /// The port reports whether a byte is there; a look takes 2 µs.
    pub is_ready: bool,
    /// `flush` returns when the line has carried all, not at once.
    pub flushes: bool,
}

impl Kind {
    pub const BUS: Self = Self { baud: 115_200, tick: MS, is_async: false, is_ready: false, flushes: false };

    /// Both drivers, ports that report whether a byte is there and ports that do not.
    pub fn all() -> [Self; 4] {
        [(false, false), (false, true), (true, false), (true, true)].map(|(is_async, is_ready)| Self {
            is_async,
            is_ready,
            ..Self::BUS
        })
    }
}

pub struct Wire {
    kind: Kind,
    is_bare: bool,
    is_datagram: bool,
    has_echo: bool,
    pub now: u64,
    asked: u64,
    /// Until when the line carries what the master has written.
    ours: u64,
    /// Until when the line carries what the node has sent.
    theirs: u64,
    unflushed: Vec<u8>,
    rx: VecDeque<(u64, Vec<u8>)>,
    pub carried: Vec<Carried>,
    pub calls: Vec<Call>,
    /// Each request that has arrived: when, and its message.
    pub requests: Vec<(u64, Vec<u8>)>,
}

impl Wire {
    fn byte(&self) -> u64 {
        10_000_000_000_u64.checked_div(self.kind.baud.into()).unwrap_or(0)
    }

    fn arrives(&mut self, at: u64, bytes: Vec<u8>) {
        let place = self.rx.iter().rposition(|(earlier, _)| *earlier <= at).map_or(0, |place| place + 1);
        self.rx.insert(place, (at, bytes));
    }

    /// Carries bytes from `from` on; returns when it has.
    fn carry(&mut self, from: u64, bytes: &[u8], is_ours: bool) -> u64 {
        let byte = self.byte();
        let mut at = from;
        for &value in bytes {
            self.carried.push(Carried { from: at, to: at + byte, byte: value, is_ours });
            at += byte;
            if byte > 0 && (!is_ours || self.has_echo) {
                self.arrives(at, vec![value]);
            }
        }
        if byte == 0 && (!is_ours || self.has_echo) {
            self.arrives(at, bytes.to_vec());
        }
        at
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        self.calls.push(Call::Write(self.now));
        self.unflushed.extend(bytes);
        let from = self.ours.max(self.now);
        self.ours = self.carry(from, bytes, true);
        bytes.len()
    }

    /// A frame is complete. Returns its message, if the node could read it.
    fn flush(&mut self) -> Option<Vec<u8>> {
        if self.kind.flushes {
            self.now = self.now.max(self.ours);
        }
        self.calls.push(Call::Flush(self.now));
        let mut frame = std::mem::take(&mut self.unflushed);
        if !self.is_bare {
            if Sum::of(&frame) != 0 || frame.len() < 5 || frame[0] == 0 {
                return None;
            }
            frame = frame[1..frame.len() - 1].to_vec();
        }
        self.requests.push((self.ours.max(self.now), frame.clone()));
        Some(frame)
    }

    fn sends(&mut self, sends: Sends) {
        for (at, sent) in sends {
            let bytes = match sent {
                Sent::Raw(bytes) => bytes,
                Sent::Message(message) if self.is_bare => message,
                Sent::Message(message) => {
                    let mut packet = [&[0][..], &message].concat();
                    packet.push(Sum::of(&packet));
                    packet
                }
            };
            let from = if self.is_datagram { at } else { at.max(self.theirs) };
            self.theirs = self.carry(from, &bytes, false);
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.calls.push(Call::Read);
        let limit = self.now + self.kind.tick;
        match self.rx.front() {
            Some((at, _)) if *at <= limit => self.now = self.now.max(*at),
            _ => {
                self.now = limit;
                return Err(ErrorKind::TimedOut.into());
            }
        }
        let mut count = 0;
        while let Some((at, bytes)) = self.rx.front_mut()
            && *at <= self.now
            && count < buf.len()
        {
            let part = bytes.len().min(buf.len() - count);
            buf[count..count + part].copy_from_slice(&bytes[..part]);
            bytes.drain(..part);
            count += part;
            if bytes.is_empty() || self.is_datagram {
                self.rx.pop_front();
            }
            if self.is_datagram {
                break;
            }
        }
        Ok(count)
    }

    /// What a receiver that goes by silence makes of the line: bytes with less than the gap between
    /// them are one packet.
    pub fn packets(&self) -> Vec<Vec<u8>> {
        let gap = 2 * self.byte();
        let mut bytes = self.carried.clone();
        bytes.sort_by_key(|carried| carried.from);
        let mut packets: Vec<Vec<u8>> = Vec::new();
        let mut last: Option<u64> = None;
        for Carried { from, to, byte, .. } in bytes {
            assert!(last.is_none_or(|last| last <= from), "two senders at once");
            match packets.last_mut() {
                Some(packet) if last.is_some_and(|last| from < last + gap) => packet.push(byte),
                _ => packets.push(vec![byte]),
            }
            last = Some(to);
        }
        packets
    }
}

/// The master's port.
#[derive(Clone)]
pub struct Port {
    pub wire: Rc<RefCell<Wire>>,
    node: Rc<RefCell<Node>>,
}

impl Clock for Port {
    fn elapsed(&mut self) -> Duration {
        let mut wire = self.wire.borrow_mut();
        let now = wire.now;
        Duration::from_nanos(now - std::mem::replace(&mut wire.asked, now))
    }

    fn ready(&mut self) -> Option<bool> {
        let mut wire = self.wire.borrow_mut();
        wire.kind.is_ready.then(|| {
            wire.now += 2_000;
            wire.rx.front().is_some_and(|(at, _)| *at <= wire.now)
        })
    }
}

impl embedded_io::ErrorType for Port {
    type Error = std::io::Error;
}

impl embedded_io::Read for Port {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.wire.borrow_mut().read(buf)
    }
}

impl embedded_io::Write for Port {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(self.wire.borrow_mut().write(buf))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let request = self.wire.borrow_mut().flush();
        if let Some(request) = request {
            let at = self.wire.borrow().ours.max(self.wire.borrow().now);
            let sends = (self.node.borrow_mut())(&request, at);
            self.wire.borrow_mut().sends(sends);
        }
        Ok(())
    }
}

impl embedded_io_async::Read for Port {
    async fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        embedded_io::Read::read(self, buf)
    }
}

impl embedded_io_async::Write for Port {
    async fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        embedded_io::Write::write(self, buf)
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        embedded_io::Write::flush(self)
    }
}

/// How messages get over the line.
pub trait Carrier {
    type Framing: Framing;
    /// No address and no checksum: TCP and UDP.
    const IS_BARE: bool = false;
    const HAS_ECHO: bool = false;
    /// What a byte takes counts; on a network none does.
    const IS_BUS: bool = true;

    fn framing(baud: u32) -> Self::Framing;
}

/// The longest packet of these tests, in bytes.
const ROOM: usize = 4096;

fn packet(baud: u32) -> Packet<'static> {
    Packet::new(vec![0; ROOM].leak(), gap(baud))
}

pub struct Bus;
pub struct EarlyBus;
pub struct EchoBus;
pub struct Tcp;
pub struct PacketsOnTcp;
pub struct Udp;

impl Carrier for Bus {
    type Framing = Packet<'static>;

    fn framing(baud: u32) -> Packet<'static> {
        packet(baud)
    }
}

impl Carrier for EarlyBus {
    type Framing = Packet<'static>;

    fn framing(baud: u32) -> Packet<'static> {
        packet(baud).with_early_delivery()
    }
}

impl Carrier for EchoBus {
    type Framing = Packet<'static>;
    const HAS_ECHO: bool = true;

    fn framing(baud: u32) -> Packet<'static> {
        packet(baud).with_early_delivery().with_echo(Echo::Master)
    }
}

impl Carrier for Tcp {
    type Framing = Counted<'static, Head3>;
    const IS_BARE: bool = true;
    const IS_BUS: bool = false;

    fn framing(_: u32) -> Counted<'static, Head3> {
        Counted::new(vec![0; ROOM].leak())
    }
}

impl Carrier for PacketsOnTcp {
    type Framing = Packet<'static>;
    const IS_BUS: bool = false;

    fn framing(_: u32) -> Packet<'static> {
        Packet::new(vec![0; ROOM].leak(), Duration::from_millis(100)).with_stream_carrier()
    }
}

impl Carrier for Udp {
    type Framing = Datagram<'static>;
    const IS_BARE: bool = true;
    const IS_BUS: bool = false;

    fn framing(_: u32) -> Datagram<'static> {
        Datagram::new(vec![0; ROOM].leak())
    }
}

pub type Failure = line::Error<std::io::Error, Error>;

enum Link<F: Framing> {
    Blocking(blocking::Link<'static, Port, F>),
    Async(asynch::Link<'static, Port, F>),
}

/// A master on a line.
pub struct Rig<C: Carrier> {
    pub wire: Rc<RefCell<Wire>>,
    pub client: Client,
    link: Link<C::Framing>,
}

impl<C: Carrier> Rig<C> {
    pub fn new(kind: Kind, node: impl FnMut(&[u8], u64) -> Sends + 'static) -> Self {
        let kind = if C::IS_BUS { kind } else { Kind { baud: 0, ..kind } };
        let wire = Rc::new(RefCell::new(Wire {
            kind,
            is_bare: C::IS_BARE,
            is_datagram: C::Framing::DATAGRAM,
            has_echo: C::HAS_ECHO,
            now: 0,
            asked: 0,
            ours: 0,
            theirs: 0,
            unflushed: Vec::new(),
            rx: VecDeque::new(),
            carried: Vec::new(),
            calls: Vec::new(),
            requests: Vec::new(),
        }));
        let port = Port { wire: wire.clone(), node: Rc::new(RefCell::new(Box::new(node))) };
        let framing = C::framing(kind.baud);
        let memory = vec![0; framing.sizes().memory()].leak();
        let link = if kind.is_async {
            Link::Async(asynch::Link::new(port, framing, memory).unwrap())
        } else {
            Link::Blocking(blocking::Link::new(port, framing, memory).unwrap())
        };
        let client = if C::IS_BARE { Client::new() } else { Client::new().with_address(Address::node(1).unwrap()) };
        Self { wire, client, link }
    }

    pub fn call<R: Request, T>(&mut self, request: &R, keep: impl FnOnce(Response<'_, R>) -> T) -> Result<T, Failure> {
        match &mut self.link {
            Link::Blocking(link) => link.call(&mut self.client, request).map(keep),
            Link::Async(link) => block_on(link.call(&mut self.client, request)).map(keep),
        }
    }

    pub fn run<R: Routine<Client = Client>>(&mut self, routine: &mut R) -> R::Report {
        let go_on = |_: R::Event<'_>| ControlFlow::Continue(());
        let ended = match &mut self.link {
            Link::Blocking(link) => link.run(&mut self.client, routine, go_on),
            Link::Async(link) => block_on(link.run(&mut self.client, routine, go_on)),
        };
        match ended.unwrap() {
            Ended::Done(report) => report,
            Ended::Reopen | Ended::Stopped => panic!("nobody has stopped it"),
        }
    }

    pub fn send(&mut self, message: &[u8]) {
        match &mut self.link {
            Link::Blocking(link) => link.send(message).unwrap(),
            Link::Async(link) => block_on(link.send(message)).unwrap(),
        }
    }

    pub fn counters(&self) -> Counters {
        match &self.link {
            Link::Blocking(link) => link.counters(),
            Link::Async(link) => link.counters(),
        }
    }

    /// The application does something else.
    pub fn pass(&mut self, time: u64) {
        self.wire.borrow_mut().now += time;
    }

    pub fn now(&self) -> u64 {
        self.wire.borrow().now
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        // The port never waits; the driver itself lets other tasks run now and then.
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Calls a function that is generic over its carrier once for each carrier, driver and kind of
/// port.
macro_rules! on_every_line {
    ($test:ident) => {
        on_every_line!($test: Bus, EarlyBus, EchoBus, Tcp, PacketsOnTcp, Udp)
    };
    ($test:ident: $($carrier:ident),+) => {
        for kind in Kind::all() {
            $($test::<$carrier>(kind);)+
        }
    };
}

pub(crate) use on_every_line;
