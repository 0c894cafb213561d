//! The states of a line, each with its exits.

use super::counters::Tally;
use crate::time::Span;

/// The progress of the message in `tx`, and the time since it left. The encoder and the encoded run
/// are kept beside this state, so that nothing moves from one stage to the next: with variants that
/// hold them, the code takes 190 bytes more flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending<T> {
    /// It waits for the line, for this long at most. Exits: `Frame` or `Last`, when the line is
    /// ready; `Unsent`, if it never is, or by `abandon`.
    Waiting(T),
    /// Its frame has begun, and more remains to be encoded. Exits: `Last`; `Unsent`, by `abandon`.
    Frame,
    /// The end of its frame is encoded. Exits: `Flushing`, when the port has accepted it; `Unsent`,
    /// by `abandon`.
    Last,
    /// The port has accepted it, and the line needs this long to carry it. Exits: `Leaving` or
    /// `Left`, when time passes; `Left`, when a routine restarts its wait; `Waiting`, by
    /// `transmit`; `Unsent`, by `abandon`.
    Flushing(T),
    /// The line still carries it, for this long. Exits: `Left`, when time passes or a routine
    /// restarts its wait; `Waiting`, by `transmit`.
    Leaving(T),
    /// It left this long ago. Exits: `Waiting`, by `transmit`.
    Left(T),
    /// It was given up. Exits: `Waiting`, by `transmit`; `Left`, when a routine restarts its wait.
    Unsent,
}

/// The condition that must be met before a frame may begin. A late response leads from every state
/// to `Nudge`, if the framing has a preamble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing, and no frame has left yet: the peer may be out of step. Exits: `Preamble`, `Gap` or
    /// `Silence`, by a request; `Gap`, when a frame begins; `Brief`, by `with_preamble_pause`.
    First,
    /// The framing's gap. Exits: `Silence`, `Preamble`; `Flushing`, by `abandon` where there is no
    /// preamble.
    Gap,
    /// This silence, and at least one look at the line. Exits: `Gap`, when the frame begins;
    /// `Preamble` or `Flushing`, by `abandon`.
    Silence(Span),
    /// The preamble, of which this many bytes have left, as soon as a message waits. Exits:
    /// `Flushing`, when all of it has left; `Gap`, if the framing has none.
    Preamble(usize),
    /// The preamble, of which this many bytes have left, as soon as the first message waits,
    /// without a pause after it. Exits: `Gap`, when all of it has left, or by a request if the peer
    /// has sent something; `First`, by `with_preamble_pause`.
    Brief(usize),
    /// The preamble now, whether a message waits or not. Exits: as `Preamble`.
    Nudge(usize),
    /// The port has accepted the bytes in front of a pause of this length. Exits: `Settle`, when
    /// time passes.
    Flushing(Span),
    /// A pause of this length, for the peer to handle the preamble. Exits, when it has passed:
    /// `Silence`, if a response is owed, else `Gap`.
    Settle(Span),
}

/// The messages so far of a peer to which nothing has been sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    /// No message, and no damage. Exits: `Heard`, by a message; `Damaged`.
    Nothing,
    /// At least one message, and nothing damaged: the peer is in step. Exit: `Damaged`.
    Heard,
    /// Something damaged, whatever else came: the peer may be out of step. No exit.
    Damaged,
}

impl Contact {
    /// Reads the state from the counters, which are kept anyway, and wrap only after 2^32. A field
    /// of its own takes 24 bytes of flash more in a client that uploads, and 4 in a server.
    pub(super) const fn of(tally: Tally<u32>) -> Self {
        match (tally.damaged, tally.received) {
            (0, 0) => Self::Nothing,
            (0, _) => Self::Heard,
            _ => Self::Damaged,
        }
    }
}

/// The silence of the peer, counted in looks at the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ear {
    /// The line still carries the frame that was sent last, for this long. Exits: `Busy`, when that
    /// time has passed or bytes come; itself, by the next frame.
    Carrying(Span),
    /// Bytes came since time last passed, or the port was not looked at because we were sending.
    /// Exits: `Ended`, when time passes; `Carrying`, when a frame has left.
    Busy,
    /// Nothing came since time last passed. Exits: `Busy`; `Silent`, when time passes.
    Ended,
    /// Nothing came for this long. Exits: `Busy`; `Ended`, when a request needs a new look.
    Silent(Span),
}

/// The responses that may still come, where a response does not identify its request (BSMP). The
/// time is the silence that the next request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Owed {
    /// None. Exits: `One`, by a request.
    #[default]
    Nothing,
    /// The response to the last request. Exits: `Nothing`, by a response; `Older`, by the next
    /// request.
    One(Span),
    /// The response to the last request, and one to an earlier request, which did not come while
    /// the line was drained. A message that is accepted as the response may be the older one.
    /// Exits: `Nothing`, by a response; `One`, by a message in the drain.
    Older(Span),
}
