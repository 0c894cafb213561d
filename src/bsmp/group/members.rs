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

    /// The set of these ids, in any order and with or without duplicates. `None` if one is above
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
        // In steps, because `get_mut` is not const.
        let (mut rest, mut id): (&mut [u32], u8) = (&mut self.0, id);
        while let Some((word, others)) = rest.split_first_mut() {
            if id < 32 {
                *word |= 1 << id;
                return;
            }
            (rest, id) = (others, id.wrapping_sub(32));
        }
    }

    pub(in crate::bsmp) fn remove(&mut self, id: u8) {
        if let Some(word) = self.0.get_mut(usize::from(id >> 5)) {
            *word &= !(1 << (id & 31));
        }
    }

    /// Returns true if all members of this set are in `others`.
    pub(in crate::bsmp) fn is_within(&self, others: &Self) -> bool {
        self.0.iter().zip(&others.0).all(|(word, other)| word & !other == 0)
    }

    /// The members from `id` on, up to the end of its word, the lowest bit first.
    pub(in crate::bsmp) fn from(&self, id: u8) -> u32 {
        self.0.get(usize::from(id >> 5)).map_or(0, |word| word >> (id & 31))
    }

    /// The distance from `id` to the next id to look at, if the members [from `id`](Self::from) on
    /// are `word`.
    pub(in crate::bsmp) const fn step(id: u8, word: u32) -> u8 {
        match word {
            // To the next word.
            0 => 32_u8.wrapping_sub(id & 31),
            // At most 31. A Cortex-M0 has no instruction for this, and moves one by one.
            #[cfg(not(target_os = "none"))]
            _ if word & 1 == 0 => {
                let [zeros, ..] = word.trailing_zeros().to_le_bytes();
                zeros
            }
            _ => 1,
        }
    }

    /// Returns true if the variable is a member.
    #[must_use]
    pub fn contains(&self, id: u8) -> bool {
        self.from(id) & 1 != 0
    }

    /// The number of members, 0 to 128.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().fold(0, |count, word| count + word.count_ones() as usize)
    }

    /// The byte in the list for a group of these members.
    pub(in crate::bsmp) fn emit(&self, writable: bool) -> u8 {
        let [members, ..] = self.len().to_le_bytes();
        (members & 0x7F) | (u8::from(writable) << 7)
    }

    /// Returns true if the set has no members.
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

impl List for Members {
    type Entry = u8;

    fn split_first(mut self) -> Option<(u8, Self)> {
        let mut id = 0;
        while id < 128 {
            let word = self.from(id);
            if word & 1 != 0 {
                self.remove(id);
                return Some((id, self));
            }
            id = id.wrapping_add(Self::step(id, word));
        }
        None
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

/// A group: its members, and its access: read-only or writable.
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
        self.members.emit(self.writable)
    }
}
