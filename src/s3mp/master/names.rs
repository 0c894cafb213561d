//! The names of a slave's addresses.

use super::Error;
use crate::cbor::Text;
use crate::s3mp::Address;
use crate::s3mp::slave::MAX_NAMES;
use crate::shown::shown;

/// The names of a slave's addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Names<'m>(&'m [u8]);

impl<'m> Names<'m> {
    /// Reads the list, with or without a last `;`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it has more than 254 names.
    pub fn parse(list: &'m [u8]) -> Result<Self, Error> {
        let names = Self(list);
        let mut parts = names.iter();
        let mut count: usize = 0;
        while parts.part().is_some() {
            count = count.saturating_add(1);
        }
        if count > MAX_NAMES { Err(Error::Malformed) } else { Ok(names) }
    }

    /// Iterates over the addresses that are in use, with their names.
    #[must_use]
    pub fn iter(&self) -> NamesIter<'m> {
        NamesIter { rest: self.0, place: 0 }
    }

    /// Returns the address of the first name that equals `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Address> {
        self.iter().find(|(_, text)| *text == name).map(|(address, _)| address)
    }
}

/// Prints the names, which are not secret.
impl core::fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Names<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Names({=usize} addresses)", self.iter().count());
    }
}

impl<'m> IntoIterator for Names<'m> {
    type Item = (Address, Text<'m>);
    type IntoIter = NamesIter<'m>;

    fn into_iter(self) -> NamesIter<'m> {
        self.iter()
    }
}

impl<'m> IntoIterator for &Names<'m> {
    type Item = (Address, Text<'m>);
    type IntoIter = NamesIter<'m>;

    fn into_iter(self) -> NamesIter<'m> {
        self.iter()
    }
}

/// Iterates over [`Names`].
#[derive(Clone)]
pub struct NamesIter<'m> {
    /// The remaining names. Empty at the end: a `;` closes a name and opens none.
    rest: &'m [u8],
    /// The index of the next name, from 0.
    place: usize,
}

shown!(NamesIter<'_>, |it| "NamesIter(at {})", it.place);

impl<'m> NamesIter<'m> {
    /// Returns the next name, even an empty one, with its index.
    fn part(&mut self) -> Option<(usize, &'m [u8])> {
        if self.rest.is_empty() {
            return None;
        }
        let mut parts = self.rest.splitn(2, |byte| *byte == b';');
        let (name, rest) = (parts.next()?, parts.next());
        let place = self.place;
        self.rest = rest.unwrap_or_default();
        self.place = place.saturating_add(1);
        Some((place, name))
    }
}

impl<'m> Iterator for NamesIter<'m> {
    type Item = (Address, Text<'m>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (place, name) = self.part()?;
            // An empty name is an unused address.
            if !name.is_empty() {
                return Some((Address::at(place)?, Text::from_bytes(name)));
            }
        }
    }
}
