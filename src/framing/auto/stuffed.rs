//! COBS frames in a buffer, checked and decoded where they are.

use super::super::Error;
use super::super::counted::{Head, SmpHead};
use super::{CRC, HEAD};
use crate::checksum::Crc16;

/// Reads the data of a COBS frame byte by byte, to check them without a place to put them, and to decode them in place.
///
/// [`cobs::Decoder`], which is many times as fast, has to have input and output in two slices.
pub(super) struct Unstuffed {
    /// Bytes that are read.
    at: usize,
    /// Bytes of the group that are still to come.
    left: u8,
    /// Whether the group stands for a zero, too, if another follows.
    zero: bool,
}

impl Unstuffed {
    pub(super) const START: Self = Self { at: 0, left: 0, zero: false };

    /// The next byte of the data. At the end exactly the whole frame has been read, unless its last group is cut off.
    pub(super) fn next(&mut self, wire: &[u8]) -> Option<u8> {
        loop {
            let byte = wire.get(self.at).copied();
            if let Some(left) = self.left.checked_sub(1) {
                self.left = left;
                self.at = self.at.wrapping_add(1);
                return byte;
            }
            self.left = byte?.wrapping_sub(1);
            self.at = self.at.wrapping_add(1);
            if core::mem::replace(&mut self.zero, byte != Some(0xFF)) {
                return Some(0);
            }
        }
    }

    /// The length of the message in a frame of `have` bytes on the wire, all of whose data were read: `len` bytes with this CRC.
    pub(super) fn message_len(&self, have: usize, len: usize, crc: u16) -> Result<usize, Error> {
        match len.checked_sub(CRC) {
            Some(len @ HEAD..) if self.at == have => {
                if crc == 0 {
                    Ok(len)
                } else {
                    Err(Error::Checksum)
                }
            }
            _ => Err(Error::Malformed),
        }
    }
}

/// The length of the message in a COBS frame, without its zero.
fn message_len(wire: &[u8]) -> Result<usize, Error> {
    let (mut data, mut crc, mut len) = (Unstuffed::START, Crc16::new(), 0usize);
    while let Some(byte) = data.next(wire) {
        crc.update(&[byte]);
        len = len.wrapping_add(1);
    }
    data.message_len(wire.len(), len, crc.value())
}

/// Whether bytes of a raw message are a COBS frame. The length in its SMP header has to fit, too: the payload of an upload has
/// very many runs between zeros, and a CRC fits one in 65,536.
pub(super) fn is_frame(wire: &[u8]) -> bool {
    let mut data = Unstuffed::START;
    let mut head = [0; HEAD];
    for place in &mut head {
        *place = data.next(wire).unwrap_or_default();
    }
    SmpHead::total(&head).is_ok_and(|total| message_len(wire) == Ok(total))
}
