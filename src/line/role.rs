//! The purpose of a line, as a type, so that a server pays nothing for the needs of clients.

/// The purpose of a [`Line`](super::Line): [`Asking`] or [`Serving`].
pub trait Role {
    /// `true` if requests are sent, which wait for their responses.
    const ASKS: bool;
}

/// Sends requests, and serves too. The default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a type without a value")]
pub enum Asking {}

/// Serves only: it keeps no timeout, drains nothing and nudges no peer.
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
