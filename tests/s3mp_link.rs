//! Both ends of S3MP over both drivers: a master on a line that loses bytes, and the two routines in simulated time.
#![cfg(feature = "async")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anysmp::asynch;
use anysmp::blocking;
use anysmp::framing::lrc::Lrc;
use anysmp::link::{self, Sink};
use anysmp::routine::{Ended, Routine, Step};
use anysmp::s3mp::master::{
    Describe, Error, Get, Invert, Master, Request, Set, Status, Subscribe, Unsolicited, Unsubscribe, error_text,
};
use anysmp::s3mp::routine::{Connect, ConnectReport, Event, Monitor, MonitorReport, Watch};
use anysmp::s3mp::slave::{After, Refusal, Resources, Slave, Watched};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Counter, Reply};

const TICK: Duration = Duration::from_millis(10);

// ---- a line in simulated time ------------------------------------------------------------------------------------------

/// Two queues, a clock, and what goes wrong.
#[derive(Default)]
struct Line {
    queues: [VecDeque<u8>; 2],
    /// Simulated milliseconds; a read in vain moves it on, on the master's side only.
    now: u64,
    /// One byte of so many is lost or changed; 0 for none.
    noise: u32,
    random: u64,
    /// The slave's side is not powered.
    dead: bool,
}

impl Line {
    fn next(&mut self) -> u32 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as u32
    }
}

/// One end of the line.
struct End {
    line: Rc<RefCell<Line>>,
    /// Which queue is read; the other one is written.
    reads: usize,
    /// Lets the other end work, before a read in vain becomes a tick.
    peer: Option<Box<dyn FnMut()>>,
}

#[derive(Debug, PartialEq)]
enum PortError {
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

impl embedded_io::Read for End {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, PortError> {
        if let Some(peer) = &mut self.peer {
            peer();
        }
        let mut line = self.line.borrow_mut();
        let len = buf.len().min(line.queues[self.reads].len());
        if len == 0 {
            if self.peer.is_some() {
                line.now += TICK.as_millis() as u64;
            }
            return Err(PortError::Tick);
        }
        line.queues[self.reads].drain(..len).zip(buf).for_each(|(byte, to)| *to = byte);
        Ok(len)
    }
}

impl embedded_io::Write for End {
    fn write(&mut self, buf: &[u8]) -> Result<usize, PortError> {
        let mut line = self.line.borrow_mut();
        for &byte in buf {
            let hit = line.noise > 0 && line.next() % line.noise == 0;
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
struct World {
    line: Rc<RefCell<Line>>,
    plant: Rc<RefCell<Plant>>,
}

struct Plant {
    temperature: Watched<i16>,
    relay: Watched<bool>,
    boot: u32,
    /// Values move by themselves.
    alive: bool,
    gets: u32,
    inverts: u32,
    resets: u32,
    debug: bool,
}

struct Shared(Rc<RefCell<Plant>>);

impl Resources for Shared {
    fn names(&self) -> &[&str] {
        &["temperature", "relay", "", "broken"]
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let mut plant = self.0.borrow_mut();
        plant.gets += 1;
        match address {
            Address(1) => Ok(value::encode(plant.temperature.tell(), out)?),
            Address(2) => Ok(value::encode(plant.relay.tell(), out)?),
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
        Ok(value::encode(plant.relay.tell(), out)?)
    }

    fn changed(&mut self, address: Address) -> bool {
        let plant = self.0.borrow();
        match address {
            Address(1) => plant.temperature.is_changed(),
            Address(2) => plant.relay.is_changed(),
            _ => false,
        }
    }

    fn boot(&mut self, out: &mut [u8]) -> usize {
        value::encode(self.0.borrow().boot, out).unwrap_or(0)
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
    let line = Rc::new(RefCell::new(Line { random: 99, ..Line::default() }));
    let plant = Rc::new(RefCell::new(Plant {
        temperature: Watched::new(20),
        relay: Watched::new(false),
        boot: 1,
        alive: false,
        gets: 0,
        inverts: 0,
        resets: 0,
        debug: false,
    }));
    let end = End { line: line.clone(), reads: 1, peer: None };
    let [message, chunk, out] = [(); 3].map(|()| vec![0; 64].leak());
    let mut tx = vec![0; 60];
    let mut slave = Slave::new(Shared(plant.clone())).unwrap();
    let (time, application) = (line.clone(), plant.clone());
    let mut served = 0;
    let mut work = move || {
        let now = time.borrow().now;
        if application.borrow().alive && now / 300 != served / 300 {
            let mut plant = application.borrow_mut();
            let value = plant.temperature.value() + 1;
            plant.temperature.set(value);
        }
        served = now;
        time.borrow().dead
    };
    let peer: Box<dyn FnMut()> = if asynchronous {
        let mut link = asynch::Link::new(end, Lrc::new(message), chunk, out, TICK);
        Box::new(move || {
            if !work() {
                let _: After = block_on(link.serve(&mut slave, &mut tx)).unwrap();
            }
        })
    } else {
        let mut link = blocking::Link::new(end, Lrc::new(message), chunk, out, TICK);
        Box::new(move || {
            if !work() {
                let _: After = link.serve(&mut slave, &mut tx).unwrap();
            }
        })
    };
    (World { line: line.clone(), plant }, End { line, reads: 0, peer: Some(peer) })
}

impl World {
    fn seconds(&self) -> f64 {
        self.line.borrow().now as f64 / 1000.0
    }

    /// Power off: the line is dead and what it held is gone.
    fn kill(&self) {
        let mut line = self.line.borrow_mut();
        line.dead = true;
        line.queues.iter_mut().for_each(VecDeque::clear);
    }

    /// Power on again, as another start.
    fn start(&self) {
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
struct Log {
    pushes: Vec<i64>,
    texts: Vec<String>,
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
enum Link {
    Blocking(blocking::Link<'static, End, Lrc<'static>, Log>),
    Async(asynch::Link<'static, End, Lrc<'static>, Log>),
}

type Failed = link::Error<PortError, Error>;

impl Link {
    fn new(end: End, asynchronous: bool) -> Self {
        let [message, chunk, out] = [(); 3].map(|()| vec![0; 128].leak());
        if asynchronous {
            Self::Async(asynch::Link::new(end, Lrc::new(message), chunk, out, TICK).with_sink(Log::default()))
        } else {
            Self::Blocking(blocking::Link::new(end, Lrc::new(message), chunk, out, TICK).with_sink(Log::default()))
        }
    }

    fn call<R: Request, T>(
        &mut self,
        master: &mut Master,
        request: &R,
        read: impl FnOnce(R::Response<'_>) -> T,
    ) -> Result<T, Failed> {
        let mut tx = [0; 64];
        match self {
            Self::Blocking(link) => link.call(master, request, &mut tx).map(read),
            Self::Async(link) => block_on(link.call(master, request, &mut tx)).map(read),
        }
    }

    fn run<R: Routine<Client = Master>>(
        &mut self,
        master: &mut Master,
        routine: &mut R,
        on_event: impl FnMut(R::Event<'_>) -> ControlFlow<()>,
    ) -> Ended<R::Report> {
        let mut tx = [0; 64];
        match self {
            Self::Blocking(link) => link.run(master, routine, &mut tx, on_event).unwrap(),
            Self::Async(link) => block_on(link.run(master, routine, &mut tx, on_event)).unwrap(),
        }
    }

    fn send(&mut self, message: &[u8]) {
        match self {
            Self::Blocking(link) => link.send(message).unwrap(),
            Self::Async(link) => block_on(link.send(message)).unwrap(),
        }
    }

    fn recv(&mut self, limit: Duration) -> Option<Vec<u8>> {
        match self {
            Self::Blocking(link) => link.recv(limit).ok().map(<[u8]>::to_vec),
            Self::Async(link) => block_on(link.recv(limit)).ok().map(<[u8]>::to_vec),
        }
    }

    fn message(&self) -> &[u8] {
        match self {
            Self::Blocking(link) => link.message(),
            Self::Async(link) => link.message(),
        }
    }

    fn log(&mut self) -> &mut Log {
        match self {
            Self::Blocking(link) => link.sink(),
            Self::Async(link) => link.sink(),
        }
    }
}

/// Runs a test once over each driver.
fn over_both(test: impl Fn(World, Link)) {
    for asynchronous in [false, true] {
        let (world, end) = world(asynchronous);
        test(world, Link::new(end, asynchronous));
    }
}

#[test]
fn every_command_works_over_both_drivers() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        assert_eq!(link.call(&mut master, &Status, |boot| boot.u64()).unwrap(), Ok(1));
        assert_eq!(link.call(&mut master, &Describe, |names| names.find("broken")).unwrap(), Some(Address(4)));
        assert_eq!(link.call(&mut master, &Get(Address(1)), |value| value.i64()).unwrap(), Ok(20));
        link.call(&mut master, &Set(Address(2), Value::new(&[0xF5])), |()| ()).unwrap();
        assert_eq!(link.call(&mut master, &Invert(Address(2)), |value| value.bool()).unwrap(), Ok(false));
        assert_eq!(link.call(&mut master, &Subscribe(Address(1)), |value| value.i64()).unwrap(), Ok(20));
        world.plant.borrow_mut().temperature.set(-3);
        let push = link.recv(Duration::from_secs(1)).unwrap();
        assert_eq!(Unsolicited::parse(&push), Some(Unsolicited::Push(Address(1), Value::new(&[0x22]))));
        link.call(&mut master, &Unsubscribe(Address(1)), |()| ()).unwrap();
        world.plant.borrow_mut().temperature.set(9);
        assert_eq!(link.recv(Duration::from_secs(1)), None);

        let refused = link.call(&mut master, &Get(Address(4)), |_| ()).unwrap_err();
        assert_eq!(refused, link::Error::Protocol(Error::Refused(Reply::ERROR)));
        assert_eq!(error_text(link.message()), b"no sensor");
        let refused = link.call(&mut master, &Get(Address(3)), |_| ()).unwrap_err();
        assert_eq!(refused, link::Error::Protocol(Error::Refused(Reply::NOT_FOUND)));
    });
}

#[test]
fn reset_is_sent_and_nobody_waits() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        let mut tx = [0; 16];
        let len = master.reset(Address::HOST, &mut tx).unwrap();
        link.send(&tx[..len]);
        assert_eq!(world.line.borrow().now, 0);
        assert_eq!(link.recv(Duration::from_secs(1)), None);
        assert_eq!(world.plant.borrow().resets, 1);
    });
}

#[test]
fn pushes_and_texts_between_command_and_answer_reach_the_sink() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        link.call(&mut master, &Subscribe(Address(1)), |_| ()).unwrap();
        for value in 30..60 {
            world.plant.borrow_mut().temperature.set(value);
            world.plant.borrow_mut().debug = true;
            // The other address, so that the value is told by a PUSH, which the next call finds on the line.
            link.call(&mut master, &Get(Address(2)), |_| ()).unwrap();
        }
        while link.recv(Duration::from_millis(50)).is_some() {}
        let log = link.log();
        assert!(log.pushes.len() >= 25 && log.pushes.is_sorted(), "{:?}", log.pushes);
        assert!(log.texts.len() >= 25 && log.texts.iter().all(|text| text == "up"));
    });
}

#[test]
fn commands_without_an_answer_end_and_only_repeatable_ones_are_repeated() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        world.kill();
        let before = world.seconds();
        assert_eq!(link.call(&mut master, &Get(Address(1)), |_| ()).unwrap_err(), link::Error::TimedOut);
        assert!((world.seconds() - before - 3.0).abs() < 0.1);
        let before = world.seconds();
        assert_eq!(link.call(&mut master, &Invert(Address(2)), |_| ()).unwrap_err(), link::Error::TimedOut);
        assert!((world.seconds() - before - 1.0).abs() < 0.1);
        assert_eq!(world.plant.borrow().inverts, 0);
    });
}

/// One byte of 60 is hit. A sum of 8 bits lets some damage pass, so values may be wrong; nothing hangs, nearly all succeeds.
#[test]
fn a_noisy_line_costs_time_and_few_commands() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        world.line.borrow_mut().noise = 60;
        let (mut good, mut inverted) = (0, 0);
        for round in 0..2000 {
            good += u32::from(link.call(&mut master, &Get(Address(1)), |value| value.i64()) == Ok(Ok(20)));
            if round % 10 == 0 {
                inverted += 1;
                let _ = link.call(&mut master, &Invert(Address(2)), |_| ());
                assert!(world.plant.borrow().inverts <= inverted, "INVERT was repeated");
            }
        }
        assert!(good > 1950, "{good} of 2000");
    });
}

#[test]
fn connecting_resets_waits_asks_and_subscribes() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        let mut watches = [Watch::NONE; 8];
        let mut seen = Vec::new();
        let ended = link.run(&mut master, &mut Connect::all(&mut watches), |event| {
            seen.push(match event {
                Event::Alive(_) => "alive".into(),
                Event::Names(names) => format!("{} names", names.iter().count()),
                Event::Value(address, value) => format!("{address}: {:02X?}", value.bytes()),
                Event::Refused(address, code) => format!("{address}: {code}"),
                other => format!("{other:?}"),
            });
            ControlFlow::Continue(())
        });
        let Ended::Done(ConnectReport::Up { watched: 3, .. }) = ended else { panic!("{ended:?}") };
        assert_eq!(seen, ["alive", "3 names", "1: [14]", "2: [F4]", "4: ERROR"]);
        assert_eq!(world.plant.borrow().resets, 1);
        assert!((2.0..2.5).contains(&world.seconds()), "{}", world.seconds());
        assert_eq!(watches[..3].iter().map(|watch| watch.address().0).collect::<Vec<_>>(), [1, 2, 4]);
    });
}

#[test]
fn connecting_polls_until_someone_answers_or_the_tries_are_used_up() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        world.kill();
        let mut watches = [Watch::new(Address(1))];
        let mut connect = Connect::these(&mut watches).without_reset().with_tries(7);
        let ended = link.run(&mut master, &mut connect, |_| ControlFlow::Continue(()));
        assert_eq!(ended, Ended::Done(ConnectReport::Absent));
        assert!((world.seconds() - 7.0).abs() < 0.1, "{}", world.seconds());
        world.start();
        let mut connect = Connect::these(&mut watches).without_reset();
        let ended = link.run(&mut master, &mut connect, |_| ControlFlow::Continue(()));
        assert!(matches!(ended, Ended::Done(ConnectReport::Up { watched: 1, .. })));
        assert_eq!(world.plant.borrow().resets, 0);
    });
}

#[test]
fn monitoring_finds_out_that_a_slave_is_gone_and_that_it_has_restarted() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        let mut watches = [Watch::NONE; 8];
        let connect = |link: &mut Link, master: &mut Master, watches: &mut [Watch]| {
            let mut connect = Connect::all(watches).without_reset();
            match link.run(master, &mut connect, |_| ControlFlow::Continue(())) {
                Ended::Done(ConnectReport::Up { boot, watched }) => (boot, watched),
                other => panic!("{other:?}"),
            }
        };
        let (boot, watched) = connect(&mut link, &mut master, &mut watches);
        let mut monitor = Monitor::new(boot, &mut watches[..watched]);

        // A minute in which all is well: STATUS every 5 s.
        let (start, mut alive) = (world.seconds(), 0);
        let ended = link.run(&mut master, &mut monitor, |event| {
            alive += u32::from(matches!(event, Event::Alive(_)));
            if alive == 12 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(ended, Ended::Stopped);
        assert!((world.seconds() - start - 60.0).abs() < 1.0);

        // Gone: three commands without an answer.
        world.kill();
        let start = world.seconds();
        let ended = link.run(&mut master, &mut monitor, |_| ControlFlow::Continue(()));
        assert_eq!(ended, Ended::Done(MonitorReport::Lost));
        assert!((3.0..16.5).contains(&(world.seconds() - start)), "{}", world.seconds() - start);

        // Back, with another start; while it is watched, it restarts so fast that no STATUS is missed.
        world.start();
        let (boot, watched) = connect(&mut link, &mut master, &mut watches);
        world.start();
        let mut monitor = Monitor::new(boot, &mut watches[..watched]);
        let ended = link.run(&mut master, &mut monitor, |_| ControlFlow::Continue(()));
        assert_eq!(ended, Ended::Done(MonitorReport::Restarted));
    });
}

#[test]
fn a_value_that_nobody_pushed_for_30_s_is_asked_for() {
    over_both(|world, mut link| {
        let mut master = Master::new(Counter::FIRST);
        let mut watches = [Watch::new(Address(1)), Watch::new(Address(2))];
        let mut connect = Connect::these(&mut watches).without_reset();
        let Ended::Done(ConnectReport::Up { boot, .. }) =
            link.run(&mut master, &mut connect, |_| ControlFlow::Continue(()))
        else {
            panic!()
        };
        // The temperature moves three times a second, the relay never.
        world.plant.borrow_mut().alive = true;
        let start = world.seconds();
        let (mut pushes, mut gets, mut alive) = (0, Vec::new(), 0);
        let time = world.line.clone();
        let ended = link.run(&mut master, &mut Monitor::new(boot, &mut watches), |event| {
            let now = time.borrow().now as f64 / 1000.0 - start;
            match event {
                Event::Push(Address(1), _) => pushes += 1,
                Event::Value(address, _) => gets.push((address.0, now.round())),
                Event::Alive(_) => alive += 1,
                other => panic!("{other:?}"),
            }
            if now > 100.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(ended, Ended::Stopped);
        // Ticks are the only clock: each message may hide a part of one, so times run late by a few in a hundred.
        assert!(pushes > 300 && (17..=20).contains(&alive), "{pushes} pushes, {alive} alive");
        assert_eq!(gets.len(), 3, "{gets:?}");
        assert!(
            gets.iter().zip([30.0, 60.0, 90.0]).all(|((address, at), due)| *address == 2 && (at - due).abs() < 5.0),
            "{gets:?}"
        );
    });
}

/// A hand-written loop that knows only time-outs, no ticks.
#[test]
fn routines_need_no_ticks() {
    let mut master = Master::new(Counter::FIRST);
    let mut watches = [Watch::new(Address(1))];
    let mut monitor = Monitor::new(Value::new(&[]).into(), &mut watches).with_misses(2);
    let mut tx = [0; 8];
    let (mut clock, mut sent) = (Duration::ZERO, Vec::new());
    loop {
        match monitor.poll(&mut master, &mut tx) {
            Step::Send(len) => sent.push((clock.as_secs(), tx[..len].to_vec())),
            Step::Wait(time) => {
                clock += time;
                monitor.timed_out();
            }
            Step::Reopen => unreachable!(),
            Step::Done => break,
        }
    }
    assert_eq!(monitor.report(), MonitorReport::Lost);
    assert_eq!(sent, [(5, vec![0, 0, 1]), (10, vec![0, 0, 2])]);
}

#[test]
fn routines_say_that_their_buffer_is_too_small() {
    let mut master = Master::new(Counter::FIRST);
    let mut connect = Connect::these(&mut []);
    assert_eq!(connect.poll(&mut master, &mut [0; 2]), Step::Done);
    assert_eq!(connect.report(), ConnectReport::BufferFull);
    let mut monitor = Monitor::new(Value::new(&[]).into(), &mut []).with_interval(Duration::ZERO);
    assert_eq!(monitor.poll(&mut master, &mut [0; 2]), Step::Done);
    assert_eq!(monitor.report(), MonitorReport::BufferFull);
}
