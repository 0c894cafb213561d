//! The parts that the sessions of the three protocols share: a line is drawn, operations are timed,
//! wrong results are named.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anysmp::framing::Framing;

use crate::kit::air::{Air, Kind};
use crate::kit::faults::Faults;
use crate::kit::hex::show;
use crate::kit::journal::{self, Journal};
use crate::kit::link::{Link, Log};
use crate::kit::noise;
use crate::kit::port::Style;
use crate::kit::random::Random;
use crate::kit::tally::Tally;
use crate::kit::world::{MS, SECOND, Shared, World};

/// A line in a session.
pub struct Session<'w> {
    pub world: Shared<'w>,
    pub journal: journal::Shared,
    pub random: Random,
    pub style: Style,
    pub is_async: bool,
    pub terms: Terms,
    pub faults: Faults,
    check: Check,
    /// Zeros and the front of a COBS frame may look like a raw message: a port that finds the
    /// framing itself.
    pub may_misread: bool,
    /// Somebody sent what only another check would have distinguished from the truth.
    doubts: &'static [&'static str],
}

/// What a framing's check can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Nothing: raw messages.
    None,
    /// 16 bits, by console and COBS.
    Crc,
    /// 8 bits, by BSMP packets and S3MP.
    Sum,
    /// The carrier's own.
    Datagram,
}

/// What an operation may take.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The client's timeout and retries.
    pub timeout: u64,
    pub retries: u64,
    /// How long the line has to be silent before a request, at most:
    /// [`Caller::drain`](anysmp::line::Caller::drain).
    pub drain: u64,
    /// How long it is silent after a send that was given up: [`Framing::QUIET`].
    pub quiet: u64,
    /// The longest frame on the line.
    pub frame: u64,
}

impl<'w> Session<'w> {
    pub fn new(seed: u64, kind: Kind, byte_time: u64, timeout: u64, drain: u64, quiet: Duration) -> Self {
        let mut random = Random::new(seed);
        let is_clean = random.percent(5);
        let faults = if is_clean { Faults::NONE } else { Faults::draw(&mut random, timeout) };
        let style = Style {
            tick: random.pick(&[MS, 3 * MS, 10 * MS]),
            gather: random.pick(&[0, 0, 3 * byte_time, 2 * MS]),
            buffers: random.percent(50),
            flushes: false,
            longest_read: random.pick(&[1, 7, 64, 4096]),
            longest_write: random.pick(&[1, 5, 33, 4096]),
            look: random.percent(40).then_some(20_000),
            pends: random.pick(&[0, 10]),
        };
        let journal: journal::Shared = Rc::new(RefCell::new(Journal::default()));
        let air = Air::new(kind, byte_time, Random::new(!seed), faults.clone(), journal.clone());
        Self {
            world: Rc::new(RefCell::new(World::new(air))),
            journal,
            is_async: random.percent(50),
            terms: Terms { timeout, retries: random.below(4), drain, quiet: quiet.as_nanos() as u64, frame: 600 },
            random,
            style,
            faults,
            check: Check::None,
            may_misread: false,
            doubts: &["answers that lie", "truncated answers"],
        }
    }

    /// The check of the framing, and where a message names the request that it answers.
    pub fn checked_by(&mut self, check: Check, lie_at: usize) {
        self.check = check;
        self.world.borrow_mut().air.lie_at = lie_at;
    }

    /// Faults that this protocol cannot distinguish from the truth, by its documents.
    pub fn cannot_tell(&mut self, faults: &'static [&'static str]) {
        self.doubts = faults;
    }

    pub fn now(&self) -> u64 {
        self.world.borrow().air.now
    }

    /// Whole frames that noise is made of, and their messages.
    pub fn noise_of(&self, framing: &impl Framing, messages: &[Vec<u8>]) {
        for message in messages {
            self.journal.borrow_mut().sends(message);
            self.journal.borrow_mut().noise.push(message.clone());
            if let Some(frame) = encode(framing, message) {
                self.world.borrow_mut().air.frames.push(frame);
            }
        }
    }

    /// Before an operation: perhaps noise on the line, now or while it runs.
    pub fn disturb(&mut self) {
        let mut world = self.world.borrow_mut();
        let air = &mut world.air;
        for _ in 0..2 {
            if !self.random.percent(air.faults.noises) {
                return;
            }
            let noise = noise::draw(&mut self.random, &air.frames, 60);
            let to = if air.faults.texts > 0 { 1 } else { self.random.below(2) as usize };
            let delay = self.random.pick(&[0, MS, 20 * MS, 200 * MS]);
            let delay = self.random.below(delay + 1);
            air.noise(to, &noise, delay);
        }
    }

    /// The most that `requests` requests may take.
    pub fn bound(&self, requests: u64) -> u64 {
        let Terms { timeout, drain, quiet, frame, .. } = self.terms;
        let world = self.world.borrow();
        let air = &world.air;
        let airtime = frame * air.byte_time;
        // A buffering port may have other frames in front of this one; a blocking one waits for
        // what holds it.
        let line = 3 * (airtime + air.faults.longest_delay + 10 * MS);
        let odd = air.faults.broken > 0 || air.faults.zero_writes > 0 || air.faults.interrupted > 0;
        let quiet = if odd { quiet + SECOND } else { 0 };
        // A line that is never silent costs a second and twice the drain for each request.
        let jam = if drain > 0 { SECOND + 2 * drain + 2 * drain } else { 0 };
        let settle = 60 * MS;
        (requests + 1) * (timeout + 2 * self.style.tick + self.style.gather + line + quiet + jam + settle + 20 * MS)
    }

    /// Runs one operation within its bound.
    pub fn timed<T>(&mut self, what: &str, requests: u64, timeouts: u64, operation: impl FnOnce() -> T) -> T {
        self.disturb();
        let (before, bound) = (self.now(), self.bound(requests) + timeouts);
        self.world.borrow_mut().calls = 0;
        let result = operation();
        let took = self.now() - before;
        assert!(took <= bound, "{what} took {} ms instead of {}; {:?}", took / MS, bound / MS, self.faults);
        result
    }

    /// A wrong value was returned as success: its excuse, or a panic.
    pub fn wrong(&self, tally: &mut Tally, what: &str) {
        let world = self.world.borrow();
        let name = match () {
            () if self.has_passed() => match self.check {
                Check::None => "wrong: damage, raw messages have no check",
                Check::Crc => "wrong: damage that the CRC lets pass",
                Check::Sum => "wrong: damage that the 8-bit sum lets pass",
                Check::Datagram => "wrong: datagrams of noise, or truncated",
            },
            () if self.doubts.iter().any(|doubt| world.air.times(doubt) > 0) => {
                "wrong: lies, or what the protocol cannot tell"
            }
            () => panic!("wrong without an excuse: {what}; {:?}; {:?}", self.faults, world.air.happened),
        };
        tally.one(name);
    }

    /// Whether anything passed a check although it was damaged; with eight bits it may even become
    /// a message that was sent before.
    fn has_passed(&self) -> bool {
        let journal = self.journal.borrow();
        journal.strange() > 0 || self.check == Check::Sum && journal.others > 0
    }

    /// Whether anything passed a check although it was damaged, or lied.
    pub fn is_doubtful(&self) -> bool {
        let world = self.world.borrow();
        self.has_passed() || self.doubts.iter().any(|doubt| world.air.times(doubt) > 0)
    }

    /// From now on nothing goes wrong, and what is on its way arrives.
    pub fn clean<F: Framing>(&mut self, link: &mut Link<'_, 'w, F>) {
        self.world.borrow_mut().air.heal();
        self.world.borrow_mut().calls = 0;
        // What was delayed arrives, and what a slow peer still has to answer: more than a minute,
        // if a request was repeated again and again at 9,600 baud. Then longer than any silence
        // limit, any restart and any late answer.
        let landing = |s: &Self| s.world.borrow().air.last_landing();
        let mut until = landing(self) + 8 * SECOND;
        while self.now() < until {
            let _ = link.recv(Duration::from_secs(1));
            if landing(self) > self.now() {
                until = landing(self) + 8 * SECOND;
            }
        }
    }

    /// What has to hold at the end of every session.
    pub fn end<F: Framing>(&mut self, tally: &mut Tally, link: &mut Link<'_, 'w, F>) {
        let counters = link.counters();
        let Log { dropped, sent, received, .. } = *link.log();
        assert_eq!(counters.received, received, "messages received");
        assert_eq!(counters.damaged, dropped, "damaged messages");
        assert!(counters.foreign <= counters.received, "{counters:?}");
        assert!(counters.sent <= sent && sent <= counters.sent + counters.failures, "{sent} asked, {counters:?}");
        let world = self.world.borrow();
        for (name, count) in &world.air.happened {
            tally.add(name, *count);
        }
        let journal = self.journal.borrow();
        let strange = match self.check {
            Check::None => "passed although damaged: raw, no check",
            Check::Crc => "passed although damaged: CRC-16",
            Check::Sum => "passed although damaged: 8-bit sum",
            Check::Datagram => "passed although damaged: datagrams of noise, or truncated",
        };
        tally.add(strange, journal.strange());
        let air = &world.air;
        let is_damaged = ["flipped bits", "lost bytes", "bursts", "noise", "collisions", "truncated datagrams"]
            .iter()
            .any(|damage| air.times(damage) > 0);
        let is_cut = self.faults.broken + self.faults.zero_writes > 0 || self.faults.restarts + self.faults.lies > 0;
        let babbles = self.faults.babble.is_some();
        // A station that answers late looks late, and sees no silence between two packets.
        let is_busy =
            self.faults.lates + self.faults.frame_doubles + self.faults.doubles > 0 && self.check == Check::Sum;
        assert!(
            journal.strange() == 0 || is_damaged || is_cut || babbles || is_busy || self.may_misread,
            "{} was sent by nobody, and nothing was damaged; {:?}",
            show(&journal.last),
            self.faults
        );
        tally.one("sessions");
        tally.one(if self.is_async { "sessions: async" } else { "sessions: blocking" });
        tally.add("virtual seconds", world.air.now / SECOND);
    }
}

pub fn encode(framing: &impl Framing, message: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = framing.encode(message).ok()?;
    let (mut wire, mut out) = (Vec::new(), [0; 1024]);
    loop {
        match anysmp::framing::Encoder::next(&mut encoder, message, &mut out) {
            0 => return Some(wire),
            count => wire.extend_from_slice(&out[..count]),
        }
    }
}
