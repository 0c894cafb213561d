//! Lists and tables, read one by one.

use core::fmt;

use super::reader::{Item, Reader};
use super::string::Text;
use super::value::Value;
use super::writer::Writer;
use super::{BufferFull, Malformed};

/// A list of values: read lazily from a payload, or lent from a slice to be written. One that was read is written as it came.
#[derive(Clone, Copy)]
pub struct List<'b, T>(Source<'b, T>);

#[derive(Clone, Copy)]
enum Source<'b, T> {
    /// Encoded elements that were all read once without an error, and how many they are.
    Encoded(&'b [u8], u32),
    Slice(&'b [T]),
}

impl<'b, T: Value<'b> + Copy> List<'b, T> {
    /// The elements, in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'b, T> {
        let (encoded, mut slice) = match self.0 {
            Source::Encoded(encoded, _) => (encoded, [].iter()),
            Source::Slice(slice) => (&[][..], slice.iter()),
        };
        let mut reader = Reader::over(encoded);
        core::iter::from_fn(
            move || {
                if reader.rest().is_empty() { slice.next().copied() } else { T::read(&mut reader).ok() }
            },
        )
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
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

/// A map from names to values: read lazily from a payload, or lent from a slice to be written. One that was read is written
/// as it came.
#[derive(Clone, Copy)]
pub struct Table<'b, T>(Source<'b, (Text<'b>, T)>);

impl<'b, T: Value<'b> + Copy> Table<'b, T> {
    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Text<'b>, T)> + use<'b, T> {
        let (encoded, mut slice) = match self.0 {
            Source::Encoded(encoded, _) => (encoded, [].iter()),
            Source::Slice(slice) => (&[][..], slice.iter()),
        };
        let mut reader = Reader::over(encoded);
        core::iter::from_fn(move || {
            if reader.rest().is_empty() {
                slice.next().copied()
            } else {
                Some((reader.text().ok()?, T::read(&mut reader).ok()?))
            }
        })
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<T> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
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
