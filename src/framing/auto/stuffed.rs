//! Checks and decodes COBS frames in place; [`cobs::Decoder`](crate::cobs::Decoder) needs separate
//! slices for input and output.

use core::cell::Cell;

use super::super::Error;
use super::super::head::{Head, Head8, MIN_MESSAGE};
use crate::checksum::Crc16;

/// The length of the CRC in bytes, at the end of the data.
pub(super) const CRC: usize = 2;

/// Decodes the data of a COBS frame byte by byte, to check them without a buffer.
struct Unstuffed {
    /// Bytes of the frame that have been read.
    at: usize,
    /// Bytes of the current group that are still to come.
    left: u8,
    /// True if the group also stands for a zero, should another group follow.
    zero: bool,
}

impl Unstuffed {
    const START: Self = Self { at: 0, left: 0, zero: false };

    /// Returns the next byte of the data. At the end `at` is the length of the frame, unless its
    /// last group is cut off.
    fn next(&mut self, wire: &[u8]) -> Option<u8> {
        loop {
            let byte = wire.get(self.at).copied();
            if let Some(left) = self.left.checked_sub(1) {
                self.left = left;
                self.at = self.at.wrapping_add(1);
                return byte;
            }
            self.left = byte?.wrapping_sub(1);
            self.at = self.at.wrapping_add(1);
            // The zero of the group before belongs in front of this group, but not in front of the
            // first.
            if core::mem::replace(&mut self.zero, byte != Some(0xFF)) {
                return Some(0);
            }
        }
    }
}

/// Decodes a COBS frame, without its zero, in place; returns the length of its message.
///
/// It moves whole groups: byte by byte it would take longer than the port can buffer input.
pub(super) fn decode(wire: &mut [u8]) -> Result<usize, Error> {
    // The data moves to the front, over bytes that have been read. With cells the same slice can be
    // read and written.
    let cells = Cell::from_mut(&mut *wire).as_slice_of_cells();
    let (mut rest, mut len, mut zero) = (cells, 0usize, false);
    while let Some((code, after)) = rest.split_first() {
        let code = code.get();
        if core::mem::replace(&mut zero, code != 0xFF) {
            if let Some(place) = cells.get(len) {
                place.set(0);
            }
            len = len.wrapping_add(1);
        }
        // A group that is longer than the rest of the frame is cut off.
        let (data, next) = after.split_at_checked(code.wrapping_sub(1).into()).ok_or(Error::Malformed)?;
        for (to, from) in cells.get(len..).unwrap_or_default().iter().zip(data) {
            to.set(from.get());
        }
        len = len.wrapping_add(data.len());
        rest = next;
    }
    message_len(len, Crc16::of(wire.get(..len).unwrap_or_default()))
}

/// Returns the length of the message in data of `len` bytes with this CRC.
fn message_len(len: usize, crc: u16) -> Result<usize, Error> {
    match len.checked_sub(CRC) {
        Some(len @ MIN_MESSAGE..) if crc == 0 => Ok(len),
        Some(MIN_MESSAGE..) => Err(Error::Checksum),
        // Shorter than a header and its CRC.
        _ => Err(Error::Malformed),
    }
}

/// Returns true if bytes of a raw message are a COBS frame. The length in its SMP header must be
/// right too: an upload has many runs between zeros, and the CRC of one in 65,536 is right by
/// chance.
pub(super) fn is_frame(wire: &[u8]) -> bool {
    let mut data = Unstuffed::START;
    let mut head = [0; MIN_MESSAGE];
    for place in &mut head {
        *place = data.next(wire).unwrap_or_default();
    }
    Head8::total(&head).is_ok_and(|total| {
        let (mut data, mut crc, mut len) = (Unstuffed::START, Crc16::new(), 0usize);
        while let Some(byte) = data.next(wire) {
            crc.update(&[byte]);
            len = len.wrapping_add(1);
        }
        data.at == wire.len() && message_len(len, crc.value()) == Ok(total)
    })
}
