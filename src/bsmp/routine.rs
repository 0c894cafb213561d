//! Jobs of many exchanges: finding out what a node has, and moving whole curves.
//!
//! | routine | requests | result |
//! |---|---|---|
//! | [`Discovery`] | version, lists, members of groups, checksums | a [`Directory`] in storage of the caller |
//! | [`ReadCurve`] | blocks from 0, then the checksum | each block as an event |
//! | [`WriteCurve`] | blocks from 0, then the checksum | |
//!
//! Each of their requests does no harm if it arrives twice, and is repeated as often as the client says. A BSMP answer does
//! not name its request; so after a time-out a routine first waits once more for as long as the patience of the client, and
//! throws away what arrives then, before it asks again:
//!
//! ```text
//!   Ask ── sent ──▶ Wait ── answer ─────────────▶ Ask (the next request)
//!    ▲               └── no answer ─▶ Drain, or the end: Error::TimedOut
//!    └───────────── silence ────────────┘
//! ```

pub mod discovery;
pub mod read_curve;
pub mod write_curve;

pub use discovery::{Directory, Discovery, Part, Storage, Tables};
pub use read_curve::{ReadCurve, ReadEvent, ReadReport};
pub use write_curve::{WriteCurve, WriteEvent, WriteReport};

use super::client::{Client, Error, Request};
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

/// How far one request of a routine is. `tries` is how often it may still be repeated.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    /// It is to be sent.
    Ask { tries: Option<u8> },
    /// It was sent: its answer, or a time-out.
    Wait { tries: u8 },
    /// Its answer is missing: what arrives now is late. Silence leads back to `Ask`.
    Drain { tries: u8 },
    /// There were no tries left.
    Lost,
}

impl Turn {
    /// The first try of the next request.
    pub(super) const FIRST: Self = Self::Ask { tries: None };

    /// What to wait for; `None` if the request is to be sent, `Some(Err)` if all tries are used up.
    pub(super) fn waits(&self, client: &Client) -> Option<Result<Step, Error>> {
        match self {
            Self::Ask { .. } => None,
            Self::Wait { .. } | Self::Drain { .. } => Some(Ok(Step::Wait(client.timeout()))),
            Self::Lost => Some(Err(Error::TimedOut)),
        }
    }

    /// The request has been written into `tx`.
    pub(super) fn sent(&mut self, client: &Client, length: usize) -> Step {
        let tries = match *self {
            Self::Ask { tries: Some(tries) } | Self::Wait { tries } | Self::Drain { tries } => tries,
            Self::Ask { tries: None } | Self::Lost => client.retries(),
        };
        *self = Self::Wait { tries };
        Step::Send(length)
    }

    /// The answer in a message, if we wait for one and it is for us.
    pub(super) fn answer<'m, R: Request>(
        &mut self,
        client: &Client,
        expect: &R::Expect,
        message: &'m [u8],
    ) -> Option<Result<R::Response<'m>, Error>> {
        match self {
            Self::Wait { .. } => client.answer::<R>(expect, message),
            _ => None,
        }
    }

    pub(super) fn timed_out(&mut self) {
        *self = match *self {
            Self::Wait { tries } => match tries.checked_sub(1) {
                Some(tries) => Self::Drain { tries },
                None => Self::Lost,
            },
            Self::Drain { tries } => Self::Ask { tries: Some(tries) },
            other => other,
        };
    }
}
