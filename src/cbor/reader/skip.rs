//! Skips items of any kind.

use super::{DEPTH, Reader};
use crate::cbor::Malformed;
use crate::cbor::head::{ARRAY, BYTES, MAP, TAG, TEXT, length};
use crate::cbor::level::Level;

impl<'b> Reader<'b> {
    /// Skips one item, or only its head if it contains items; returns these as a level.
    fn skip_head(&mut self) -> Result<Option<Level>, Malformed> {
        let mut argument = 0;
        let initial = self.head(&mut argument)?;
        let argument = length(argument);
        Ok(match initial.major() {
            BYTES | TEXT => {
                self.string(initial, argument)?;
                None
            }
            // The number of items is unknown; a break ends them.
            ARRAY if initial.is_indefinite() => Some(Level::ELEMENT),
            MAP if initial.is_indefinite() => Some(Level::KEY),
            ARRAY => Some(Level::counted(self.counted(argument)?)),
            // A key and a value for each entry.
            MAP => Some(Level::counted(self.counted(argument.saturating_mul(2))?)),
            // A tag is followed by the item that it describes.
            TAG => Some(Level::counted(1)),
            _ => None,
        })
    }

    /// Skips one item of any kind, nested as deep as for [`item`](Self::item).
    ///
    /// # Errors
    ///
    /// Those of [`item`](Self::item).
    pub fn skip(&mut self) -> Result<(), Malformed> {
        self.rest = Self::over(self.rest).skipped()?;
        Ok(())
    }

    /// Skips one item; returns what is left. By value: a borrowed cursor would stay in memory.
    #[inline(never)]
    fn skipped(mut self) -> Result<&'b [u8], Malformed> {
        // Levels are stacked here instead of by recursion, so that the payload cannot decide how
        // deep the stack gets. Outermost is the item itself; the innermost level stays in
        // registers.
        let mut outer: heapless::Vec<Level, { DEPTH - 1 }> = heapless::Vec::new();
        let mut level = Level::counted(1);
        loop {
            while level.ends(&mut self.rest)? {
                let Some(next) = outer.pop() else { return Ok(self.rest) };
                level = next;
            }
            if let Some(inner) = self.skip_head()? {
                outer.push(level).or(Err(Malformed))?;
                level = inner;
            }
        }
    }
}
