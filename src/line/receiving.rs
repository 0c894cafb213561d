//! Bytes and time in, messages and time out.

use super::{Before, Counters, Damage, Ear, Event, Line, Loss, Owed, Peer, Role, Sending, Sink, short};
use crate::bytes::copy;
use crate::framing::{self, Framing};
use crate::time::Span;

/// What came in, without time: it fits a register.
#[derive(Clone, Copy)]
pub(crate) enum Heard {
    Message,
    Damaged(framing::Error),
}

impl<F: Framing, R: Role> Line<'_, F, R> {
    /// Takes bytes of one peer from the front of `bytes`; returns how many. A datagram is taken as
    /// a whole or not at all.
    ///
    /// It takes less while there is no room: call [`next`](Self::next), or get rid of what is
    /// [pending](Self::pending).
    pub fn received(&mut self, bytes: &[u8], peer: Peer) -> usize {
        if !self.unread.is_empty() && peer != self.peer {
            return 0;
        }
        let room = self.room();
        let count = bytes.len().min(room.len());
        if F::DATAGRAM && count < bytes.len() {
            if count > 0 {
                // Longer than any datagram may be: one error, and nothing of it.
                self.counters.lose(Loss::Damaged(Damage::TooLong));
                return bytes.len();
            }
            return 0;
        }
        copy(bytes, room);
        self.filled(count, peer);
        count
    }

    /// The free part of `read`, for a port that reads straight into it: [`filled`](Self::filled)
    /// says how much. Empty if there is no room.
    pub fn room(&mut self) -> &mut [u8] {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if F::DATAGRAM {
            return &mut [];
        }
        self.read.get_mut(usize::from(self.unread.end)..).unwrap_or_default()
    }

    /// The first `count` bytes of [`room`](Self::room) have come from `peer`.
    pub fn filled(&mut self, count: usize, peer: Peer) {
        if count > 0 {
            // Whatever the port says, never more than there was room for.
            let free = short(self.read.len()).saturating_sub(self.unread.end);
            self.unread.end = self.unread.end.wrapping_add(short(count.min(free.into())));
            self.peer = peer;
            self.ear = Ear::Busy;
            // An answer, or the echo: from now on the line itself says when it is silent.
            if F::PACED {
                self.airtime = Span::ZERO;
            }
        }
    }

    /// Time has passed, in which the port was looked at: a round without bytes is silence.
    pub fn elapsed(&mut self, time: Span) {
        self.away(time);
        match &mut self.ear {
            // A port that only queues what it is given is still sending: nothing can be heard.
            _ if F::PACED && !self.airtime.is_zero() => self.ear = Ear::Busy,
            Ear::Silent(silence) => silence.lengthen(time),
            Ear::Ended => self.ear = Ear::Silent(time),
            // Where in this round the last byte came nobody knows.
            Ear::Busy => self.ear = Ear::Ended,
        }
    }

    /// Time has passed, in which nobody looked at the port.
    pub fn away(&mut self, time: Span) {
        self.elapsed.lengthen(time);
        if F::PACED {
            self.airtime = self.airtime.shortened(time);
        }
        match self.before {
            Before::Flushing(pause) => self.before = Before::Settle(pause),
            Before::Settle(pause) if time.reaches(pause) => {
                let is_owed = R::ASKS && self.owed != Owed::Nothing;
                self.before = if is_owed { Before::Silence(self.owed.silence()) } else { Before::Gap };
            }
            Before::Settle(pause) => self.before = Before::Settle(pause.shortened(time)),
            Before::Gap | Before::Silence(_) | Before::Preamble(_) | Before::Nudge(_) => {}
        }
        self.sending = match self.sending {
            Sending::Left(mut waited) if R::ASKS => {
                waited.lengthen(time);
                Sending::Left(waited)
            }
            // Time that the peer was promised does not count against the message. Without a gap it
            // does not wait for silence.
            Sending::Waiting(left) if (F::PACED || R::ASKS) && self.wanted().is_some() => {
                if time.reaches(left) {
                    return self.give_up();
                }
                Sending::Waiting(left.shortened(time))
            }
            // In this round the last byte was handed over; that is no time of waiting.
            Sending::Flushing(left) if !F::PACED || time.reaches(left) => Sending::Left(Span::ZERO),
            Sending::Leaving(left) if !F::PACED || time.reaches(left) => Sending::Left(time.shortened(left)),
            Sending::Flushing(left) | Sending::Leaving(left) => Sending::Leaving(left.shortened(time)),
            other => other,
        };
    }

    /// The port has lost bytes: what was half received is dropped and counted.
    pub fn lost(&mut self) {
        self.framing.reset();
        self.unread = 0..0;
        self.ear = Ear::Busy;
        self.counters.failures = self.counters.failures.wrapping_add(1);
    }

    /// What has happened since the last call; `None` if nothing is left to report. Text, traces and
    /// losses go to `sink`.
    ///
    /// While a frame is half sent, only time is reported.
    pub fn next<S: Sink + ?Sized>(&mut self, sink: &mut S) -> Option<Event> {
        match self.heard(sink) {
            Some(Heard::Message) => Some(Event::Message),
            Some(Heard::Damaged(error)) => Some(Event::Damaged(error.into())),
            None => self.lapsed().map(|time| Event::Elapsed(time.time())),
        }
    }

    /// Returns true if time has passed since the last call of [`lapsed`](Self::lapsed).
    pub(crate) const fn has_lapsed(&self) -> bool {
        !self.elapsed.is_zero()
    }

    /// Returns the time that has passed since the last call, if any has.
    pub(crate) fn lapsed(&mut self) -> Option<Span> {
        let time = core::mem::take(&mut self.elapsed);
        if time.is_zero() { None } else { Some(time) }
    }

    /// As [`next`](Self::next), without time.
    pub(crate) fn heard<S: Sink + ?Sized>(&mut self, sink: &mut S) -> Option<Heard> {
        while !self.is_begun() {
            let progress = if !self.unread.is_empty() {
                let unread = usize::from(self.unread.start)..usize::from(self.unread.end);
                let mut input = self.read.get(unread).unwrap_or_default();
                let progress = self.framing.push(&mut input);
                self.unread.start = self.unread.end.wrapping_sub(short(input.len()));
                progress
            } else if let Ear::Silent(silence) = self.ear {
                match self.framing.silent(silence) {
                    Ok(framing::Progress::More) => break,
                    found => found,
                }
            } else {
                break;
            };
            if let Some(heard) = note(progress, &self.framing, sink, &mut self.counters)
                && self.concerns(heard)
            {
                return Some(heard);
            }
        }
        None
    }

    /// Whether anybody waits for what comes in. While a message waits for the line nobody does: it
    /// is foreign.
    fn concerns(&mut self, heard: Heard) -> bool {
        let is_waiting = self.is_waiting();
        if is_waiting && matches!(heard, Heard::Message) {
            self.counters.lose(Loss::Foreign);
            if let (true, Owed::Older(silence)) = (R::ASKS, self.owed) {
                self.owed = Owed::One(silence);
            }
        }
        !is_waiting
    }
}

/// Counts what the framing found, and hands text and losses to the sink.
fn note<F: Framing, S: Sink + ?Sized>(
    progress: Result<framing::Progress<'_>, framing::Error>,
    framing: &F,
    sink: &mut S,
    counters: &mut Counters,
) -> Option<Heard> {
    match progress {
        Ok(framing::Progress::More) => None,
        Ok(framing::Progress::Text(text)) => {
            sink.text(text);
            None
        }
        Ok(framing::Progress::Message) => {
            counters.received = counters.received.wrapping_add(1);
            sink.traced(framing.message(), false);
            Some(Heard::Message)
        }
        Err(error) => {
            let damage = error.into();
            counters.lose(Loss::Damaged(damage));
            sink.dropped(damage);
            Some(Heard::Damaged(error))
        }
    }
}
