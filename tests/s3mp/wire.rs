//! A line in simulated time with a slave at its far end, and a master's link, blocking or async.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anysmp::framing::lrc::Lrc;
use anysmp::line::{self, Sink};
use anysmp::port::Clock;
use anysmp::routine::{Ended, Routine};
use anysmp::s3mp::Address;
use anysmp::s3mp::master::{Error, Master, Request, Response, Unsolicited};
use anysmp::s3mp::slave::{After, Refusal, Resources, Slave, Watched};
use anysmp::s3mp::value::{self, Value};
use anysmp::{asynch, blocking};

use crate::kit::random::Random;

pub const TICK: Duration = Duration::from_millis(10);

// ---- a line in simulated time -------------------------------------------------------------------

/// Two queues, a clock, and what goes wrong.
#[derive(Default)]
pub struct Line {
    pub queues: [VecDeque<u8>; 2],
    /// Simulated milliseconds; a read that waits moves it on, on the master's side only.
    pub now: u64,
    /// One byte of this many is lost or changed; 0 for none.
    pub noise: u32,
    pub random: Random,
    /// The slave's side is not powered.
    pub dead: bool,
}

impl Line {
    fn next(&mut self) -> u32 {
        self.random.next() as u32
    }
}

/// One end of the line. Its clock is the line's.
pub struct End {
    line: Rc<RefCell<Line>>,
    /// When it was last asked how much time has passed.
    asked: u64,
    /// Which queue is read; the other one is written.
    reads: usize,
    /// Lets the other end work, once in each millisecond that passes.
    peer: Option<Box<dyn FnMut()>>,
}

#[derive(Debug, PartialEq)]
pub enum PortError {
    Tick,
}

impl std::fmt::Display for PortError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("tick")
    }
}

impl std::error::Error for PortError {}

impl embedded_io::Error for PortError {
    fn kind(&self) -> embedded_io::ErrorKind {
        embedded_io::ErrorKind::TimedOut
    }
}

impl embedded_io::ErrorType for End {
    type Error = PortError;
}

impl Clock for End {
    fn elapsed(&mut self) -> Duration {
        let now = self.line.borrow().now;
        Duration::from_millis(now - std::mem::replace(&mut self.asked, now))
    }
}

impl embedded_io::Read for End {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, PortError> {
        let mut left = TICK.as_millis();
        loop {
            let mut line = self.line.borrow_mut();
            let len = buf.len().min(line.queues[self.reads].len());
            if len > 0 {
                line.queues[self.reads].drain(..len).zip(buf).for_each(|(byte, to)| *to = byte);
                return Ok(len);
            }
            // Only the master's reads move the clock: the other end works once in each millisecond.
            let Some(peer) = &mut self.peer else { return Err(PortError::Tick) };
            if left == 0 {
                return Err(PortError::Tick);
            }
            left -= 1;
            line.now += 1;
            drop(line);
            peer();
        }
    }
}

impl embedded_io::Write for End {
    fn write(&mut self, buf: &[u8]) -> Result<usize, PortError> {
        let mut line = self.line.borrow_mut();
        for &byte in buf {
            let hit = line.noise > 0 && line.next() < (1 << 31) / line.noise;
            let byte = match line.next() % 3 {
                0 if hit => continue,
                1 if hit => byte ^ 1 << (line.next() % 8),
                2 if hit => line.next() as u8,
                _ => byte,
            };
            if !line.dead {
                line.queues[1 - self.reads].push_back(byte);
            }
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

impl embedded_io_async::Read for End {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, PortError> {
        embedded_io::Read::read(self, buf)
    }
}

impl embedded_io_async::Write for End {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, PortError> {
        embedded_io::Write::write(self, buf)
    }

    async fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}

/// What the application on the slave does by itself, and the state that tests look at.
pub struct World {
    pub line: Rc<RefCell<Line>>,
    pub plant: Rc<RefCell<Plant>>,
}

pub struct Plant {
    pub temperature: Watched<i16>,
    pub relay: Watched<bool>,
    pub boot: u32,
    /// The temperature moves by itself once in this many milliseconds; 0 for never.
    pub every: u64,
    pub gets: u32,
    pub inverts: u32,
    pub resets: u32,
    pub debug: bool,
}

pub struct Shared(Rc<RefCell<Plant>>);

impl Resources for Shared {
    fn names(&self) -> &[&str] {
        &["temperature", "relay", "", "broken"]
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let mut plant = self.0.borrow_mut();
        plant.gets += 1;
        match address {
            Address(1) => Ok(value::encode(plant.temperature.report(), out)?),
            Address(2) => Ok(value::encode(plant.relay.report(), out)?),
            _ => Err(Refusal::Failed("no sensor")),
        }
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        match address {
            Address(2) => self.0.borrow_mut().relay.set(value.bool()?),
            _ => return Err(Refusal::NotImplemented),
        }
        Ok(())
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let mut plant = self.0.borrow_mut();
        plant.inverts += 1;
        let on = !plant.relay.value();
        match address {
            Address(2) => plant.relay.set(on),
            _ => return Err(Refusal::NotImplemented),
        }
        Ok(value::encode(plant.relay.report(), out)?)
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        let plant = self.0.borrow();
        Some(match address {
            Address(1) => plant.temperature.is_changed(),
            Address(2) => plant.relay.is_changed(),
            _ => false,
        })
    }

    fn status(&mut self, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(value::encode(self.0.borrow().boot, out)?)
    }

    fn reset(&mut self, address: Address) {
        if address == Address::HOST {
            self.0.borrow_mut().resets += 1;
        }
    }

    fn debug(&mut self, out: &mut [u8]) -> usize {
        if !std::mem::take(&mut self.0.borrow_mut().debug) {
            return 0;
        }
        out[..2].copy_from_slice(b"up");
        2
    }
}

/// A line with a slave at its other end, served by the driver of the same colour.
fn world(asynchronous: bool) -> (World, End) {
    let line = Rc::new(RefCell::new(Line { random: Random::new(99), ..Line::default() }));
    let plant = Rc::new(RefCell::new(Plant {
        temperature: Watched::new(20),
        relay: Watched::new(false),
        boot: 1,
        every: 0,
        gets: 0,
        inverts: 0,
        resets: 0,
        debug: false,
    }));
    let end = End { line: line.clone(), asked: 0, reads: 1, peer: None };
    let message = vec![0; 64].leak();
    let memory = vec![0; Lrc::sizes_of(64).memory()].leak();
    let mut slave = Slave::new(Shared(plant.clone())).unwrap();
    let (time, application) = (line.clone(), plant.clone());
    let mut served = 0;
    let mut work = move || {
        let now = time.borrow().now;
        let every = application.borrow().every;
        if every > 0 && now / every != served / every {
            let mut plant = application.borrow_mut();
            let value = plant.temperature.value().wrapping_add(1);
            plant.temperature.set(value);
        }
        served = now;
        time.borrow().dead
    };
    let peer: Box<dyn FnMut()> = if asynchronous {
        let mut link = asynch::Link::new(end, Lrc::new(message), memory).unwrap();
        Box::new(move || {
            if !work() {
                let _: After = block_on(link.serve(&mut slave)).unwrap();
            }
        })
    } else {
        let mut link = blocking::Link::new(end, Lrc::new(message), memory).unwrap();
        Box::new(move || {
            if !work() {
                let _: After = link.serve(&mut slave).unwrap();
            }
        })
    };
    (World { line: line.clone(), plant }, End { line, asked: 0, reads: 0, peer: Some(peer) })
}

impl World {
    pub fn seconds(&self) -> f64 {
        self.line.borrow().now as f64 / 1000.0
    }

    /// Power off: the line is dead and what it held is gone.
    pub fn kill(&self) {
        let mut line = self.line.borrow_mut();
        line.dead = true;
        line.queues.iter_mut().for_each(VecDeque::clear);
    }

    /// Power on again, as another start.
    pub fn start(&self) {
        self.line.borrow_mut().dead = false;
        self.plant.borrow_mut().boot += 1;
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("this port never waits"),
    }
}

/// Keeps what no exchange wanted.
#[derive(Default)]
pub struct Log {
    pub pushes: Vec<i64>,
    pub texts: Vec<String>,
}

impl Sink for Log {
    fn unsolicited(&mut self, message: &[u8]) {
        match Unsolicited::parse(message) {
            Some(Unsolicited::Push(_, value)) => self.pushes.push(value.i64().unwrap_or(-1)),
            Some(Unsolicited::Debug(text)) => self.texts.push(text.to_string()),
            _ => {}
        }
    }
}

/// The same calls over either driver.
pub enum Link {
    Blocking(blocking::Link<'static, End, Lrc<'static>, Log>),
    Async(asynch::Link<'static, End, Lrc<'static>, Log>),
}

pub type Failed = line::Error<PortError, Error>;

impl Link {
    pub fn new(end: End, asynchronous: bool) -> Self {
        let framing = Lrc::new(vec![0; 128].leak());
        let memory = vec![0; Lrc::sizes_of(128).memory()].leak();
        if asynchronous {
            Self::Async(asynch::Link::new(end, framing, memory).unwrap().with_sink(Log::default()))
        } else {
            Self::Blocking(blocking::Link::new(end, framing, memory).unwrap().with_sink(Log::default()))
        }
    }

    pub fn call<R: Request, T>(
        &mut self,
        master: &mut Master,
        request: &R,
        read: impl FnOnce(Response<'_, R>) -> T,
    ) -> Result<T, Failed> {
        match self {
            Self::Blocking(link) => link.call(master, request).map(read),
            Self::Async(link) => block_on(link.call(master, request)).map(read),
        }
    }

    pub fn run<R: Routine<Client = Master>>(
        &mut self,
        master: &mut Master,
        routine: &mut R,
        on_event: impl FnMut(R::Event<'_>) -> ControlFlow<()>,
    ) -> Ended<R::Report> {
        match self {
            Self::Blocking(link) => link.run(master, routine, on_event).unwrap(),
            Self::Async(link) => block_on(link.run(master, routine, on_event)).unwrap(),
        }
    }

    pub fn send(&mut self, message: &[u8]) {
        match self {
            Self::Blocking(link) => link.send(message).unwrap(),
            Self::Async(link) => block_on(link.send(message)).unwrap(),
        }
    }

    pub fn recv(&mut self, limit: Duration) -> Option<Vec<u8>> {
        match self {
            Self::Blocking(link) => link.recv(limit).ok().map(<[u8]>::to_vec),
            Self::Async(link) => block_on(link.recv(limit)).ok().map(<[u8]>::to_vec),
        }
    }

    pub fn message(&self) -> &[u8] {
        match self {
            Self::Blocking(link) => link.message(),
            Self::Async(link) => link.message(),
        }
    }

    pub fn log(&mut self) -> &mut Log {
        match self {
            Self::Blocking(link) => link.sink(),
            Self::Async(link) => link.sink(),
        }
    }
}

/// Runs a test once over each driver.
pub fn over_both(test: impl Fn(World, Link)) {
    for asynchronous in [false, true] {
        let (world, end) = world(asynchronous);
        test(world, Link::new(end, asynchronous));
    }
}
