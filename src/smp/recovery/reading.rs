//! Reads the few keys of a recovery from a payload, by itself: 500 bytes of flash less than
//! [`cbor`](crate::cbor), which reads all of CBOR.

use crate::cbor::head::{ARRAY, BYTES, MAP, TAG, TEXT, UNSIGNED};
use crate::smp::Error;

/// The values of the keys that a recovery reads. A payload has those of its command.
#[derive(Default)]
pub(super) struct Fields<'m> {
    /// `d`, of an echo.
    pub(super) text: Option<&'m [u8]>,
    /// `data`, of an upload.
    pub(super) data: Option<&'m [u8]>,
    /// `off`
    pub(super) offset: Option<u32>,
    /// `len`
    pub(super) len: Option<u32>,
    /// `image`
    pub(super) image: Option<u32>,
}

impl<'m> Fields<'m> {
    /// Reads a map, and skips the keys that are not known.
    pub(super) fn read(payload: &'m [u8]) -> Result<Self, Error> {
        let mut fields = Self::default();
        fields.fill(payload).ok_or(Error::INVALID)?;
        Ok(fields)
    }

    fn fill(&mut self, payload: &'m [u8]) -> Option<()> {
        let mut rest = payload;
        // No client sends a map of more than 23 keys.
        let mut keys = match byte(&mut rest)? {
            0xBF => None,
            head @ 0xA0..=0xB7 => Some(head & 31),
            0xB8 => Some(byte(&mut rest)?),
            _ => return None,
        };
        loop {
            match &mut keys {
                Some(0) => return Some(()),
                Some(left) => *left = left.wrapping_sub(1),
                None if rest.first() == Some(&0xFF) => return Some(()),
                None => {}
            }
            let key = Item::read(&mut rest)?;
            let value = Item::read(&mut rest)?;
            if key.major != TEXT {
                return None;
            }
            let (place, major) = match key.bytes {
                b"d" => (Place::Bytes(&mut self.text), TEXT),
                b"data" => (Place::Bytes(&mut self.data), BYTES),
                b"off" => (Place::Number(&mut self.offset), UNSIGNED),
                b"len" => (Place::Number(&mut self.len), UNSIGNED),
                b"image" => (Place::Number(&mut self.image), UNSIGNED),
                _ => continue,
            };
            // A key that comes twice must not be guessed.
            let is_second = match place {
                Place::Bytes(place) => place.replace(value.bytes).is_some(),
                Place::Number(place) => place.replace(value.number).is_some(),
            };
            if value.major != major || is_second {
                return None;
            }
        }
    }
}

/// The place of a value.
enum Place<'f, 'm> {
    Bytes(&'f mut Option<&'m [u8]>),
    Number(&'f mut Option<u32>),
}

/// An item that contains no other.
struct Item<'m> {
    major: u8,
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
            // 24 to 27 are followed by 1 to 8 bytes. 28 to 31 are not used, or begin what has no
            // length.
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
        Some(Self { major, number, bytes })
    }
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}
