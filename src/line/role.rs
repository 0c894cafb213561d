//! The purpose of a line, as a type, so that a server pays nothing for the needs of clients.

use super::counters::Number;
use super::states::Owed;
use crate::framing::Pace;
use crate::time::{Span, Time};

/// The purpose of a [`Line`](super::Line): [`Asking`] or [`Serving`].
#[expect(private_bounds, reason = "there are no others")]
pub trait Role: Keeps {
    /// `true` if requests are sent, which wait for their responses.
    const ASKS: bool;
}

/// The types of the fields of a line that depend on its role.
pub(super) trait Keeps {
    /// A counter.
    type Number: Number;
    /// The state of its requests.
    type Requests: Requests;
    /// The time of a message that is being sent, or since it left, over a framing with this pace.
    type Time<P: Pace>: Time;
}

/// Sends requests, and serves too. The default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a type without a value")]
pub enum Asking {}

/// Serves only: it keeps no timeout, drains nothing and nudges no peer, and its counters have 16
/// bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a type without a value")]
pub enum Serving {}

impl Role for Asking {
    const ASKS: bool = true;
}

impl Keeps for Asking {
    type Number = u32;
    type Requests = Asked;
    type Time<P: Pace> = Span;
}

impl Role for Serving {
    const ASKS: bool = false;
}

impl Keeps for Serving {
    type Number = u16;
    type Requests = ();
    type Time<P: Pace> = P::Time;
}

/// The state of the requests of a line.
pub(super) trait Requests: Default {
    /// Returns the silence that the next request waits for, if a response is owed.
    fn silence(&self) -> Option<Span>;

    /// Notes that a message came while the line was drained.
    fn drained(&mut self);

    /// The number of requests sent again.
    fn retries(&self) -> u32;
}

/// The requests of a line that asks.
#[derive(Default)]
pub(super) struct Asked {
    /// Responses to earlier requests that may still come, where a response does not identify its
    /// request.
    pub(super) owed: Owed,
    /// The number of requests sent again.
    pub(super) retries: u32,
}

impl Requests for Asked {
    fn silence(&self) -> Option<Span> {
        match self.owed {
            Owed::Nothing => None,
            Owed::One(silence) | Owed::Older(silence) => Some(silence),
        }
    }

    fn drained(&mut self) {
        // It was the older one of the responses that are owed.
        if let Owed::Older(silence) = self.owed {
            self.owed = Owed::One(silence);
        }
    }

    fn retries(&self) -> u32 {
        self.retries
    }
}

/// A server has none.
impl Requests for () {
    fn silence(&self) -> Option<Span> {
        None
    }

    fn drained(&mut self) {}

    fn retries(&self) -> u32 {
        0
    }
}
