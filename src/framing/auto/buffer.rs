//! One buffer for what a console packet decodes to, or for what another frame is on the wire.

use super::super::console::Store;
use crate::checksum::Crc16;

/// The buffer of the caller, as the console decoder has it.
pub(super) struct Buffer<'b> {
    pub(super) bytes: &'b mut [u8],
    pub(super) content: Content,
}

/// The content of the buffer.
pub(super) enum Content {
    /// A console packet: the decoder stores its bytes. Left for `Wire` when a frame of another kind
    /// may begin.
    Packet,
    /// Wire bytes of a frame that is not decided: the decoder keeps no more of a packet in them
    /// than LEN and the CRC of what follows. Left for `Packet` when the frame has ended.
    Wire { announced: [u8; 2], crc: Crc16 },
}

impl Store for Buffer<'_> {
    fn capacity(&self) -> usize {
        self.bytes.len()
    }

    fn put(&mut self, at: usize, byte: u8) -> bool {
        match &mut self.content {
            Content::Packet => return self.bytes.get_mut(at).map(|place| *place = byte).is_some(),
            Content::Wire { announced, crc } => match at {
                // Another packet: its CRC begins here.
                0 => (*announced, *crc) = ([byte, 0], Crc16::new()),
                1 => {
                    let [_, low] = announced;
                    *low = byte;
                }
                _ => crc.update(&[byte]),
            },
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

    #[cfg(not(feature = "small"))]
    fn room(&mut self, have: usize, end: usize) -> &mut [u8] {
        match self.content {
            Content::Packet => self.bytes.get_mut(have..end).unwrap_or_default(),
            Content::Wire { .. } => &mut [],
        }
    }
}
