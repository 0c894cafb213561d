//! The items that are still to come, in a value that is skipped or read.

use super::head::Initial;
use super::{Malformed, head};

/// The items that are still to come on one level of a value that is skipped: a number, or one of
/// the marks below, which no number reaches since each item takes a byte.
// An enum takes 48 more bytes of stack and 36 to 56 more of flash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Level(usize);

impl Level {
    /// An element of an indefinite array, or its break, which ends the level.
    pub(super) const ELEMENT: Self = Self(usize::MAX);
    /// A key of an indefinite map, or its break, which ends the level. Exit: a key, to `VALUE`.
    pub(super) const KEY: Self = Self(usize::MAX - 1);
    /// The value of a key. Exit: the value, to `KEY`.
    pub(super) const VALUE: Self = Self(usize::MAX - 2);

    /// The mark of the chunks of a string, less its major type, which is 2 or 3.
    const CHUNKS: usize = usize::MAX - 8;
    /// The least of the marks.
    const MARKS: usize = Self::CHUNKS + 2;

    /// This many items; ends at 0.
    pub(super) const fn counted(items: usize) -> Self {
        Self(items)
    }

    /// A chunk of a string of this major type, or the break, which ends the level.
    pub(super) const fn chunks(major: u8) -> Self {
        Self(Self::CHUNKS + major as usize)
    }

    /// The major type of a string whose chunks these are; another number if they are not.
    const fn string(self) -> usize {
        self.0.wrapping_sub(Self::CHUNKS)
    }

    pub(super) const fn is_chunks(self) -> bool {
        matches!(self.string(), 2..=3)
    }

    /// Returns true if an item that begins so may be on this level. RFC 8949, section 3.2.3: chunks
    /// have the type of the string and a definite length.
    pub(super) fn allows(self, initial: Initial) -> bool {
        !self.is_chunks() || usize::from(initial.major()) == self.string() && !initial.is_indefinite()
    }

    /// The number of items that are still to come, if it is known.
    #[cfg(not(target_os = "none"))]
    pub(super) const fn known(&mut self) -> Option<&mut usize> {
        if self.0 < Self::MARKS { Some(&mut self.0) } else { None }
    }

    /// Returns true if the level ends here, and reads its break if there is one; else counts the
    /// next item.
    pub(super) fn ends(&mut self, rest: &mut &[u8]) -> Result<bool, Malformed> {
        match *self {
            Self(0) => return Ok(true),
            // A break is not allowed here: as an item it is malformed.
            Self::VALUE => *self = Self::KEY,
            Self(Self::MARKS..) if head::at_break(rest) => return head::byte(rest).map(|_| true),
            Self::KEY => *self = Self::VALUE,
            Self(Self::MARKS..) => {}
            Self(left) => *self = Self(left.wrapping_sub(1)),
        }
        Ok(false)
    }
}

/// The items that are still to come: elements, or keys with their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Rest {
    /// This many. Exits: none, since 0 of them is the end.
    Items(usize),
    /// Any number. Exit: the break, after which `more` is not called.
    UntilBreak,
}

impl Rest {
    /// Returns true if another item comes next; else reads the end.
    pub(super) fn more(&mut self, rest: &mut &[u8]) -> Result<bool, Malformed> {
        match self {
            Self::Items(0) => Ok(false),
            Self::Items(left) => {
                *left = left.wrapping_sub(1);
                Ok(true)
            }
            Self::UntilBreak if head::at_break(rest) => head::byte(rest).map(|_| false),
            // The payload ends without the break.
            Self::UntilBreak if rest.is_empty() => Err(Malformed),
            Self::UntilBreak => Ok(true),
        }
    }
}
