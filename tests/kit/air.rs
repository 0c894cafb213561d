//! The space between the ends: flying bytes, their faults, and their receivers.
//!
//! | kind | receivers | bytes at the same time |
//! |---|---|---|
//! | stream | end 0 receives from all others, they from end 0 | from two senders: interleaved, as a shared wire would |
//! | bus | all ends, the sender too if it has an echo | both damaged |
//! | datagrams | as stream, one by one | overtake each other |

use std::collections::{BTreeMap, VecDeque};

use anysmp::checksum::Sum;
use anysmp::line::Peer;

use super::faults::Faults;
use super::hex::show;
use super::journal::Shared;
use super::noise;
use super::random::Random;

/// The end to which noise belongs: it is not a device.
pub const NOBODY: usize = 7;
const ENDS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Stream,
    /// Half duplex. `echo`: a sender receives its own bytes.
    Bus {
        echo: bool,
    },
    Datagrams,
}

/// One byte, or the bytes of one datagram.
struct Flying {
    start: u64,
    end: u64,
    to: Option<usize>,
    bytes: Vec<u8>,
    byte: u8,
    is_hit: bool,
}

/// A byte on the line, with the times of its first and its last bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    pub from: u64,
    pub to: u64,
    pub byte: u8,
    /// The client sent it.
    pub is_ours: bool,
}

/// What one end has sent on a bus since it was last silent, and what became of it.
#[derive(Default)]
struct Packet {
    sent: Vec<u8>,
    arrived: Vec<u8>,
}

pub struct Air {
    pub now: u64,
    pub random: Random,
    pub faults: Faults,
    pub journal: Shared,
    pub kind: Kind,
    /// Nanoseconds for one byte.
    pub byte_time: u64,
    /// The counts of events, by name.
    pub happened: BTreeMap<&'static str, u64>,
    flying: [VecDeque<Flying>; ENDS],
    /// The time at which the transmitter of an end will have sent all of its bytes.
    free_at: [u64; ENDS],
    inbox: [VecDeque<(Vec<u8>, Peer)>; ENDS],
    /// Ends that have received something since this was last read.
    pub heard: [bool; ENDS],
    /// The position at which a message names the request that it answers, so that a lie can name
    /// another.
    pub lie_at: usize,
    /// Whole frames of which noise may consist.
    pub frames: Vec<Vec<u8>>,
    babble_at: u64,
    burst: u32,
    /// Every byte, if that is recorded.
    pub carried: Option<Vec<Carried>>,
    /// Ends that receive nothing: they have no power.
    pub is_off: [bool; ENDS],
    packets: [Packet; ENDS],
    /// Prints everything that is sent: `ANYSMP_TRACE=1`, for one session.
    is_traced: bool,
}

impl Air {
    pub fn new(kind: Kind, byte_time: u64, random: Random, faults: Faults, journal: Shared) -> Self {
        Self {
            now: 0,
            random,
            faults,
            journal,
            kind,
            byte_time,
            happened: BTreeMap::new(),
            flying: Default::default(),
            free_at: [0; ENDS],
            inbox: Default::default(),
            heard: [false; ENDS],
            lie_at: 0,
            frames: Vec::new(),
            babble_at: 0,
            burst: 0,
            carried: None,
            is_off: [false; ENDS],
            packets: Default::default(),
            is_traced: std::env::var_os("ANYSMP_TRACE").is_some(),
        }
    }

    pub fn count(&mut self, name: &'static str) {
        self.trace(name, &[]);
        *self.happened.entry(name).or_default() += 1;
    }

    fn trace(&self, what: &str, bytes: &[u8]) {
        if self.is_traced {
            eprintln!("{:>12} us  {what} {}", self.now / 1000, show(bytes));
        }
    }

    pub fn times(&self, name: &str) -> u64 {
        self.happened.get(name).copied().unwrap_or_default()
    }

    /// The time at which the transmitter of `from` will have sent everything.
    pub fn free_at(&self, from: usize) -> u64 {
        self.free_at[from].max(self.now)
    }

    /// The transmitter of `from` pauses.
    pub fn hold(&mut self, from: usize, time: u64) {
        self.free_at[from] = self.free_at(from) + time;
    }

    /// Bytes leave `from`, one after the other, as soon as its transmitter is free. A datagram
    /// leaves as a whole, `delay` later.
    pub fn send(&mut self, from: usize, bytes: &[u8], delay: u64) {
        self.trace(["client", "station 1", "station 2", "station 3"][from], bytes);
        if self.kind == Kind::Datagrams {
            let start = self.free_at(from);
            let end = start + self.byte_time * bytes.len() as u64;
            self.free_at[from] = end;
            let end = end + delay;
            let flying = Flying { start, end, to: None, bytes: bytes.to_vec(), byte: 0, is_hit: false };
            let at = self.flying[from].partition_point(|other| other.end <= end);
            self.flying[from].insert(at, flying);
            return;
        }
        for byte in bytes {
            let start = self.free_at(from);
            self.fly(from, None, start, *byte);
        }
    }

    fn fly(&mut self, from: usize, to: Option<usize>, start: u64, byte: u8) {
        let end = start + self.byte_time;
        self.free_at[from] = end;
        let mut is_hit = false;
        if let Kind::Bus { .. } = self.kind {
            for (other, flying) in self.flying.iter_mut().enumerate() {
                if other != from {
                    // Bytes that are given to a transmitter later fly later, so a byte that has
                    // landed cannot overlap them.
                    let first = flying.partition_point(|flying| flying.end <= start);
                    for flying in flying.range_mut(first..).take_while(|flying| flying.start < end) {
                        flying.is_hit = true;
                        is_hit = true;
                    }
                }
            }
        }
        self.flying[from].push_back(Flying { start, end, to, bytes: Vec::new(), byte, is_hit });
        if let Some(carried) = &mut self.carried {
            carried.push(Carried { from: start, to: end, byte, is_ours: from == 0 });
        }
    }

    /// Noise arrives at `to` (on a bus, everywhere), beginning after `delay`.
    pub fn noise(&mut self, to: usize, bytes: &[u8], delay: u64) {
        self.count("noise");
        self.trace("noise to", &[to as u8]);
        self.trace("noise", bytes);
        if self.kind == Kind::Datagrams {
            let end = self.now + delay;
            let at = self.flying[NOBODY].partition_point(|other| other.end <= end);
            let flying = Flying { start: end, end, to: Some(to), bytes: bytes.to_vec(), byte: 0, is_hit: false };
            self.flying[NOBODY].insert(at, flying);
            return;
        }
        for (place, byte) in bytes.iter().enumerate() {
            let start = self.free_at[NOBODY].max(self.now + if place == 0 { delay } else { 0 });
            self.fly(NOBODY, Some(to), start, *byte);
        }
    }

    /// The time at which something lands next.
    pub fn next(&self) -> u64 {
        let landing = self.flying.iter().filter_map(|flying| flying.front()).map(|flying| flying.end).min();
        let babble = if self.faults.babble.is_some() { self.babble_at } else { u64::MAX };
        landing.unwrap_or(u64::MAX).min(babble)
    }

    /// Delivers everything that arrives until now.
    pub fn land(&mut self) {
        if let Some(period) = self.faults.babble
            && self.babble_at <= self.now
        {
            *self.happened.entry("babble").or_default() += 1;
            self.babble_at = self.now + period.max(self.byte_time);
            let byte = if self.random.percent(80) { b'.' } else { noise::draw(&mut self.random, &[], 1)[0] };
            // The device sends: the client receives the byte, and on a bus every end does.
            self.deliver(NOBODY, Some(0), byte);
        }
        loop {
            let fronts = self.flying.iter().enumerate();
            let first = fronts.filter_map(|(from, flying)| Some((flying.front()?.end, from))).min();
            let Some((end, from)) = first.filter(|(end, _)| *end <= self.now) else { return };
            let Some(flying) = self.flying[from].pop_front() else { return };
            debug_assert!(end >= flying.start);
            if self.kind == Kind::Datagrams {
                self.datagram(from, flying);
                continue;
            }
            let arrived = self.damage(flying.byte, flying.is_hit);
            if let Kind::Bus { .. } = self.kind {
                self.judge(from, flying.byte, arrived);
            }
            if let Some(byte) = arrived {
                self.deliver(from, flying.to, byte);
            }
        }
    }

    /// Counts packets that were damaged, and those of them that an 8-bit sum cannot tell from good
    /// ones.
    fn judge(&mut self, from: usize, sent: u8, arrived: Option<u8>) {
        let packet = &mut self.packets[from];
        packet.sent.push(sent);
        packet.arrived.extend(arrived);
        if !self.flying[from].is_empty() {
            return;
        }
        let Packet { sent, arrived } = std::mem::take(packet);
        if from != NOBODY && sent != arrived {
            self.count("damaged packets");
            if Sum::of(&arrived) == 0 {
                self.count("damaged packets with a good sum");
            }
        }
    }

    /// What the line makes of a byte.
    fn damage(&mut self, byte: u8, is_hit: bool) -> Option<u8> {
        let Faults { flips, bursts, losses, .. } = self.faults;
        if is_hit {
            self.count("collisions");
            return Some(byte ^ (1 + self.random.below(255) as u8));
        }
        if self.burst > 0 {
            self.burst -= 1;
            return Some(noise::draw(&mut self.random, &[], 1)[0]);
        }
        if flips | bursts | losses == 0 {
            return Some(byte);
        }
        if self.random.hits(bursts) {
            self.count("bursts");
            self.burst = 1 + self.random.below(12) as u32;
        }
        if self.random.hits(losses) {
            self.count("lost bytes");
            return None;
        }
        if self.random.hits(flips) {
            self.count("flipped bits");
            return Some(byte ^ 1 << self.random.below(8));
        }
        Some(byte)
    }

    fn deliver(&mut self, from: usize, to: Option<usize>, byte: u8) {
        let (is_bus, echo) = match self.kind {
            Kind::Bus { echo } => (true, echo),
            _ => (false, false),
        };
        for end in 0..NOBODY {
            let hears = match to {
                _ if is_bus => end != from || echo,
                Some(to) => end == to,
                None => (end == 0) != (from == 0),
            };
            let hears = hears && !self.is_off[end];
            if hears && self.kind == Kind::Datagrams {
                self.inbox[end].push_back((vec![byte], Peer(from as u32)));
                self.heard[end] = true;
            } else if hears {
                match self.inbox[end].back_mut() {
                    Some((bytes, _)) => bytes.push(byte),
                    None => self.inbox[end].push_back((vec![byte], Peer(0))),
                }
                self.heard[end] = true;
            }
        }
    }

    fn datagram(&mut self, from: usize, flying: Flying) {
        let mut bytes = flying.bytes;
        // A datagram has its own check: a damaged one is lost.
        if self.random.hits(self.faults.losses) {
            self.count("lost datagrams");
            return;
        }
        if self.random.hits(self.faults.flips) {
            self.count("truncated datagrams");
            bytes.truncate(self.random.index(bytes.len() + 1));
        }
        let to = flying.to.unwrap_or(if from == 0 { 1 } else { 0 });
        if bytes.is_empty() {
            return;
        }
        self.inbox[to].push_back((bytes, Peer(from as u32)));
        self.heard[to] = true;
    }

    /// Returns the next bytes that have arrived at an end: a run of bytes, or one datagram.
    pub fn peek(&self, end: usize) -> Option<(&[u8], Peer)> {
        self.inbox[end].front().map(|(bytes, peer)| (&bytes[..], *peer))
    }

    pub fn take(&mut self, end: usize, count: usize) {
        if let Some((bytes, _)) = self.inbox[end].front_mut() {
            bytes.drain(..count);
            if bytes.is_empty() {
                self.inbox[end].pop_front();
            }
        }
    }

    /// Drops what has arrived at an end and was not taken.
    pub fn overrun(&mut self, end: usize) {
        self.inbox[end].clear();
    }

    /// From now on nothing goes wrong.
    pub fn heal(&mut self) {
        self.faults = Faults::NONE;
        self.burst = 0;
    }

    /// The time at which everything that was sent until now will have arrived.
    pub fn last_landing(&self) -> u64 {
        let flying = self.flying.iter().filter_map(|flying| flying.back()).map(|flying| flying.end);
        flying.chain(self.free_at).max().unwrap_or_default().max(self.now)
    }
}
