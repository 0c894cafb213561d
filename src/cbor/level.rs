//! The levels of a nested value that is skipped.

use super::{Malformed, head};

/// The items that are still to come on one level of a value that is skipped.
#[derive(Clone, Copy)]
pub(super) enum Level {
    /// This many items. Ends at 0.
    Counted(usize),
    /// An element of an indefinite array, or its break, which ends the level.
    Element,
    /// A key of an indefinite map, or its break, which ends the level. Exit: a key, to `Value`.
    Key,
    /// The value of a key. Exit: the value, to `Key`.
    Value,
}

impl Level {
    /// Returns true, and reads the break if there is one, if the level ends here; else counts the
    /// item that follows.
    pub(super) fn ends(&mut self, rest: &mut &[u8]) -> Result<bool, Malformed> {
        match self {
            Self::Counted(0) => return Ok(true),
            Self::Counted(left) => *left = left.wrapping_sub(1),
            Self::Element | Self::Key if head::at_break(rest) => return head::byte(rest).map(|_| true),
            Self::Element => {}
            Self::Key => *self = Self::Value,
            // A break is not allowed here: as an item it is malformed.
            Self::Value => *self = Self::Key,
        }
        Ok(false)
    }
}
