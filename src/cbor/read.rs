//! The cursor.

use super::{Bytes, Chunks, Malformed, Text};
use crate::shown::shown;

/// How deep values may be nested, the payload's own map included.
pub const DEPTH: usize = 8;

/// The byte that ends an indefinite-length value.
const BREAK: u8 = 0xFF;

// Major types, RFC 8949 section 3.1.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// The first byte of an item and the argument behind it.
#[derive(Clone, Copy)]
struct Head {
    major: u8,
    /// `None` for an indefinite length.
    argument: Option<u64>,
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
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, len: u64) -> Result<&'b [u8], Malformed> {
        let len = usize::try_from(len).or(Err(Malformed))?;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn head(&mut self) -> Result<Head, Malformed> {
        let initial = self.byte()?;
        let (major, info) = (initial >> 5, initial & 0x1F);
        let argument = match info {
            0..=23 => u64::from(info),
            24..=27 => {
                let mut argument = 0;
                for byte in self.take(1 << (info - 24))? {
                    argument = argument << 8 | u64::from(*byte);
                }
                argument
            }
            31 if (BYTES..=MAP).contains(&major) => return Ok(Head { major, argument: None }),
            _ => return Err(Malformed),
        };
        Ok(Head { major, argument: Some(argument) })
    }

    fn expect(&mut self, major: u8) -> Result<Option<u64>, Malformed> {
        let head = self.head()?;
        if head.major == major { Ok(head.argument) } else { Err(Malformed) }
    }

    /// Reads an unsigned integer of any width.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if none stands here.
    pub fn unsigned(&mut self) -> Result<u64, Malformed> {
        self.expect(UNSIGNED)?.ok_or(Malformed)
    }

    /// Reads an integer of either sign and any width that fits 64 bits.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if none stands here.
    pub fn signed(&mut self) -> Result<i64, Malformed> {
        let head = self.head()?;
        let value = i64::try_from(head.argument.ok_or(Malformed)?).or(Err(Malformed))?;
        match head.major {
            UNSIGNED => Ok(value),
            NEGATIVE => Ok(!value),
            _ => Err(Malformed),
        }
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if neither stands here.
    pub fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0xF4 => Ok(false),
            0xF5 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// Whether `null` stands here; reads it if so.
    pub fn null(&mut self) -> bool {
        match self.rest {
            [0xF6, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Whether the next item is a map; reads nothing.
    #[must_use]
    pub fn at_map(&self) -> bool {
        self.rest.first().is_some_and(|initial| initial >> 5 == MAP)
    }

    /// Whether the next item is `true` or `false`; reads nothing.
    #[must_use]
    pub fn at_boolean(&self) -> bool {
        matches!(self.rest.first(), Some(0xF4 | 0xF5))
    }

    /// Whether the next item is text; reads nothing.
    #[must_use]
    pub fn at_text(&self) -> bool {
        self.rest.first().is_some_and(|initial| initial >> 5 == TEXT)
    }

    /// Reads text, in one piece or in chunks.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if none stands here.
    pub fn text(&mut self) -> Result<Text<'b>, Malformed> {
        self.chunks(TEXT).map(Text)
    }

    /// Reads a byte string, in one piece or in chunks.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if none stands here.
    pub fn bytes(&mut self) -> Result<Bytes<'b>, Malformed> {
        self.chunks(BYTES).map(Bytes)
    }

    /// Whether this text of at most [`Known::LONGEST`] bytes stands here, in one piece; reads it if so.
    fn is_key(&mut self, key: &str) -> bool {
        match self.rest.split_first() {
            Some((head, rest)) if usize::from(head ^ TEXT << 5) == key.len() => match rest.strip_prefix(key.as_bytes())
            {
                Some(rest) => {
                    self.rest = rest;
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    fn chunks(&mut self, major: u8) -> Result<Chunks<'b>, Malformed> {
        let len = self.expect(major)?;
        self.string(major, len)
    }

    /// What stands behind the head of a string.
    fn string(&mut self, major: u8, len: Option<u64>) -> Result<Chunks<'b>, Malformed> {
        match len {
            Some(len) => self.take(len).map(Chunks::whole),
            None => {
                let start = self.rest;
                while !self.at_break() {
                    let len = self.expect(major)?.ok_or(Malformed)?;
                    self.take(len)?;
                }
                let chunks = self.since(start);
                self.byte()?;
                Ok(Chunks::chunked(chunks))
            }
        }
    }

    /// The next chunk of a chunked string that was checked before.
    pub(super) fn chunk(&mut self) -> Option<&'b [u8]> {
        let len = self.head().ok()?.argument?;
        self.take(len).ok()
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
        self.expect(MAP).and_then(|count| self.items(count))
    }

    /// Enters an array: its elements follow, as [`Items::more`] says.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if no array stands here.
    pub fn elements(&mut self) -> Result<Items, Malformed> {
        self.expect(ARRAY).and_then(|count| self.items(count))
    }

    fn items(&self, count: Option<u64>) -> Result<Items, Malformed> {
        match count {
            None => Ok(Items(None)),
            // Each item takes at least one byte, so a larger count is a lie; knowing it early bounds every loop.
            Some(count) if count <= self.rest.len() as u64 => {
                u32::try_from(count).map(Some).map(Items).or(Err(Malformed))
            }
            Some(_) => Err(Malformed),
        }
    }

    /// Reads past one item, or past its head if items stand inside of it: which ones, says the level.
    fn skip_head(&mut self) -> Result<Option<Level>, Malformed> {
        let head = self.head()?;
        Ok(match (head.major, head.argument) {
            (BYTES | TEXT, len) => {
                self.string(head.major, len)?;
                None
            }
            (ARRAY, None) => Some(Level::ELEMENTS),
            (MAP, None) => Some(Level::KEY),
            (ARRAY | MAP, Some(count)) => Some(Level::counted(count, head.major == MAP, self.rest.len())?),
            (TAG, _) => Some(Level(1)),
            _ => None,
        })
    }

    /// Reads past one value of any kind, nested at most [`DEPTH`] - 1 deep: a map stands around it already.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the value is cut off, nested deeper, or no CBOR.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        let mut open: heapless::Vec<Level, { DEPTH - 1 }> = heapless::Vec::new();
        loop {
            if let Some(level) = self.skip_head()? {
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

/// Goes through a map for a struct that knows some of its keys, in whatever order they come. One function for all structs:
/// what differs from one to the next is data.
pub(crate) struct Known {
    keys: &'static [&'static str],
    entries: Items,
    /// Where the search for the next key begins: most peers keep one order.
    next: usize,
    /// Whether a known key that comes again is an error; else it is skipped.
    once: bool,
    /// One bit for each key that came.
    seen: u32,
}

impl Known {
    /// The most keys that a struct may know.
    const MOST: usize = 32;
    /// The longest of them: its length stands in the first byte.
    const LONGEST: usize = 23;

    /// Whether a struct may have these keys.
    pub(crate) const fn fits(mut keys: &[&str]) -> bool {
        let few = keys.len() <= Self::MOST;
        while let [key, rest @ ..] = keys {
            if key.len() > Self::LONGEST {
                return false;
            }
            keys = rest;
        }
        few
    }

    /// Enters the map that stands at the cursor.
    pub(crate) fn enter(reader: &mut Reader<'_>, keys: &'static [&'static str], once: bool) -> Result<Self, Malformed> {
        Ok(Self { keys, entries: reader.entries()?, next: 0, once, seen: 0 })
    }

    /// Reads on to the value of the next known key, and says which key it is; `None` behind the map.
    // Within each struct's own loop a host decodes a fourth faster; firmware has it once.
    #[cfg_attr(not(target_os = "none"), inline(always))]
    pub(crate) fn key(&mut self, reader: &mut Reader<'_>) -> Result<Option<usize>, Malformed> {
        while self.entries.more(reader)? {
            let expected = self.keys.get(self.next).is_some_and(|known| reader.is_key(known));
            let place = if expected { Some(self.next) } else { self.search(reader.text()?) };
            if let Some(place) = place {
                self.next = place.wrapping_add(1);
                let bit = 1 << (place % Self::MOST);
                if self.seen & bit == 0 {
                    self.seen |= bit;
                    return Ok(Some(place));
                }
                if self.once {
                    return Err(Malformed);
                }
            }
            reader.skip()?;
        }
        Ok(None)
    }

    /// Which key it is. A call of its own: most peers keep the order in which the keys are known.
    #[inline(never)]
    fn search(&self, key: Text<'_>) -> Option<usize> {
        self.keys.iter().position(|known| key == **known)
    }
}

/// What is still to come on one level of a value that is skipped: so many items if it is not negative.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Level(i32);

impl Level {
    /// Elements of an indefinite array, or the break.
    const ELEMENTS: Self = Self(-1);
    /// A key of an indefinite map, or the break.
    const KEY: Self = Self(-2);
    /// The value of that key.
    const VALUE: Self = Self(-3);

    /// Each item takes at least one byte, so a count above `rest` is a lie.
    fn counted(count: u64, pairs: bool, rest: usize) -> Result<Self, Malformed> {
        let count = if count <= rest as u64 { count << u8::from(pairs) } else { return Err(Malformed) };
        i32::try_from(count).map(Self).or(Err(Malformed))
    }

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
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Items(Option<u32>);

impl Items {
    /// Whether another element, or another key and value, stands at the cursor; reads the end if not.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the payload ends before the items do.
    pub fn more(&mut self, reader: &mut Reader<'_>) -> Result<bool, Malformed> {
        match &mut self.0 {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if reader.at_break() => reader.byte().map(|_| false),
            None if reader.rest.is_empty() => Err(Malformed),
            None => Ok(true),
        }
    }
}
