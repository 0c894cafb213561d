//! Whole blocks of S3MP frames, on a host.
#![cfg(not(target_os = "none"))]

use super::encoder::{FULL, MOST};
use super::{Lrc, State};
use crate::cobs;

impl Lrc<'_> {
    /// Decodes whole blocks with data at the front of `input`, as long as they fit the buffer;
    /// returns false if there is none. It is called at the end of a block; `open` and `run` handle
    /// the rest.
    // Not inlined, so that the registers are free for `push`.
    #[inline(never)]
    pub(super) fn whole_blocks(&mut self, input: &mut &[u8]) -> bool {
        if self.state != State::Block {
            return false;
        }
        let mut rest = *input;
        let mut room = self.message.bytes.get_mut(self.message.len..).unwrap_or_default();
        let (before, mut code) = (room.len(), self.code);
        while let Some((first, after)) = rest.split_first() {
            // The zero between the two blocks; there is none after a full block.
            let at = usize::from(code != FULL);
            let len = usize::from(first.wrapping_sub(1));
            let Some((data, after)) = after.split_at_checked(len) else { break };
            let Some(place) = room.get_mut(..len.wrapping_add(at)) else { break };
            // A zero is not a code: no block has 255 bytes. Empty blocks are left to `open`.
            if !(1..=MOST).contains(&len) {
                break;
            }
            // The data overwrites it if there is none.
            if let Some(place) = place.first_mut() {
                *place = 0;
            }
            if !cobs::copy_clear(data, place.get_mut(at..).unwrap_or_default()) {
                break;
            }
            room = room.get_mut(len.wrapping_add(at)..).unwrap_or_default();
            (rest, code) = (after, *first);
        }
        if rest.len() == input.len() {
            return false;
        }
        self.message.len = self.message.len.wrapping_add(before.wrapping_sub(room.len()));
        (self.code, self.state) = (code, State::Block);
        *input = rest;
        true
    }
}
