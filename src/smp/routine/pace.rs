//! The times of a transfer: the wait before a repeat, and the silence that ends the transfer.
//!
//! ```text
//!   begins ─▶ tick, tick, … ─▶ heard: a response; the time is smoothed
//!                └─ wait has passed ─▶ timed_out ─▶ wait, twice as long … until the limit
//! ```

use core::time::Duration;

use super::Error;
use super::pacing::{Pacing, SILENCE};
use crate::smp::client::Client;
use crate::time::Span;

/// The shortest wait before a repeat.
const FLOOR: Span = Span::ceil(Duration::from_millis(250));

/// The longest wait before a repeat to a device that answers fast: each repeat costs little, and
/// must get through a line that loses half of them.
const SLOWEST: Span = Span::ceil(Duration::from_secs(1));

/// The longest wait before a repeat that may cost the device another erase.
const SLOWEST_FRESH: Span = Span::ceil(Duration::from_secs(10));

/// The least time that counts as a wait, so that even the transfer of a client without a timeout
/// ends.
const LEAST: Span = Span::ceil(Duration::from_millis(1));

/// The response that is waited for when no piece is due.
#[derive(Debug, Clone, Copy)]
pub(super) enum Awaited {
    /// The response to the first piece, for which a device may erase.
    First,
    /// As `First`, for an image without a `sha`: a device treats each repeat as another upload, and
    /// erases again.
    Fresh,
    /// The response to the last piece, after which a device may check the file.
    Last,
    /// Any other response.
    Other,
    /// None: the device is busy, and gets one timeout.
    None,
}

impl Awaited {
    /// Converts this for the transfer of a file: no device erases or checks anything for a piece of
    /// a file.
    pub(super) const fn of_a_file(self) -> Self {
        if let Self::None = self { self } else { Self::Other }
    }
}

/// The times of a transfer: the wait for a response, and the silence that ends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    answers: Answers,
    /// The response time of the device, smoothed, once it is measured. Not in `answers`, whose tag
    /// would take 4 bytes then.
    time: Span,
    waiting: Waiting,
    /// The silence at the end of the current wait.
    after: Span,
    at_end: AtEnd,
}

/// The consequence of a wait without a response: each wait decides it again when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtEnd {
    /// The request is sent again.
    Repeat,
    /// The transfer ends.
    GiveUp,
}

/// The speed of the device's responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// The device has never responded. Exits: `Unmeasured`, `Measured`.
    Never,
    /// The device has responded, or is known to be there. Exit: `Measured`.
    Unmeasured,
    /// The device responds after the time that is kept. No exit.
    Measured,
}

/// The time since a request, or since the last response. A request is only timed if no wait has
/// passed since the last response.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    /// The waits and the repeats since the last response. Exit: `Timed`, while there are none.
    Silent { silence: Span, repeats: u8 },
    /// The request with this number was sent this long ago, once. Exits: `Silent`, by its response,
    /// by that to a later request, when the requests in flight are given up after a response, or
    /// when the wait has passed, since the response to a repeat could be to the first copy.
    Timed { sequence: u8, age: Span },
}

impl Waiting {
    const START: Self = Self::Silent { silence: Span::ZERO, repeats: 0 };

    const fn silence(self) -> (Span, u8) {
        match self {
            Self::Silent { silence, repeats } => (silence, repeats),
            Self::Timed { .. } => (Span::ZERO, 0),
        }
    }
}

impl Pace {
    /// The pace of a transfer to a device that has not responded yet.
    pub(super) const fn new() -> Self {
        let (time, after) = (Span::ZERO, Span::ZERO);
        Self { answers: Answers::Never, time, waiting: Waiting::START, after, at_end: AtEnd::Repeat }
    }

    /// The pace of a transfer to a device that is known to be there.
    pub(super) const fn known() -> Self {
        Self { answers: Answers::Unmeasured, ..Self::new() }
    }

    pub(super) fn tick(&mut self, elapsed: Duration) {
        if let Waiting::Timed { age, .. } = &mut self.waiting {
            *age = age.saturating_add(Span::floor(elapsed));
        }
    }

    /// Called when the request with this number leaves for the first time.
    pub(super) fn begins(&mut self, sequence: u8) {
        if let Waiting::Silent { silence: Span::ZERO, .. } = self.waiting {
            self.waiting = Waiting::Timed { sequence, age: Span::ZERO };
        }
    }

    /// Called when the requests in flight are given up after a response.
    pub(super) const fn forget(&mut self) {
        self.waiting = Waiting::START;
    }

    /// Called when the response to a later request has come first.
    pub(super) fn skipped(&mut self, sequence: u8) {
        if let Waiting::Timed { sequence: timed, .. } = self.waiting
            && timed == sequence
        {
            // Its own response counts as foreign from now on, so its time is never measured.
            self.forget();
        }
    }

    /// Called when the response to the request with this number has come.
    pub(super) fn heard(&mut self, sequence: u8) {
        match self.waiting {
            Waiting::Timed { sequence: timed, age } if timed == sequence => {
                self.time = match self.answers {
                    // An eighth of the difference, in either direction.
                    Answers::Measured => self.time.saturating_sub(self.time.eighth()).saturating_add(age.eighth()),
                    Answers::Never | Answers::Unmeasured => age,
                };
                (self.answers, self.waiting) = (Answers::Measured, Waiting::START);
                return;
            }
            // Another request is timed, which is still in flight.
            Waiting::Timed { .. } => {}
            Waiting::Silent { .. } => self.waiting = Waiting::START,
        }
        if let Answers::Never = self.answers {
            self.answers = Answers::Unmeasured;
        }
    }

    /// Four times the response time, at least [`FLOOR`]; `timeout` if none was measured.
    fn usual(&self, timeout: Span) -> Span {
        match self.answers {
            Answers::Measured => {
                let twice = self.time.saturating_add(self.time);
                twice.saturating_add(twice).max(FLOOR)
            }
            Answers::Never | Answers::Unmeasured => timeout,
        }
    }

    /// Twice as long for each repeat, up to `slowest`.
    fn slowed(&self, usual: Span, slowest: Span) -> Span {
        let (mut slower, (_, repeats)) = (usual, self.waiting.silence());
        for _ in 0..repeats.min(4) {
            slower = slower.saturating_add(slower);
        }
        slower.min(slowest).max(usual)
    }

    pub(super) fn wait(&mut self, awaited: Awaited, client: &Client, pacing: &Pacing) -> Duration {
        let timeout = client.limit();
        let usual = self.usual(timeout);
        let wait = match awaited {
            Awaited::First | Awaited::Last => usual.max(timeout),
            Awaited::Fresh => self.slowed(usual.max(timeout), SLOWEST_FRESH),
            Awaited::None => timeout,
            Awaited::Other => self.slowed(usual, SLOWEST),
        };
        let limit = match (self.answers, awaited) {
            // The query for the sizes has used up its timeouts already: one more is enough.
            (Answers::Never, _) => unheard(client, 1),
            (_, Awaited::First | Awaited::Fresh) => pacing.first(),
            (_, Awaited::Last) => pacing.last(),
            _ => const { Span::ceil(SILENCE) },
        };
        self.begin_wait(wait, limit, pacing.retries())
    }

    /// Returns the time to wait for the response to the query for the sizes.
    pub(super) fn wait_for_sizes(&mut self, client: &Client) -> Duration {
        let timeout = client.limit();
        // Repeated often, because the response is short and the query may run any number of times:
        // on a line that loses a third of all messages, a few tries prove nothing.
        self.begin_wait(timeout.eighth().max(FLOOR.min(timeout)), unheard(client, 0), None)
    }

    /// Notes what the end of this wait means: the transfer ends with the last of the `retries`, or
    /// else by a silence of `limit`.
    fn begin_wait(&mut self, wait: Span, limit: Span, retries: Option<u8>) -> Duration {
        let (wait, (silence, repeats)) = (wait.max(LEAST), self.waiting.silence());
        self.after = silence.saturating_add(wait);
        let is_last = retries.map_or(self.after >= limit, |retries| repeats >= retries);
        self.at_end = if is_last { AtEnd::GiveUp } else { AtEnd::Repeat };
        wait.to_duration()
    }

    /// Called when the query for the sizes leaves. A repeat is not timed, since the response could
    /// be to the first copy.
    pub(super) fn asks_for_sizes(&mut self) {
        self.begins(0);
    }

    /// Called when the query for the sizes was not answered. The silence continues, but the
    /// back-off does not, since another request comes next.
    pub(super) const fn without_sizes(&mut self) {
        let (silence, _) = self.waiting.silence();
        self.waiting = Waiting::Silent { silence, repeats: 0 };
    }

    pub(super) fn heard_sizes(&mut self) {
        self.heard(0);
    }

    /// Called when the wait has passed: the request is repeated unless this fails.
    pub(super) fn timed_out(&mut self) -> Result<(), Error> {
        let (_, repeats) = self.waiting.silence();
        self.waiting = Waiting::Silent { silence: self.after, repeats: repeats.saturating_add(1) };
        match self.at_end {
            AtEnd::Repeat => Ok(()),
            AtEnd::GiveUp => Err(Error::TimedOut),
        }
    }
}

/// The silence that ends a transfer to a device that has never responded, with `more` requests
/// after the query for its sizes.
fn unheard(client: &Client, more: u8) -> Span {
    // Added up in a loop: a product of 64 bits takes 900 more bytes on a Cortex-M0.
    let (timeout, mut all) = (client.limit(), Span::ZERO);
    for _ in 0..client.retries().max(1).saturating_add(more) {
        all = all.saturating_add(timeout);
    }
    all
}
