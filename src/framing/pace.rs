//! The pace of a framing, as a type.

use crate::time::{Span, Time};

/// The pace of a framing: [`Paced`] or [`Unpaced`].
///
/// A type, so that the line of a server keeps no time for a framing that needs none.
#[expect(private_bounds, reason = "there are no others")]
pub trait Pace: HasTime + 'static {
    /// True for a framing whose frames need time or silence.
    const IS_PACED: bool;
}

/// The time that the line of a server keeps for the pace of its framing.
pub(crate) trait HasTime {
    /// The time that a message still waits, or that the line still carries it.
    type Time: Time;
}

/// Frames need silence between them, or a known time on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a type without a value")]
pub enum Paced {}

/// Frames follow one another at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a type without a value")]
pub enum Unpaced {}

impl Pace for Paced {
    const IS_PACED: bool = true;
}

impl HasTime for Paced {
    type Time = Span;
}

impl Pace for Unpaced {
    const IS_PACED: bool = false;
}

impl HasTime for Unpaced {
    type Time = ();
}
