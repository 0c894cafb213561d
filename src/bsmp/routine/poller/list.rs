//! Nodes that are polled, and the reads that are repeated.

use core::time::Duration;

use crate::bsmp::client::{Client, Error, Judged, Request, judge};
use crate::bsmp::{Address, group, variable};

/// A polled node, and the counts of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Polled {
    address: Option<Address>,
    pub(super) counters: PollCounters,
    /// The number of requests in a row without an answer.
    pub(super) misses: u8,
    /// The time of its last request.
    pub(super) asked: Duration,
    /// The time before which it is not asked again.
    pub(super) resumes: Duration,
}

/// Counts of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct PollCounters {
    /// Requests that were sent.
    pub asked: u32,
    /// Values that were received.
    pub answered: u32,
    /// Refusals of the node.
    pub refused: u32,
    /// Requests without an answer in time.
    pub missing: u32,
}

impl Polled {
    /// The node at this address of a bus.
    #[must_use]
    pub const fn new(address: Address) -> Self {
        Self::at(Some(address))
    }

    /// The only node, where messages have no address: over TCP and UDP.
    #[must_use]
    pub const fn only() -> Self {
        Self::at(None)
    }

    const fn at(address: Option<Address>) -> Self {
        let counters = PollCounters { asked: 0, answered: 0, refused: 0, missing: 0 };
        Self { address, counters, misses: 0, asked: Duration::ZERO, resumes: Duration::ZERO }
    }

    /// The address of the node.
    #[must_use]
    pub const fn address(&self) -> Option<Address> {
        self.address
    }

    /// The counts of the node.
    #[must_use]
    pub const fn counters(&self) -> PollCounters {
        self.counters
    }

    /// Returns true if the last two requests had no answer: the node is asked again after a pause.
    #[must_use]
    pub const fn is_dead(&self) -> bool {
        self.misses > 1
    }

    pub(super) const fn client(&self, client: &Client) -> Client {
        match self.address {
            Some(address) => client.with_address(address),
            None => *client,
        }
    }
}

/// A read that is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Poll {
    pub(super) node: usize,
    what: What,
    pub(super) interval: Duration,
    pub(super) due: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum What {
    Variable(variable::Read),
    Group(group::Read),
}

impl Poll {
    /// Reads a variable of the node at this index of the list, once in each `interval`; with an
    /// interval of zero as often as the line allows.
    #[must_use]
    pub const fn variable(node: usize, read: variable::Read, interval: Duration) -> Self {
        Self { node, what: What::Variable(read), interval, due: Duration::ZERO }
    }

    /// Reads a group.
    #[must_use]
    pub const fn group(node: usize, read: group::Read, interval: Duration) -> Self {
        Self { node, what: What::Group(read), interval, due: Duration::ZERO }
    }

    /// The index of the node in the list.
    #[must_use]
    pub const fn node(&self) -> usize {
        self.node
    }

    pub(super) fn post(&self, client: &Client, tx: &mut [u8]) -> Result<usize, Error> {
        match &self.what {
            What::Variable(read) => client.post(read, tx),
            What::Group(read) => client.post(read, tx),
        }
    }

    pub(super) fn judge<'m>(&self, client: &Client, message: &'m [u8]) -> Judged<&'m [u8]> {
        match &self.what {
            What::Variable(read) => judge::<variable::Read>(client.is_on_bus(), &read.expectation(), message),
            What::Group(read) => judge::<group::Read>(client.is_on_bus(), &read.expectation(), message),
        }
    }
}

/// The result of a message to a [`Poller`](super::Poller).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PollEvent<'m> {
    /// The value that a poll has read.
    Value {
        /// The place of the poll in the list.
        poll: usize,
        /// The bytes, borrowed from the message.
        value: &'m [u8],
    },
    /// The node refused the poll.
    Refused {
        /// The place of the poll in the list.
        poll: usize,
        /// The refusal.
        error: Error,
    },
}

/// Prints the size of a value, and all of a refusal.
impl core::fmt::Debug for PollEvent<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Value { poll, value } => write!(f, "Value {{ poll: {poll}, {} bytes }}", value.len()),
            Self::Refused { poll, error } => write!(f, "Refused {{ poll: {poll}, error: {error:?} }}"),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for PollEvent<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Value { poll, value } => {
                defmt::write!(f, "Value {{ poll: {=usize}, {=usize} bytes }}", poll, value.len())
            }
            Self::Refused { poll, error } => defmt::write!(f, "Refused {{ poll: {=usize}, error: {} }}", poll, error),
        }
    }
}

impl PollEvent<'_> {
    /// The place of the poll in the list.
    #[must_use]
    pub const fn poll(&self) -> usize {
        match self {
            Self::Value { poll, .. } | Self::Refused { poll, .. } => *poll,
        }
    }
}
