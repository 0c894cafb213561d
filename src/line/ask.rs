//! The rules of sending that apply to clients only.
//!
//! Only clients bring a peer into step at the start of a session, nudge it after a timeout and
//! drain the line. All of that is in this file, so that the image of a server does not link it.

use super::{Before, Contact, Ear, Error, Line, Owed, Requests as _, Sending, Sink};
use crate::framing::Framing;
use crate::time::Span;

/// Converts the drain of a protocol. Most protocols have none; if that is a constant, so is the
/// result, and code that only a drain needs is not linked.
pub(super) fn span(drain: core::time::Duration) -> Span {
    if drain.is_zero() { Span::ZERO } else { Span::ceil(drain) }
}

impl<F: Framing> Line<'_, F> {
    /// Sends the request in the first `len` bytes of `tx`. The first one of a session brings the
    /// peer into step. If responses do not identify their requests (`drain` is not zero), nothing
    /// received earlier may pass for its response: the port is looked at first, and the line is
    /// kept silent for as long as a response is owed.
    pub(super) fn ask(&mut self, len: usize, drain: Span, sink: &mut (impl Sink + ?Sized)) -> Result<(), Error> {
        let contact = Contact::of(self.tally);
        if let (Before::First | Before::Brief(_), Contact::Heard) = (self.before, contact) {
            self.before = Before::Gap;
        }
        if self.before == Before::First {
            self.out_of_step();
        }
        if !drain.is_zero() {
            if self.before == Before::Gap {
                self.before = Before::Silence(self.requests.silence().unwrap_or_default());
                self.ear = match self.ear {
                    // Bytes that came since the last look are still unseen.
                    Ear::Silent(_) => Ear::Ended,
                    other => other,
                };
            }
            // Set now and not at the timeout, because a caller may be cancelled at any moment.
            self.requests.owed = match self.requests.owed {
                Owed::Nothing => Owed::One(drain),
                Owed::One(_) | Owed::Older(_) => Owed::Older(drain),
            };
        }
        self.transmit(len)?;
        sink.traced(self.tx.get(..len).unwrap_or_default(), true);
        Ok(())
    }

    /// Notes that a message was accepted as the response. If an older response was still owed, this
    /// may be that one, and the right one comes within a timeout: the line is kept silent for that
    /// time before the next request. A response that comes even after the drain thus costs one
    /// wrong value, not one for every later request.
    pub(super) fn answered(&mut self, timeout: Span) {
        if let (Owed::Older(_), Before::Gap) = (self.requests.owed, self.before) {
            self.before = Before::Silence(timeout);
        }
        self.requests.owed = Owed::Nothing;
    }

    /// Returns `true` if a wait for a response has ended: its limit has passed, and no message is
    /// arriving. On a slow line a long response takes longer to arrive than to begin; the wait is
    /// extended at most by the time of the longest one.
    pub(super) fn is_late(&self, waited: Span, limit: Span) -> bool {
        if waited < limit || !self.framing.is_arriving() {
            return waited >= limit;
        }
        let longest = u32::try_from(self.framing.sizes().buffer).unwrap_or(u32::MAX);
        waited >= Span::ceil(self.framing.byte_time().saturating_mul(longest)).saturating_add(limit)
    }

    /// Sends the preamble, if the framing has one, at once: the response is late, and the peer's
    /// decoder may be out of step.
    pub(super) fn nudge(&mut self) {
        if !self.framing.preamble().is_empty() {
            self.before = Before::Nudge(0);
        }
    }

    /// Puts the preamble, if the framing has one, in front of the next request: the state of the
    /// peer's decoder is unknown.
    pub(super) fn out_of_step(&mut self) {
        if let Before::First | Before::Gap = self.before {
            self.before = if self.framing.preamble().is_empty() { Before::Gap } else { Before::Preamble(0) };
        }
    }

    /// Returns `true` if a preamble has left and the peer has had time for it.
    pub(super) fn is_settled(&self) -> bool {
        !matches!(self.before, Before::Nudge(_) | Before::Flushing(_) | Before::Settle(_))
    }

    /// Starts a wait now, unless a message is still being sent.
    pub(super) fn restart(&mut self) {
        if !self.is_sending() {
            self.sending = Sending::Left(Span::ZERO);
        }
    }
}
