//! One master and three nodes on a simulated RS-485 bus: half duplex, echo, noise, silence,
//! simulated time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use anysmp::bsmp::curve::{Curve, Md5};
use anysmp::bsmp::function::Execute;
use anysmp::bsmp::routine::{CurveOutcome, Discovery, JobOutcome, ReadCurve, ReadEvent, Tables, WriteCurve};
use anysmp::bsmp::{Address, Client, Error, Node, Refusal, Server, Table, group, variable};
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp::line;
use anysmp::port::Ticking;
use anysmp::routine::Ended;
use anysmp::{asynch, blocking};

use crate::device::{Device, Setup};
use crate::kit::air::{self, Air};
use crate::kit::faults::Faults;
use crate::kit::journal;
use crate::kit::link::{Bytes, block_on};
use crate::kit::port::{Port, Style};
use crate::kit::random::Random;
use crate::kit::station::{Fate, Served, Shared};
use crate::kit::world::{self, World};

const BAUD: u32 = 1_000_000;
const TIMEOUT: Duration = Duration::from_millis(1);

fn table() -> (&'static Table<'static>, Device) {
    let (setup, device) = Setup::main();
    let setup: &'static Setup = Box::leak(Box::new(setup));
    (Box::leak(Box::new(setup.table())), device)
}

/// The bus of `tests/kit`, with nodes that tests look into.
struct Bus {
    world: world::Shared<'static>,
    nodes: RefCell<Vec<Rc<RefCell<Node<'static, Device>>>>>,
}

impl Bus {
    fn new(seed: u64, echo: bool) -> Self {
        let kind = air::Kind::Bus { echo };
        let byte_time = 10_000_000_000 / u64::from(BAUD);
        let air = Air::new(kind, byte_time, Random::new(seed), Faults::NONE, journal::Shared::default());
        Self { world: Rc::new(RefCell::new(World::new(air))), nodes: RefCell::default() }
    }

    /// A node that finds the end of a packet by silence, in a loop that comes round twice in a
    /// character.
    fn add(&self, node: Node<'static, Device>) {
        self.add_with(node, Packet::new(vec![0; 1024].leak(), gap(BAUD)));
    }

    fn add_with(&self, node: Node<'static, Device>, framing: Packet<'static>) {
        let memory = vec![0; Packet::sizes_of(1024).memory()].leak();
        let line = line::Line::new(framing, memory).unwrap();
        let node = Rc::new(RefCell::new(node));
        self.nodes.borrow_mut().push(node.clone());
        let end = self.nodes.borrow().len();
        let round = self.world.borrow().air.byte_time / 2;
        let station = Served::new(end, line, Shared(node), round, Bytes::default(), |_| Fate::GoOn);
        self.world.borrow_mut().add(station);
    }

    fn port(&self, tick: Duration) -> Port<'static> {
        Port::new(self.world.clone(), Style { tick: tick.as_nanos() as u64, ..Style::PLAIN })
    }

    /// Lets time pass while the master does not listen. The limit of calls begins anew.
    fn pass(&self, time: Duration) {
        let mut world = self.world.borrow_mut();
        world.calls = 0;
        let until = world.air.now + time.as_nanos() as u64;
        world.pass(until, false);
    }

    fn time(&self) -> Duration {
        Duration::from_nanos(self.world.borrow().air.now)
    }

    /// Sets how many of a million bytes have a bit turned over.
    fn set_flips(&self, millionths: u32) {
        self.world.borrow_mut().air.faults.flips = millionths;
    }

    fn set_off(&self, node: usize, is_off: bool) {
        self.world.borrow_mut().air.is_off[node + 1] = is_off;
    }

    /// Somebody unknown sends, until the bus is silent again.
    fn burst(&self, bytes: &[u8]) {
        let mut world = self.world.borrow_mut();
        world.air.noise(0, bytes, 0);
        let until = world.air.last_landing();
        world.pass(until, false);
    }

    fn with_device<T>(&self, node: usize, look: impl FnOnce(&mut Device) -> T) -> T {
        look(self.nodes.borrow()[node].borrow_mut().server().entities())
    }

    /// How many packets were damaged, and how many of them in a way that no 8-bit sum can tell.
    fn damage(&self) -> (u64, u64) {
        let world = self.world.borrow();
        (world.air.times("damaged packets"), world.air.times("damaged packets with a good sum"))
    }
}

/// A bus with the nodes 1, 2 and 3, which are in the multicast groups 249, 250 and 251.
fn bus(seed: u64, echo: bool) -> Bus {
    let bus = Bus::new(seed, echo);
    let (table, device) = table();
    for number in 1..=3 {
        let mut device = device.clone();
        device.values[1] = vec![number, !number];
        let node = Node::new(Server::new(device, table), Address::node(number).unwrap()).unwrap();
        bus.add(node.with_group(Address::multicast(248 + number).unwrap()));
    }
    bus
}

type Link = blocking::Link<'static, Port<'static>, Packet<'static>>;

fn master(bus: &Bus) -> Link {
    let tick = gap(BAUD);
    let mut framing = Packet::new(vec![0; 1024].leak(), tick);
    if bus.world.borrow().air.kind == (air::Kind::Bus { echo: true }) {
        framing = framing.with_echo(Echo::Master);
    }
    Link::new(bus.port(tick), framing, vec![0; Packet::sizes_of(1024).memory()].leak()).unwrap()
}

fn client(number: u8) -> Client {
    // On this bus a node answers within a millisecond or never.
    Client::new().with_address(Address::node(number).unwrap()).with_timeout(TIMEOUT).with_drain(TIMEOUT)
}

type Failure = line::Error<embedded_io::ErrorKind, Error>;

fn read(link: &mut Link, node: u8, id: u8, size: u8) -> Result<Vec<u8>, Failure> {
    link.call(&mut client(node), &variable::Read { id, size: Some(size) }).map(<[u8]>::to_vec)
}

fn write(link: &mut Link, node: u8, id: u8, value: &[u8]) -> Result<(), Failure> {
    link.call(&mut client(node), &variable::Write { id, value })
}

#[test]
fn every_node_answers_its_own_requests_with_and_without_echo() {
    for echo in [false, true] {
        let bus = bus(1, echo);
        let mut link = master(&bus);
        for round in 0..20 {
            for node in 1..=3 {
                assert_eq!(read(&mut link, node, 1, 2).unwrap(), [node, !node]);
                write(&mut link, node, 0, &[round ^ node]).unwrap();
                assert_eq!(read(&mut link, node, 0, 1).unwrap(), [round ^ node]);
            }
        }
        assert!(matches!(read(&mut link, 4, 0, 1), Err(line::Error::TimedOut)));
        assert!(matches!(
            write(&mut link, 1, 1, &[0, 0]),
            Err(line::Error::Protocol(Error::Remote(Refusal::ReadOnly)))
        ));
        assert_eq!(bus.damage(), (0, 0));
    }
}

#[test]
fn a_broadcast_is_executed_by_all_and_a_multicast_by_those_who_joined() {
    let bus = bus(2, true);
    let mut link = master(&bus);
    let mut tx = [0; 16];
    let mut post = |to: Address, value: u8| {
        let length = Client::new().with_address(to).post(&variable::Write { id: 0, value: &[value] }, &mut tx).unwrap();
        link.send(&tx[..length]).unwrap();
        bus.pass(Duration::from_micros(500));
        [0, 1, 2].map(|index| bus.with_device(index, |device| device.values[0][0]))
    };
    assert_eq!(post(Address::BROADCAST, 7), [7, 7, 7]);
    assert_eq!(post(Address::multicast(250).unwrap(), 8), [7, 8, 7]);
    assert_eq!(post(Address::multicast(254).unwrap(), 9), [7, 8, 7]);
    assert_eq!(read(&mut link, 2, 0, 1).unwrap(), [8], "nobody has answered");
    assert_eq!(link.counters().damaged, 0);
}

#[test]
fn a_broadcast_and_a_request_right_behind_it_are_both_executed() {
    for early in [false, true] {
        let bus = Bus::new(6, false);
        let (table, device) = table();
        for number in 1..=3 {
            let node = Node::new(Server::new(device.clone(), table), Address::node(number).unwrap()).unwrap();
            let framing = Packet::new(vec![0; 1024].leak(), gap(BAUD));
            bus.add_with(node, if early { framing.with_early_delivery() } else { framing });
        }
        let framing = Packet::new(vec![0; 1024].leak(), gap(BAUD)).with_early_delivery();
        let memory = vec![0; Packet::sizes_of(1024).memory()].leak();
        let mut link = blocking::Link::new(bus.port(gap(BAUD)), framing, memory).unwrap();
        let mut tx = [0; 16];
        for value in 1..100 {
            let all = Client::new().with_address(Address::BROADCAST);
            let length = all.post(&variable::Write { id: 0, value: &[value] }, &mut tx).unwrap();
            link.send(&tx[..length]).unwrap();
            assert_eq!(read(&mut link, 2, 0, 1).unwrap(), [value], "the broadcast was lost");
            assert_eq!([0, 1, 2].map(|index| bus.with_device(index, |device| device.values[0][0])), [value; 3]);
            // Two broadcasts, and a function whose answer nobody waits for.
            for value in [0, value] {
                let length = all.post(&variable::Write { id: 0, value: &[value] }, &mut tx).unwrap();
                link.send(&tx[..length]).unwrap();
            }
            assert_eq!(read(&mut link, 3, 0, 1).unwrap(), [value]);
        }
        assert_eq!((link.counters().foreign, link.counters().damaged), (0, 0));
    }
}

#[test]
fn a_node_that_is_off_costs_one_time_out_and_the_others_go_on() {
    let bus = bus(3, false);
    let mut link = master(&bus);
    bus.set_off(1, true);
    for _ in 0..3 {
        let before = bus.time();
        assert!(matches!(read(&mut link, 2, 0, 1), Err(line::Error::TimedOut)));
        // The timeout, and a silence in front: the exchange before came after one that had failed.
        assert!(bus.time() - before < TIMEOUT * 5 / 2);
        assert_eq!(read(&mut link, 3, 1, 2).unwrap(), [3, !3]);
    }
    bus.set_off(1, false);
    assert_eq!(read(&mut link, 2, 1, 2).unwrap(), [2, !2]);
}

#[test]
fn discovery_functions_groups_and_whole_curves_work_over_the_bus() {
    let bus = bus(4, true);
    let mut link = master(&bus);
    // One tick is 20 µs: the node needs no time for its checksum.
    let mut client = client(2).with_retries(2);
    let mut tables = Tables::new();
    let mut discovery = Discovery::new(tables.storage());
    let found = link.run(&mut client, &mut discovery, |()| ControlFlow::Continue(())).unwrap();
    assert!(matches!(found, Ended::Done(report) if report.outcome == JobOutcome::Done), "{found:?}");
    let directory = discovery.directory();
    assert_eq!((directory.variables.len(), directory.functions.len()), (9, 6));
    let values = link.call(&mut client, &directory.read_group(0).unwrap()).unwrap();
    assert_eq!(values.len(), 332);
    let swap = Execute { id: 1, input: &[1, 2], output: Some(2) };
    assert_eq!(link.call(&mut client, &swap).unwrap(), [2, 1]);
    link.call(&mut client, &group::Create { members: group::Members::of(&[6, 0]).unwrap() }).unwrap();
    link.call(&mut client, &group::Write { id: 3, values: &[1, 50] }).unwrap();
    assert_eq!(read(&mut link, 2, 6, 1).unwrap(), [50]);

    let curve = directory.curves[3];
    let data: Vec<u8> = (0..curve.capacity()).map(|i| (i * i) as u8).collect();
    // One bit in ten thousand.
    bus.set_flips(800);
    let mut up = WriteCurve::new(3, curve, &data[..], Md5::default());
    let Ended::Done(report) = link.run(&mut client, &mut up, |_| ControlFlow::Continue(())).unwrap() else {
        panic!("nobody has stopped it");
    };
    assert_eq!((report.blocks, report.bytes, report.outcome), (64, 2048, CurveOutcome::Done { verified: true }));
    let mut down = ReadCurve::new(3, curve, Md5::default());
    let mut copy = Vec::new();
    let ended = link.run(&mut client, &mut down, |event| {
        if let ReadEvent::Block { data, .. } = event {
            copy.extend_from_slice(data);
        }
        ControlFlow::Continue(())
    });
    assert!(matches!(ended, Ok(Ended::Done(report)) if report.outcome == CurveOutcome::Done { verified: true }));
    assert_eq!(copy, data);
    assert!(bus.damage().0 > 0, "the wire was not noisy");
}

#[test]
fn the_async_driver_does_the_same() {
    let bus = bus(5, false);
    let tick = gap(BAUD);
    let mut buffer = [0; 1024];
    let framing = Packet::new(&mut buffer, tick);
    let mut memory = [0; Packet::sizes_of(1024).memory()];
    let mut link = asynch::Link::new(bus.port(tick), framing, &mut memory).unwrap();
    let mut client = client(1);
    block_on(link.call(&mut client, &variable::Write { id: 0, value: &[77] })).unwrap();
    let read = variable::Read { id: 0, size: Some(1) };
    assert_eq!(block_on(link.call(&mut client, &read)).unwrap(), [77]);
    let mut down = ReadCurve::new(0, Curve::writable(16, 4), Md5::default());
    let ended = block_on(link.run(&mut client, &mut down, |_| ControlFlow::Continue(()))).unwrap();
    assert!(
        matches!(ended, Ended::Done(report) if report.outcome == CurveOutcome::Done { verified: true } && report.bytes == 64)
    );

    // A node on the async driver: its bus is a script.
    let (table, device) = table();
    let mut node = Node::new(Server::new(device, table), Address::node(9).unwrap()).unwrap();
    let mut script = Script { arrives: vec![9, 0x10, 0, 1, 0, 0xE6], sent: Vec::new() };
    let (mut buffer, mut memory) = ([0; 64], [0; Packet::sizes_of(64).memory()]);
    let port = Ticking::new(&mut script, tick);
    let mut link = asynch::Link::new(port, Packet::new(&mut buffer, tick), &mut memory).unwrap();
    for _ in 0..3 {
        block_on(link.serve(&mut node)).unwrap();
    }
    assert_eq!(script.sent, [0, 0x11, 0, 1, 0x5A, 0x94]);
}

struct Script {
    arrives: Vec<u8>,
    sent: Vec<u8>,
}

impl embedded_io::ErrorType for &mut Script {
    type Error = std::io::Error;
}

impl embedded_io_async::Read for &mut Script {
    async fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let length = self.arrives.len().min(buf.len());
        if length == 0 {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        buf.iter_mut().zip(self.arrives.drain(..length)).for_each(|(to, from)| *to = from);
        Ok(length)
    }
}

impl embedded_io_async::Write for &mut Script {
    async fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.sent.extend(buf);
        Ok(buf.len())
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// 1e5 exchanges with a bit error rate of 1e-3 and bursts of noise in between.
///
/// Reads have to bring what was written, or what a write that got lost may have written. A wrong
/// value is accepted only if the noise has turned a packet into another one with a good sum, which
/// the simulated wire notices.
#[test]
fn no_wrong_value_is_accepted_that_the_checksum_could_catch_and_every_loss_is_an_error() {
    const SEED: u64 = 0x5EED_0BE5;
    let bus = bus(SEED, true);
    let mut link = master(&bus);
    let mut numbers = Random::new(SEED);
    let mut random = move || numbers.next();
    // What the variables 0 (1 byte) and 2 (4 bytes) of each node may hold.
    let mut known: [[BTreeSet<Vec<u8>>; 2]; 3] =
        std::array::from_fn(|_| [BTreeSet::from([vec![0x5A]]), BTreeSet::from([vec![1, 2, 3, 4]])]);
    let (mut lost, mut refused, mut excused) = (0_u32, 0_u32, 0_u32);
    for round in 0..100_000 {
        // One bit in a thousand.
        bus.set_flips(8_000);
        if random() % 50 == 0 {
            let noise: Vec<u8> = (0..random() % 30).map(|_| random() as u8).collect();
            bus.burst(&noise);
            bus.pass(gap(BAUD));
        }
        let (node, which) = ((random() % 3) as usize, (random() % 2) as usize);
        let (id, size) = [(0, 1), (2, 4)][which];
        let number = node as u8 + 1;
        let undetectable = bus.damage().1;
        let before = bus.time();
        let failure = if random() % 2 == 0 {
            let value: Vec<u8> = (0..size).map(|_| random() as u8).collect();
            let result = write(&mut link, number, id, &value);
            if result.is_ok() {
                known[node][which].clear();
            }
            known[node][which].insert(value);
            result.err()
        } else {
            match read(&mut link, number, id, size) {
                Ok(value) => {
                    let wrong = !known[node][which].contains(&value);
                    if wrong {
                        assert!(
                            bus.damage().1 > undetectable,
                            "round {round} of seed {SEED:#x}: a wrong value was accepted"
                        );
                    } else {
                        known[node][which] = BTreeSet::from([value]);
                    }
                    None
                }
                Err(error) => Some(error),
            }
        };
        assert!(bus.time() - before < TIMEOUT * 3, "round {round}: an exchange did not end");
        if bus.damage().1 > undetectable {
            // The noise may have written anything, or nothing, anywhere.
            excused += 1;
            bus.set_flips(0);
            bus.pass(TIMEOUT);
            for (node, known) in known.iter_mut().enumerate() {
                let now = bus.with_device(node, |device| [device.values[0].clone(), device.values[2].clone()]);
                *known = now.map(|value| BTreeSet::from([value]));
            }
        }
        match failure {
            None => continue,
            Some(line::Error::TimedOut) => lost += 1,
            Some(line::Error::Protocol(
                Error::Remote(_) | Error::Malformed | Error::WrongSize | Error::Unexpected(_),
            )) => refused += 1,
            Some(other) => panic!("round {round} of seed {SEED:#x}: {other}"),
        }
        // One gap of silence, and everything works again.
        bus.set_flips(0);
        bus.pass(gap(BAUD));
        assert_eq!(read(&mut link, number, 1, 2).unwrap(), [number, !number], "round {round} of seed {SEED:#x}");
    }
    assert!(lost > 5_000 && excused > 10, "lost {lost}, refused {refused}, undetectable {excused}: no noise?");
    println!("lost {lost}, refused {refused}, undetectable {excused}, simulated {:?}", bus.time());
}
