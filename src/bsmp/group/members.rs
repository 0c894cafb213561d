//! Sets of variables, and groups as a node keeps them.

use crate::bsmp::list::{Iter, List};

/// A set of variable ids, 0 to 127: 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Members([u32; 4]);

impl Members {
    /// No variable.
    pub const EMPTY: Self = Self([0; 4]);

    /// One variable; none if `id` is above 127.
    #[must_use]
    pub fn one(id: u8) -> Self {
        let mut members = Self::EMPTY;
        members.insert(id);
        members
    }

    /// The set of these ids, in any order and however often each is named. `None` if one is above
    /// 127.
    #[must_use]
    pub fn of(ids: &[u8]) -> Option<Self> {
        let mut members = Self::EMPTY;
        for id in ids {
            if *id > 127 {
                return None;
            }
            members.insert(*id);
        }
        Some(members)
    }

    /// Adds a variable; an id above 127 is ignored.
    pub const fn insert(&mut self, id: u8) {
        // By pattern, because `get_mut` is not const.
        let [first, second, third, fourth] = &mut self.0;
        let word = match id >> 5 {
            0 => first,
            1 => second,
            2 => third,
            3 => fourth,
            _ => return,
        };
        *word |= 1 << (id & 31);
    }

    /// These without those.
    pub(in crate::bsmp) fn without(&self, others: &Self) -> Self {
        let mut members = *self;
        for (word, other) in members.0.iter_mut().zip(&others.0) {
            *word &= !other;
        }
        members
    }

    /// Iterates over the ids, ascending, without copying them.
    pub(in crate::bsmp) const fn words(&self) -> Words<'_> {
        let [bits, rest @ ..] = &self.0;
        Words { bits: *bits, rest, base: 0 }
    }

    /// Returns whether the variable is a member.
    #[must_use]
    pub fn contains(&self, id: u8) -> bool {
        self.0.get(usize::from(id >> 5)).is_some_and(|word| (word >> (id & 31)) & 1 != 0)
    }

    /// The number of members, 0 to 128.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().fold(0, |count, word| count + word.count_ones() as usize)
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// Iterates over the ids, ascending.
    #[must_use]
    pub const fn iter(&self) -> Iter<Self> {
        Iter(*self)
    }
}

/// Iterates over ids by the bits of their words.
pub(in crate::bsmp) struct Words<'m> {
    /// The ids of this word that are left.
    bits: u32,
    rest: &'m [u32],
    /// The first id of this word.
    base: u8,
}

impl Iterator for Words<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        while self.bits == 0 {
            let (bits, rest) = self.rest.split_first()?;
            (self.bits, self.rest, self.base) = (*bits, rest, self.base.wrapping_add(32));
        }
        // At most 31.
        let [place, ..] = self.bits.trailing_zeros().to_le_bytes();
        self.bits &= self.bits.wrapping_sub(1);
        Some(self.base.wrapping_add(place))
    }
}

impl List for Members {
    type Entry = u8;

    fn split_first(mut self) -> Option<(u8, Self)> {
        let first = self.words().next()?;
        if let Some(word) = self.0.get_mut(usize::from(first >> 5)) {
            *word &= !(1 << (first & 31));
        }
        Some((first, self))
    }
}

impl IntoIterator for Members {
    type Item = u8;
    type IntoIter = Iter<Self>;

    fn into_iter(self) -> Iter<Self> {
        Iter(self)
    }
}

impl IntoIterator for &Members {
    type Item = u8;
    type IntoIter = Iter<Members>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl core::fmt::Debug for Members {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Members {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Members({=usize})", self.len());
    }
}

/// A group: its members, and whether the master may write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Group {
    /// The variables of the group.
    pub members: Members,
    /// True if the master may write it.
    pub writable: bool,
}

impl Group {
    /// The byte of the group in the list.
    #[must_use]
    pub fn emit(&self) -> u8 {
        let [members, ..] = self.members.len().to_le_bytes();
        (members & 0x7F) | (u8::from(self.writable) << 7)
    }
}
