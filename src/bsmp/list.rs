//! Lists in answers, whose entries are decoded one by one.

use super::client::Error;

/// A list in an answer: the answers to the four requests named `List`, and the members of a group.
///
/// `for entry in list` decodes the entries as it goes.
pub trait List: Copy {
    /// One entity, as the list describes it.
    type Entry;

    /// Returns the first entry and the list of all others; `None` if there are no entries.
    #[must_use]
    fn split_first(self) -> Option<(Self::Entry, Self)>;
}

/// Iterates over the entries of a [`List`].
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Iter<L>(pub(super) L);

impl<L: List> Iterator for Iter<L> {
    type Item = L::Entry;

    fn next(&mut self) -> Option<L::Entry> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }
}

/// What the answers to the requests named `List` have an entry for.
pub trait Entry: Copy {
    /// What an entry needs beside its bytes: a group its id, functions their [`Layout`].
    ///
    /// [`Layout`]: super::function::Layout
    type Context: Copy;

    /// The length of an entry in bytes.
    #[must_use]
    fn width(context: Self::Context) -> usize;

    /// Decodes the first entry. Returns it, and the bytes and the context of the next ones.
    #[must_use]
    fn split_first(bytes: &[u8], context: Self::Context) -> Option<(Self, &[u8], Self::Context)>;
}

/// All entities of one kind that a node has, by ascending id from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entries<'m, E: Entry> {
    rest: &'m [u8],
    context: E::Context,
}

impl<'m, E: Entry> Entries<'m, E> {
    /// The list that is `payload`, of at most `most` entries.
    pub(super) fn of(payload: &'m [u8], context: E::Context, most: usize) -> Result<Self, Error> {
        let list = Self { rest: payload, context };
        if !payload.len().is_multiple_of(E::width(context)) {
            Err(Error::WrongSize)
        } else if list.len() > most {
            Err(Error::TooMany)
        } else {
            Ok(list)
        }
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rest.len().checked_div(E::width(self.context)).unwrap_or_default()
    }

    /// Returns true if the node has no such entities.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Iterates over the entries in the order of their ids.
    #[must_use]
    pub const fn iter(&self) -> Iter<Self> {
        Iter(*self)
    }
}

impl<E: Entry> List for Entries<'_, E> {
    type Entry = E;

    fn split_first(self) -> Option<(E, Self)> {
        let (entry, rest, context) = E::split_first(self.rest, self.context)?;
        Some((entry, Self { rest, context }))
    }
}

impl<E: Entry> IntoIterator for Entries<'_, E> {
    type Item = E;
    type IntoIter = Iter<Self>;

    fn into_iter(self) -> Iter<Self> {
        Iter(self)
    }
}

impl<'m, E: Entry> IntoIterator for &Entries<'m, E> {
    type Item = E;
    type IntoIter = Iter<Entries<'m, E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<E: Entry + core::fmt::Debug> core::fmt::Debug for Entries<'_, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(feature = "defmt")]
impl<E: Entry> defmt::Format for Entries<'_, E> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Entries({=usize})", self.len());
    }
}
