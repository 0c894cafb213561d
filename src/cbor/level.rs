//! The items that are still to come, in a value that is skipped or read.

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

/// The items that are still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Rest {
    /// This many elements, or keys with their values.
    Counted(usize),
    /// Any number, up to a break.
    UntilBreak,
}

impl Rest {
    /// Returns true if another item comes next; else reads the end.
    pub(super) fn more(&mut self, rest: &mut &[u8]) -> Result<bool, Malformed> {
        match self {
            Self::Counted(0) => Ok(false),
            Self::Counted(left) => {
                *left = left.wrapping_sub(1);
                Ok(true)
            }
            Self::UntilBreak if head::at_break(rest) => head::byte(rest).map(|_| false),
            Self::UntilBreak if rest.is_empty() => Err(Malformed),
            Self::UntilBreak => Ok(true),
        }
    }
}
