//! The states of a line, each with its exits.

use crate::time::Span;

/// How far the message in `tx` has come, and how long it is since it left. The encoder and the run
/// that is encoded are beside it, where nothing moves from one stage to the next: 190 bytes of
/// flash less than variants that hold them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// It waits for the line, for this long at most. Out: `Frame`, `Last`; `Unsent` if the line
    /// never gets ready, or by `abandon`.
    Waiting(Span),
    /// Its frame has begun, and there is more than what is encoded. Out: `Last`; `Unsent` by
    /// `abandon`.
    Frame,
    /// What is encoded is the end of its frame. Out: `Flushing`, when the port has taken it;
    /// `Unsent` by `abandon`.
    Last,
    /// The port has taken it, and the line needs this long. Out: `Leaving` or `Left`, when time
    /// passes; `Waiting`; `Unsent` by `abandon`.
    Flushing(Span),
    /// The line still carries it, for this long. Out: `Left`; `Waiting`.
    Leaving(Span),
    /// It left this long ago. Out: `Waiting`, by `transmit`.
    Left(Span),
    /// It was given up. Out: `Waiting`, by `transmit`.
    Unsent,
}

/// What has to happen before a frame may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// The framing's gap. Out: all others.
    Gap,
    /// This silence, and at least one look at the line. Out: `Gap`, when it has passed.
    Silence(Span),
    /// The preamble, of which this many bytes have left, when a message is to be sent. Out:
    /// `Flushing`.
    Preamble(u8),
    /// The preamble now, whether there is a message or not. Out: `Flushing`.
    Nudge(u8),
    /// The port has taken what comes in front of a pause of this length. Out: `Settle`, when its
    /// time begins.
    Flushing(Span),
    /// This much time. Out: `Gap`, when it has passed.
    Settle(Span),
}

/// What was last heard of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ear {
    /// Bytes, since time last passed; or we did not listen, because we sent. Out: `Ended`, when
    /// time passes.
    Busy,
    /// Nothing since time last passed. Out: `Busy`; `Silent`, when time passes.
    Ended,
    /// Nothing for this long. Out: `Busy`.
    Silent(Span),
}

/// The responses that may still come, where a response names no request (BSMP). The time is how
/// long the line has to be silent before the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owed {
    /// None. Out: `One`.
    Nothing,
    /// That to the last request. Out: `Nothing`, by a response; `Older`, by the next request.
    One(Span),
    /// That to the last request, and one to a request before it, which did not come while the line
    /// was drained. A message that is taken for a response may be the older one. Out: `Nothing`, by
    /// a response; `One`, by a message in the drain.
    Older(Span),
}

impl Owed {
    pub(super) const fn silence(self) -> Span {
        match self {
            Self::Nothing => Span::ZERO,
            Self::One(silence) | Self::Older(silence) => silence,
        }
    }
}
