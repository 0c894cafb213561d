//! S3MP: commands and routines over its frames.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use anysmp::framing::Framing;
use anysmp::framing::lrc::Lrc;
use anysmp::line::{self, Line};
use anysmp::routine::Ended;
use anysmp::s3mp::master::{
    Describe, Error as Failure, Get, Invert, Master, Request, Response, Set, Status, Subscribe,
};
use anysmp::s3mp::routine::{Boot, Connect, ConnectOutcome, Event, Monitor, MonitorOutcome, MonitorReport, Watch};
use anysmp::s3mp::slave::{After, Refusal, Resources, Slave, Watched};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Counter};

use crate::kit::air::Kind;
use crate::kit::link::{Bytes, Error, Link};
use crate::kit::port::Port;
use crate::kit::random::Random;
use crate::kit::station::{Fate, Served};
use crate::kit::tally::{Tally, each_seed};
use crate::kit::world::{MS, SECOND};
use crate::session::{Check, Session};

struct Plant {
    /// Grows by one with each SET.
    temperature: Watched<i16>,
    relay: Watched<bool>,
    count: Watched<u32>,
    boots: u32,
    inverts: u32,
    sets: BTreeMap<u32, u32>,
}

#[derive(Clone)]
struct Device(Rc<RefCell<Plant>>);

impl Resources for Device {
    fn names(&self) -> &[&str] {
        &["temperature", "relay", "count"]
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let mut plant = self.0.borrow_mut();
        match address {
            Address(1) => Ok(value::encode(plant.temperature.report(), out)?),
            Address(2) => Ok(value::encode(plant.relay.report(), out)?),
            _ => Ok(value::encode(plant.count.report(), out)?),
        }
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        let mut plant = self.0.borrow_mut();
        match address {
            Address(3) => {
                let count = value.u64().ok().and_then(|count| u32::try_from(count).ok()).ok_or(Refusal::BadRequest)?;
                plant.count.set(count);
                *plant.sets.entry(count).or_default() += 1;
                let temperature = plant.temperature.value();
                plant.temperature.set(temperature.wrapping_add(1));
                Ok(())
            }
            _ => Err(Refusal::NotImplemented),
        }
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let mut plant = self.0.borrow_mut();
        if address != Address(2) {
            return Err(Refusal::NotImplemented);
        }
        plant.inverts += 1;
        let on = !plant.relay.value();
        plant.relay.set(on);
        Ok(value::encode(plant.relay.report(), out)?)
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        let plant = self.0.borrow();
        Some(match address {
            Address(1) => plant.temperature.is_changed(),
            Address(2) => plant.relay.is_changed(),
            _ => plant.count.is_changed(),
        })
    }

    fn status(&mut self, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(value::encode(self.0.borrow().boots, out)?)
    }
}

#[test]
fn s3mp_sessions_end_in_time_and_return_nothing_wrong() {
    let mut tally = Tally::default();
    each_seed("s3mp_sessions", 1_500, |seed| session(seed, &mut tally));
    tally.show("S3MP");
    tally.met_all(1_500, &["connect: up", "monitor: restarted"]);
}

fn session(seed: u64, tally: &mut Tally) {
    let mut draw = Random::new(seed ^ 0xD4A3);
    let timeout = draw.pick(&[200 * MS, 500 * MS, SECOND]);
    let byte_time = draw.pick(&[86_806, 10_000, 1_041_667]);
    let device = Device(Rc::new(RefCell::new(Plant {
        temperature: Watched::new(20),
        relay: Watched::new(false),
        count: Watched::new(1),
        boots: 1,
        inverts: 0,
        sets: BTreeMap::new(),
    })));
    let (mut a, mut b) = ([0; 256], [0; 128]);
    let framing = Lrc::new(&mut a).with_gap(Duration::from_nanos(20 * MS.max(4 * byte_time)));
    let far = Lrc::new(&mut b).with_gap(Duration::from_nanos(20 * MS.max(4 * byte_time)));
    let mut memory = vec![0; far.sizes().memory()];
    let mut near = vec![0; framing.sizes().memory()];
    let mut s = Session::new(seed, Kind::Stream, byte_time, timeout, 0, <Lrc<'_> as Framing>::QUIET);
    s.checked_by(Check::Sum, 2);
    let first = s.random.byte();
    let frames: Vec<Vec<u8>> = (0..3).map(|code| vec![code, 1, first.wrapping_sub(20 + code)]).collect();
    s.noise_of(&framing, &frames);
    let line = Line::new(far, &mut memory[..]).unwrap();
    let slave = Slave::new(device.clone()).unwrap();
    let starts = device.clone();
    let after = move |after: Option<After>| match after {
        Some(After::Restart) => Fate::Restart(500 * MS),
        Some(After::Nothing) => Fate::GoOn,
        None => {
            starts.0.borrow_mut().boots += 1;
            Fate::GoOn
        }
    };
    let round = s.random.pick(&[50_000, 500_000, 3 * MS]);
    s.world.borrow_mut().add(Served::new(1, line, slave, round, Bytes::default(), after));
    let port = Port::new(s.world.clone(), s.style);
    let mut link = Link::new(s.is_async, port, framing, &mut near[..], s.journal.clone());
    let master = Master::new(Counter(first)).with_timeout(Duration::from_nanos(timeout));
    let master = master.with_retries(s.terms.retries as u8);
    let mut job = Job { tally, device: &device, master, candidates: BTreeSet::from([1]), step: 0, asked: 0, seed };
    for _ in 0..3 + s.random.below(8) {
        job.any(&mut s, &mut link);
    }
    s.clean(&mut link);
    for retries in [1, 0] {
        // COBS: at most one frame more than the damaged one, at either end.
        job.master = job.master.clone().with_retries(2 * retries);
        s.terms.retries = 2 * u64::from(retries);
        let result = job.call(&mut s, &mut link, &Get { address: Address(3) }, |value| value.u64().ok());
        let right = u64::from(device.0.borrow().count.value());
        assert_eq!(result, Ok(Some(right)), "a value over a clean line; {:?} {:?}", s.style, s.faults);
    }
    let inverts = device.0.borrow().inverts;
    if inverts > job.asked {
        let is_excused = s.is_doubtful() || s.faults.frame_doubles > 0;
        assert!(is_excused, "{inverts} INVERT for {} requests; {:?}", job.asked, s.faults);
        job.tally.one("INVERT twice: doubled by the line");
    }
    s.end(job.tally, &mut link);
}

struct Job<'j> {
    tally: &'j mut Tally,
    device: &'j Device,
    master: Master,
    /// Values that address 3 may have.
    candidates: BTreeSet<u32>,
    step: u32,
    /// How often INVERT was asked for.
    asked: u32,
    seed: u64,
}

impl Job<'_> {
    fn any<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        self.step += 1;
        match s.random.below(14) {
            0..3 => self.get(s, link),
            3..6 => self.set(s, link),
            6 | 7 => self.invert(s, link),
            8 => self.status(s, link),
            9 => self.describe(s, link),
            10 => self.subscribe(s, link),
            _ => self.watch(s, link),
        }
    }

    fn call<F: Framing, R: Request, T>(
        &mut self,
        s: &mut Session<'_>,
        link: &mut Link<'_, '_, F>,
        request: &R,
        read: impl FnOnce(Response<'_, R>) -> T,
    ) -> Result<T, Error<Failure>> {
        let result = s.timed("call", s.terms.retries + 1, 0, || link.call(&mut self.master, request, read));
        self.tally.one(match &result {
            Ok(_) => "calls: response",
            Err(line::Error::TimedOut) => "calls: timed out",
            Err(line::Error::Port(_)) => "calls: port failed",
            Err(line::Error::WriteZero) => "calls: port accepts nothing",
            Err(line::Error::Protocol(_)) => "calls: refused",
            Err(other) => panic!("{other:?}"),
        });
        result
    }

    fn get<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        if s.random.percent(50) {
            if let Ok(value) = self.call(s, link, &Get { address: Address(1) }, |value| value.i64().ok()) {
                let now = i64::from(self.device.0.borrow().temperature.value());
                if !value.is_some_and(|value| (20..=now).contains(&value)) {
                    s.wrong(self.tally, &format!("the temperature is {value:?}, not at most {now}"));
                }
            }
        } else if let Ok(value) = self.call(s, link, &Get { address: Address(3) }, |value| value.u64().ok())
            && !value.is_some_and(|value| self.candidates.iter().any(|known| u64::from(*known) == value))
        {
            s.wrong(self.tally, &format!("the count is {value:?}, not of {:?}", self.candidates));
        }
    }

    fn set<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let count = (self.seed as u32) << 8 | self.step;
        let mut item = [0; 8];
        let len = value::encode(count, &mut item).unwrap();
        let result = self.call(s, link, &Set { address: Address(3), value: Value::new(&item[..len]) }, |()| ());
        if result.is_ok() && !self.device.0.borrow().sets.contains_key(&count) {
            s.wrong(self.tally, "a SET that did not happen");
        }
        if result.is_ok() && s.faults.delays + s.faults.frame_doubles == 0 {
            self.candidates.clear();
        }
        self.candidates.insert(count);
    }

    fn invert<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        self.asked += 1;
        let before = self.device.0.borrow().inverts;
        let result = self.call(s, link, &Invert { address: Address(2) }, |value| value.bool().ok());
        let after = self.device.0.borrow().inverts;
        if result.is_ok() && after == before {
            s.wrong(self.tally, "an INVERT that did not happen");
        }
        if result == Ok(None) {
            s.wrong(self.tally, "an INVERT without a value");
        }
    }

    fn status<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        if let Ok(boots) = self.call(s, link, &Status, |value| value.u64().ok()) {
            let now = u64::from(self.device.0.borrow().boots);
            if !boots.is_some_and(|boots| (1..=now).contains(&boots)) {
                s.wrong(self.tally, &format!("start {boots:?} of {now}"));
            }
        }
    }

    fn describe<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let read = |names: anysmp::s3mp::master::Names<'_>| {
            names.iter().map(|(_, name)| name.to_string()).collect::<Vec<_>>().join(";")
        };
        if let Ok(names) = self.call(s, link, &Describe, read)
            && names != "temperature;relay;count"
        {
            s.wrong(self.tally, &format!("names {names:?}"));
        }
    }

    fn subscribe<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        if self.call(s, link, &Subscribe { address: Address(2) }, |value| value.bool().is_ok()) == Ok(false) {
            s.wrong(self.tally, "a relay that is neither on nor off");
        }
    }

    /// [`Connect`], and some turns of [`Monitor`].
    fn watch<F: Framing>(&mut self, s: &mut Session<'_>, link: &mut Link<'_, '_, F>) {
        let mut watches = [Watch::NONE; 3];
        let mut connect = Connect::from_names(&mut watches).with_retries(2).with_quiet(Duration::from_millis(600));
        if s.random.percent(50) {
            connect = connect.with_reset(false);
        }
        // STATUS three times; each success of it with one DESCRIBE and three SUBSCRIBE, three times
        // each.
        let requests = 3 * (1 + 4 * 3);
        let times = requests * Connect::INTERVAL.as_nanos() as u64 + SECOND;
        let mut values = Vec::new();
        let mut keep = |event: &Event<'_>| {
            if let Event::Value(address, value) | Event::Push(address, value) = event {
                values.push((*address, value.bytes().to_vec()));
            }
        };
        let ended = s.timed("connect", requests, times, || {
            link.run(&mut self.master, &mut connect, |event| {
                keep(&event);
                ControlFlow::Continue(())
            })
        });
        let boot = match self.tally.ended(ended).map(|report| report.outcome) {
            Some(ConnectOutcome::Up { boot, watched: 3 }) => boot,
            Some(ConnectOutcome::Up { .. }) => {
                self.tally.one("connect: up, but does not watch everything");
                return;
            }
            Some(_) => return self.tally.one("connect: absent"),
            None => return,
        };
        self.tally.one("connect: up");
        self.monitor(s, link, boot, &mut watches);
        for (address, value) in values {
            let value = Value::new(&value);
            let is_right = match address {
                Address(1) => value.i64().is_ok(),
                Address(2) => value.bool().is_ok(),
                Address(3) => value.u64().is_ok(),
                _ => false,
            };
            if !is_right {
                s.wrong(self.tally, &format!("address {address:?} has a value of another type"));
            }
        }
    }

    fn monitor<F: Framing>(
        &mut self,
        s: &mut Session<'_>,
        link: &mut Link<'_, '_, F>,
        boot: Boot,
        watches: &mut [Watch],
    ) {
        let interval = 200 * MS;
        let mut monitor = Monitor::new(boot, watches).with_interval(Duration::from_nanos(interval));
        let mut turns = 1 + s.random.below(6);
        // Each turn, and three misses.
        let requests = (turns + 3) * 4;
        let times = requests * (interval + s.terms.timeout);
        let ended = s.timed("monitor", requests, times, || {
            link.run(&mut self.master, &mut monitor, |event| {
                if let Event::Alive(_) = event {
                    turns -= 1;
                }
                if turns == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        });
        self.tally.one(match ended {
            Ok(Ended::Stopped) => "monitor: stopped by the caller",
            Ok(Ended::Done(MonitorReport { outcome: MonitorOutcome::Lost, .. })) => "monitor: lost",
            Ok(Ended::Done(MonitorReport { outcome: MonitorOutcome::Restarted, .. })) => "monitor: restarted",
            Err(line::Error::TimedOut | line::Error::Port(_) | line::Error::WriteZero) => {
                "routines: broken off by the port"
            }
            other => panic!("{other:?}"),
        });
    }
}
