//! Lists in answers, whose entries are decoded one by one.

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
