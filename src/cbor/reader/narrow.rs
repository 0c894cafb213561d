//! Reads the fields of a struct in firmware, where flash counts.

use super::{Item, Keys, Reader};
use crate::cbor::Malformed;

impl<'b> Reader<'b> {
    /// Does the work of [`fields`](Self::fields); returns the rest of the payload. The cursor is
    /// passed by value: a decoder of a whole payload then does not keep it in memory.
    // One copy: 100 bytes in a server with image list and upload, 240 in one of all groups, at
    // `opt-level = "s"`.
    #[inline(never)]
    pub(in crate::cbor) fn narrow_fields(
        self,
        keys: Keys,
        once: bool,
        values: &mut [Item<'b>],
    ) -> Result<&'b [u8], Malformed> {
        let mut reader = self;
        let mut entries = reader.entries()?;
        // The keys after the last one taken, the index of the first of them, and one bit for each
        // key that has come.
        let (mut after, mut next, mut seen) = (keys, 0, 0_u32);
        while entries.more(&mut reader)? {
            let mut item = Item::Null;
            let known = if cfg!(feature = "small") { None } else { reader.take_known(keys, &mut after, &mut next) };
            let place = match known {
                Some(place) => place,
                None => {
                    reader.item_to(&mut item)?;
                    // SMP has only text keys: skipping a key of another type could hide what a
                    // request asks for.
                    let Item::Text(key) = &item else { return Err(Malformed) };
                    keys.find(|known| key.as_bytes().equals(known))
                }
            };
            let value = match values.get_mut(place) {
                Some(value) if seen >> (place & 31) & 1 == 0 => {
                    // A struct has at most 22 keys, so 32 bits suffice.
                    seen |= 1 << (place & 31);
                    value
                }
                // Which of the two was meant is unknown, and a request must not be guessed.
                Some(_) if once => return Err(Malformed),
                // An unknown key, or one that came before: in a response the first value counts.
                _ => &mut item,
            };
            reader.item_to(value)?;
        }
        Ok(reader.rest)
    }

    /// Skips a key that is encoded in the usual way, if it is a known one: most likely the first of
    /// `after`, else a later one of them, else any of `keys`; returns its index. Leaves the keys
    /// after it in `after`, and the index of the first of them in `next`.
    #[inline(always)]
    fn take_known(&mut self, keys: Keys, after: &mut Keys, next: &mut usize) -> Option<usize> {
        for _ in 0..2 {
            while let Some((key, rest)) = after.take_from(self.rest) {
                let place = *next;
                *next = place.wrapping_add(1);
                if key {
                    self.rest = rest;
                    return Some(place);
                }
            }
            (*after, *next) = (keys, 0);
        }
        None
    }
}
