//! Reads the few keys of a recovery without [`cbor`](crate::cbor), which reads all of CBOR and
//! takes 500 more bytes of flash.

use crate::cbor::head::{ARRAY, BYTES, MAP, TAG, TEXT, UNSIGNED};
use crate::smp::Error;

/// A key that a recovery reads: its place in [`KEYS`].
pub(super) enum Key {
    /// The text of an echo.
    Text,
    /// The bytes of a piece.
    Data,
    Offset,
    Len,
    Image,
}

/// The keys and the types of their values.
const KEYS: [(&[u8], u8); 5] =
    [(b"d", TEXT), (b"data", BYTES), (b"off", UNSIGNED), (b"len", UNSIGNED), (b"image", UNSIGNED)];

/// The values of the keys of a payload.
pub(super) struct Fields<'m>([Option<Value<'m>>; KEYS.len()]);

impl<'m> Fields<'m> {
    /// No values.
    pub(super) const NONE: Self = Self([None; KEYS.len()]);

    /// Reads a map, and skips the keys that are not known.
    pub(super) fn read(&mut self, payload: &'m [u8]) -> Result<(), Error> {
        self.fill(payload).ok_or(Error::INVALID)
    }

    pub(super) fn number(&self, key: Key) -> Option<u32> {
        self.value(key).map(|value| value.number)
    }

    pub(super) fn bytes(&self, key: Key) -> Option<&'m [u8]> {
        self.value(key).map(|value| value.bytes)
    }

    fn value(&self, key: Key) -> Option<&Value<'m>> {
        self.0.get(key as usize)?.as_ref()
    }

    fn fill(&mut self, payload: &'m [u8]) -> Option<()> {
        let mut rest = payload;
        let (mut keys, is_counted) = match byte(&mut rest)? {
            0xBF => (0, false),
            head @ 0xA0..=0xB7 => (head & 31, true),
            0xB8 => (byte(&mut rest)?, true),
            // No client sends a map of more than 255 keys.
            _ => return None,
        };
        while if is_counted { keys > 0 } else { rest.first() != Some(&0xFF) } {
            keys = keys.wrapping_sub(1);
            let (key, value) = (Item::read(&mut rest)?, Item::read(&mut rest)?);
            if key.major != TEXT {
                return None;
            }
            for (place, (name, major)) in self.0.iter_mut().zip(KEYS) {
                if key.value.bytes == name {
                    // If a key comes twice, the server must not guess which one was meant.
                    if value.major != major || place.is_some() {
                        return None;
                    }
                    *place = Some(value.value);
                }
            }
        }
        Some(())
    }
}

/// An item that contains no other.
struct Item<'m> {
    major: u8,
    value: Value<'m>,
}

#[derive(Clone, Copy)]
struct Value<'m> {
    number: u32,
    /// The content of a string.
    bytes: &'m [u8],
}

impl<'m> Item<'m> {
    fn read(rest: &mut &'m [u8]) -> Option<Self> {
        let initial = byte(rest)?;
        let (major, low) = (initial >> 5, initial & 31);
        let mut number = low.into();
        if low > 23 {
            number = 0;
            // 24 to 27 are followed by 1 to 8 bytes. 28 to 31 are reserved, or begin an item
            // without a length.
            let count = 1_u8.checked_shl((low ^ 24).into()).filter(|count| *count <= 8)?;
            for _ in 0..count {
                if number >> 24 != 0 {
                    return None;
                }
                number = number << 8 | u32::from(byte(rest)?);
            }
        }
        let mut bytes = &[][..];
        match major {
            BYTES | TEXT => (bytes, *rest) = rest.split_at_checked(usize::try_from(number).ok()?)?,
            ARRAY | MAP | TAG => return None,
            _ => {}
        }
        Some(Self { major, value: Value { number, bytes } })
    }
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}
