//! Conversion between items and values, and the fields of structs.

use super::head::{BYTES, TEXT};
#[cfg(target_pointer_width = "64")]
use super::head::{MAP, UNSIGNED};
use super::keys::Keys;
use super::reader::{Item, Reader};
use super::string::{Bytes, Chunks, Text};
use super::writer::Writer;
use super::{BufferFull, Malformed};
use crate::shown::shown;

impl Item<'_> {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Unsigned(_) => "Unsigned",
            Self::Negative(_) => "Negative",
            Self::Bytes(_) => "Bytes",
            Self::Text(_) => "Text",
            Self::Array(_) => "Array",
            Self::Map(_) => "Map",
            Self::Boolean(_) => "Boolean",
            Self::Null => "Null",
            Self::Other(_) => "Other",
        }
    }
}

/// A value in a CBOR payload: a field of a map, or an element of a list.
pub trait Value<'b>: Sized {
    /// Converts an item; a missing key is [`Item::Null`].
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the item has another type.
    fn of(item: Item<'b>) -> Result<Self, Malformed>;

    /// Reads the next value.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the next item has another type.
    fn read(reader: &mut Reader<'b>) -> Result<Self, Malformed> {
        Self::of(reader.item()?)
    }

    /// Does the work of `read`, and sets `others` if a map may have keys that are not the value's,
    /// or that are also those of a refusal.
    #[doc(hidden)] // For `payload!`, on a host.
    fn read_beside(reader: &mut Reader<'b>, others: &mut bool) -> Result<Self, Malformed> {
        *others = true;
        Self::read(reader)
    }

    /// Writes the value.
    ///
    /// # Errors
    ///
    /// We: [`BufferFull`] if it does not fit.
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull>;

    /// Writes a key and the value. The writer remembers an error.
    #[cfg(target_pointer_width = "64")]
    #[doc(hidden)] // For `Fields`.
    fn write_entry(&self, key: &[u8], writer: &mut Writer<'_>) {
        let _ = writer.raw(key).and_then(|()| self.write(writer));
    }

    /// Returns true if the key is left out when the value is written.
    fn is_missing(&self) -> bool {
        false
    }
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Value<'_> for $type {
            fn of(item: Item<'_>) -> Result<Self, Malformed> {
                match item {
                    // Never cut to fit: a cut offset would mean another place.
                    Item::Unsigned(number) => Self::try_from(number).or(Err(Malformed)),
                    _ => Err(Malformed),
                }
            }

            fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
                writer.unsigned(u64::from(*self))
            }

            // Small enough to be inlined, where most of it is known.
            #[cfg(target_pointer_width = "64")]
            #[inline(always)]
            fn write_entry(&self, key: &[u8], writer: &mut Writer<'_>) {
                writer.entry(key, UNSIGNED, u64::from(*self));
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

/// A missing flag or `null` is false.
impl Value<'_> for bool {
    fn of(item: Item<'_>) -> Result<Self, Malformed> {
        match item {
            Item::Boolean(value) => Ok(value),
            // Zephyr leaves out flags that are false, and a missing key is `Null`.
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
            // A missing key is `Null` as well, so both mean "absent".
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

    #[cfg(target_pointer_width = "64")]
    #[inline(always)]
    fn write_entry(&self, key: &[u8], writer: &mut Writer<'_>) {
        if let Some(value) = self {
            value.write_entry(key, writer);
        }
    }

    fn is_missing(&self) -> bool {
        self.is_none()
    }
}

/// A field that may be missing from a struct, and its value if it is.
pub trait Optional {
    /// `None`; for a flag, false.
    const ABSENT: Self;
}

impl<T> Optional for Option<T> {
    const ABSENT: Self = None;
}

impl Optional for bool {
    const ABSENT: Self = false;
}

/// Writes the content as a string in one piece; `major` is shifted to its place in the first byte.
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
    // Not inlined in firmware: saves 8 bytes for each kind of answer.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn fields(&mut self, keys: Keys) -> Fields<'_, 'b> {
        #[cfg(target_pointer_width = "64")]
        return Fields { at: self.leave_head(), writer: self, keys, head: MAP << 5 };
        #[cfg(not(target_pointer_width = "64"))]
        Fields { at: self.open_map(), writer: self, keys }
    }
}

/// Writes the fields of a struct as a map, in the order of its keys; made by [`Writer::fields`].
///
/// Call [`field`](Self::field) once for each key, then [`end`](Self::end), without which the map is
/// incomplete.
#[must_use]
pub struct Fields<'w, 'b> {
    pub(super) writer: &'w mut Writer<'b>,
    /// The keys that are still to come.
    pub(super) keys: Keys,
    /// The position of the head of the map, which counts the keys that are written: a field is
    /// known to be missing only when its turn comes.
    pub(super) at: usize,
    /// The head, which a host writes last. In firmware it is counted in its place, which takes 120
    /// bytes less (`smp_boot`, thumbv6m).
    #[cfg(target_pointer_width = "64")]
    pub(super) head: u8,
}

shown!(Fields<'_, '_>, |fields| "Fields({:?})", fields.writer);

impl Fields<'_, '_> {
    /// Writes the next key and its value; a value that [is missing](Value::is_missing) leaves the
    /// key out. If they do not fit, [`end`](Self::end) reports it.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn field<'v, T: Value<'v>>(&mut self, value: &T) {
        #[cfg(target_pointer_width = "64")]
        {
            let key = self.keys.take().unwrap_or_default();
            if !value.is_missing() {
                self.head = self.head.wrapping_add(1);
                value.write_entry(key, self.writer);
            }
        }
        #[cfg(not(target_pointer_width = "64"))]
        if self.key(value.is_missing()) {
            // The writer remembers an error, and `end` returns it.
            let _ = value.write(self.writer);
        }
    }

    /// Writes the next key, unless its value is missing.
    #[cfg(any(not(target_pointer_width = "64"), test))]
    pub(super) fn key(&mut self, missing: bool) -> bool {
        let key = self.keys.take().unwrap_or_default();
        if !missing {
            self.writer.count_key(self.at);
            // If it does not fit, `end` reports it.
            let _ = self.writer.raw(key);
        }
        !missing
    }

    /// Ends the map.
    ///
    /// # Errors
    ///
    /// [`BufferFull`] if any of it did not fit.
    #[inline(always)]
    pub fn end(self) -> Result<(), BufferFull> {
        #[cfg(target_pointer_width = "64")]
        self.writer.write_head(self.at, self.head);
        if self.writer.is_full() { Err(BufferFull) } else { Ok(()) }
    }
}
