//! The other end: a server with its own line, in a superloop.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use anysmp::framing::Framing;
use anysmp::line::{Damage, Event, Line, Peer, Serve, Service, Sink};
use anysmp::time::Span;

use super::air::{Air, Kind, NOBODY};
use super::noise;
use super::world::{MS, SECOND};

/// A participant that takes turns.
pub trait Station {
    /// The time at which its next turn is due.
    fn next(&self) -> u64;
    /// Notes that it has received something.
    fn poke(&mut self, now: u64);
    fn step(&mut self, air: &mut Air);
}

/// The action of a station after a response, given the server's request for one.
pub enum Fate {
    GoOn,
    /// The response leaves this much later, because the station was busy.
    Busy(u64),
    /// It is deaf for this long, then starts again.
    Restart(u64),
}

/// A server of this crate.
pub struct Served<'w, F: Framing, S: Service, A> {
    end: usize,
    line: Line<'w, F>,
    service: S,
    /// Decides the action after a response; `None` means that the station starts again.
    after: A,
    heard: Heard,
    state: State,
    last: u64,
    next: u64,
    /// The time between two of its looks while something happens.
    round: u64,
    /// The last time at which something happened.
    busy_at: u64,
    last_byte: Option<u8>,
    /// Messages that it has sent, as material for lies.
    old: VecDeque<Vec<u8>>,
    /// The text that it printed, in order.
    pub printed: Rc<RefCell<Vec<u8>>>,
}

enum State {
    Listening,
    /// The first `len` bytes of `tx` are to be sent at this time, and this many times.
    Holding {
        len: usize,
        at: u64,
        copies: u8,
    },
    Sending {
        len: usize,
        copies: u8,
    },
    Down {
        until: u64,
    },
}

/// The counts that a station's sink keeps.
#[derive(Debug, Default)]
struct Heard {
    dropped: u64,
    received: u64,
}

impl Sink for Heard {
    fn dropped(&mut self, _: Damage) {
        self.dropped += 1;
    }

    fn traced(&mut self, _: &[u8], sent: bool) {
        if !sent {
            self.received += 1;
        }
    }
}

/// The time between two rounds without anything to do.
const IDLE: u64 = 10 * MS;

impl<'w, F: Framing, S: Service, A: FnMut(Option<S::After>) -> Fate> Served<'w, F, S, A> {
    pub fn new(end: usize, line: Line<'w, F>, service: S, round: u64, printed: Rc<RefCell<Vec<u8>>>, after: A) -> Self {
        Self {
            end,
            line,
            service,
            after,
            heard: Heard::default(),
            state: State::Listening,
            last: 0,
            next: 0,
            round,
            busy_at: 0,
            last_byte: None,
            old: VecDeque::new(),
            printed,
        }
    }

    /// A message of `len` bytes is in `tx`: decides when and how often it is sent.
    fn answer(&mut self, len: usize, air: &mut Air) {
        let message = self.line.tx()[..len].to_vec();
        air.journal.borrow_mut().sends(&message);
        let faults = &air.faults;
        let (late, lost, double) = (faults.lates, faults.frame_losses, faults.doubles);
        let mut at = air.now;
        if air.random.percent(late) {
            at += air.random.below(air.faults.longest_late.max(1));
            air.count("late answers");
        }
        let copies = match () {
            () if air.random.percent(lost) => {
                air.count("lost answers");
                0
            }
            () if air.random.percent(double) => {
                air.count("doubled answers");
                2
            }
            () => 1,
        };
        self.state = if copies == 0 { State::Listening } else { State::Holding { len, at, copies } };
        self.old.push_back(message);
        if self.old.len() > 4 {
            self.old.pop_front();
        }
    }

    /// Sends something that answers no request, in front of the answer. The journal records it as a
    /// message that its sender has really sent.
    fn lie(&mut self, len: usize, air: &mut Air) {
        let mut message = self.line.tx()[..len].to_vec();
        match air.random.below(4) {
            0 if !self.old.is_empty() => {
                message = self.old[air.random.index(self.old.len())].clone();
                air.count("old answers");
            }
            1 => {
                if let Some(place) = message.get_mut(air.lie_at) {
                    *place ^= 0x80;
                }
                air.count("answers to other requests");
            }
            2 => {
                message.truncate(air.random.index(message.len() + 1));
                air.count("truncated answers");
            }
            _ => {
                let place = air.random.index(message.len());
                message[place] ^= 1 << air.random.below(8);
                air.count("answers that lie");
            }
        }
        air.journal.borrow_mut().sends(&message);
        let mut encoder = match self.line.framing().encode(&message) {
            Ok(encoder) => encoder,
            Err(_) => return,
        };
        let (mut wire, mut out) = (Vec::new(), [0; 2048]);
        loop {
            match anysmp::framing::Encoder::next(&mut encoder, &message, &mut out) {
                0 => break,
                count => wire.extend_from_slice(&out[..count]),
            }
        }
        self.put(&wire, air);
        if let Kind::Bus { .. } = air.kind {
            // Silence ends a packet.
            air.hold(self.end, 8 * air.byte_time);
        }
    }

    fn put(&mut self, bytes: &[u8], air: &mut Air) {
        air.send(self.end, bytes, 0);
        self.last_byte = bytes.last().copied().or(self.last_byte);
        self.busy_at = air.now;
    }

    /// Prints text where the console allows it: between lines and in front of frames.
    fn print(&mut self, air: &mut Air) {
        let chance = air.faults.texts;
        if air.free_at(self.end) > air.now + 64 * air.byte_time || !air.random.percent(chance) {
            return;
        }
        let before = self.printed.borrow().last().copied();
        let text = noise::text(&mut air.random, before, 20);
        self.printed.borrow_mut().extend_from_slice(&text);
        let busy_at = self.busy_at;
        self.put(&text, air);
        self.busy_at = busy_at;
        air.count("texts");
    }

    fn restart(&mut self, time: u64, air: &mut Air) {
        if self.line.is_sending() {
            self.line.abandon();
        }
        self.line.lost();
        self.state = State::Down { until: air.now + time };
        air.count("restarts");
    }

    fn listen(&mut self, air: &mut Air) {
        while matches!(self.state, State::Listening) {
            let Some(event) = self.line.next(&mut self.heard) else { return };
            let mut len = match event {
                Event::Message => {
                    self.busy_at = air.now;
                    let peer = self.line.peer();
                    let (message, tx) = self.line.exchange();
                    let was_damaged = air.times("flipped bits") + air.times("bursts") > 0;
                    if was_damaged && air.journal.borrow().is_another(message) {
                        air.journal.borrow_mut().others += 1;
                    }
                    if !air.journal.borrow().knows(message) {
                        let mut journal = air.journal.borrow_mut();
                        journal.strange_to_station += 1;
                        journal.last = message.to_vec();
                    }
                    let (mut len, after) = self.service.receive(message, peer, tx);
                    if air.kind == Kind::Datagrams && peer == Peer(NOBODY as u32) {
                        // The response goes to the end that sent the request.
                        len = 0;
                    }
                    let fate = (self.after)(Some(after));
                    if let Fate::Busy(time) = fate {
                        self.answer(len, air);
                        if let State::Holding { at, .. } = &mut self.state {
                            *at += time;
                        }
                        return;
                    }
                    if let Fate::Restart(time) = fate {
                        // The response to a reset has left, or it has not.
                        if len > 0 && air.random.percent(80) {
                            let response = self.line.tx()[..len].to_vec();
                            self.answer(len, air);
                            let mut encoder = self.line.framing().encode(&response).unwrap();
                            let mut out = [0; 512];
                            loop {
                                match anysmp::framing::Encoder::next(&mut encoder, &response, &mut out) {
                                    0 => break,
                                    count => self.put(&out[..count], air),
                                }
                            }
                        }
                        self.restart(time, air);
                        return;
                    }
                    if air.random.percent(air.faults.restarts) {
                        let time = MS + air.random.below(2 * SECOND);
                        self.restart(time, air);
                        return;
                    }
                    len
                }
                event => self.line.report(event, &mut self.service),
            };
            if len == 0 {
                len = self.service.poll(self.line.tx());
            }
            if len > 0 {
                if air.random.percent(air.faults.lies) {
                    self.lie(len, air);
                }
                self.answer(len, air);
            }
        }
    }
}

impl<F: Framing, S: Service, A: FnMut(Option<S::After>) -> Fate> Station for Served<'_, F, S, A> {
    fn next(&self) -> u64 {
        self.next
    }

    fn poke(&mut self, now: u64) {
        self.busy_at = now;
        self.next = self.next.min(now.max(self.last + self.round));
    }

    fn step(&mut self, air: &mut Air) {
        let time = Duration::from_nanos(air.now - self.last);
        self.last = air.now;
        if let State::Down { until } = self.state {
            air.overrun(self.end);
            if air.now < until {
                self.next = until;
                return;
            }
            let _ = (self.after)(None);
            self.state = State::Listening;
        }
        while let Some((bytes, peer)) = air.peek(self.end) {
            let count = self.line.received(bytes, peer);
            if count == 0 {
                break;
            }
            air.take(self.end, count);
            self.busy_at = air.now;
            self.listen(air);
        }
        self.line.elapsed(Span::floor(time));
        self.listen(air);
        if let State::Holding { len, at, copies } = self.state
            && at <= air.now
        {
            self.print(air);
            self.line.transmit(len).expect("it was encoded before");
            self.state = State::Sending { len, copies };
        }
        if let State::Sending { len, copies } = self.state {
            while let Some(event) = self.line.next(&mut self.heard) {
                let _ = self.line.report(event, &mut self.service);
            }
            // At most the contents of a transmit buffer of 64 bytes, or a whole frame.
            loop {
                let pending = self.line.pending().to_vec();
                if pending.is_empty() || air.free_at(self.end) > air.now + 64 * air.byte_time {
                    break;
                }
                if air.kind == Kind::Datagrams {
                    let delay = if air.random.percent(air.faults.delays) {
                        air.count("delayed datagrams");
                        air.random.below(air.faults.longest_delay.max(1))
                    } else {
                        0
                    };
                    air.send(self.end, &pending, delay);
                } else {
                    self.put(&pending, air);
                    if pending.ends_with(b"\n") {
                        self.print(air);
                    }
                }
                self.busy_at = air.now;
                if self.line.sent(pending.len()) {
                    let delay = if copies > 1 { air.random.below(4 * MS) } else { 0 };
                    self.state = match copies {
                        2.. => State::Holding { len, at: air.now + delay, copies: copies - 1 },
                        _ => State::Listening,
                    };
                    break;
                }
            }
            if !self.line.is_sending() && matches!(self.state, State::Sending { .. }) {
                // The answer was given up, because the line was never silent.
                air.count("answers given up");
                self.state = State::Listening;
            }
        } else if air.faults.texts > 0 && air.random.percent(5) {
            self.print(air);
        }
        let wait = match self.state {
            State::Holding { at, .. } => at.saturating_sub(air.now).clamp(self.round, IDLE),
            State::Sending { .. } => self.round,
            _ if air.now < self.busy_at + 20 * self.round => self.round,
            _ => IDLE,
        };
        self.next = air.now + wait;
    }
}

/// A server that a test looks at while it is used.
pub struct Shared<S>(pub Rc<RefCell<S>>);

impl<S: Serve> Serve for Shared<S> {
    type After = S::After;

    fn buffer_size(&self) -> Option<usize> {
        self.0.borrow().buffer_size()
    }

    fn damaged(&mut self, damage: Damage, tx: &mut [u8]) -> usize {
        self.0.borrow_mut().damaged(damage, tx)
    }

    fn tick(&mut self, elapsed: Duration) {
        self.0.borrow_mut().tick(elapsed);
    }

    fn poll(&mut self, tx: &mut [u8]) -> usize {
        self.0.borrow_mut().poll(tx)
    }
}

impl<S: Service> Service for Shared<S> {
    fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, S::After) {
        self.0.borrow_mut().receive(message, peer, tx)
    }
}
