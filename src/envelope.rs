//! The two forms of the envelope of Sirius' Ethernet bridge, for both ends of it.

/// A form of the envelope: see [`framing::bridge`](crate::framing::bridge).
pub trait Form {
    /// True if an id comes after the code; an answer has the id of its request.
    const HAS_ID: bool;
    /// The bytes in front of the content: the code, perhaps the id, and the length.
    const HEAD: usize = if Self::HAS_ID { 6 } else { 5 };
}

/// The form of newer bridges: an id after the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a type without a value")]
pub struct WithId;

impl Form for WithId {
    const HAS_ID: bool = true;
}

/// The form that `pydrs` uses: no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a type without a value")]
pub struct WithoutId;

impl Form for WithoutId {
    const HAS_ID: bool = false;
}
