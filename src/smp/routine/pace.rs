//! The times of a transfer: when a request is repeated, and when the transfer is given up.
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
    timing: Timing,
    /// The length of the current wait, and the silence that ends the transfer.
    asked: (Span, Span),
    /// The waits since the last response.
    silence: Span,
    /// Consecutive repeats.
    repeats: u8,
}

/// The speed of the device's responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// The device has never responded. Exits: `Unmeasured`, `After`.
    Never,
    /// The device has responded, or is known to be there. Exit: `After`.
    Unmeasured,
    /// The device responds after this time, smoothed. No exit.
    After(Span),
}

/// The measurement of a response time.
#[derive(Debug, Clone, Copy)]
enum Timing {
    /// None is running. Exit: `Running`.
    Idle,
    /// The request with this number was sent this long ago, once. Exits: `Idle`, by its response,
    /// or by a repeat, since the response could be to the first copy.
    Running(u8, Span),
}

impl Pace {
    /// The pace of a transfer to a device that has not responded yet.
    pub(super) const fn new() -> Self {
        let asked = (Span::ZERO, const { Span::ceil(SILENCE) });
        Self { answers: Answers::Never, timing: Timing::Idle, asked, silence: Span::ZERO, repeats: 0 }
    }

    /// The pace of a transfer to a device that is known to be there.
    pub(super) const fn known() -> Self {
        Self { answers: Answers::Unmeasured, ..Self::new() }
    }

    pub(super) fn tick(&mut self, elapsed: Duration) {
        if let Timing::Running(_, age) = &mut self.timing {
            *age = age.saturating_add(Span::floor(elapsed));
        }
    }

    /// Called when the request with this number leaves for the first time.
    pub(super) fn begins(&mut self, sequence: u8) {
        if let Timing::Idle = self.timing {
            self.timing = Timing::Running(sequence, Span::ZERO);
        }
    }

    /// Called when the requests in flight are repeated or given up.
    pub(super) const fn forget(&mut self) {
        self.timing = Timing::Idle;
    }

    /// Called when the response to a later request has come first.
    pub(super) fn skipped(&mut self, sequence: u8) {
        if let Timing::Running(timed, _) = self.timing
            && timed == sequence
        {
            self.timing = Timing::Idle;
        }
    }

    /// Called when the response to the request with this number has come.
    pub(super) fn heard(&mut self, sequence: u8) {
        (self.silence, self.repeats) = (Span::ZERO, 0);
        match (self.timing, self.answers) {
            (Timing::Running(timed, age), answers) if timed == sequence => {
                self.timing = Timing::Idle;
                self.answers = Answers::After(match answers {
                    // An eighth of the difference, in either direction.
                    Answers::After(smoothed) => smoothed.saturating_sub(smoothed.eighth()).saturating_add(age.eighth()),
                    _ => age,
                });
            }
            (_, Answers::Never) => self.answers = Answers::Unmeasured,
            _ => {}
        }
    }

    /// Four times the response time, at least [`FLOOR`]; `timeout` if none was measured.
    fn usual(&self, timeout: Span) -> Span {
        match self.answers {
            Answers::After(time) => {
                let twice = time.saturating_add(time);
                twice.saturating_add(twice).max(FLOOR)
            }
            _ => timeout,
        }
    }

    /// Twice as long for each repeat, up to `slowest`.
    fn slowed(&self, usual: Span, slowest: Span) -> Span {
        let mut slower = usual;
        for _ in 0..self.repeats.min(4) {
            slower = slower.saturating_add(slower);
        }
        slower.min(slowest).max(usual)
    }

    /// Returns the time to wait for this response.
    pub(super) fn wait(&mut self, awaited: Awaited, client: &Client, pacing: &Pacing) -> Duration {
        let timeout = client.limit();
        let usual = self.usual(timeout);
        let mut wait = match awaited {
            Awaited::First | Awaited::Last => usual.max(timeout),
            Awaited::Fresh => self.slowed(usual.max(timeout), SLOWEST_FRESH),
            Awaited::None => timeout,
            Awaited::Other => self.slowed(usual, SLOWEST),
        };
        wait = wait.max(LEAST);
        let limit = match (self.answers, awaited) {
            // The query for the sizes has used up its timeouts already: one more is enough.
            (Answers::Never, _) => unheard(client, 1),
            (_, Awaited::First | Awaited::Fresh) => pacing.first(),
            (_, Awaited::Last) => pacing.last(),
            _ => const { Span::ceil(SILENCE) },
        };
        self.asked = (wait, limit);
        wait.to_duration()
    }

    /// Returns the time to wait for the response to the query for the sizes.
    pub(super) fn wait_for_sizes(&mut self, client: &Client) -> Duration {
        let timeout = client.limit();
        // Repeated often, because the response is short and the query may run any number of times:
        // on a line that loses a third of all messages, a few tries prove nothing.
        let wait = timeout.eighth().max(FLOOR.min(timeout)).max(LEAST);
        self.asked = (wait, unheard(client, 0));
        wait.to_duration()
    }

    /// Called when the query for the sizes leaves. A repeat is not timed, since the response could
    /// be to the first copy.
    pub(super) fn asks_for_sizes(&mut self) {
        if self.silence.is_zero() {
            self.begins(0);
        }
    }

    /// Called when the query for the sizes was not answered. The silence continues, but the
    /// back-off does not, since another request comes next.
    pub(super) const fn without_sizes(&mut self) {
        (self.repeats, self.timing) = (0, Timing::Idle);
    }

    /// Called when the query for the sizes was answered.
    pub(super) fn heard_sizes(&mut self) {
        self.heard(0);
    }

    /// Called when the wait has passed: the request is repeated unless this fails.
    pub(super) fn timed_out(&mut self, retries: Option<u8>) -> Result<(), Error> {
        let (wait, limit) = self.asked;
        self.silence = self.silence.saturating_add(wait);
        let enough = retries.map_or(self.silence >= limit, |retries| self.repeats >= retries);
        if enough {
            return Err(Error::TimedOut);
        }
        self.repeats = self.repeats.saturating_add(1);
        self.forget();
        Ok(())
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
