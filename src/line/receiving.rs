//! Bytes and time in, messages and time out.

use super::counters::Number;
use super::{Before, Damage, Ear, Event, Line, Loss, Peer, Requests, Role, Sending, Sink, Tally, short};
use crate::bytes::copy;
use crate::framing::{self, Framing, Pace as _};
use crate::time::{Span, Time};

impl<F: Framing, R: Role> Line<'_, F, R> {
    /// Accepts bytes that `peer` sent, from the front of `bytes`; returns their number. A datagram
    /// is accepted as a whole or not at all.
    ///
    /// Fewer are accepted while there is no room, or while bytes of another peer are unread: call
    /// [`next`](Self::next), or send the [pending](Self::pending) bytes, then offer the rest again.
    #[must_use]
    pub fn received(&mut self, bytes: &[u8], peer: Peer) -> usize {
        // The framing gets bytes of one sender at a time: otherwise a message could be attributed
        // to the wrong sender.
        if !self.unread.is_empty() && peer != self.peer {
            return 0;
        }
        let room = self.room();
        let count = bytes.len().min(room.len());
        if F::DATAGRAM && count < bytes.len() {
            if count > 0 {
                // Longer than any datagram may be. It is dropped with one error: a part of it would
                // pass for a whole datagram.
                self.tally.lose(Loss::Damaged(Damage::TooLong));
                return bytes.len();
            }
            return 0;
        }
        copy(bytes, room);
        self.filled(count, peer);
        count
    }

    /// The free part of `read`, for a port that reads straight into it and then reports the number
    /// of bytes with [`filled`](Self::filled). Empty if there is no room.
    pub fn room(&mut self) -> &mut [u8] {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if F::DATAGRAM {
            // Two datagrams side by side would be one message.
            return &mut [];
        }
        self.read.get_mut(usize::from(self.unread.end)..).unwrap_or_default()
    }

    /// Reports that `peer` sent `count` bytes, which are now at the front of [`room`](Self::room).
    pub fn filled(&mut self, count: usize, peer: Peer) {
        if count > 0 {
            // The count is not trusted: a port that reports more than it was given must not move
            // the end past the buffer.
            let free = short(self.read.len()).saturating_sub(self.unread.end);
            self.unread.end = self.unread.end.wrapping_add(short(count.min(free.into())));
            self.peer = peer;
            // A response, or the echo of our own bytes: from now on silence is measured, not
            // computed.
            self.ear = Ear::Busy;
        }
    }

    /// Reports time during which the port was looked at: a round without bytes is silence.
    pub fn elapsed(&mut self, time: Span) {
        self.away(time);
        self.listened(time);
    }

    /// Does the part of [`elapsed`](Self::elapsed) that [`away`](Self::away) does not.
    pub(super) fn listened(&mut self, time: Span) {
        match &mut self.ear {
            // A port that only queues its bytes is still sending, so no other end can send.
            Ear::Carrying(_) if F::Pace::IS_PACED => {}
            Ear::Silent(silence) => *silence = silence.saturating_add(time),
            Ear::Ended => self.ear = Ear::Silent(time),
            // The last byte may have come at the very end of this round: none of it counts.
            Ear::Busy | Ear::Carrying(_) => self.ear = Ear::Ended,
        }
    }

    /// Reports time during which the port was not looked at: it counts for limits, not as silence.
    pub fn away(&mut self, time: Span) {
        self.elapsed = self.elapsed.saturating_add(time);
        // Reset here, because every call of a port is reported here. After an interrupted call the
        // driver sets the count again.
        self.interrupted = 0;
        self.carried(time);
        match self.before {
            Before::Flushing(pause) => self.before = Before::Settle(pause),
            Before::Settle(pause) if time >= pause => {
                self.before = self.requests.silence().map_or(Before::Gap, Before::Silence);
            }
            Before::Settle(pause) => self.before = Before::Settle(pause.saturating_sub(time)),
            Before::First
            | Before::Gap
            | Before::Silence(_)
            | Before::Preamble(_)
            | Before::Brief(_)
            | Before::Nudge(_) => {}
        }
        // Only a state that changes is written back. Without a byte time there is no `Leaving`.
        self.sending = match self.sending {
            Sending::Left(waited) if R::ASKS => Sending::Left(Time::keep(waited.span().saturating_add(time))),
            // Only a wait for silence can be endless. The time after a preamble does not count
            // against the message, and without a gap there is no wait for silence.
            Sending::Waiting(left) if (F::Pace::IS_PACED || R::ASKS) && self.wanted().is_some() => {
                if time >= left.span() {
                    return self.give_up();
                }
                Sending::Waiting(Time::keep(left.span().saturating_sub(time)))
            }
            // The last byte was handed over within this round, so none of it is part of a timeout.
            Sending::Flushing(left) if !F::Pace::IS_PACED || time >= left.span() => {
                Sending::Left(Time::keep(Span::ZERO))
            }
            Sending::Leaving(left) if F::Pace::IS_PACED && time >= left.span() => {
                Sending::Left(Time::keep(time.saturating_sub(left.span())))
            }
            Sending::Flushing(left) | Sending::Leaving(left) if F::Pace::IS_PACED => {
                Sending::Leaving(Time::keep(left.span().saturating_sub(time)))
            }
            _ => return,
        };
    }

    /// Takes `time` off that for which the line still carries our last frame.
    pub(super) fn carried(&mut self, time: Span) {
        if let (true, Ear::Carrying(left)) = (F::Pace::IS_PACED, self.ear) {
            self.ear = if time >= left { Ear::Busy } else { Ear::Carrying(left.saturating_sub(time)) };
        }
    }

    /// Reports that the port has lost bytes: a half-received frame is dropped, and the failure is
    /// counted.
    pub fn lost(&mut self) {
        self.framing.reset();
        self.unread = 0..0;
        self.busy();
        self.tally.failures.count();
    }

    /// Returns the next event, `None` if there is none: messages and damage first, then the time
    /// that has passed. Text, traces and losses go to `sink`.
    ///
    /// While a frame is half sent, only time is reported: `tx` is not free for a response.
    pub fn next<S: Sink + ?Sized>(&mut self, sink: &mut S) -> Option<Event> {
        self.arrived(sink).or_else(|| self.take_elapsed().map(Event::Elapsed))
    }

    /// Takes the time that has passed, if any has. [`next`](Self::next) reports it when no message
    /// is left; a server takes it in front of each message, since a peer that never pauses would
    /// stop its clock otherwise.
    pub fn take_elapsed(&mut self) -> Option<Span> {
        let time = core::mem::take(&mut self.elapsed);
        if time.is_zero() { None } else { Some(time) }
    }

    /// Returns what [`take_elapsed`](Self::take_elapsed) and [`next`](Self::next) return, for a
    /// server, whose event is never the time; neither while a response leaves, since `tx` is not
    /// free.
    // Both at once: 88 bytes less on a Cortex-M0 (`smp_five`).
    pub fn next_and_elapsed<S: Sink + ?Sized>(&mut self, sink: &mut S) -> (Option<Span>, Option<Event>) {
        if self.is_sending() {
            return (None, None);
        }
        let event = self.arrived(sink);
        (self.take_elapsed(), event)
    }

    /// Drops all messages that have arrived while one waits for the line: they are foreign, and may
    /// fill the room that the port needs. Time is reported later.
    pub(crate) fn drop_foreign<S: Sink + ?Sized>(&mut self, sink: &mut S) {
        if self.is_waiting() {
            self.arrived(sink);
        }
    }

    /// The next message or damage.
    fn arrived<S: Sink + ?Sized>(&mut self, sink: &mut S) -> Option<Event> {
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
            if let Some(event) = note(progress, &self.framing, sink, &mut self.tally)
                && self.concerns(event)
            {
                return Some(event);
            }
        }
        None
    }

    /// Returns `true` if the event is to be reported. While a message waits for the line, a
    /// received message is foreign: it cannot be the response to a request that has not left.
    fn concerns(&mut self, event: Event) -> bool {
        let is_waiting = self.is_waiting();
        if is_waiting && event == Event::Message {
            self.tally.lose(Loss::Foreign);
            self.requests.drained();
        }
        !is_waiting
    }
}

/// Counts a result of the framing, and hands text and losses to the sink.
fn note<F: Framing, S: Sink + ?Sized, N: Number>(
    progress: Result<framing::Progress<'_>, framing::Error>,
    framing: &F,
    sink: &mut S,
    tally: &mut Tally<N>,
) -> Option<Event> {
    match progress {
        Ok(framing::Progress::More) => None,
        Ok(framing::Progress::Text(text)) => {
            sink.text(text);
            None
        }
        Ok(framing::Progress::Message) => {
            tally.received.count();
            sink.traced(framing.message(), false);
            Some(Event::Message)
        }
        Err(error) => {
            let damage = error.into();
            tally.lose(Loss::Damaged(damage));
            sink.dropped(damage);
            Some(Event::Damaged(damage))
        }
    }
}
