//! Reading many values of many nodes repeatedly.

mod list;

use core::time::Duration;

pub use list::{Poll, PollCounters, PollEvent, Polled};

use super::JobOutcome;
use crate::bsmp::client::{Client, Error, Judged};
use crate::routine::{Routine, Step, Wait, remaining};
use crate::shown::shown;

/// The report of a [`Poller`], at its end or so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub struct PollReport {
    /// The outcome; `Unfinished` until it has ended. `Done`: the
    /// [duration](Poller::with_duration) has passed, or there is nothing to poll.
    pub outcome: JobOutcome,
    /// The time for which the poller has run.
    pub time: Duration,
}

impl core::fmt::Display for PollReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "after {:?} the polling is {}", self.time, self.outcome)
    }
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// A request may be due. Exits: `Await`, when one is; `Ended`.
    Idle,
    /// The answer to this poll is awaited. Exits: `Idle`, by the answer or without one.
    Await { poll: usize },
    /// The poller has ended, with this outcome. Exits: none.
    Ended(JobOutcome),
}

/// Polls many nodes, each with any number of reads, at their own rates.
///
/// ```
/// use anysmp::bsmp::routine::{Poll, Polled, Poller};
/// use anysmp::bsmp::{Address, group};
/// use core::time::Duration;
///
/// let mut nodes = [1, 2, 3].map(|number| Polled::new(Address::node(number).unwrap()));
/// // The read-only variables of each, five times a second.
/// let read = group::Read { id: 1, size: Some(44) };
/// let mut polls = [0, 1, 2].map(|node| Poll::group(node, read, Duration::from_millis(200)));
/// let mut poller = Poller::new(&mut nodes, &mut polls);
/// // With a port: `link.run(&mut client, &mut poller, |event| ...)`
/// ```
///
/// * *Fair.* Of the polls that are due, the first is the one whose node was asked longest ago. So
///   no node starves another, whatever its rate; if the line is too slow for all rates, the nodes
///   share it equally. Missed polls are skipped, not made up for.
/// * *Dead nodes.* After two requests in a row without an answer a node rests, at first for 1 s,
///   then twice as long each time, up to 30 s ([`with_rest`](Self::with_rest)). Each rest ends with
///   one request, so that a dead node costs one timeout and one drain of the
///   [client](Client::with_drain) in that time. With one answer it is alive again.
/// * *Nothing is repeated.* The next poll is the retry; the client's retries do not count.
///
/// It never ends by itself unless a [duration](Self::with_duration) is set: stop it in the
/// callback, and run it again later. RAM: at most 104 bytes on a 32-bit machine, and the two lists.
pub struct Poller<'p> {
    nodes: &'p mut [Polled],
    polls: &'p mut [Poll],
    rest: Duration,
    longest: Duration,
    duration: Option<Duration>,
    /// The time since the start.
    now: Duration,
    wait: Wait,
    stage: Stage,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Poller<'_>>() <= 104);

shown!(Poller<'_>, |it| "Poller({} nodes, {} polls)", it.nodes.len(), it.polls.len());

impl<'p> Poller<'p> {
    /// The first rest of a dead node: 1 s.
    pub const REST: Duration = Duration::from_secs(1);
    /// The longest rest of a dead node: 30 s.
    pub const LONGEST_REST: Duration = Duration::from_secs(30);

    /// Polls these nodes; a poll whose index has no node is skipped.
    #[must_use]
    pub const fn new(nodes: &'p mut [Polled], polls: &'p mut [Poll]) -> Self {
        Self {
            nodes,
            polls,
            rest: Self::REST,
            longest: Self::LONGEST_REST,
            duration: None,
            now: Duration::ZERO,
            wait: Wait(Duration::ZERO),
            stage: Stage::Idle,
        }
    }

    /// Sets the first and the longest rest of a dead node.
    #[must_use]
    pub const fn with_rest(mut self, first: Duration, longest: Duration) -> Self {
        (self.rest, self.longest) = (first, longest);
        self
    }

    /// Ends after this time.
    #[must_use]
    pub const fn with_duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// The nodes, with their counts.
    #[must_use]
    pub const fn nodes(&self) -> &[Polled] {
        self.nodes
    }

    fn due(&self, poll: &Poll) -> Option<Duration> {
        Some(self.nodes.get(poll.node)?.resumes.max(poll.due))
    }

    /// Returns the poll whose turn it is; otherwise the time until the next one, or `None` if there
    /// are no polls.
    fn choose(&self) -> Result<usize, Option<Duration>> {
        let (mut chosen, mut next) = (None, None);
        for (place, poll) in self.polls.iter().enumerate() {
            let (Some(due), Some(node)) = (self.due(poll), self.nodes.get(poll.node)) else { continue };
            if due > self.now {
                next = Some(next.map_or(due, |next: Duration| next.min(due)));
            // The node that was asked longest ago, so that none starves beside one with many polls.
            } else if chosen.is_none_or(|(key, _)| (node.asked, poll.due) < key) {
                chosen = Some(((node.asked, poll.due), place));
            }
        }
        chosen.map(|(_, place)| place).ok_or_else(|| next.map(|next| remaining(next, self.now)))
    }

    fn ask(&mut self, place: usize, client: &Client, tx: &mut [u8]) -> Result<usize, Error> {
        let now = self.now;
        let Some(poll) = self.polls.get_mut(place) else { return Err(Error::Argument) };
        let Some(node) = self.nodes.get_mut(poll.node) else { return Err(Error::Argument) };
        let len = poll.post(&node.client(client), tx)?;
        node.counters.asked = node.counters.asked.wrapping_add(1);
        node.asked = now;
        // After a delay of more than an interval the missed polls are skipped, not made up for.
        let next = poll.due.saturating_add(poll.interval);
        poll.due = if next <= now { now.saturating_add(poll.interval) } else { next };
        self.stage = Stage::Await { poll: place };
        Ok(len)
    }

    fn node(&mut self, poll: usize) -> Option<&mut Polled> {
        let node = self.polls.get(poll)?.node;
        self.nodes.get_mut(node)
    }

    fn elapsed(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
    }

    fn is_over(&self) -> bool {
        self.duration.is_some_and(|duration| self.now >= duration)
    }
}

impl Routine for Poller<'_> {
    type Client = Client;
    type Event<'m> = PollEvent<'m>;
    type Report = PollReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        let limit = match self.stage {
            Stage::Ended(_) => return Step::Done,
            Stage::Await { .. } => client.timeout(),
            Stage::Idle if self.is_over() => {
                self.stage = Stage::Ended(JobOutcome::Done);
                return Step::Done;
            }
            Stage::Idle => match self.choose() {
                Ok(place) => match self.ask(place, client, tx) {
                    Ok(len) => return Step::Send(len),
                    Err(error) => {
                        self.stage = Stage::Ended(JobOutcome::Failed(error));
                        return Step::Done;
                    }
                },
                Err(Some(until)) => {
                    let left = self.duration.map_or(until, |duration| remaining(duration, self.now));
                    left.min(until)
                }
                Err(None) => {
                    self.stage = Stage::Ended(JobOutcome::Done);
                    return Step::Done;
                }
            },
        };
        self.wait = Wait(limit);
        Step::Wait(limit)
    }

    fn receive<'m>(&mut self, client: &mut Client, message: &'m [u8]) -> Option<PollEvent<'m>> {
        let Stage::Await { poll } = self.stage else { return None };
        let asked = *self.polls.get(poll)?;
        let node = self.node(poll)?;
        let client = node.client(client);
        let Judged::Answer(answer) = asked.judge(&client, message) else { return None };
        node.misses = 0;
        let event = match answer {
            Ok(value) => {
                node.counters.answered = node.counters.answered.wrapping_add(1);
                PollEvent::Value { poll, value }
            }
            Err(error) => {
                node.counters.refused = node.counters.refused.wrapping_add(1);
                PollEvent::Refused { poll, error }
            }
        };
        self.stage = Stage::Idle;
        Some(event)
    }

    fn drain(&self, client: &Client) -> Duration {
        client.drain()
    }

    fn tick(&mut self, tick: Duration) {
        let time = self.wait.tick(tick);
        self.elapsed(time);
    }

    fn timed_out(&mut self) {
        let time = self.wait.end();
        self.elapsed(time);
        let Stage::Await { poll } = self.stage else { return };
        let (now, first, longest) = (self.now, self.rest, self.longest);
        self.stage = Stage::Idle;
        let Some(node) = self.node(poll) else { return };
        node.counters.missing = node.counters.missing.wrapping_add(1);
        node.misses = node.misses.saturating_add(1);
        // A single missing answer may be noise; two in a row mean that the node is gone.
        if let Some(doubled) = node.misses.checked_sub(2) {
            let mut rest = first;
            for _ in 0..doubled.min(32) {
                rest = rest.saturating_add(rest);
            }
            node.resumes = now.saturating_add(rest.min(longest));
        }
    }

    fn report(&self) -> PollReport {
        let outcome = match self.stage {
            Stage::Ended(outcome) => outcome,
            _ => JobOutcome::Unfinished,
        };
        PollReport { outcome, time: self.now }
    }
}
