//! Storage for the bytes of a packet while it arrives.

use super::packet::LEN;
use crate::checksum::Crc16;

/// A destination for the bytes of a packet, LEN and CRC included.
pub(in crate::framing) trait Store {
    /// Returns the length of the longest packet.
    fn capacity(&self) -> usize;

    /// Stores the first `count` bytes of `bits`, highest first, at `at` of the packet: after the
    /// last one, or as the first of another packet. Returns false if there is no room.
    fn put(&mut self, at: usize, bits: u32, count: usize) -> bool;

    /// Returns LEN once its two bytes are there; `None` if they never fit.
    fn announced(&self) -> Option<[u8; LEN]>;

    /// Returns the CRC over message and CRC, which end at `end`: 0 if it is right. `None` in a
    /// store that has no room for LEN.
    fn crc(&self, end: usize) -> Option<u16>;

    /// Returns the room from `have` to `end` of the packet, for many bytes at once; empty if each
    /// byte has to go through `put`.
    fn room(&mut self, have: usize, end: usize) -> &mut [u8];
}

impl Store for &mut [u8] {
    fn capacity(&self) -> usize {
        self.len()
    }

    fn put(&mut self, at: usize, mut bits: u32, count: usize) -> bool {
        let Some(places) = self.get_mut(at..at.wrapping_add(count)) else { return false };
        for place in places {
            [*place, ..] = bits.to_be_bytes();
            bits <<= 8;
        }
        true
    }

    fn announced(&self) -> Option<[u8; LEN]> {
        self.first_chunk().copied()
    }

    fn crc(&self, end: usize) -> Option<u16> {
        self.get(LEN..end).map(Crc16::of)
    }

    fn room(&mut self, have: usize, end: usize) -> &mut [u8] {
        self.get_mut(have..end).unwrap_or_default()
    }
}
