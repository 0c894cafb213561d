//! What a line is for, as a type: what only clients need takes nothing where there is none.

/// What a [`Line`](super::Line) is for: [`Asking`] or [`Serving`].
pub trait Role {
    /// Whether requests are sent, which wait for their responses.
    const ASKS: bool;
}

/// Sends requests, and serves too. What every line does that is not told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a type without a value")]
pub enum Asking {}

/// Serves only: no time of waiting for a response is kept, nothing is drained, no peer is nudged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a type without a value")]
pub enum Serving {}

impl Role for Asking {
    const ASKS: bool = true;
}

impl Role for Serving {
    const ASKS: bool = false;
}
