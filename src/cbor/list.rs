//! Lists and maps, decoded lazily.

use core::{fmt, slice};

use super::reader::{Item, Reader};
use super::string::Text;
use super::value::Value;
use super::writer::Writer;
use super::{BufferFull, Malformed};
use crate::shown::shown;

/// A list of values: decoded lazily from a payload, or borrowed from a slice to encode. A decoded
/// list re-encodes byte for byte.
#[derive(Clone, Copy)]
pub struct List<'b, T>(Source<'b, T>);

/// The origin of the elements.
#[derive(Clone, Copy)]
enum Source<'b, T> {
    /// Encoded elements that were all decoded once without an error, and their number.
    Encoded(&'b [u8], u32),
    /// Elements to encode.
    Slice(&'b [T]),
}

impl<'b, T: Value<'b> + Copy> List<'b, T> {
    /// The elements, in order.
    #[must_use]
    pub fn iter(&self) -> Elements<'b, T> {
        let (encoded, slice) = self.0.parts();
        Elements { encoded, slice }
    }

    /// Returns true if there is nothing to iterate over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<'b, T> Source<'b, T> {
    /// The encoded elements and those in memory; one of the two is empty.
    fn parts(&self) -> (Reader<'b>, slice::Iter<'b, T>) {
        match *self {
            Self::Encoded(encoded, _) => (Reader::over(encoded), [].iter()),
            Self::Slice(slice) => (Reader::over(&[]), slice.iter()),
        }
    }
}

/// An iterator over the elements of a [`List`].
#[derive(Clone)]
pub struct Elements<'b, T> {
    encoded: Reader<'b>,
    slice: slice::Iter<'b, T>,
}

shown!(['b, T] Elements<'b, T>, |it| "Elements({:?}, {})", it.encoded, it.slice.len());

impl<'b, T: Value<'b> + Copy> Iterator for Elements<'b, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        // Never an error: every element was decoded once when the list was read.
        if self.encoded.rest().is_empty() { self.slice.next().copied() } else { T::read(&mut self.encoded).ok() }
    }
}

impl<'b, T: Value<'b> + Copy> IntoIterator for List<'b, T> {
    type Item = T;
    type IntoIter = Elements<'b, T>;

    fn into_iter(self) -> Elements<'b, T> {
        self.iter()
    }
}

impl<'b, T: Value<'b> + Copy> IntoIterator for &List<'b, T> {
    type Item = T;
    type IntoIter = Elements<'b, T>;

    fn into_iter(self) -> Elements<'b, T> {
        self.iter()
    }
}

impl<'b, T> From<&'b [T]> for List<'b, T> {
    fn from(elements: &'b [T]) -> Self {
        Self(Source::Slice(elements))
    }
}

impl<'b, T: Value<'b> + Copy + PartialEq> PartialEq for List<'b, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'b, T: Value<'b> + Copy + fmt::Debug> fmt::Debug for List<'b, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(feature = "defmt")]
impl<'b, T: Value<'b> + Copy> defmt::Format for List<'b, T> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "List({=usize})", self.iter().count());
    }
}

impl<'b, T: Value<'b> + Copy> Value<'b> for List<'b, T> {
    fn of(item: Item<'b>) -> Result<Self, Malformed> {
        match item {
            Item::Array(mut reader) => Self::read(&mut reader),
            _ => Err(Malformed),
        }
    }

    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        let mut items = reader.elements()?;
        let start = reader.rest();
        let (mut elements, mut count) = (&[][..], 0u32);
        while items.more(reader)? {
            T::read(reader)?;
            // Without the break of an indefinite list, because it is written again with a number.
            elements = reader.since(start);
            count = count.wrapping_add(1);
        }
        Ok(Self(Source::Encoded(elements, count)))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self.0 {
            Source::Encoded(encoded, count) => {
                writer.array(count.into())?;
                writer.raw(encoded)
            }
            Source::Slice(slice) => {
                writer.array(slice.len() as u64)?;
                slice.iter().try_for_each(|element| element.write(writer))
            }
        }
    }
}

/// A map from names to values: decoded lazily from a payload, or borrowed from a slice to encode. A
/// decoded map re-encodes byte for byte.
#[derive(Clone, Copy)]
pub struct Table<'b, T>(Source<'b, (Text<'b>, T)>);

impl<'b, T: Value<'b> + Copy> Table<'b, T> {
    /// Names and values, in order.
    #[must_use]
    pub fn iter(&self) -> Rows<'b, T> {
        let (encoded, slice) = self.0.parts();
        Rows { encoded, slice }
    }

    /// Returns true if there is nothing to iterate over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Returns the value of `name`, the first one if there are several.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<T> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// An iterator over the names and values of a [`Table`].
#[derive(Clone)]
pub struct Rows<'b, T> {
    encoded: Reader<'b>,
    slice: slice::Iter<'b, (Text<'b>, T)>,
}

shown!(['b, T] Rows<'b, T>, |it| "Rows({:?}, {})", it.encoded, it.slice.len());

impl<'b, T: Value<'b> + Copy> Iterator for Rows<'b, T> {
    type Item = (Text<'b>, T);

    fn next(&mut self) -> Option<(Text<'b>, T)> {
        if self.encoded.rest().is_empty() {
            return self.slice.next().copied();
        }
        Some((self.encoded.text().ok()?, T::read(&mut self.encoded).ok()?))
    }
}

impl<'b, T: Value<'b> + Copy> IntoIterator for Table<'b, T> {
    type Item = (Text<'b>, T);
    type IntoIter = Rows<'b, T>;

    fn into_iter(self) -> Rows<'b, T> {
        self.iter()
    }
}

impl<'b, T: Value<'b> + Copy> IntoIterator for &Table<'b, T> {
    type Item = (Text<'b>, T);
    type IntoIter = Rows<'b, T>;

    fn into_iter(self) -> Rows<'b, T> {
        self.iter()
    }
}

impl<'b, T> From<&'b [(Text<'b>, T)]> for Table<'b, T> {
    fn from(rows: &'b [(Text<'b>, T)]) -> Self {
        Self(Source::Slice(rows))
    }
}

impl<'b, T: Value<'b> + Copy + PartialEq> PartialEq for Table<'b, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'b, T: Value<'b> + Copy + fmt::Debug> fmt::Debug for Table<'b, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(feature = "defmt")]
impl<'b, T: Value<'b> + Copy> defmt::Format for Table<'b, T> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Table({=usize})", self.iter().count());
    }
}

impl<'b, T: Value<'b> + Copy> Value<'b> for Table<'b, T> {
    fn of(item: Item<'b>) -> Result<Self, Malformed> {
        match item {
            Item::Map(mut reader) => Self::read(&mut reader),
            _ => Err(Malformed),
        }
    }

    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        let mut items = reader.entries()?;
        let start = reader.rest();
        let (mut rows, mut count) = (&[][..], 0u32);
        while items.more(reader)? {
            reader.text()?;
            T::read(reader)?;
            // Without the break, as in a list.
            rows = reader.since(start);
            count = count.wrapping_add(1);
        }
        Ok(Self(Source::Encoded(rows, count)))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self.0 {
            Source::Encoded(encoded, count) => {
                writer.map(count.into())?;
                writer.raw(encoded)
            }
            Source::Slice(slice) => {
                writer.map(slice.len() as u64)?;
                slice.iter().try_for_each(|(name, value)| {
                    name.write(writer)?;
                    value.write(writer)
                })
            }
        }
    }
}
