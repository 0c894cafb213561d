//! Jobs of many exchanges: finding nodes and their entities, reading values repeatedly, moving
//! curves.
//!
//! | routine | requests | result |
//! |---|---|---|
//! | [`Scan`] | the version, of each address | the nodes that are there |
//! | [`Discovery`] | version, lists, members of groups, checksums | a [`Directory`] |
//! | [`Poller`] | reads, of many nodes | each value as an event |
//! | [`ReadCurve`] | blocks, then the checksum | each block as an event |
//! | [`WriteCurve`] | blocks, a short last one read back, then the checksum | |
//!
//! Each of their requests may run twice, and is repeated as often as the client allows, except
//! those of a [`Poller`], whose next poll is the retry. A BSMP answer does not identify its
//! request, so between a request whose answer is missing and the next one the line is silent, for
//! the [client's drain](super::Client::with_drain).
//!
//! ```text
//!   First ── sent ──▶ Wait ─┬─ answer ────────────────────▶ First, of the next request
//!                      ▲    ├─ no answer, a retry left ───▶ Again
//!                     sent  └─ no answer, no retry left ──▶ Lost: Error::TimedOut, or the fault
//!                      │                                    of what came instead
//!                    Again
//! ```
//!
//! A message with another command, size, curve or block cannot be the answer: it is foreign, and
//! the wait continues. BSMP cannot recognise a late answer to an earlier request that has the same
//! kind and size and comes after that silence. [`ReadCurve`] is safe from that, because a block
//! contains its number. [`WriteCurve`] **without a checksum proves nothing** on a line that doubles
//! or delays messages; with a checksum (`curve::Md5`) it does.

pub mod discovery;
pub mod poller;
pub mod read_curve;
pub mod scan;
pub mod write_curve;

pub use discovery::{Directory, Discovery, DiscoveryReport, Part, Storage, Tables};
pub use poller::{Poll, PollCounters, PollEvent, PollReport, Polled, Poller};
pub use read_curve::{ReadCurve, ReadEvent, ReadReport};
pub use scan::{Scan, ScanReport, Scanned};
pub use write_curve::{WriteCurve, WriteEvent, WriteReport};

use super::Refusal;
use super::client::{Client, Error, Judged, Request, judge};
use super::curve::Digest;
use crate::routine::Step;

/// The outcome of a [`Scan`], a [`Discovery`] or a [`Poller`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum JobOutcome {
    /// Not ended; the routine may be run again.
    Unfinished,
    /// Ended without an error.
    Done,
    /// A failure; the report contains the results before it.
    Failed(Error),
}

impl core::fmt::Display for JobOutcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unfinished => f.write_str("not finished"),
            Self::Done => f.write_str("complete"),
            Self::Failed(error) => write!(f, "not complete: {error}"),
        }
    }
}

/// The outcome of a [`ReadCurve`] or a [`WriteCurve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum CurveOutcome {
    /// Not ended; the routine may be run again.
    Unfinished,
    /// All data were moved.
    Done {
        /// True if the node's checksum was compared with ours, and is the same. If not, there was
        /// nothing to compare: no checksum was requested, only a part of the curve was moved, or
        /// the node does not calculate checksums.
        verified: bool,
    },
    /// A failure; the report contains the amount moved before.
    Failed(Error),
}

impl CurveOutcome {
    /// The outcome when the node has answered with its checksum, or has refused to.
    fn compared(ours: Option<Digest>, node: Result<Digest, Error>) -> Self {
        match (ours, node) {
            // Not every node calculates checksums.
            (_, Err(Error::Remote(Refusal::Unsupported | Refusal::Memory))) | (None, Ok(_)) => {
                Self::Done { verified: false }
            }
            (_, Err(error)) => Self::Failed(error),
            (Some(ours), Ok(node)) if ours == node => Self::Done { verified: true },
            (Some(_), Ok(_)) => Self::Failed(Error::Checksum),
        }
    }
}

impl core::fmt::Display for CurveOutcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unfinished => f.write_str("not finished"),
            Self::Done { verified: true } => f.write_str("the checksums are the same"),
            Self::Done { verified: false } => f.write_str("no checksum to compare"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

/// The state of one request of a routine. `retries` is the number of repeats that are left. A
/// restart leads from every state to `First`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    /// The request must be sent for the first time. Exits: `Wait`.
    First,
    /// The request must be sent again. Exits: `Wait`.
    Again { retries: u8 },
    /// The request was sent. `instead` is the fault of a message that came but did not answer it.
    /// Exits: `First` of the next request, by an answer; `Again` or `Lost`, when no answer comes in
    /// time.
    Wait { retries: u8, instead: Option<Error> },
    /// No retries were left: the routine ends with this error. Exit: `First` of the next request of
    /// a [`Scan`].
    Lost(Error),
}

impl Turn {
    /// Returns the next step: waits for the answer, or sends the request that `write` writes, whose
    /// length it returns. Done, if it returns no length.
    pub(super) fn poll(
        &mut self,
        client: &Client,
        write: impl FnOnce() -> Result<Option<usize>, Error>,
    ) -> Result<Step, Error> {
        let retries = match *self {
            Self::First => client.retries(),
            Self::Again { retries } => retries,
            Self::Wait { .. } => return Ok(Step::Wait(client.timeout())),
            Self::Lost(error) => return Err(error),
        };
        Ok(match write()? {
            Some(len) => {
                *self = Self::Wait { retries, instead: None };
                Step::Send(len)
            }
            None => Step::Done,
        })
    }

    /// Reads the answer in a message, if we wait for one and this can be it.
    pub(super) fn answer<'m, K: Request>(
        &mut self,
        client: &Client,
        expectation: &K::Expectation,
        message: &'m [u8],
    ) -> Option<Result<K::Response<'m>, Error>> {
        let Self::Wait { instead, .. } = self else { return None };
        match judge::<K>(client.is_on_bus(), expectation, message) {
            Judged::Answer(response) => Some(response),
            Judged::Foreign(error) => {
                *instead = Some(error);
                None
            }
            Judged::Elsewhere => None,
        }
    }

    pub(super) fn timed_out(&mut self) {
        if let Self::Wait { retries, instead } = *self {
            *self = match retries.checked_sub(1) {
                Some(retries) => Self::Again { retries },
                // A message that was almost the answer helps the user more than "no answer".
                None => Self::Lost(instead.unwrap_or(Error::TimedOut)),
            };
        }
    }
}
