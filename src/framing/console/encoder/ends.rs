//! Writes each end of a frame in one step on a host, if `out` and the line have room for it.

use super::{Encoder, Rest, short};
use crate::framing::console::base64::{self, HOST};
use crate::framing::console::packet::Marker;

impl Encoder {
    /// Writes the marker and the group of LEN; returns the number of bytes, 0 if the state machine
    /// has to write them.
    pub(super) fn begin(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let marker = Marker::Start.bytes();
        if self.pending != marker.into() || self.at != 0 {
            return 0;
        }
        let (Some([first, second, group @ ..]), Some(byte)) = (out.first_chunk_mut::<6>(), message.first()) else {
            return 0;
        };
        [*first, *second] = marker.to_le_bytes();
        *group = base64::encode_padded::<HOST>(u32::from(self.left) << 8 | u32::from(*byte), 3).to_le_bytes();
        self.pending = 0;
        self.left = self.left.wrapping_sub(1);
        self.at = 1;
        self.groups = self.groups.wrapping_sub(1);
        6
    }

    /// Writes the bytes of the message after its last triple, the CRC and the last line feed;
    /// returns the number of bytes, 0 if the state machine has to write them.
    pub(super) fn end(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        // The CRC and at most two bytes before it, which take one or two groups of this line.
        let (2..=4, 2..) = (self.left, self.groups) else { return 0 };
        let Some([a, b, c, d, e, f, g, h, feed]) = out.first_chunk_mut() else { return 0 };
        let rest = message.get(self.at.into()..).unwrap_or_default();
        let mut bits = rest.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << 16 | u32::from(self.crc);
        // Shifted to the top of six bytes, of which the first three are a group.
        bits <<= 8 * (4 - u32::from(self.left));
        let first = base64::encode_padded::<HOST>(bits >> 8, self.left.into());
        [*a, *b, *c, *d] = first.to_le_bytes();
        let mut len = 4;
        *e = b'\n';
        if self.left == 4 {
            [*e, *f, *g, *h] = base64::encode_padded::<HOST>(bits << 16 & 0xFF_0000, 1).to_le_bytes();
            *feed = b'\n';
            len = 8;
        }
        self.left = 0;
        self.groups = self.groups.wrapping_sub(short(len / 4));
        self.rest = Rest::Nothing;
        len.wrapping_add(1)
    }
}
