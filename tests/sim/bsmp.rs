//! BSMP: commands and routines over the bus with three nodes, over TCP and over UDP.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow::Continue;
use std::rc::Rc;
use std::time::Duration;

use anysmp::bsmp::curve::{Curve, Digest, Md5, digest_of};
use anysmp::bsmp::function::{Execute, Function};
use anysmp::bsmp::routine::{
    CurveOutcome, Discovery, JobOutcome, Poll, PollEvent, Polled, Poller, ReadCurve, ReadEvent, Scan, Tables,
    WriteCurve,
};
use anysmp::bsmp::variable::{Combine, Op, Read, Variable, Write, WriteRead};
use anysmp::bsmp::{
    Address, Client, Entities, Error as Failure, Node, QueryVersion, Refusal, Request, Response, Server, Table, Version,
};
use anysmp::framing::Framing;
use anysmp::framing::counted::{Counted, Head3};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::packet::{self, Echo, Packet};
use anysmp::line::{self, Line};

use crate::kit::air::Kind;
use crate::kit::link::{Bytes, Error, Link};
use crate::kit::port::Port;
use crate::kit::random::Random;
use crate::kit::station::{Fate, Served};
use crate::kit::tally::{Tally, each_seed};
use crate::kit::world::{MS, SECOND};
use crate::session::{Check, Session};

static VARIABLES: [Variable; 8] = [
    Variable::read_only(2),
    Variable::read_only(2),
    Variable::read_only(2),
    Variable::read_only(4),
    Variable::read_only(4),
    Variable::writable(4),
    Variable::writable(4),
    Variable::writable(1),
];
static CURVES: [Curve; 2] = [Curve::writable(32, 4), Curve::read_only(24, 5)];
static FUNCTIONS: [Function; 1] = [Function { input: 4, output: 4 }];
static TABLE: Table<'static> = match Table::new(&VARIABLES, &CURVES, &FUNCTIONS) {
    Ok(table) => table,
    Err(_) => panic!(),
};

/// What a node holds.
#[derive(Default)]
struct Held {
    values: Vec<Vec<u8>>,
    curve: Vec<Vec<u8>>,
    /// How often a function ran, by its input.
    runs: BTreeMap<Vec<u8>, u32>,
}

#[derive(Clone)]
struct Device(Rc<RefCell<Held>>);

fn fixed(node: u8, id: u8) -> Vec<u8> {
    (0..VARIABLES[usize::from(id)].size).map(|place| node << 4 | id ^ place << 6).collect()
}

fn generated(block: u16) -> Vec<u8> {
    (0..24).map(|place: u8| place.wrapping_mul(7) ^ block as u8).collect()
}

impl Device {
    fn new(node: u8) -> Self {
        let values = (0..8).map(|id| fixed(node, id)).collect();
        let curve = (0..4).map(|block| vec![block; 32]).collect();
        Self(Rc::new(RefCell::new(Held { values, curve, ..Held::default() })))
    }
}

/// A device behind a server: `checksum` has to return a reference to something kept.
struct Front {
    device: Device,
    checksums: [Digest; 2],
}

impl Entities for Front {
    fn read(&mut self, variable: u8, value: &mut [u8]) {
        value.copy_from_slice(&self.device.0.borrow().values[usize::from(variable)]);
    }

    fn write(&mut self, variable: u8, value: &[u8]) {
        self.device.0.borrow_mut().values[usize::from(variable)] = value.to_vec();
    }

    fn read_block(&mut self, curve: u8, block: u16, data: &mut [u8]) -> Result<usize, Refusal> {
        let stored =
            if curve == 0 { self.device.0.borrow().curve[usize::from(block)].clone() } else { generated(block) };
        data[..stored.len()].copy_from_slice(&stored);
        Ok(stored.len())
    }

    fn write_block(&mut self, _: u8, block: u16, data: &[u8]) -> Result<(), Refusal> {
        self.device.0.borrow_mut().curve[usize::from(block)] = data.to_vec();
        Ok(())
    }

    fn checksum(&mut self, curve: u8) -> Option<&mut Digest> {
        self.checksums.get_mut(usize::from(curve))
    }

    fn digest(&mut self, id: u8, curve: Curve, scratch: &mut [u8]) -> Result<Digest, Refusal> {
        digest_of(self, id, curve, scratch, Md5::default())
    }

    fn execute(&mut self, _: u8, input: &[u8], output: &mut [u8]) -> Result<(), std::num::NonZeroU8> {
        *self.device.0.borrow_mut().runs.entry(input.to_vec()).or_default() += 1;
        output.iter_mut().zip(input).for_each(|(out, byte)| *out = byte ^ 0x5A);
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Bus { echo: bool },
    Tcp,
    Udp,
}

#[test]
fn bsmp_sessions_end_in_time_and_return_nothing_wrong() {
    let mut tally = Tally::default();
    each_seed("bsmp_sessions", 1_500, |seed| {
        let mut random = Random::new(seed ^ 0x4253_4D50);
        let wire = random.pick(&[
            Wire::Bus { echo: true },
            Wire::Bus { echo: false },
            Wire::Bus { echo: false },
            Wire::Tcp,
            Wire::Udp,
        ]);
        let mut near = [0; 512];
        let mut far = [[0; 512]; 3];
        let far = far.each_mut();
        let baud = random.pick(&[115_200, 115_200, 1_000_000, 19_200]);
        let gap = packet::gap(baud);
        match wire {
            Wire::Bus { echo } => {
                let mut framing = Packet::new(&mut near, gap);
                let is_early = random.percent(30);
                if is_early {
                    framing = framing.with_early_delivery();
                }
                if echo {
                    framing = framing.with_echo(Echo::Master);
                }
                let far = far.map(|buffer| {
                    let framing = Packet::new(buffer, gap);
                    if echo { framing.with_echo(Echo::Node) } else { framing }
                });
                session(seed, wire, baud, &mut tally, framing, far.into());
            }
            Wire::Tcp => {
                let [first, ..] = far;
                let far = vec![Counted::<Head3>::new(first)];
                session(seed, wire, 1_000_000, &mut tally, Counted::<Head3>::new(&mut near), far);
            }
            Wire::Udp => {
                let [first, ..] = far;
                session(seed, wire, 1_000_000, &mut tally, Datagram::new(&mut near), vec![Datagram::new(first)]);
            }
        }
    });
    tally.show("BSMP");
    tally.met_all(1_500, &["collisions", "delayed datagrams", "scan: done", "poller: values", "discovery: done"]);
}

/// Answers that BSMP cannot distinguish from the right one; see `bsmp::client`.
const ALWAYS: &[&str] =
    &["answers that lie", "truncated answers", "old answers", "doubled answers", "doubled requests"];
/// The same, where an answer may come later than the line is silent for.
const LATE: &[&str] = &[
    "answers that lie",
    "truncated answers",
    "old answers",
    "doubled answers",
    "doubled requests",
    "late answers",
    "delayed requests",
    "delayed datagrams",
];

fn session<'w, F: Framing, G: Framing + 'w>(
    seed: u64,
    wire: Wire,
    baud: u32,
    tally: &mut Tally,
    framing: F,
    far: Vec<G>,
) {
    let mut draw = Random::new(seed ^ 0xD4A3);
    let timeout = draw.pick(&[20 * MS, 100 * MS, 300 * MS]);
    let timeout = if baud < 100_000 { timeout.max(100 * MS) } else { timeout };
    let drain = draw.pick(&[200 * MS, SECOND, SECOND]).max(2 * timeout);
    let devices: Vec<Device> = (1..=far.len() as u8).map(Device::new).collect();
    let mut memories: Vec<Vec<u8>> = far.iter().map(|far| vec![0; far.sizes().memory()]).collect();
    let mut near = vec![0; framing.sizes().memory()];
    let kind = match wire {
        Wire::Bus { echo } => Kind::Bus { echo },
        Wire::Tcp => Kind::Stream,
        Wire::Udp => Kind::Datagrams,
    };
    let byte_time = 10_000_000_000 / u64::from(baud);
    let mut s = Session::new(seed, kind, byte_time, timeout, drain, F::QUIET);
    if wire == Wire::Tcp {
        // TCP damages nothing.
        let faults = &mut s.faults;
        (faults.flips, faults.bursts, faults.losses, faults.noises, faults.babble) = (0, 0, 0, 0, None);
        s.world.borrow_mut().air.faults = s.faults.clone();
    }
    if let Wire::Bus { .. } = wire {
        // Nothing on two wires holds a packet back for seconds.
        (s.faults.delays, s.faults.longest_delay) = (0, 0);
        s.world.borrow_mut().air.faults = s.faults.clone();
    }
    match wire {
        Wire::Bus { .. } => s.checked_by(Check::Sum, 1),
        Wire::Tcp => s.checked_by(Check::None, 0),
        Wire::Udp => s.checked_by(Check::Datagram, 0),
    }
    let gap = packet::gap(baud).as_nanos() as u64;
    s.style.gather = s.style.gather.min(gap / 4);
    let late = s.faults.longest_late + s.faults.longest_delay;
    let is_late = late + 100 * MS > drain || s.faults.delays > 0 && s.faults.lates > 0;
    s.cannot_tell(if is_late { LATE } else { ALWAYS });
    // A request to a node that is not there.
    let prefix: &[u8] = if let Wire::Bus { .. } = wire { &[9] } else { &[] };
    s.noise_of(&framing, &[[prefix, &[0x10, 0, 1, 3]].concat(), [prefix, &[0x00, 0, 0]].concat()]);

    let nodes = devices.iter().zip(far).zip(memories.iter_mut());
    for (((device, framing), memory), number) in nodes.zip(1_u8..) {
        let line = Line::new(framing, &mut memory[..]).unwrap();
        let front = Front { device: device.clone(), checksums: [[0; 16]; 2] };
        let server = Server::new(front, &TABLE);
        let round = if let Wire::Bus { .. } = wire { (gap / 8).max(1_000) } else { MS };
        let mut world = s.world.borrow_mut();
        let end = usize::from(number);
        let after = |_: Option<()>| Fate::GoOn;
        if let Wire::Bus { .. } = wire {
            let node = Node::new(server, Address::node(number).unwrap()).unwrap();
            world.add(Served::new(end, line, node, round, Bytes::default(), after));
        } else {
            world.add(Served::new(end, line, server, round, Bytes::default(), after));
        }
    }
    let port = Port::new(s.world.clone(), s.style);
    let mut link = Link::new(s.is_async, port, framing, &mut near[..], s.journal.clone());
    let mut job = Job {
        tally,
        devices: &devices,
        wire,
        drain,
        node: 1,
        candidates: BTreeMap::new(),
        executed: BTreeMap::new(),
        step: 0,
        seed,
    };
    for _ in 0..3 + s.random.below(8) {
        job.any(&mut s, &mut link);
    }
    s.clean(&mut link);
    s.terms.retries = 0;
    for _ in 0..2 {
        job.step += 1;
        let result = job.call(&mut s, &mut link, &Read { id: 1, size: Some(2) }, <[u8]>::to_vec);
        assert_eq!(result, Ok(fixed(job.node, 1)), "a read over a clean line; {wire:?} {:?} {:?}", s.style, s.faults);
    }
    for (device, node) in devices.iter().zip(1_u8..) {
        for (input, runs) in &device.0.borrow().runs {
            let asked = job.executed.get(&(node, input.clone())).copied().unwrap_or(0);
            if *runs > asked && !s.is_doubtful() {
                panic!("{input:02x?} was executed {runs} times, asked {asked} times; {:?}", s.faults);
            }
        }
    }
    job.tally.one(match wire {
        Wire::Bus { .. } => "sessions: bus",
        Wire::Tcp => "sessions: TCP",
        Wire::Udp => "sessions: UDP",
    });
    s.end(job.tally, &mut link);
}

struct Job<'j> {
    tally: &'j mut Tally,
    devices: &'j [Device],
    wire: Wire,
    drain: u64,
    node: u8,
    /// Values that a writable variable of a node may have.
    candidates: BTreeMap<(u8, u8), BTreeSet<Vec<u8>>>,
    executed: BTreeMap<(u8, Vec<u8>), u32>,
    step: u32,
    seed: u64,
}

type Answer<T> = Result<T, Error<Failure>>;

impl Job<'_> {
    fn client(&self, s: &Session<'_>) -> Client {
        let client = match self.wire {
            Wire::Bus { .. } => Client::new().with_address(Address::node(self.node).unwrap()),
            Wire::Tcp | Wire::Udp => Client::new(),
        };
        client
            .with_timeout(Duration::from_nanos(s.terms.timeout))
            .with_drain(Duration::from_nanos(self.drain))
            .with_retries(s.terms.retries as u8)
    }

    fn device(&self) -> std::cell::RefMut<'_, Held> {
        self.devices[usize::from(self.node - 1)].0.borrow_mut()
    }

    fn any<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        self.step += 1;
        self.node = 1 + s.random.index(self.devices.len()) as u8;
        match s.random.below(20) {
            0..6 => self.read(s, link),
            6..9 => self.write(s, link),
            9..11 => self.read_back(s, link),
            11 => self.write_read(s, link),
            12 | 13 => self.execute(s, link),
            14 => self.combine(s, link),
            15 => self.version(s, link),
            16 => self.post(s, link),
            // Only a bus has more than one node.
            17 if matches!(self.wire, Wire::Bus { .. }) && s.random.percent(50) => {
                if s.random.percent(50) {
                    self.scan(s, link)
                } else {
                    self.poller(s, link)
                }
            }
            17 => self.discovery(s, link),
            18 => self.read_curve(s, link),
            _ => self.write_curve(s, link),
        }
    }

    fn call<F: Framing, R: Request, T>(
        &mut self,
        s: &mut Session<'_>,
        link: &mut Link<'_, '_, F>,
        request: &R,
        read: impl FnOnce(Response<'_, R>) -> T,
    ) -> Answer<T> {
        let mut client = self.client(s);
        let result = s.timed("call", s.terms.retries + 1, 0, || link.call(&mut client, request, read));
        self.tally.one(match &result {
            Ok(_) => "calls: response",
            Err(line::Error::TimedOut) => "calls: timed out",
            Err(line::Error::Port(_)) => "calls: port failed",
            Err(line::Error::WriteZero) => "calls: port accepts nothing",
            Err(line::Error::Protocol(Failure::Remote(_))) => "calls: refused",
            Err(line::Error::Protocol(_)) => "calls: only something else came",
            Err(other) => panic!("{other:?}"),
        });
        result
    }

    fn read<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let id = s.random.below(5) as u8;
        let size = s.random.percent(70).then(|| VARIABLES[usize::from(id)].size);
        if let Ok(value) = self.call(s, link, &Read { id, size }, <[u8]>::to_vec)
            && value != fixed(self.node, id)
        {
            s.wrong(self.tally, &format!("variable {id} of node {} is {value:02x?}", self.node));
        }
    }

    fn unique(&self, id: u8) -> Vec<u8> {
        [self.seed as u8, self.step as u8, self.node, id].to_vec()
    }

    fn wrote(&mut self, s: &Session<'_>, id: u8, value: Vec<u8>, is_ok: bool) {
        let known = self.candidates.entry((self.node, id)).or_insert_with(|| [fixed(self.node, id)].into());
        // What failed before may still be on its way.
        if is_ok && s.faults.delays + s.faults.lates == 0 {
            known.clear();
        }
        known.insert(value);
    }

    fn write<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let id = 5 + s.random.below(2) as u8;
        let value = self.unique(id);
        let result = self.call(s, link, &Write { id, value: &value }, |()| ());
        if result.is_ok() && self.device().values[usize::from(id)] != value {
            s.wrong(self.tally, "a write that did not happen");
        }
        self.wrote(s, id, value, result.is_ok());
    }

    fn read_back<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let id = 5 + s.random.below(2) as u8;
        if let Ok(value) = self.call(s, link, &Read { id, size: Some(4) }, <[u8]>::to_vec) {
            let known = self.candidates.entry((self.node, id)).or_insert_with(|| [fixed(self.node, id)].into());
            if !known.contains(&value) {
                s.wrong(
                    self.tally,
                    &format!("variable {id} of node {} is {value:02x?}, not of {known:02x?}", self.node),
                );
            }
        }
    }

    fn write_read<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let value = self.unique(5);
        let request = WriteRead { write: 5, value: &value, read: 3, size: Some(4) };
        let result = self.call(s, link, &request, <[u8]>::to_vec);
        if result.as_ref().is_ok_and(|read| *read != fixed(self.node, 3)) {
            s.wrong(self.tally, &format!("variable 3 of node {} is {result:02x?}", self.node));
        }
        self.wrote(s, 5, value, result.is_ok());
    }

    fn execute<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let input = self.unique(0);
        *self.executed.entry((self.node, input.clone())).or_default() += 1;
        let right: Vec<u8> = input.iter().map(|byte| byte ^ 0x5A).collect();
        let request = Execute { id: 0, input: &input, output: Some(4) };
        if self.call(s, link, &request, |output| *output == *right) == Ok(false) {
            s.wrong(self.tally, "the output of another call");
        }
    }

    fn combine<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let before = self.device().values[7].clone();
        let request = Combine { id: 7, op: Op::Xor, mask: &[0x11] };
        let result = self.call(s, link, &request, |()| ());
        let is_turned = self.device().values[7] == [before[0] ^ 0x11];
        if result.is_ok() && !is_turned && s.faults.delays + s.faults.lates == 0 {
            s.wrong(self.tally, "an XOR did not happen once");
        }
    }

    fn version<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        if let Ok(version) = self.call(s, link, &QueryVersion, |version| version)
            && version != Version::V2_30
        {
            s.wrong(self.tally, "another version");
        }
    }

    fn post<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        if let Wire::Bus { .. } = self.wire {
            let mut tx = [0; 16];
            let value = self.unique(6);
            let request = Write { id: 6, value: &value };
            let len = Client::new().with_address(Address::BROADCAST).post(&request, &mut tx).unwrap();
            let sent = s.timed("broadcast", 1, 0, || link.send(&tx[..len]));
            for node in 1..=self.devices.len() as u8 {
                self.node = node;
                self.wrote(s, 6, value.clone(), false);
            }
            self.tally.one(if sent.is_ok() { "broadcasts" } else { "broadcasts that failed" });
        }
    }

    fn discovery<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let (mut tables, mut client) = (Tables::new(), self.client(s));
        let mut discovery = Discovery::new(tables.storage());
        // Version, four lists, members of up to 8 groups, checksums of two curves.
        let requests = 16 * (s.terms.retries + 1);
        let ended = s.timed("discovery", requests, 0, || link.run(&mut client, &mut discovery, |_| Continue(())));
        let Some(result) = self.tally.ended(ended) else { return };
        let directory = discovery.directory();
        match result.outcome {
            JobOutcome::Done
                if *directory.variables == VARIABLES
                    && *directory.curves == CURVES
                    && *directory.functions == FUNCTIONS =>
            {
                self.tally.one("discovery: done");
            }
            JobOutcome::Done => s.wrong(self.tally, &format!("discovery: {directory:?}")),
            _ => self.tally.one("discovery: failed"),
        }
    }

    /// Addresses 1 to 4, of which the last one has no node.
    fn scan<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let mut client = self.client(s);
        let requests = 4 * (s.terms.retries + 1);
        let mut found = Vec::new();
        let ended = s.timed("a scan", requests, 0, || {
            link.run(&mut client, &mut Scan::of(1, 4), |node| {
                found.push((node.address.value(), node.version));
                Continue(())
            })
        });
        let Some(report) = self.tally.ended(ended) else { return };
        let is_right = |(number, version): &(u8, Result<Version, Failure>)| {
            *number < 4 && version.is_ok_and(|version| version == Version::V2_30)
                || matches!(version, Err(Failure::Remote(_)))
        };
        match report.outcome {
            JobOutcome::Done if found.iter().all(is_right) => self.tally.one("scan: done"),
            JobOutcome::Done => s.wrong(self.tally, &format!("a scan found {found:?}")),
            _ => self.tally.one("scan: failed"),
        }
    }

    /// Fixed variables of all nodes, in turns, for half a second.
    fn poller<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let mut client = self.client(s);
        let mut nodes: Vec<_> =
            (1..=self.devices.len() as u8).map(|number| Polled::new(Address::node(number).unwrap())).collect();
        let read = |id: u8| Read { id, size: Some(VARIABLES[usize::from(id)].size) };
        let mut polls: Vec<_> =
            (0..nodes.len()).map(|node| Poll::variable(node, read(node as u8), Duration::from_millis(40))).collect();
        let time = 500 * MS;
        let mut poller = Poller::new(&mut nodes, &mut polls).with_duration(Duration::from_nanos(time));
        let mut values = Vec::new();
        // Its time, and the exchange that runs at the end of it.
        let ended = s.timed("a poller", 2, time, || {
            link.run(&mut client, &mut poller, |event| {
                if let PollEvent::Value { poll, value } = event {
                    values.push((poll as u8, value.to_vec()));
                }
                Continue(())
            })
        });
        let Some(report) = self.tally.ended(ended) else { return };
        self.tally.one(if report.outcome == JobOutcome::Done { "poller: done" } else { "poller: failed" });
        for (poll, value) in values {
            self.tally.one("poller: values");
            if value != fixed(poll + 1, poll) {
                s.wrong(self.tally, &format!("variable {poll} of node {} is {value:02x?}", poll + 1));
            }
        }
    }

    fn read_curve<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let mut client = self.client(s);
        let requests = 8 * (s.terms.retries + 1);
        let mut got = Vec::new();
        let mut keep = |event: ReadEvent<'_>| {
            if let ReadEvent::Block { data, .. } = event {
                got.extend_from_slice(data);
            }
            Continue(())
        };
        let has_checksum = s.random.percent(50);
        let ended = s.timed("reading a curve", requests, 0, || {
            if has_checksum {
                link.run(&mut client, &mut ReadCurve::new(1, CURVES[1], Md5::default()), &mut keep)
            } else {
                link.run(&mut client, &mut ReadCurve::new(1, CURVES[1], ()), &mut keep)
            }
        });
        let Some(report) = self.tally.ended(ended) else { return };
        let right: Vec<u8> = (0..5).flat_map(generated).collect();
        match report.outcome {
            CurveOutcome::Done { .. } if got == right => self.tally.one("reading a curve: done"),
            CurveOutcome::Done { verified: true } if !s.is_doubtful() => panic!("a curve with a checksum is wrong"),
            CurveOutcome::Done { .. } => s.wrong(self.tally, "a curve was read wrong"),
            _ => self.tally.one("reading a curve: failed"),
        }
    }

    fn write_curve<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let mut client = self.client(s);
        let requests = 8 * (s.terms.retries + 1);
        let data = s.random.bytes(128);
        let has_checksum = s.random.percent(50);
        let ended = s.timed("writing a curve", requests, 0, || {
            if has_checksum {
                link.run(&mut client, &mut WriteCurve::new(0, CURVES[0], &data[..], Md5::default()), |_| Continue(()))
            } else {
                link.run(&mut client, &mut WriteCurve::new(0, CURVES[0], &data[..], ()), |_| Continue(()))
            }
        });
        let Some(report) = self.tally.ended(ended) else { return };
        let is_right = self.device().curve.concat() == data;
        match report.outcome {
            CurveOutcome::Done { .. } if is_right => self.tally.one("writing a curve: done"),
            CurveOutcome::Done { verified: true } if !s.is_doubtful() => panic!("a curve was verified and is wrong"),
            CurveOutcome::Done { .. } => s.wrong(self.tally, "a curve was written wrong"),
            _ => self.tally.one("writing a curve: failed"),
        }
    }
}
