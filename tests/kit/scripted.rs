//! An end that a function plays: a whole request in, anything out, at the times that it names.

use anysmp::checksum::Sum;

use super::air::{Air, Kind};
use super::station::Station;

/// What an end sends, and when it begins.
pub type Sends = Vec<(u64, Vec<u8>)>;

/// How requests are found in the bytes of the line.
#[derive(Debug, Clone, Copy)]
pub enum Requests {
    /// Packets with a right sum to anybody but the master, whose address is 0.
    Packets,
    /// A command, a length of two bytes and as many bytes.
    Bare,
}

impl Requests {
    fn whole(self, came: &[u8]) -> Option<usize> {
        let (head, tail) = match self {
            Self::Packets => (4, 1),
            Self::Bare => (3, 0),
        };
        let length = came.get(head - 2..head)?;
        Some(head + usize::from(u16::from_be_bytes([length[0], length[1]])) + tail)
    }
}

pub struct Scripted<F> {
    end: usize,
    requests: Requests,
    /// A longer silence ends what is incomplete.
    gap: u64,
    play: F,
    came: Vec<u8>,
    /// Until when it sends: on two wires it receives its own bytes meanwhile, or garbage.
    talks_until: u64,
    came_at: u64,
    sends: Sends,
    poked: Option<u64>,
}

impl<F: FnMut(&[u8], u64) -> Sends> Scripted<F> {
    /// `play` is given each request, without its sum, when its last bit has arrived.
    pub fn new(end: usize, requests: Requests, gap: u64, play: F) -> Self {
        Self { end, requests, gap, play, came: Vec::new(), talks_until: 0, came_at: 0, sends: Vec::new(), poked: None }
    }
}

impl<F: FnMut(&[u8], u64) -> Sends> Station for Scripted<F> {
    fn next(&self) -> u64 {
        self.poked.or(self.sends.first().map(|(at, _)| *at)).unwrap_or(u64::MAX)
    }

    fn poke(&mut self, now: u64) {
        self.poked = Some(now);
    }

    fn step(&mut self, air: &mut Air) {
        self.poked = None;
        if air.now > self.came_at + self.gap {
            self.came.clear();
        }
        while let Some((bytes, _)) = air.peek(self.end) {
            let count = bytes.len();
            if !matches!(air.kind, Kind::Bus { .. }) || air.now > self.talks_until {
                self.came.extend_from_slice(bytes);
            }
            self.came_at = air.now;
            air.take(self.end, count);
        }
        while let Some(len) = self.requests.whole(&self.came).filter(|len| *len <= self.came.len()) {
            let mut request: Vec<u8> = self.came.drain(..len).collect();
            if let Requests::Packets = self.requests {
                if Sum::of(&request) != 0 || request[0] == 0 {
                    continue;
                }
                request.pop();
            }
            for (at, bytes) in (self.play)(&request, air.now) {
                let place = self.sends.partition_point(|(other, _)| *other <= at);
                self.sends.insert(place, (at, bytes));
            }
        }
        let due = self.sends.partition_point(|(at, _)| *at <= air.now);
        for (_, bytes) in self.sends.drain(..due) {
            air.send(self.end, &bytes, 0);
            self.talks_until = air.free_at(self.end);
        }
    }
}
