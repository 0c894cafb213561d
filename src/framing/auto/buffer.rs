//! One buffer for a decoded console packet, or for the wire bytes of another frame.

use super::super::console::Store;
use crate::checksum::Crc16;

/// The caller's buffer, as the store of the console decoder.
pub(super) struct Buffer<'b> {
    pub(super) bytes: &'b mut [u8],
    pub(super) content: Content,
}

/// The content of the buffer.
pub(super) enum Content {
    /// A console packet: the decoder stores its bytes. Exit: a COBS or raw candidate, to `Wire`.
    Packet,
    /// Wire bytes of a COBS or raw candidate: the decoder keeps only LEN and CRC of a console
    /// packet in them. Exit: the end of the candidate, to `Packet`.
    Wire { announced: [u8; 2], crc: Crc16 },
}

impl Store for Buffer<'_> {
    fn capacity(&self) -> usize {
        self.bytes.len()
    }

    fn put(&mut self, at: usize, mut bits: u32, count: usize) -> bool {
        let Content::Wire { announced, crc } = &mut self.content else { return self.bytes.put(at, bits, count) };
        for at in at..at.wrapping_add(count) {
            let [byte, ..] = bits.to_be_bytes();
            bits <<= 8;
            match at {
                // The first byte of another packet: its CRC begins here.
                0 => (*announced, *crc) = ([byte, 0], Crc16::new()),
                1 => {
                    let [_, low] = announced;
                    *low = byte;
                }
                _ => crc.update(&[byte]),
            }
        }
        true
    }

    fn announced(&self) -> Option<[u8; 2]> {
        match &self.content {
            Content::Packet => self.bytes.first_chunk().copied(),
            Content::Wire { announced, .. } => Some(*announced),
        }
    }

    fn crc(&self, end: usize) -> Option<u16> {
        match &self.content {
            Content::Packet => self.bytes.get(2..end).map(Crc16::of),
            Content::Wire { crc, .. } => Some(crc.value()),
        }
    }

    fn room(&mut self, have: usize, end: usize) -> &mut [u8] {
        match self.content {
            Content::Packet => self.bytes.get_mut(have..end).unwrap_or_default(),
            // Wire bytes are in the buffer, so decoded ones may not be stored: each goes through
            // `put`.
            Content::Wire { .. } => &mut [],
        }
    }
}
