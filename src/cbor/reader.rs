//! The cursor.

use super::Malformed;
use super::head::{self, ARRAY, BREAK, BYTES, Initial, MAP, NEGATIVE, TAG, TEXT, UNSIGNED, length};
use super::keys::Keys;
use super::string::{Bytes, Chunks, Text};
use crate::shown::shown;

/// How deep values may be nested, the payload's own map included.
pub const DEPTH: usize = 8;

/// One item, read to its end.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Item<'b> {
    /// A number that is not negative.
    Unsigned(u64),
    /// A negative number: -1 less this.
    Negative(u64),
    /// A byte string.
    Bytes(Bytes<'b>),
    /// Text.
    Text(Text<'b>),
    /// An array: the reader stands in front of it, and has nothing else.
    Array(Reader<'b>),
    /// A map, in the same way.
    Map(Reader<'b>),
    /// `true` or `false`.
    Boolean(bool),
    /// `null`.
    Null,
    /// A float, a tag or a simple value, with the reader in front of it; [`Reader::float`] reads a float.
    Other(Reader<'b>),
}

impl Item<'_> {
    /// The number, if it fits 64 bits with its sign.
    pub(super) fn signed(self) -> Result<i64, Malformed> {
        match self {
            Self::Unsigned(number) => i64::try_from(number).or(Err(Malformed)),
            // Stored less one and without its sign: its bits turned over.
            Self::Negative(number) => i64::try_from(number).map(|number| !number).or(Err(Malformed)),
            _ => Err(Malformed),
        }
    }
}

/// A cursor over one CBOR payload. Every read either advances past what it returns or fails; after a failure the
/// cursor stands somewhere in the item.
#[derive(Clone, Copy)]
pub struct Reader<'b> {
    rest: &'b [u8],
}

shown!(Reader<'_>, |reader| "Reader({} bytes)", reader.rest.len());

impl<'b> Reader<'b> {
    /// A cursor at the start of a payload. No bytes are an empty map.
    #[must_use]
    #[inline(never)] // 20 bytes for each kind of request.
    pub const fn new(payload: &'b [u8]) -> Self {
        Self { rest: if payload.is_empty() { &[0xA0] } else { payload } }
    }

    /// A cursor over items that were checked before.
    pub(super) const fn over(items: &'b [u8]) -> Self {
        Self { rest: items }
    }

    /// The bytes that are not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        head::byte(&mut self.rest)
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
    /// [`Malformed`] if none stands here.
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
    /// [`Malformed`] if none stands here.
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
    /// [`Malformed`] if neither stands here.
    pub fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.item()? {
            Item::Boolean(value) => Ok(value),
            _ => Err(Malformed),
        }
    }

    /// Whether the next item is a map; reads nothing.
    #[must_use]
    pub fn at_map(&self) -> bool {
        self.rest.first().is_some_and(|initial| initial >> 5 == MAP)
    }

    /// Reads text, in one piece or in chunks.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if none stands here.
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
    /// [`Malformed`] if none stands here.
    pub fn bytes(&mut self) -> Result<Bytes<'b>, Malformed> {
        match self.item()? {
            Item::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    /// Reads past these bytes if they stand here, and says so.
    fn take_if(&mut self, item: &[u8]) -> bool {
        match self.rest.strip_prefix(item) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// What stands behind the head of a string.
    fn string(&mut self, initial: Initial, len: usize) -> Result<Chunks<'b>, Malformed> {
        if !initial.is_indefinite() {
            return self.take(len).map(Chunks::whole);
        }
        let (start, mut len) = (self.rest, 0);
        while !self.at_break() {
            let chunk = self.head(&mut len)?;
            if chunk.major() != initial.major() || chunk.is_indefinite() {
                return Err(Malformed);
            }
            self.take(length(len))?;
        }
        let chunks = self.since(start);
        self.byte()?;
        Ok(Chunks::chunked(chunks))
    }

    /// What was read since the cursor stood at `start`.
    pub(super) fn since(&self, start: &'b [u8]) -> &'b [u8] {
        start.get(..start.len().saturating_sub(self.rest.len())).unwrap_or_default()
    }

    fn at_break(&self) -> bool {
        self.rest.first() == Some(&BREAK)
    }

    /// Enters a map: its keys and values follow, as [`Items::more`] says.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if no map stands here.
    pub fn entries(&mut self) -> Result<Items, Malformed> {
        self.items(MAP)
    }

    /// Enters an array: its elements follow, as [`Items::more`] says.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if no array stands here.
    pub fn elements(&mut self) -> Result<Items, Malformed> {
        self.items(ARRAY)
    }

    fn items(&mut self, major: u8) -> Result<Items, Malformed> {
        let mut count = 0;
        let initial = self.head(&mut count)?;
        match initial.major() == major {
            true if initial.is_indefinite() => Ok(Items::INDEFINITE),
            true => self.counted(length(count)).map(Items),
            false => Err(Malformed),
        }
    }

    /// Each item takes at least one byte, so that a larger count is a lie; knowing it early bounds every loop.
    fn counted(&self, count: usize) -> Result<usize, Malformed> {
        if count <= self.rest.len() { Ok(count) } else { Err(Malformed) }
    }

    /// Reads one item of any kind, nested at most [`DEPTH`] - 1 deep: a map stands around it already.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the item is cut off, nested deeper, or no CBOR.
    #[cfg_attr(not(target_os = "none"), inline(always))] // For speed on a host, as `fields`.
    pub fn item(&mut self) -> Result<Item<'b>, Malformed> {
        let mut item = Item::Null;
        self.item_to(&mut item)?;
        Ok(item)
    }

    /// Reads one item to where it is wanted.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    fn item_to(&mut self, item: &mut Item<'b>) -> Result<(), Malformed> {
        let start = self.rest;
        let mut argument = 0;
        let initial = self.head(&mut argument)?;
        *item = match initial.major() {
            UNSIGNED => Item::Unsigned(argument),
            NEGATIVE => Item::Negative(argument),
            major @ (BYTES | TEXT) => {
                let string = self.string(initial, length(argument))?;
                if major == TEXT { Item::Text(Text(string)) } else { Item::Bytes(Bytes(string)) }
            }
            major => {
                self.rest = start;
                self.skip()?;
                let whole = Self::over(self.since(start));
                match (major, initial.0) {
                    (ARRAY, _) => Item::Array(whole),
                    (MAP, _) => Item::Map(whole),
                    (_, 0xF4) => Item::Boolean(false),
                    (_, 0xF5) => Item::Boolean(true),
                    (_, 0xF6) => Item::Null,
                    _ => Item::Other(whole),
                }
            }
        };
        Ok(())
    }

    /// Reads past one item, or past its head if items stand inside of it: which ones, says the level.
    fn skip_head(&mut self) -> Result<Level, Malformed> {
        let mut argument = 0;
        let initial = self.head(&mut argument)?;
        let argument = length(argument);
        Ok(match initial.major() {
            BYTES | TEXT => {
                self.string(initial, argument)?;
                Level::NONE
            }
            ARRAY if initial.is_indefinite() => Level::ELEMENTS,
            MAP if initial.is_indefinite() => Level::KEY,
            ARRAY => Level(self.counted(argument)?.cast_signed()),
            MAP => Level(self.counted(argument.saturating_mul(2))?.cast_signed()),
            TAG => Level(1),
            _ => Level::NONE,
        })
    }

    /// Reads past one item of any kind, as [`item`](Self::item) does.
    ///
    /// # Errors
    ///
    /// As of [`item`](Self::item).
    pub fn skip(&mut self) -> Result<(), Malformed> {
        let mut open: heapless::Vec<Level, { DEPTH - 1 }> = heapless::Vec::new();
        loop {
            let level = self.skip_head()?;
            if level != Level::NONE {
                open.push(level).or(Err(Malformed))?;
            }
            loop {
                let Some(level) = open.last_mut() else { return Ok(()) };
                if !level.ends(self)? {
                    break;
                }
                open.pop();
            }
        }
    }
}

impl<'b> Reader<'b> {
    /// Reads a map into a struct: puts the value of each of its `keys` into the place of that key, in
    /// whatever order they come, and skips all other keys. `values` has one place for each key; a place
    /// whose key is missing keeps its item, so it has to be [`Item::Null`] before.
    ///
    /// A key that comes again is an error if each may come only `once`, as in a request, else its first
    /// value counts, as in a response.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the next item is no map, one of its keys is no text, or a key comes again.
    // Within each struct's own code a host decodes faster; firmware has it once.
    #[cfg_attr(target_os = "none", inline(never))]
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub fn fields(&mut self, keys: Keys, once: bool, values: &mut [Item<'b>]) -> Result<(), Malformed> {
        let mut entries = self.entries()?;
        // The keys that are expected, the place of the first of them, and one bit for each key that came.
        let (mut expected, mut next, mut seen) = (keys, 0, 0_u32);
        while entries.more(self)? {
            let mut behind = expected;
            let place = match behind.take() {
                // Looking for the expected one first takes 100 bytes of flash.
                Some(key) if cfg!(not(feature = "small")) && self.take_if(key) => next,
                _ => {
                    let mut key = Item::Null;
                    self.item_to(&mut key)?;
                    let Item::Text(key) = &key else { return Err(Malformed) };
                    behind = keys;
                    behind.find(|known| key.as_bytes().equals(known))
                }
            };
            match values.get_mut(place) {
                Some(value) if seen >> (place & 31) & 1 == 0 => {
                    self.item_to(value)?;
                    seen |= 1 << (place & 31); // There are fewer.
                    (expected, next) = (behind, place.wrapping_add(1));
                }
                Some(_) if once => return Err(Malformed),
                _ => self.skip()?,
            }
        }
        Ok(())
    }
}

/// What is still to come on one level of a value that is skipped: so many items if it is not negative.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Level(isize);

impl Level {
    /// None: nothing can stand inside.
    const NONE: Self = Self(isize::MIN);
    /// Elements of an indefinite array, or the break.
    const ELEMENTS: Self = Self(-1);
    /// A key of an indefinite map, or the break.
    const KEY: Self = Self(-2);
    /// The value of that key.
    const VALUE: Self = Self(-3);

    /// Whether the level ends at the cursor; reads its end if so, else counts the item that follows.
    fn ends(&mut self, reader: &mut Reader<'_>) -> Result<bool, Malformed> {
        match *self {
            Self(0) => return Ok(true),
            Self::ELEMENTS | Self::KEY if reader.at_break() => return reader.byte().map(|_| true),
            Self::ELEMENTS => {}
            Self::KEY => *self = Self::VALUE,
            Self::VALUE => *self = Self::KEY,
            Self(left) => *self = Self(left.wrapping_sub(1)),
        }
        Ok(false)
    }
}

/// The items of a map or an array that a [`Reader`] has entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Items(usize);

impl Items {
    /// They end with a break. No payload is so long that they could be counted.
    const INDEFINITE: Self = Self(usize::MAX);

    /// Whether another element, or another key and value, stands at the cursor; reads the end if not.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the payload ends before the items do.
    pub fn more(&mut self, reader: &mut Reader<'_>) -> Result<bool, Malformed> {
        match *self {
            Self(0) => Ok(false),
            Self::INDEFINITE if reader.at_break() => reader.byte().map(|_| false),
            Self::INDEFINITE if reader.rest.is_empty() => Err(Malformed),
            Self::INDEFINITE => Ok(true),
            Self(left) => {
                *self = Self(left.wrapping_sub(1));
                Ok(true)
            }
        }
    }
}
