//! An RS-485 bus in simulated time: one master and some nodes on two wires, half duplex, with echo,
//! noise and silence.
//!
//! The unit of time is half a character. Everything happens while the master waits: each `read` of
//! its port advances the bus until a byte arrives or a tick has passed.
#![allow(dead_code, unreachable_pub, reason = "each program uses a part of it")]
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a simulation on a host: every node has its own wire"
)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use anysmp::bsmp::Node;
use anysmp::framing::packet::{Packet, gap};
use anysmp::line::{Event, Line, Peer};
use anysmp::port::Clock;
use anysmp::time::Span;

use super::device::Device;

type Bytes = Rc<RefCell<VecDeque<u8>>>;

/// The time since the clock of a port was last read.
fn lap(steps: &Cell<u64>, asked: &mut u64, step: Duration) -> Duration {
    let passed = steps.get() - std::mem::replace(asked, steps.get());
    step * u32::try_from(passed).unwrap_or(u32::MAX)
}

fn drain(queue: &Bytes, buf: &mut [u8]) -> Option<usize> {
    let mut queue = queue.borrow_mut();
    let length = queue.len().min(buf.len());
    for (place, byte) in buf.iter_mut().zip(queue.drain(..length)) {
        *place = byte;
    }
    (length > 0).then_some(length)
}

/// A node with its line: the state of a firmware main loop that never waits.
struct Station {
    node: Node<'static, Device>,
    line: Line<'static, Packet<'static>>,
    /// The time that has not been reported to the line yet.
    left: Duration,
    rx: Bytes,
    sends: Bytes,
    muted: bool,
}

impl Station {
    /// Runs one round of the main loop, `time` after the last one: bytes, time, messages, bytes.
    fn turn(&mut self, time: Duration) {
        let Self { node, line, left, rx, sends, .. } = self;
        {
            let mut rx = rx.borrow_mut();
            let taken = line.received(rx.make_contiguous(), Peer(0));
            rx.drain(..taken);
        }
        // At 6 Mbaud a round is shorter than a microsecond.
        *left += time;
        let passed = Span::floor(*left);
        if !passed.is_zero() {
            *left -= passed.to_duration();
            line.elapsed(passed);
        }
        while let Some(event) = line.next(&mut ()) {
            if event == Event::Message {
                let (message, tx) = line.exchange();
                let length = node.receive(message, tx);
                if length > 0 {
                    line.transmit(length).expect("no message comes while an answer waits");
                }
            }
        }
        let pending = line.pending();
        sends.borrow_mut().extend(pending);
        let count = pending.len();
        line.sent(count);
    }
}

/// The sender, and the bytes that it has still to send. A character takes two steps; its byte
/// arrives after the second.
struct Wire {
    queue: Bytes,
    /// True once half of the first byte has passed.
    half: bool,
    /// The bytes sent and the bytes that arrived since this sender began, to see whether the noise
    /// has turned them into another valid packet.
    sent: Vec<u8>,
    arrived: Vec<u8>,
}

struct Inner {
    baud: u32,
    stations: Vec<Station>,
    master: Wire,
    nodes: Vec<Wire>,
    heard: Bytes,
    echo: bool,
    /// Probability that one bit flips, in units of 2^-32.
    errors: u32,
    seed: u64,
    undetectable: u64,
    damaged: u64,
    /// Half characters since the bus was built: the clock of all ports.
    steps: Rc<Cell<u64>>,
}

/// The bus. Clones are the same bus.
#[derive(Clone)]
pub struct Bus(Rc<RefCell<Inner>>);

impl Bus {
    /// A bus without nodes. The seed determines which bits the noise flips.
    pub fn new(baud: u32, seed: u64) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            baud,
            stations: Vec::new(),
            master: Wire::new(Bytes::default()),
            nodes: Vec::new(),
            heard: Bytes::default(),
            echo: false,
            errors: 0,
            seed: seed | 1,
            undetectable: 0,
            damaged: 0,
            steps: Rc::default(),
        })))
    }

    /// Half a character.
    pub fn step(&self) -> Duration {
        Duration::from_nanos(5_000_000_000 / u64::from(self.0.borrow().baud))
    }

    /// Adds a node that finds the end of a packet by silence.
    pub fn add(&self, node: Node<'static, Device>) {
        let gap = gap(self.0.borrow().baud);
        self.add_with(node, Packet::new(vec![0; 1024].leak(), gap));
    }

    /// Adds a node with a framing of the caller's choice and a buffer of 1,024 bytes.
    pub fn add_with(&self, node: Node<'static, Device>, framing: Packet<'static>) {
        let (rx, sends) = (Bytes::default(), Bytes::default());
        let mut inner = self.0.borrow_mut();
        let memory = vec![0; Packet::sizes_of(1024).memory()].leak();
        let line = Line::new(framing, memory).expect("the memory is as long as the framing says");
        inner.nodes.push(Wire::new(sends.clone()));
        inner.stations.push(Station { node, line, left: Duration::ZERO, rx, sends, muted: false });
    }

    /// Sets whether the master receives what it sends.
    pub fn set_echo(&self, echo: bool) {
        self.0.borrow_mut().echo = echo;
    }

    /// Sets the probability with which each bit flips.
    pub fn set_errors(&self, rate: f64) {
        self.0.borrow_mut().errors = (rate * f64::from(u32::MAX)) as u32;
    }

    /// Switches a node off, or on again.
    pub fn set_muted(&self, index: usize, muted: bool) {
        self.0.borrow_mut().stations[index].muted = muted;
    }

    /// Sends bytes from an unknown sender.
    pub fn burst(&self, bytes: &[u8]) {
        let inner = self.0.borrow();
        inner.heard.borrow_mut().extend(bytes);
        for station in &inner.stations {
            station.rx.borrow_mut().extend(bytes);
        }
    }

    /// Lets time pass while the master does not listen.
    pub fn pass(&self, time: Duration) {
        let steps = time.as_nanos() / self.step().as_nanos() + 1;
        for _ in 0..steps {
            self.0.borrow_mut().run();
        }
    }

    /// Gives `look` the device of a node, to read and change it.
    pub fn with_device<T>(&self, index: usize, look: impl FnOnce(&mut Device) -> T) -> T {
        look(self.0.borrow_mut().stations[index].node.server().entities())
    }

    /// Returns the number of damaged transmissions, and the number of those that no 8-bit sum can
    /// distinguish from good ones.
    pub fn damage(&self) -> (u64, u64) {
        let inner = self.0.borrow();
        (inner.damaged, inner.undetectable)
    }

    /// Returns the simulated time since the bus was built.
    pub fn time(&self) -> Duration {
        let steps = u32::try_from(self.0.borrow().steps.get()).unwrap_or(u32::MAX);
        self.step() * steps
    }

    /// The master's port, which gives up after each `tick`.
    pub fn port(&self, tick: Duration) -> MasterPort {
        let asked = self.0.borrow().steps.get();
        let steps = (tick.as_nanos() / self.step().as_nanos()).max(1) as u32;
        MasterPort { bus: self.clone(), steps, asked }
    }
}

impl Wire {
    fn new(queue: Bytes) -> Self {
        Self { queue, half: false, sent: Vec::new(), arrived: Vec::new() }
    }

    /// Advances by half a character; returns the byte that is complete, if any.
    fn advance(&mut self) -> Option<u8> {
        let mut queue = self.queue.borrow_mut();
        if queue.is_empty() {
            return None;
        }
        self.half = !self.half;
        if self.half { None } else { queue.pop_front() }
    }

    fn is_idle(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Judges a transmission that has ended: is it damaged, and is its sum good all the same?
    fn judge(&mut self) -> (bool, bool) {
        let damaged = self.sent != self.arrived;
        let sum = self.arrived.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        self.sent.clear();
        self.arrived.clear();
        (damaged, damaged && sum == 0)
    }
}

impl Inner {
    fn random(&mut self) -> u32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 32) as u32
    }

    fn noisy(&mut self, byte: u8) -> u8 {
        if self.errors == 0 {
            return byte;
        }
        (0..8).fold(byte, |byte, bit| if self.random() < self.errors { byte ^ (1 << bit) } else { byte })
    }

    /// Half a character: bytes arrive, then every node's main loop runs once.
    fn run(&mut self) {
        self.steps.set(self.steps.get() + 1);
        let step = Duration::from_nanos(5_000_000_000 / u64::from(self.baud));
        let sent = std::iter::once(&mut self.master).chain(&mut self.nodes).map(Wire::advance).collect::<Vec<_>>();
        // Two senders at once: a dominant level wins each bit.
        if let Some(byte) = sent.iter().flatten().copied().reduce(|a, b| a & b) {
            let arrived = self.noisy(byte);
            for (index, original) in sent.iter().enumerate() {
                let Some(original) = original else { continue };
                let wire = if index == 0 { &mut self.master } else { &mut self.nodes[index - 1] };
                wire.sent.push(*original);
                wire.arrived.push(arrived);
                if wire.is_idle() {
                    let (damaged, undetectable) = wire.judge();
                    self.damaged += u64::from(damaged);
                    self.undetectable += u64::from(undetectable);
                }
            }
            if sent[0].is_none() || self.echo {
                self.heard.borrow_mut().push_back(arrived);
            }
            for (index, station) in self.stations.iter().enumerate() {
                if sent[index + 1].is_none() {
                    station.rx.borrow_mut().push_back(arrived);
                }
            }
        }
        for station in &mut self.stations {
            if station.muted {
                station.rx.borrow_mut().clear();
                continue;
            }
            station.turn(step);
        }
    }
}

/// The port of the master, whose reads advance the bus.
pub struct MasterPort {
    bus: Bus,
    /// The length of a tick.
    steps: u32,
    /// The position of the bus when the master's clock was last read.
    asked: u64,
}

impl Clock for MasterPort {
    fn elapsed(&mut self) -> Duration {
        let (steps, step) = (self.bus.0.borrow().steps.clone(), self.bus.step());
        lap(&steps, &mut self.asked, step)
    }
}

impl MasterPort {
    fn receive(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let heard = self.bus.0.borrow().heard.clone();
        let mut left = self.steps;
        loop {
            if let Some(length) = drain(&heard, buf) {
                return Ok(length);
            }
            if left == 0 {
                return Err(ErrorKind::TimedOut.into());
            }
            let mut inner = self.bus.0.borrow_mut();
            inner.run();
            // Time in which the master sends does not count as waiting.
            if inner.master.is_idle() {
                left -= 1;
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        self.bus.0.borrow().master.queue.borrow_mut().extend(bytes);
        bytes.len()
    }
}

impl embedded_io::ErrorType for MasterPort {
    type Error = std::io::Error;
}

impl embedded_io::Read for MasterPort {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.receive(buf)
    }
}

impl embedded_io::Write for MasterPort {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(self.send(buf))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl embedded_io_async::Read for MasterPort {
    async fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.receive(buf)
    }
}

impl embedded_io_async::Write for MasterPort {
    async fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(self.send(buf))
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
