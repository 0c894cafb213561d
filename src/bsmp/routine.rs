//! Jobs of many exchanges: finding out what a node has, and moving whole curves.
//!
//! | routine | requests | result |
//! |---|---|---|
//! | [`Discovery`] | version, lists, members of groups, checksums | a [`Directory`] in storage of the caller |
//! | [`ReadCurve`] | blocks from 0, then the checksum | each block as an event |
//! | [`WriteCurve`] | blocks from 0, then the checksum | |
//!
//! Each of their requests does no harm if it arrives twice, and is repeated as often as the client says. A BSMP answer does
//! not name its request, so the line is silent between a request whose answer is missing and the next one, for as long as the
//! [client says](super::Client::with_drain).
//!
//! ```text
//!   Ask ── sent ──▶ Wait ── answer ─────────────▶ Ask (the next request)
//!    ▲               └── no answer ─▶ Lost: Error::TimedOut, or what was wrong with what came instead
//!    └──── again ────┘
//! ```
//!
//! What cannot be the answer is foreign, and the wait goes on: another command's, another size, another curve or block. What BSMP
//! cannot tell apart is an answer to an earlier request that has the same kind and size and comes later than the line was
//! silent for. [`ReadCurve`] is safe from it, because a block names itself; [`WriteCurve`] **without a checksum proves nothing**
//! on a line that doubles or delays messages, with one (`curve::Md5`) it does.

pub mod discovery;
pub mod read_curve;
pub mod write_curve;

pub use discovery::{Directory, Discovery, Part, Storage, Tables};
pub use read_curve::{ReadCurve, ReadEvent, ReadReport};
pub use write_curve::{WriteCurve, WriteEvent, WriteReport};

use super::client::{Answer, Client, Error, Request};
use crate::routine::Step;

/// Whether the checksum of a curve was compared after its transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verified {
    /// The node's checksum and ours are the same.
    Yes,
    /// Nothing to compare: none was asked for, only a part of the curve was moved, or the node does not calculate checksums.
    No,
}

/// How far one request of a routine is. `retries` is how often it may still be repeated.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    /// It is to be sent; for the first time, if `retries` is not known. Out: `Wait`.
    Ask { retries: Option<u8> },
    /// It was sent. Something may have come that was no answer to it. Out: `Ask`, by an answer or a retry; `Lost`.
    Wait { retries: u8, instead: Option<Error> },
    /// There were no retries left. No way out.
    Lost(Error),
}

impl Turn {
    /// The first try of the next request.
    pub(super) const FIRST: Self = Self::Ask { retries: None };

    /// What to wait for; `None` if the request is to be sent, `Some(Err)` if all tries are used up.
    pub(super) const fn waits(&self, client: &Client) -> Option<Result<Step, Error>> {
        match self {
            Self::Ask { .. } => None,
            Self::Wait { .. } => Some(Ok(Step::Wait(client.timeout()))),
            Self::Lost(error) => Some(Err(*error)),
        }
    }

    /// The request has been written into `tx`.
    pub(super) const fn sent(&mut self, client: &Client, length: usize) -> Step {
        let retries = match *self {
            Self::Ask { retries: Some(retries) } | Self::Wait { retries, .. } => retries,
            Self::Ask { retries: None } | Self::Lost(_) => client.retries(),
        };
        *self = Self::Wait { retries, instead: None };
        Step::Send(length)
    }

    /// The answer in a message, if we wait for one and this can be it.
    pub(super) fn answer<'m, R: Request>(
        &mut self,
        client: &Client,
        expect: &R::Expect,
        message: &'m [u8],
    ) -> Option<Result<R::Response<'m>, Error>> {
        let Self::Wait { instead, .. } = self else { return None };
        match client.answer::<R>(expect, message)? {
            Answer::Ours(response) => Some(response),
            Answer::Foreign(error) => {
                *instead = Some(error);
                None
            }
        }
    }

    pub(super) fn timed_out(&mut self) {
        if let Self::Wait { retries, instead } = *self {
            *self = match retries.checked_sub(1) {
                Some(retries) => Self::Ask { retries: Some(retries) },
                None => Self::Lost(instead.unwrap_or(Error::TimedOut)),
            };
        }
    }
}
