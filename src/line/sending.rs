//! Sends messages: one at a time, when the line is ready, in pieces of any size.

use core::time::Duration;

use super::counters::Number;
use super::{Before, Ear, Error, Line, Role, Sending, short};
use crate::framing::{self, Encoder, Framing, Pace as _};
use crate::time::{Span, Time};

/// The time after which a message is given up if the line is never silent, in addition to the
/// silence that it needs.
const JAMMED: Duration = Duration::from_secs(1);

impl<F: Framing, R: Role> Line<'_, F, R> {
    /// Sends the first `len` bytes of [`tx`](Self::tx), as soon as the line is ready.
    ///
    /// # Errors
    ///
    /// We: [`Error::Busy`] while another message is being sent, [`Error::BufferFull`] if `tx` has
    /// fewer than `len` bytes, [`Error::Framing`] if the framing cannot express the message.
    pub fn transmit(&mut self, len: usize) -> Result<(), Error> {
        if self.is_sending() {
            return Err(Error::Busy);
        }
        let message = self.tx.get(..len).ok_or(Error::BufferFull)?;
        self.encoder = self.framing.encode(message).ok();
        if self.encoder.is_none() {
            return Err(Error::Framing(framing::Error::Unsendable));
        }
        self.len = short(len);
        let mut limit = if F::Pace::IS_PACED || R::ASKS { const { Span::ceil(JAMMED) } } else { Span::ZERO };
        if let (true, Before::Silence(silence)) = (R::ASKS, self.before) {
            limit = limit.saturating_add(silence).saturating_add(silence);
        }
        self.sending = Sending::Waiting(Time::keep(limit));
        // Without a wait the frame begins at once, so that no message received from now on is
        // dropped as foreign.
        self.begin();
        Ok(())
    }

    /// Returns `true` while a message is being sent, or waits to be.
    #[must_use]
    pub const fn is_sending(&self) -> bool {
        self.is_waiting() || self.is_begun()
    }

    /// Returns `true` while a frame is half sent.
    pub(super) const fn is_begun(&self) -> bool {
        matches!(self.sending, Sending::Frame | Sending::Last)
    }

    /// Returns `true` while a message waits for the line.
    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self.sending, Sending::Waiting(_))
    }

    /// The next bytes for the port: hand over as many as it accepts, and report their number with
    /// [`sent`](Self::sent). Empty if there is nothing to send, or the line is not ready.
    pub fn pending(&mut self) -> &[u8] {
        let preamble = match self.before {
            Before::Preamble(sent) if self.is_waiting() => Some(sent),
            Before::Brief(sent) if R::ASKS && self.is_waiting() => Some(sent),
            Before::Nudge(sent) if R::ASKS => Some(sent),
            _ => None,
        };
        if let Some(sent) = preamble {
            if let Some(rest @ [_, ..]) = self.framing.preamble().get(sent..) {
                return rest;
            }
            self.before = Before::Gap;
        }
        self.begin();
        self.out.get(usize::from(self.run.start)..usize::from(self.run.end)).unwrap_or_default()
    }

    /// Begins the frame of the message that waits, if there is one and the line is ready.
    fn begin(&mut self) {
        if self.is_waiting() && self.is_ready() {
            self.before = Before::Gap;
            self.fill();
        }
    }

    /// Encodes the next run of the frame into `out`, which is empty.
    fn fill(&mut self) {
        let Some(encoder) = &mut self.encoder else { return };
        let message = self.tx.get(..usize::from(self.len)).unwrap_or_default();
        let mut used = 0usize;
        self.sending = loop {
            let room = self.out.get_mut(used..).unwrap_or_default();
            match encoder.next(message, room) {
                0 => break Sending::Last,
                written => used = used.wrapping_add(written),
            }
            // Any run of a stream may leave. A frame that leaves in one piece fits `out`, as was
            // checked when the line was built, and may fill it to the last byte.
            let is_stream = !F::WHOLE && !F::Pace::IS_PACED;
            if is_stream || (!F::WHOLE && self.out.len().wrapping_sub(used) < F::Encoder::MIN_OUT) {
                break Sending::Frame;
            }
        };
        self.run = 0..short(used);
    }

    /// The silence that the waiting message needs; `None` if it waits for something else.
    pub(super) fn wanted(&self) -> Option<Span> {
        let gap = if F::Pace::IS_PACED { Span::ceil(self.framing.gap()) } else { Span::ZERO };
        match self.before {
            Before::First | Before::Gap => Some(gap),
            // Only where requests are made: otherwise a server would link this check.
            Before::Silence(silence) if R::ASKS => Some(silence.max(gap)),
            Before::Silence(_)
            | Before::Preamble(_)
            | Before::Brief(_)
            | Before::Nudge(_)
            | Before::Flushing(_)
            | Before::Settle(_) => None,
        }
    }

    /// Returns `true` if the frame of the waiting message may begin.
    fn is_ready(&self) -> bool {
        match (self.wanted(), self.ear) {
            (Some(wanted), Ear::Silent(silence)) => silence >= wanted,
            // `Silence` needs at least one look at the port, even if its length is zero: a late
            // response may be there, unread.
            (Some(wanted), Ear::Carrying(_) | Ear::Busy | Ear::Ended) => {
                wanted.is_zero() && matches!(self.before, Before::First | Before::Gap)
            }
            (None, _) => false,
        }
    }

    /// The rest of the silence that the waiting message needs; `None` if no message waits for
    /// silence. For drivers, which then look at the port more often.
    #[must_use]
    pub fn rest(&self) -> Option<Span> {
        match self.ear {
            _ if !self.is_waiting() => None,
            Ear::Silent(silence) => Some(self.wanted()?.saturating_sub(silence)),
            Ear::Carrying(_) | Ear::Busy | Ear::Ended => self.wanted(),
        }
    }

    /// Reports that the port has accepted the first `count` bytes of [`pending`](Self::pending).
    /// Returns `true` if those were the last ones: then flush the port.
    pub fn sent(&mut self, count: usize) -> bool {
        if count == 0 {
            // A caller's own loop may report 0 in each round, which must not count as a round in
            // which something was sent.
            return false;
        }
        // The port was not read meanwhile, so this round does not count as silence.
        self.busy();
        if self.is_begun() {
            // The count is not trusted: it must not exceed the bytes that the port was given.
            self.run.start = self.run.start.wrapping_add(short(count.min(self.run.len())));
            // If the run was the end of the frame, the encoder yields nothing more, and the state
            // becomes `Last`.
            if self.run.is_empty() && self.sending == Sending::Frame {
                self.fill();
            }
            if self.sending != Sending::Last || !self.run.is_empty() {
                return false;
            }
            self.tally.sent.count();
            let mut carried = Span::ZERO;
            if F::Pace::IS_PACED {
                let byte_time = self.framing.byte_time();
                // A framing with a byte time sends whole frames, so `out` held all of this one.
                let airtime =
                    if byte_time.is_zero() { byte_time } else { byte_time.saturating_mul(self.run.end.into()) };
                carried = Span::ceil(airtime);
                self.ear = if carried.is_zero() { Ear::Busy } else { Ear::Carrying(carried) };
            }
            self.sending = Sending::Flushing(Time::keep(carried));
            return true;
        }
        let is_brief = R::ASKS && matches!(self.before, Before::Brief(_));
        let (Before::Preamble(sent) | Before::Brief(sent) | Before::Nudge(sent)) = &mut self.before else {
            return false;
        };
        let all = count.saturating_add(*sent);
        if all < self.framing.preamble().len() {
            *sent = all;
            return false;
        }
        if is_brief {
            // Neither a flush nor a look at the port follows: each would take time.
            self.before = Before::Gap;
            return false;
        }
        self.before = Before::Flushing(const { Span::ceil(F::PREAMBLE_PAUSE) });
        true
    }

    /// Notes that this round does not count as silence.
    pub(super) const fn busy(&mut self) {
        // While the line carries our frame, that goes on.
        if !(F::Pace::IS_PACED && matches!(self.ear, Ear::Carrying(_))) {
            self.ear = Ear::Busy;
        }
    }

    /// Gives up the message that is being sent, because the port failed. If part of its frame has
    /// left, a preamble or silence in front of the next frame brings the peer back into step.
    pub fn abandon(&mut self) {
        let is_cut = match self.sending {
            Sending::Waiting(_) | Sending::Leaving(_) | Sending::Left(_) | Sending::Unsent => false,
            // A frame that leaves in one piece is cut only if some of its bytes were accepted.
            Sending::Last => self.run.start > 0 || !F::WHOLE,
            // Part of the frame, or all of it without a flush: the peer may have received any part
            // of it.
            Sending::Frame | Sending::Flushing(_) => true,
        };
        if is_cut {
            self.before = if self.framing.preamble().is_empty() {
                Before::Flushing(const { Span::ceil(F::QUIET) })
            } else {
                Before::Preamble(0)
            };
        }
        if is_cut || self.is_sending() {
            self.give_up();
        }
    }

    /// Drops the message that is being sent, and counts it.
    pub(super) fn give_up(&mut self) {
        self.sending = Sending::Unsent;
        self.run = 0..0;
        self.tally.failures.count();
    }

    /// Returns `true` if the last message was given up.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        matches!(self.sending, Sending::Unsent)
    }
}
