//! Reads CBOR through a cursor.

use super::Malformed;
use super::head::{self, ARRAY, BYTES, Initial, MAP, NEGATIVE, TEXT, UNSIGNED, length};
use super::keys::Keys;
use super::level::Rest;
use super::string::{Bytes, Chunks, Text};
use crate::shown::shown;

// The reader of structs has two forms, by the width of a register; tests compare them.
#[cfg(any(not(target_pointer_width = "64"), test))]
mod narrow;
mod skip;
#[cfg(target_pointer_width = "64")]
mod wide;

/// The maximum nesting of values, the map of the payload included.
pub const DEPTH: usize = 8;

/// One decoded item. Lists and maps are decoded when their contents are read.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Item<'b> {
    /// A number of at least 0.
    Unsigned(u64),
    /// A negative number, as `n` for -1 - `n`.
    Negative(u64),
    /// A byte string, in one piece or in chunks.
    Bytes(Bytes<'b>),
    /// A text string, in one piece or in chunks.
    Text(Text<'b>),
    /// An array, as a reader whose payload ends where the array ends.
    Array(Reader<'b>),
    /// A map, as a reader whose payload ends where the map ends.
    Map(Reader<'b>),
    /// A flag, `true` or `false`.
    Boolean(bool),
    /// The value `null`; also the item of a missing key.
    Null,
    /// A float, a tag or a simple value, as a reader in front of it; [`Reader::float`] reads a
    /// float.
    Other(Reader<'b>),
}

// The content is not printed: the key of the item is unknown here, so the item may be a secret.
shown!(Item<'_>, |item| "Item({})", item.kind());

impl Item<'_> {
    /// Returns the item as a signed 64-bit number, if it is one.
    pub(super) fn signed(self) -> Result<i64, Malformed> {
        match self {
            Self::Unsigned(number) => i64::try_from(number).or(Err(Malformed)),
            // CBOR stores -1 - n as n, which is the complement of the value.
            Self::Negative(number) => i64::try_from(number).map(|number| !number).or(Err(Malformed)),
            _ => Err(Malformed),
        }
    }
}

/// A cursor over one CBOR payload. Every read either advances past its result or fails; after an
/// error the cursor is somewhere in the item.
#[derive(Clone, Copy)]
pub struct Reader<'b> {
    rest: &'b [u8],
}

shown!(Reader<'_>, |reader| "Reader({} bytes)", reader.rest.len());

impl<'b> Reader<'b> {
    /// A cursor at the start of a payload. An empty payload is an empty map.
    // Not inlined in firmware: saves 20 bytes for each kind of request, 650 in a server of all
    // groups.
    #[must_use]
    #[cfg_attr(target_os = "none", inline(never))]
    pub const fn new(payload: &'b [u8]) -> Self {
        Self { rest: if payload.is_empty() { &[0xA0] } else { payload } }
    }

    /// A cursor over items that have been checked before.
    pub(super) const fn over(items: &'b [u8]) -> Self {
        Self { rest: items }
    }

    /// Returns the bytes that have not been read yet.
    #[must_use]
    pub const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    fn take(&mut self, len: usize) -> Result<&'b [u8], Malformed> {
        head::take(&mut self.rest, len)
    }

    fn head(&mut self, argument: &mut u64) -> Result<Initial, Malformed> {
        head::head(&mut self.rest, argument)
    }

    /// Reads an unsigned integer of any width.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the next item is something else.
    pub fn unsigned(&mut self) -> Result<u64, Malformed> {
        match self.item()? {
            Item::Unsigned(number) => Ok(number),
            _ => Err(Malformed),
        }
    }

    /// Reads an integer of either sign and any width that fits 64 bits.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the next item is something else.
    pub fn signed(&mut self) -> Result<i64, Malformed> {
        self.item()?.signed()
    }

    /// Reads a float of 16, 32 or 64 bits.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the next item is something else.
    pub fn float(&mut self) -> Result<f64, Malformed> {
        let mut bits = 0;
        let initial = self.head(&mut bits)?;
        let [b7, b6, b5, b4, b3, b2, b1, b0] = bits.to_be_bytes();
        match initial.0 {
            0xF9 => Ok(head::half(u16::from_be_bytes([b1, b0]))),
            0xFA => Ok(f32::from_be_bytes([b3, b2, b1, b0]).into()),
            0xFB => Ok(f64::from_be_bytes([b7, b6, b5, b4, b3, b2, b1, b0])),
            _ => Err(Malformed),
        }
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the next item is something else.
    pub fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.item()? {
            Item::Boolean(value) => Ok(value),
            _ => Err(Malformed),
        }
    }

    /// Returns true if the next item is a map; reads nothing.
    #[must_use]
    pub fn at_map(&self) -> bool {
        self.rest.first().is_some_and(|initial| initial >> 5 == MAP)
    }

    /// Reads text, in one piece or in chunks.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the next item is something else.
    pub fn text(&mut self) -> Result<Text<'b>, Malformed> {
        match self.item()? {
            Item::Text(text) => Ok(text),
            _ => Err(Malformed),
        }
    }

    /// Reads a byte string, in one piece or in chunks.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the next item is something else.
    pub fn bytes(&mut self) -> Result<Bytes<'b>, Malformed> {
        match self.item()? {
            Item::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    /// Returns the bytes that were read since the cursor was at `start`.
    pub(super) fn since(&self, start: &'b [u8]) -> &'b [u8] {
        start.get(..start.len().saturating_sub(self.rest.len())).unwrap_or_default()
    }

    /// Enters a map: read keys and values as long as [`Items::more`] returns true.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the next item is something else.
    pub fn entries(&mut self) -> Result<Items, Malformed> {
        self.items(MAP)
    }

    /// Enters an array: read elements as long as [`Items::more`] returns true.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the next item is something else.
    pub fn elements(&mut self) -> Result<Items, Malformed> {
        self.items(ARRAY)
    }

    fn items(&mut self, major: u8) -> Result<Items, Malformed> {
        let mut count = 0;
        let initial = self.head(&mut count)?;
        match initial.major() == major {
            true if initial.is_indefinite() => Ok(Items(Rest::UntilBreak)),
            true => self.counted(length(count)).map(|count| Items(Rest::Items(count))),
            false => Err(Malformed),
        }
    }

    /// Returns `count` if the payload can hold that many items. Each takes at least one byte, so a
    /// larger count is wrong; rejecting it here bounds every loop.
    fn counted(&self, count: usize) -> Result<usize, Malformed> {
        if count <= self.rest.len() { Ok(count) } else { Err(Malformed) }
    }

    /// Reads one item of any kind, nested at most [`DEPTH`] - 1 deep, because it is inside a map.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the item is cut off, nested deeper, or not CBOR.
    pub fn item(&mut self) -> Result<Item<'b>, Malformed> {
        let mut item = Item::Null;
        self.item_to(&mut item)?;
        Ok(item)
    }

    /// Reads one item into `item`.
    // Inlined, `small` has 16 to 24 bytes of stack less. In two functions, others have 32 less.
    #[cfg_attr(any(not(target_os = "none"), feature = "small"), inline(always))]
    fn item_to(&mut self, item: &mut Item<'b>) -> Result<(), Malformed> {
        self.item_by::<{ cfg!(all(feature = "small", target_os = "none")) }>(item)
    }

    /// Does the same; if `SKIPS`, all items are skipped first.
    #[inline(always)]
    pub(super) fn item_by<const SKIPS: bool>(&mut self, item: &mut Item<'b>) -> Result<(), Malformed> {
        let start = self.rest;
        if !SKIPS && let Some(rest) = self.plain_to(item) {
            self.rest = rest;
            return Ok(());
        }
        // Skipping checks the whole item, so that no later read inside it can fail.
        self.rest = self.skipped()?;
        item.set::<SKIPS>(self.since(start));
        Ok(())
    }

    /// Reads a number or a string in one piece; returns the payload after it. `None` for all other
    /// items, and for malformed ones.
    #[cfg_attr(any(not(target_os = "none"), feature = "small"), inline(always))]
    #[cfg_attr(all(target_os = "none", not(feature = "small")), inline(never))]
    fn plain_to(mut self, item: &mut Item<'b>) -> Option<&'b [u8]> {
        let mut argument = 0;
        let initial = self.head(&mut argument).ok()?;
        *item = match initial.major() {
            UNSIGNED => Item::Unsigned(argument),
            NEGATIVE => Item::Negative(argument),
            major @ (BYTES | TEXT) if !initial.is_indefinite() => {
                let string = Chunks::whole(self.take(length(argument)).ok()?);
                if major == TEXT { Item::Text(Text(string)) } else { Item::Bytes(Bytes(string)) }
            }
            _ => return None,
        };
        Some(self.rest)
    }
}

impl<'b> Item<'b> {
    /// Becomes the item of these bytes, which has been skipped.
    fn set<const SKIPS: bool>(&mut self, bytes: &'b [u8]) {
        if SKIPS && Reader::over(bytes).plain_to(self).is_some() {
            return;
        }
        let (string, whole) = (Chunks::chunked(bytes), Reader::over(bytes));
        let initial = bytes.first().copied().unwrap_or_default();
        *self = match (initial >> 5, initial) {
            (BYTES, _) => Item::Bytes(Bytes(string)),
            (TEXT, _) => Item::Text(Text(string)),
            (ARRAY, _) => Item::Array(whole),
            (MAP, _) => Item::Map(whole),
            // Of major type 7 only these three values have a meaning in SMP.
            (_, 0xF4) => Item::Boolean(false),
            (_, 0xF5) => Item::Boolean(true),
            (_, 0xF6) => Item::Null,
            _ => Item::Other(whole),
        };
    }
}

impl<'b> Reader<'b> {
    /// Reads a map into a struct: puts the value of each of its `keys` into the place of that key,
    /// in whatever order they come, and skips all other keys. `values` has one place for each key;
    /// a place whose key is missing keeps its item, so it has to be [`Item::Null`] before.
    ///
    /// A key that comes again is an error if each may come only `once`, as in a request, else its
    /// first value counts, as in a response.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the next item is not a map, a key is not text, or a key comes again.
    pub fn fields(&mut self, keys: Keys, once: bool, values: &mut [Item<'b>]) -> Result<(), Malformed> {
        self.fields_beside(keys, once, values).map(|_| ())
    }

    /// Does the work of `fields`. Returns true if the map may have had other keys; firmware and
    /// requests always return true.
    #[doc(hidden)] // For `payload!`.
    #[inline(always)]
    pub fn fields_beside(&mut self, keys: Keys, once: bool, values: &mut [Item<'b>]) -> Result<bool, Malformed> {
        #[cfg(target_pointer_width = "64")]
        let (rest, others) = {
            let mut others = once;
            (self.wide_fields(keys, (!once).then_some(&mut others), values)?, others)
        };
        #[cfg(not(target_pointer_width = "64"))]
        let (rest, others) = (self.narrow_fields(keys, once, values)?, true);
        self.rest = rest;
        Ok(others)
    }

    /// Reads a map as far as the value of one of its keys, and returns the value: the first one if
    /// the key comes again. The rest of the map is not read. `None`, at the end of the map, if the
    /// map has no such key.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the next item is not a map, or cannot be read up to the end of that value.
    pub fn value_of(&mut self, key: &str) -> Result<Option<Item<'b>>, Malformed> {
        let mut entries = self.entries()?;
        while entries.more(self)? {
            if self.text()? == *key {
                return self.item().map(Some);
            }
            self.skip()?;
        }
        Ok(None)
    }
}

/// The items of a map or an array that a [`Reader`] has entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Items(Rest);

impl Items {
    /// Returns true if another element, or another key and value, comes next; else reads the end.
    ///
    /// # Errors
    ///
    /// The peer: [`Malformed`] if the payload ends before the items do.
    pub fn more(&mut self, reader: &mut Reader<'_>) -> Result<bool, Malformed> {
        self.0.more(&mut reader.rest)
    }
}
