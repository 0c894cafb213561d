//! Skips items of any kind.

use super::{DEPTH, Reader};
use crate::cbor::Malformed;
use crate::cbor::head::{ARRAY, BYTES, MAP, TAG, TEXT, length};
use crate::cbor::level::Level;

impl<'b> Reader<'b> {
    /// Skips one item of `level`, or only its head if it contains other items, which are returned
    /// as a level.
    fn skip_head(&mut self, level: Level) -> Result<Option<Level>, Malformed> {
        let mut argument = 0;
        let initial = self.head(&mut argument)?;
        if !level.allows(initial) {
            return Err(Malformed);
        }
        let argument = length(argument);
        Ok(match initial.major() {
            major @ (BYTES | TEXT) if initial.is_indefinite() => Some(Level::chunks(major)),
            BYTES | TEXT => {
                self.take(argument)?;
                None
            }
            // The number of items is unknown; a break ends them.
            ARRAY if initial.is_indefinite() => Some(Level::ELEMENT),
            MAP if initial.is_indefinite() => Some(Level::KEY),
            ARRAY => Some(Level::counted(self.counted(argument)?)),
            // A key and a value for each entry. Saturated, the number exceeds every payload.
            MAP => Some(Level::counted(self.counted(argument.saturating_mul(2))?)),
            // A tag is followed by the item that it describes.
            TAG => Some(Level::counted(1)),
            _ => None,
        })
    }

    /// Skips one item of any kind, nested at most as deep as [`item`](Self::item) accepts.
    ///
    /// # Errors
    ///
    /// Those of [`item`](Self::item).
    pub fn skip(&mut self) -> Result<(), Malformed> {
        self.rest = Self::over(self.rest).skipped()?;
        Ok(())
    }

    /// Skips one item; returns the rest of the payload. The cursor is passed by value: a borrowed
    /// one would stay in memory.
    #[inline(never)]
    pub(super) fn skipped(mut self) -> Result<&'b [u8], Malformed> {
        // Levels are stacked here instead of by recursion, so that the payload cannot control the
        // depth of the stack. Outermost is the item itself; the innermost level stays in registers.
        let mut outer: heapless::Vec<Level, DEPTH> = heapless::Vec::new();
        let mut level = Level::counted(1);
        loop {
            #[cfg(not(target_os = "none"))]
            self.skip_short(&mut level);
            while level.ends(&mut self.rest)? {
                let Some(next) = outer.pop() else { return Ok(self.rest) };
                level = next;
            }
            if let Some(inner) = self.skip_head(level)? {
                // One level more for the chunks of a string, which is no container.
                if outer.len() >= DEPTH - 1 && !inner.is_chunks() {
                    return Err(Malformed);
                }
                outer.push(level).or(Err(Malformed))?;
                level = inner;
            }
        }
    }

    /// Skips items whose length is in their first byte, up to the end of a level of a known number
    /// of items: most items are keys, flags, small numbers and short strings. The loop above
    /// handles the others.
    #[cfg(not(target_os = "none"))]
    #[inline(always)]
    fn skip_short(&mut self, level: &mut Level) {
        let Some(left) = level.known() else { return };
        while *left > 0
            && let Some(initial) = self.rest.first()
            && let Some(len @ 1..) = SHORT.get(usize::from(*initial))
            && let Some(rest) = self.rest.get(usize::from(*len)..)
        {
            self.rest = rest;
            *left = left.wrapping_sub(1);
            #[cfg(test)]
            crate::cbor::work::head();
        }
    }
}

/// The length of an item in bytes, indexed by its first byte: 0 if that byte alone does not
/// determine it, and for items that contain others.
#[cfg(not(target_os = "none"))]
#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "runs in the compiler, which checks it")]
static SHORT: [u8; 256] = {
    let mut lengths = [0; 256];
    let mut initial: usize = 0;
    while initial < 256 {
        let info = initial as u8 & 0x1F;
        lengths[initial] = match (initial >> 5, info) {
            // A number, or a simple value.
            (0 | 1 | 7, 0..=23) => 1,
            // A string whose length is in the first byte.
            (2 | 3, 0..=23) => 1 + info,
            _ => 0,
        };
        initial += 1;
    }
    lengths
};
