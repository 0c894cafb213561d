//! Values by type, and the structs that consist of them.

use super::head::{BYTES, TEXT};
use super::keys::Keys;
use super::reader::{Item, Reader};
use super::string::{Bytes, Chunks, Text};
use super::writer::Writer;
use super::{BufferFull, Malformed};
use crate::shown::shown;

/// A value inside a CBOR payload: a field of a map, or an element of a list.
pub trait Value<'b>: Sized {
    /// The value that an item is; a key that is missing is [`Item::Null`].
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is something else.
    fn of(item: Item<'b>) -> Result<Self, Malformed>;

    /// Reads the value that stands next.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if something else stands there.
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        Self::of(reader.item()?)
    }

    /// Writes the value.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] if it does not fit.
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull>;

    /// Whether the key is left out when the value is written.
    fn is_missing(&self) -> bool {
        false
    }
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Value<'_> for $type {
            fn of(item: Item<'_>) -> Result<Self, Malformed> {
                match item {
                    Item::Unsigned(number) => Self::try_from(number).or(Err(Malformed)),
                    _ => Err(Malformed),
                }
            }

            fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
                writer.unsigned(u64::from(*self))
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

macro_rules! signed {
    ($($type:ty),*) => {$(
        impl Value<'_> for $type {
            fn of(item: Item<'_>) -> Result<Self, Malformed> {
                item.signed().and_then(|number| Self::try_from(number).or(Err(Malformed)))
            }

            fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
                writer.signed(i64::from(*self))
            }
        }
    )*};
}
signed!(i32, i64);

/// A flag that is missing, or `null`, is a flag that is not set.
impl Value<'_> for bool {
    fn of(item: Item<'_>) -> Result<Self, Malformed> {
        match item {
            Item::Boolean(value) => Ok(value),
            Item::Null => Ok(false),
            _ => Err(Malformed),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        writer.boolean(*self)
    }
}

impl<'b, T: Value<'b>> Value<'b> for Option<T> {
    fn of(item: Item<'b>) -> Result<Self, Malformed> {
        match item {
            Item::Null => Ok(None),
            item => T::of(item).map(Some),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self {
            Some(value) => value.write(writer),
            None => Ok(()),
        }
    }

    fn is_missing(&self) -> bool {
        self.is_none()
    }
}

/// Writes a string of this content in one piece; `major` in its place in the first byte.
fn write(major: u8, content: Chunks<'_>, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
    writer.head(major, content.len() as u64)?;
    content.iter().try_for_each(|piece| writer.raw(piece))
}

impl<'b> Value<'b> for Text<'b> {
    fn of(item: Item<'b>) -> Result<Self, Malformed> {
        match item {
            Item::Text(text) => Ok(text),
            _ => Err(Malformed),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        write(TEXT << 5, self.as_bytes(), writer)
    }
}

impl<'b> Value<'b> for Bytes<'b> {
    fn of(item: Item<'b>) -> Result<Self, Malformed> {
        match item {
            Item::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        write(BYTES << 5, self.chunks(), writer)
    }
}

impl<'b> Writer<'b> {
    /// Starts the map of a struct with these `keys`: see [`Fields`].
    pub fn fields(&mut self, keys: Keys) -> Fields<'_, 'b> {
        let head = self.open_map();
        Fields { writer: self, keys, head }
    }
}

/// Writes the fields of a struct as a map, in the order of its keys; made by [`Writer::fields`].
///
/// Call [`field`](Self::field) once for each key, then [`end`](Self::end).
// The head counts each key that is written: a field is known to be missing only when its turn comes.
#[must_use]
pub struct Fields<'w, 'b> {
    writer: &'w mut Writer<'b>,
    /// Those that are still to come.
    keys: Keys,
    /// Where the head of the map stands.
    head: usize,
}

shown!(Fields<'_, '_>, |fields| "Fields({:?})", fields.writer);

impl Fields<'_, '_> {
    /// Writes the next key and its value; a value that [is missing](Value::is_missing) leaves the key out.
    /// If they do not fit, [`end`](Self::end) says so.
    pub fn field<'v, T: Value<'v>>(&mut self, value: &T) {
        if self.key(value.is_missing()) {
            let _ = value.write(self.writer); // It fails as the writer does, which remembers it.
        }
    }

    /// Writes the next key, unless its value is missing.
    fn key(&mut self, missing: bool) -> bool {
        let key = self.keys.take().unwrap_or_default();
        if !missing {
            self.writer.count_key(self.head);
            let _ = self.writer.raw(key);
        }
        !missing
    }

    /// Ends the map.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] if any of it did not fit.
    pub fn end(self) -> Result<(), BufferFull> {
        if self.writer.is_full() { Err(BufferFull) } else { Ok(()) }
    }
}
