//! A master on the simulated line of `tests/kit`, and a node at its other end that is a function.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use anysmp::bsmp::{Address, Client, Request, Response};
use anysmp::checksum::Sum;
use anysmp::framing::Framing;
use anysmp::framing::counted::{Counted, Head3};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp::line::Counters;
use anysmp::routine::{Ended, Routine};

use crate::kit::air::{Air, Carried, Kind as Line};
use crate::kit::faults::Faults;
use crate::kit::journal;
use crate::kit::link::{Error, Link};
use crate::kit::port::{Port, Style};
use crate::kit::random::Random;
use crate::kit::scripted::{Requests, Scripted};
pub use crate::kit::world::{Call, MS};
use crate::kit::world::{Shared, World};

/// What a node sends, and when it begins.
pub type Sends = Vec<(u64, Sent)>;

/// Requests, and when they arrived.
pub type Requested = Vec<(u64, Vec<u8>)>;

pub enum Sent {
    /// A message, in a frame of the carrier.
    Message(Vec<u8>),
    /// Bytes as they are: noise.
    Raw(Vec<u8>),
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

    /// Nanoseconds for one byte.
    pub fn byte(&self) -> u64 {
        10_000_000_000_u64.checked_div(self.baud.into()).unwrap_or(0)
    }
}

/// What a receiver that goes by silence makes of the line: bytes with less than the gap between
/// them are one packet.
pub fn packets(carried: &[Carried], gap: u64) -> Vec<Vec<u8>> {
    let mut bytes = carried.to_vec();
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

pub type Failure = Error<anysmp::bsmp::Error>;

/// A master on a line.
pub struct Rig<C: Carrier> {
    pub world: Shared<'static>,
    pub client: Client,
    /// Each request that has arrived: when, and its message.
    pub requests: Rc<RefCell<Requested>>,
    link: Link<'static, 'static, C::Framing>,
}

impl<C: Carrier> Rig<C> {
    pub fn new(kind: Kind, mut node: impl FnMut(&[u8], u64) -> Sends + 'static) -> Self {
        let kind = if C::IS_BUS { kind } else { Kind { baud: 0, ..kind } };
        let line = match () {
            () if C::IS_BUS => Line::Bus { echo: C::HAS_ECHO },
            () if C::Framing::DATAGRAM => Line::Datagrams,
            () => Line::Stream,
        };
        let journal = journal::Shared::default();
        let air = Air::new(line, kind.byte(), Random::new(1), Faults::NONE, journal.clone());
        let mut world = World::new(air);
        (world.air.carried, world.recorded) = (Some(Vec::new()), Some(Vec::new()));
        let requests: Rc<RefCell<Requested>> = Rc::default();
        let seen = requests.clone();
        let play = move |request: &[u8], at| {
            // The node is given its own address only by a carrier that has addresses.
            let request = if C::IS_BARE { request } else { &request[1..] };
            seen.borrow_mut().push((at, request.to_vec()));
            let sends = node(request, at).into_iter().map(|(at, sent)| match sent {
                Sent::Raw(bytes) => (at, bytes),
                Sent::Message(message) if C::IS_BARE => (at, message),
                Sent::Message(message) => {
                    let mut packet = [&[0][..], &message].concat();
                    packet.push(Sum::of(&packet));
                    (at, packet)
                }
            });
            sends.collect()
        };
        let how = if C::IS_BARE { Requests::Bare } else { Requests::Packets };
        world.add(Scripted::new(1, how, 2 * kind.byte(), play));
        let world = Rc::new(RefCell::new(world));
        let look = kind.is_ready.then_some(2_000);
        let style = Style { tick: kind.tick, flushes: kind.flushes, look, ..Style::PLAIN };
        let framing = C::framing(kind.baud);
        let memory = vec![0; framing.sizes().memory()].leak();
        let link = Link::new(kind.is_async, Port::new(world.clone(), style), framing, memory, journal);
        let client = if C::IS_BARE { Client::new() } else { Client::new().with_address(Address::node(1).unwrap()) };
        Self { world, client, requests, link }
    }

    pub fn call<R: Request, T>(&mut self, request: &R, keep: impl FnOnce(Response<'_, R>) -> T) -> Result<T, Failure> {
        self.world.borrow_mut().calls = 0;
        self.link.call(&mut self.client, request, keep)
    }

    pub fn run<R: Routine<Client = Client>>(&mut self, routine: &mut R) -> R::Report {
        self.world.borrow_mut().calls = 0;
        match self.link.run(&mut self.client, routine, |_| ControlFlow::Continue(())).unwrap() {
            Ended::Done(report) => report,
            Ended::Reopen | Ended::Stopped => panic!("nobody has stopped it"),
        }
    }

    pub fn send(&mut self, message: &[u8]) {
        self.world.borrow_mut().calls = 0;
        self.link.send(message).unwrap();
    }

    pub fn counters(&self) -> Counters {
        self.link.counters()
    }

    /// The application does something else.
    pub fn pass(&mut self, time: u64) {
        let mut world = self.world.borrow_mut();
        let until = world.air.now + time;
        world.pass(until, false);
    }

    pub fn now(&self) -> u64 {
        self.world.borrow().air.now
    }

    pub fn carried(&self) -> Vec<Carried> {
        self.world.borrow().air.carried.clone().unwrap()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.world.borrow().recorded.clone().unwrap()
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
