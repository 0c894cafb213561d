//! Many nodes on one bus in simulated time, half duplex with collisions: a scan and a poller over
//! the blocking driver.
//!
//! `ANYSMP_POLLS=1000000 cargo test --release --features host --test bsmp thirty_nodes` polls a
//! million times; without the variable it polls a share of that.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use anysmp::blocking;
use anysmp::bsmp::routine::{JobOutcome, Poll, PollEvent, Polled, Poller, Scan};
use anysmp::bsmp::variable::Variable;
use anysmp::bsmp::{Address, Client, Entities, Error, Node, Server, Table, Version, group, variable};
use anysmp::checksum::Sum;
use anysmp::framing::packet::{Packet, gap};
use anysmp::routine::{Ended, Routine as _, Step};

use crate::kit::air::{self, Air};
use crate::kit::faults::Faults;
use crate::kit::journal;
use crate::kit::port::{Port, Style};
use crate::kit::random::Random;
use crate::kit::scripted::{Requests, Scripted, Sends};
use crate::kit::world::{MS, Shared, World};

const US: u64 = 1_000;
const VARIABLES: [Variable; 19] = [Variable::read_only(4); 19];
const SIZE: usize = 19 * 4;

/// A power supply: each of its values says whose it is, which it is, and how often it was sampled.
struct Supply {
    number: u8,
    samples: u16,
}

impl Entities for Supply {
    fn read(&mut self, variable: u8, value: &mut [u8]) {
        let [low, high] = self.samples.to_le_bytes();
        value.copy_from_slice(&[self.number, variable, low, high]);
    }

    fn sample(&mut self, _: &group::Members) {
        self.samples = self.samples.wrapping_add(1);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Answers after 20 to 60 µs.
    Healthy,
    /// Answers after half of the timeout to more than the timeout.
    Slow,
    Dead,
}

struct Station {
    node: Node<'static, Supply>,
    kind: Kind,
}

/// All nodes of a bus, which has one speaker at a time, or garbage.
struct Nodes {
    stations: Vec<Station>,
    /// Nanoseconds for one byte.
    byte: u64,
    timeout: u64,
    random: Random,
    /// When the last answer has ended: a node that was slow before cannot say two things at once.
    ends: u64,
    /// The time that answered requests take at least: both packets, both gaps and the turn-around.
    needed: u64,
    /// Requests for each address.
    requests: [u32; 33],
}

impl Nodes {
    /// Handles a request without its sum, whose last bit has arrived now.
    fn receive(&mut self, request: &[u8], now: u64) -> Sends {
        let to = usize::from(request[0]);
        self.requests[to] += 1;
        let Some(station) = self.stations.get_mut(to.wrapping_sub(1)) else { return Vec::new() };
        let turn_around = match station.kind {
            Kind::Healthy => 20 * US + self.random.below(40) * US,
            Kind::Slow => self.timeout / 2 + self.random.below(self.timeout * 6 / 10),
            Kind::Dead => return Vec::new(),
        };
        let mut tx = [0; 128];
        let len = station.node.receive(request, &mut tx);
        tx[len] = Sum::of(&tx[..len]);
        // It goes by silence: the request ends a gap after its last byte.
        let gap = 2 * self.byte;
        let begins = (now + gap + turn_around).max(self.ends + gap);
        self.ends = begins + (len as u64 + 1) * self.byte;
        self.needed += (request.len() + len + 2) as u64 * self.byte + 2 * gap + turn_around;
        vec![(begins, tx[..=len].to_vec())]
    }
}

struct Bus {
    world: Shared<'static>,
    nodes: Rc<RefCell<Nodes>>,
}

impl Bus {
    fn now(&self) -> u64 {
        self.world.borrow().air.now
    }

    /// How many bytes two spoke at once.
    fn collisions(&self) -> u64 {
        self.world.borrow().air.times("collisions")
    }
}

type Link = blocking::Link<'static, Port<'static>, Packet<'static>>;

/// A bus with these nodes, at the addresses from 1 on, and its master.
fn bus(baud: u32, timeout: Duration, kinds: &[Kind], seed: u64) -> (Bus, Link, Client) {
    let stations = (1..).zip(kinds).map(|(number, kind)| {
        let table = Table::new(&VARIABLES, &[], &[]).unwrap().with_revision(number);
        let table: &'static Table<'static> = Box::leak(Box::new(table));
        let server = Server::new(Supply { number, samples: 0 }, table);
        Station { node: Node::new(server, Address::node_or_32(number).unwrap()).unwrap(), kind: *kind }
    });
    let byte = 10_000_000_000 / u64::from(baud);
    let nodes = Rc::new(RefCell::new(Nodes {
        stations: stations.collect(),
        byte,
        timeout: timeout.as_nanos() as u64,
        random: Random::new(seed),
        ends: 0,
        needed: 0,
        requests: [0; 33],
    }));
    let line = air::Kind::Bus { echo: false };
    let mut world = World::new(Air::new(line, byte, Random::new(seed), Faults::NONE, journal::Shared::default()));
    // A run of the poller is one operation.
    world.most_calls = u64::MAX;
    let played = nodes.clone();
    let play = move |request: &[u8], now| played.borrow_mut().receive(request, now);
    world.add(Scripted::new(1, Requests::Packets, 2 * byte, play));
    let world = Rc::new(RefCell::new(world));
    let style = Style { flushes: true, look: Some(US / 2), ..Style::PLAIN };
    let framing = Packet::new(vec![0; 128].leak(), gap(baud)).with_early_delivery();
    let memory = vec![0; Packet::sizes_of(128).memory()].leak();
    let link = Link::new(Port::new(world.clone(), style), framing, memory).unwrap();
    (Bus { world, nodes }, link, Client::new().with_timeout(timeout).with_drain(timeout))
}

/// 30 nodes, of which 3 are dead and 2 slow.
fn thirty() -> Vec<Kind> {
    let mut kinds = vec![Kind::Healthy; 30];
    for dead in [4, 17, 29] {
        kinds[dead] = Kind::Dead;
    }
    for slow in [9, 20] {
        kinds[slow] = Kind::Slow;
    }
    kinds
}

struct Polling {
    /// Values of each node.
    values: [u32; 30],
    /// In seconds.
    time: f64,
    /// The share of the time that answered requests need at least.
    used: f64,
    nodes: Vec<Polled>,
}

/// Polls group 0 of 30 nodes until there are so many values; each has to be true.
fn poll(baud: u32, timeout: Duration, interval: Duration, count: u32, seed: u64) -> Polling {
    let kinds = thirty();
    let (bus, mut link, mut client) = bus(baud, timeout, &kinds, seed);
    let mut nodes: Vec<_> = (1..=30).map(|number| Polled::new(Address::node(number).unwrap())).collect();
    let read = group::Read { id: 0, size: Some(SIZE as u16) };
    let mut polls: Vec<_> = (0..30).map(|node| Poll::group(node, read, interval)).collect();
    let mut poller = Poller::new(&mut nodes, &mut polls);
    let (mut values, mut seen) = ([0; 30], 0);
    let ended = link.run(&mut client, &mut poller, |event| {
        let PollEvent::Value { poll, value } = event else { panic!("seed {seed}: {event:?}") };
        let number = poll as u8 + 1;
        let samples = bus.nodes.borrow_mut().stations[poll].node.server().entities().samples;
        for (id, bytes) in (0..).zip(value.chunks(4)) {
            let [low, high] = samples.to_le_bytes();
            assert_eq!(
                bytes,
                [number, id, low, high],
                "seed {seed}: a value of another node, or of an earlier request"
            );
        }
        values[poll] += 1;
        seen += 1;
        if seen == count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(ended.unwrap(), Ended::Stopped);
    let counters: Vec<_> = poller.nodes().iter().map(|node| node.counters()).collect();
    for (place, counters) in counters.iter().enumerate() {
        assert_eq!(counters.answered, values[place]);
        assert_eq!((counters.refused, counters.answered + counters.missing), (0, counters.asked));
        assert_eq!(counters.asked, bus.nodes.borrow().requests[place + 1]);
    }
    assert_eq!(bus.collisions(), 0, "the master spoke while a node did");
    let (now, needed) = (bus.now() as f64, bus.nodes.borrow().needed as f64);
    Polling { values, time: now / 1e9, used: needed / now, nodes }
}

fn count(share: u32) -> u32 {
    std::env::var("ANYSMP_POLLS").map_or(share, |polls| polls.parse().expect("a number"))
}

/// How often a second the slowest healthy node was read, and the slowest of all that live.
fn rates(polling: &Polling) -> (f64, f64, f64) {
    let kinds = thirty();
    let rate = |place: usize| f64::from(polling.values[place]) / polling.time;
    let of = |kind: Kind| (0..30).filter(move |place| thirty()[*place] == kind);
    let least = of(Kind::Healthy).map(rate).fold(f64::MAX, f64::min);
    let living = kinds.iter().filter(|kind| **kind != Kind::Dead).count() as f64;
    let mean = (0..30).map(rate).sum::<f64>() / living;
    let least_of_all = of(Kind::Healthy).chain(of(Kind::Slow)).map(rate).fold(f64::MAX, f64::min);
    (least, least_of_all, mean)
}

#[test]
fn thirty_nodes_at_6_mbaud_are_each_read_five_times_a_second_although_some_are_dead_or_slow() {
    let timeout = Duration::from_millis(5);
    for (interval, least_rate) in [(Duration::from_millis(190), 5.0), (Duration::from_millis(40), 20.0)] {
        let polling = poll(6_000_000, timeout, interval, count(4_000), 0x6000);
        let (least, least_of_all, mean) = rates(&polling);
        println!("6 Mbaud, every {interval:?}: at least {least:.2} Hz, mean {mean:.2} Hz in {:.1} s", polling.time);
        assert!(least >= least_rate, "{least} Hz");
        assert!(least_of_all >= mean / 2.0, "{least_of_all} of {mean} Hz");
    }
}

#[test]
fn thirty_nodes_at_115200_baud_share_all_of_the_line() {
    let polling = poll(115_200, Duration::from_millis(20), Duration::ZERO, count(4_000), 0x1152);
    let (least, least_of_all, mean) = rates(&polling);
    println!(
        "115,200 baud: at least {least:.2} Hz, mean {mean:.2} Hz, {:.1} % of the line's time in {:.1} s",
        100.0 * polling.used,
        polling.time
    );
    assert!(polling.used >= 0.9, "{}", polling.used);
    assert!(least_of_all >= mean / 2.0, "{least_of_all} of {mean} Hz");
    for place in [4, 17, 29] {
        assert!(polling.nodes[place].is_dead());
    }
}

/// A poller by hand: steps with their times in ms.
fn by_hand(poller: &mut Poller<'_>, limit: u64, mut answers: impl FnMut(u64, u8) -> bool) -> Vec<(u64, u8)> {
    let mut client = Client::new().with_timeout(Duration::from_millis(10));
    let (mut tx, mut now, mut sent, mut asked) = ([0; 16], Duration::ZERO, Vec::new(), None);
    loop {
        let ms = now.as_millis() as u64;
        match poller.poll(&mut client, &mut tx) {
            Step::Send(_) => {
                asked = Some(tx[0]);
                sent.push((ms, tx[0]));
            }
            Step::Wait(time) => {
                assert!(!time.is_zero(), "it asks to wait for no time");
                match asked.take() {
                    Some(number) if answers(ms, number) => {
                        now += Duration::from_millis(1);
                        poller.tick(Duration::from_millis(1));
                        assert!(poller.receive(&mut client, &[0, 0x11, 0, 1, number]).is_some());
                    }
                    _ => {
                        now += time;
                        poller.timed_out();
                    }
                }
            }
            Step::Done => return sent,
            Step::Reopen => unreachable!(),
        }
        assert!(now < Duration::from_millis(limit * 2), "it does not end");
    }
}

const ONE: variable::Read = variable::Read { id: 0, size: Some(1) };

fn nodes<const N: usize>() -> [Polled; N] {
    std::array::from_fn(|place| Polled::new(Address::node(place as u8 + 1).unwrap()))
}

#[test]
fn a_dead_node_costs_one_timeout_in_each_rest_and_rests_twice_as_long_each_time() {
    let mut nodes = nodes::<2>();
    let mut polls = [0, 1].map(|node| Poll::variable(node, ONE, Duration::from_millis(100)));
    let second = Duration::from_secs(1);
    let mut poller = Poller::new(&mut nodes, &mut polls).with_rest(second, 8 * second).with_duration(60 * second);
    let sent = by_hand(&mut poller, 60_000, |_, number| number == 1);
    let dead: Vec<_> = sent.iter().filter(|(_, number)| *number == 2).map(|(ms, _)| ms / 100).collect();
    // Two in a row, then after 1, 2, 4, 8, 8 s ...
    assert_eq!(dead, [0, 1, 11, 31, 71, 151, 231, 311, 391, 471, 551]);
    // The other one is on time: what delays it once does not delay all that follow.
    let living: Vec<_> = sent.iter().filter(|(_, number)| *number == 1).map(|(ms, _)| *ms).collect();
    assert_eq!(living.len(), 600);
    assert!((0..).zip(&living).all(|(n, ms)| (100 * n..=100 * n + 11).contains(ms)), "{living:?}");
    assert_eq!(poller.report().outcome, JobOutcome::Done);
    let counters = poller.nodes()[1].counters();
    assert_eq!((counters.asked, counters.missing, counters.answered), (11, 11, 0));
}

#[test]
fn a_node_that_comes_back_is_asked_at_its_rate_again() {
    let mut nodes = nodes::<1>();
    let mut polls = [Poll::variable(0, ONE, Duration::from_millis(100))];
    let mut poller = Poller::new(&mut nodes, &mut polls).with_duration(Duration::from_secs(10));
    let sent = by_hand(&mut poller, 10_000, |ms, _| ms > 1_000);
    assert_eq!(sent[..4].iter().map(|(ms, _)| ms / 100).collect::<Vec<_>>(), [0, 1, 11, 12]);
    assert_eq!(sent.len(), 2 + 89);
    assert!(!poller.nodes()[0].is_dead());
    // One lost answer is no reason to rest.
    let (mut nodes, mut polls) = (self::nodes::<1>(), [Poll::variable(0, ONE, Duration::from_millis(100))]);
    let mut poller = Poller::new(&mut nodes, &mut polls).with_duration(Duration::from_secs(10));
    let mut count = 0;
    let sent = by_hand(&mut poller, 10_000, |_, _| {
        count += 1;
        count % 2 == 0
    });
    assert_eq!(sent.len(), 100);
}

#[test]
fn no_node_starves_another_whatever_their_rates() {
    let mut nodes = nodes::<3>();
    // The first wants everything, three times over; the last one little.
    let rates = [(0, 0), (0, 0), (0, 0), (1, 1), (2, 20)];
    let mut polls = rates.map(|(node, ms)| Poll::variable(node, ONE, Duration::from_millis(ms)));
    let mut poller = Poller::new(&mut nodes, &mut polls).with_duration(Duration::from_secs(2));
    let sent = by_hand(&mut poller, 2_000, |_, _| true);
    let of = |number: u8| sent.iter().filter(|(_, to)| *to == number).count();
    assert_eq!(sent.len(), 2_000, "an exchange takes 1 ms");
    assert_eq!(of(3), 100);
    assert!(of(1).abs_diff(of(2)) <= 4, "{} and {}", of(1), of(2));
}

#[test]
fn a_poll_that_waits_for_another_one_is_not_late_for_ever() {
    let mut nodes = nodes::<3>();
    let mut polls = [(0, 7), (1, 11), (2, 13)].map(|(node, ms)| Poll::variable(node, ONE, Duration::from_millis(ms)));
    let mut poller = Poller::new(&mut nodes, &mut polls).with_duration(Duration::from_secs(10));
    let sent = by_hand(&mut poller, 10_000, |_, _| true);
    for (number, interval) in [(1, 7), (2, 11), (3, 13)] {
        let count = sent.iter().filter(|(_, to)| *to == number).count();
        assert!(count.abs_diff(10_000 / interval) <= 1, "{count} times every {interval} ms in 10 s");
    }
}

#[test]
fn a_poller_without_polls_ends_and_one_of_an_unknown_node_is_left_out() {
    let mut nodes = nodes::<1>();
    let mut poller = Poller::new(&mut nodes, &mut []);
    assert_eq!(by_hand(&mut poller, 1, |_, _| true), []);
    assert_eq!(poller.report().outcome, JobOutcome::Done);
    let mut polls = [Poll::variable(7, ONE, Duration::ZERO)];
    assert_eq!(by_hand(&mut Poller::new(&mut nodes, &mut polls), 1, |_, _| true), []);
    let mut polls = [Poll::variable(0, ONE, Duration::ZERO)];
    let mut poller = Poller::new(&mut nodes, &mut polls);
    assert_eq!(poller.poll(&mut Client::new(), &mut [0; 4]), Step::Done);
    assert_eq!(poller.report().outcome, JobOutcome::Failed(Error::BufferFull));
    let text = "after 0ns the polling is not complete: the request does not fit the buffer";
    assert_eq!(poller.report().to_string(), text);
}

#[test]
fn a_scan_finds_who_is_there_and_tells_implementations_apart() {
    let mut kinds = vec![Kind::Dead; 32];
    for there in [0, 6, 30, 31] {
        kinds[there] = Kind::Healthy;
    }
    let limit = Duration::from_millis(5);
    let (bus, mut link, mut client) = bus(115_200, limit, &kinds, 1);
    let mut found = Vec::new();
    let mut scan = Scan::new();
    let ended = link.run(&mut client, &mut scan, |node| {
        found.push((node.address.value(), node.version.unwrap()));
        ControlFlow::Continue(())
    });
    let expected = [1, 7, 31, 32].map(|number| (number, Version { revision: number, ..Version::V2_30 }));
    assert_eq!(found, expected);
    let Ended::Done(report) = ended.unwrap() else { panic!("nobody has stopped it") };
    assert_eq!((report.asked, report.found, report.outcome), (32, 4, JobOutcome::Done));
    assert_eq!(report.to_string(), "4 nodes at 32 addresses; the scan is complete");
    assert!(bus.now() < 500 * MS, "{} ms", bus.now() / MS);
    assert_eq!(bus.collisions(), 0);

    let mut scan = Scan::of(5, 8);
    let Ended::Done(report) = link.run(&mut client, &mut scan, |_| ControlFlow::Continue(())).unwrap() else {
        panic!("nobody has stopped it")
    };
    assert_eq!((report.asked, report.found), (4, 1));
    assert_eq!(report.to_string(), "1 node at 4 addresses; the scan is complete");
    assert_eq!(Scan::of(9, 8).poll(&mut client, &mut [0; 16]), Step::Done);
}

#[test]
fn a_refusal_of_a_poll_shows_its_reason_and_a_value_only_its_size() {
    let mut nodes = nodes::<1>();
    let mut polls = [Poll::variable(0, ONE, Duration::ZERO)];
    let mut poller = Poller::new(&mut nodes, &mut polls);
    let (mut client, mut tx) = (Client::new(), [0; 16]);
    let mut said = Vec::new();
    for answer in [&[0, 0xE8, 0, 0][..], &[0, 0x11, 0, 1, 42]] {
        assert!(matches!(poller.poll(&mut client, &mut tx), Step::Send(_)));
        said.push(format!("{:?}", poller.receive(&mut client, answer).unwrap()));
    }
    assert_eq!(said, ["Refused { poll: 0, error: Remote(Busy) }", "Value { poll: 0, 1 bytes }"]);
    assert_eq!(poller.nodes()[0].counters().refused, 1);
}

#[test]
fn a_scan_reports_how_far_it_came_and_how_it_ended() {
    let (mut client, mut tx) = (Client::new(), [0; 16]);
    // A buffer that is too short: no address was asked.
    let mut scan = Scan::of(3, 9);
    assert_eq!(scan.poll(&mut client, &mut [0; 3]), Step::Done);
    let report = scan.report();
    assert_eq!((report.asked, report.found, report.outcome), (0, 0, JobOutcome::Failed(Error::BufferFull)));
    let text = "0 nodes at 0 addresses; the scan is not complete: the request does not fit the buffer";
    assert_eq!(report.to_string(), text);
    let outcomes = [report.outcome, JobOutcome::Unfinished, JobOutcome::Done].map(|outcome| outcome.to_string());
    assert_eq!(outcomes, ["not complete: the request does not fit the buffer", "not finished", "complete"]);
    // The second address, of two, is being asked.
    let mut scan = Scan::of(31, 40);
    assert!(matches!(scan.poll(&mut client, &mut tx), Step::Send(4)));
    assert_eq!(tx[0], 31);
    assert!(matches!(scan.poll(&mut client, &mut tx), Step::Wait(_)));
    let node = scan.receive(&mut client, &[0, 1, 0, 3, 2, 30, 5]).unwrap();
    assert_eq!((node.address.value(), node.version.unwrap().revision), (31, 5));
    assert_eq!(scan.report().outcome, JobOutcome::Unfinished);
    assert_eq!(scan.report().to_string(), "1 node at 1 address; the scan is not finished");
    assert!(matches!(scan.poll(&mut client, &mut tx), Step::Send(4)));
    assert_eq!(tx[0], 32);
    assert!(matches!(scan.poll(&mut client, &mut tx), Step::Wait(_)));
    scan.timed_out();
    assert_eq!(scan.poll(&mut client, &mut tx), Step::Done);
    assert_eq!(scan.report().to_string(), "1 node at 2 addresses; the scan is complete");
    // No address that a node can have.
    assert_eq!(Scan::of(40, 50).report().asked, 0);
}
