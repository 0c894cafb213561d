//! Reads the fields of a struct on a host. One function handles the usual encodings with its cursor
//! in registers; for everything else it calls others.

use super::{Item, Items, Keys, Reader};
use crate::cbor::Malformed;
use crate::cbor::head::{self, BYTES, TEXT, UNSIGNED, length};
use crate::cbor::keys::Front;
use crate::cbor::level::Rest;
use crate::cbor::string::{Bytes, Chunks, Text};

/// The first bytes of empty text, and of the longest text whose length is part of that byte.
const TEXT_0: u8 = TEXT << 5;
const TEXT_23: u8 = TEXT_0 + 23;

impl<'b> Reader<'b> {
    /// Does the work of [`fields`](Self::fields); returns the rest of the payload.
    // One copy for all structs: inlined into each decoder, it would keep the rest from being
    // inlined there and lengthen the compile time.
    #[inline(never)]
    pub(in crate::cbor) fn wide_fields(
        mut self,
        keys: Keys,
        mut others: Option<&mut bool>,
        values: &mut [Item<'b>],
    ) -> Result<&'b [u8], Malformed> {
        let Items(entries) = self.entries()?;
        // As many as the keys, so that one test of an index is one for both.
        let len = keys.all().len().min(values.len());
        let (Some(fronts), Some(values)) = (keys.all().get(..len), values.get_mut(..len)) else {
            return Err(Malformed);
        };
        // The entries that are left, of which a map up to a break never runs out.
        let mut left = match entries {
            Rest::Items(count) => count,
            Rest::UntilBreak => usize::MAX,
        };
        // The index after that of the last key, and one bit for each key that has come.
        let (mut rest, mut next, mut seen) = (self.rest, 0, 0_u32);
        while left > 0 {
            left = left.wrapping_sub(1);
            let mut place = next;
            let value = match Front::expected(fronts, place, rest) {
                Some(value) => value,
                // No key begins like a break: it is looked for only if another key may be there.
                None if entries == Rest::UntilBreak && head::at_break(rest) => {
                    return Ok(rest.get(1..).unwrap_or_default());
                }
                None => {
                    place = Front::find(fronts, rest);
                    match fronts.get(place).and_then(|front| front.behind(rest)) {
                        Some(value) => value,
                        None => {
                            let after;
                            (place, after) = Self { rest }.other_key(keys, place)?;
                            after
                        }
                    }
                }
            };
            let Some(item) = values.get_mut(place) else {
                if let Some(others) = &mut others {
                    **others = true;
                }
                rest = Self { rest: value }.skipped()?;
                continue;
            };
            // A struct has at most 22 keys, so 32 bits suffice.
            let before = seen;
            seen |= 1 << (place & 31);
            if seen == before {
                // Which of the two was meant is unknown, and a request must not be guessed.
                if others.is_none() {
                    return Err(Malformed);
                }
                rest = Self { rest: value }.skipped()?;
                continue;
            }
            rest = match usual(value, item) {
                Some(after) => after,
                None => Self { rest: value }.other_item(item)?,
            };
            next = place.wrapping_add(1);
        }
        Ok(rest)
    }

    /// Reads a key that is unknown, encoded in an unusual way, or near the end; returns its index,
    /// and the payload after it.
    #[inline(never)]
    fn other_key(mut self, keys: Keys, place: usize) -> Result<(usize, &'b [u8]), Malformed> {
        // No known key has these first bytes, so it need not be decoded.
        if place == usize::MAX
            && let Some(value) = unknown(self.rest)
        {
            return Ok((place, value));
        }
        // SMP has only text keys: skipping a key of another type could hide what a request asks
        // for.
        let Item::Text(key) = self.item()? else { return Err(Malformed) };
        Ok((keys.find(|known| key.as_bytes().equals(known)), self.rest))
    }

    /// Reads an item of any kind; returns the payload after it.
    #[inline(never)]
    fn other_item(mut self, item: &mut Item<'b>) -> Result<&'b [u8], Malformed> {
        self.item_to(item)?;
        Ok(self.rest)
    }
}

/// Skips an unknown key in the usual encoding; `None` for other encodings, and near the end.
#[inline(always)]
fn unknown(rest: &[u8]) -> Option<&[u8]> {
    let [head @ TEXT_0..=TEXT_23, ..] = rest.first_chunk::<{ size_of::<u64>() }>()? else { return None };
    rest.get(usize::from(head.wrapping_sub(TEXT_0)).wrapping_add(1)..)
}

/// Reads a number, a string in one piece or a flag; returns the payload after it. `None` for all
/// other items, and near the end.
#[inline(always)]
fn usual<'b>(rest: &'b [u8], item: &mut Item<'b>) -> Option<&'b [u8]> {
    let (initial, mut rest) = rest.split_first()?;
    let mut argument = u64::from(initial & 0x1F);
    if let 0..=23 = *initial {
        *item = Item::Unsigned(argument);
    } else if let 0xF4 | 0xF5 = *initial {
        *item = Item::Boolean(*initial == 0xF5);
    } else {
        match argument {
            0..=23 => {}
            24..=27 => {
                let wide = u64::from_be_bytes(*rest.first_chunk()?);
                let width = 1 << (argument - 24);
                rest = rest.get(width..)?;
                argument = wide >> (64 - 8 * width);
            }
            _ => return None,
        }
        *item = match initial >> 5 {
            UNSIGNED => Item::Unsigned(argument),
            major @ (BYTES | TEXT) => {
                let (string, after) = rest.split_at_checked(length(argument))?;
                rest = after;
                let string = Chunks::whole(string);
                if major == TEXT { Item::Text(Text(string)) } else { Item::Bytes(Bytes(string)) }
            }
            _ => return None,
        };
    }
    #[cfg(test)]
    crate::cbor::work::head();
    Some(rest)
}
