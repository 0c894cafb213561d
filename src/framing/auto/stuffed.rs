//! COBS frames in a buffer, checked and decoded where they are: the decoder of the crate needs
//! input and output in two slices.

use core::cell::Cell;

use super::super::Error;
use super::super::head::{Head, SMP_HEADER, SmpHead};
use crate::checksum::Crc16;

/// Bytes of the CRC behind a message.
pub(super) const CRC: usize = 2;

/// Reads the data of a COBS frame byte by byte, to check them without a place to put them.
struct Unstuffed {
    /// Bytes that are read.
    at: usize,
    /// Bytes of the group that are still to come.
    left: u8,
    /// Whether the group stands for a zero, too, if another follows.
    zero: bool,
}

impl Unstuffed {
    const START: Self = Self { at: 0, left: 0, zero: false };

    /// The next byte of the data. At the end exactly the whole frame has been read, unless its last
    /// group is cut off.
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
            if core::mem::replace(&mut self.zero, byte != Some(0xFF)) {
                return Some(0);
            }
        }
    }
}

/// Decodes a COBS frame without its zero where it is; returns the length of its message.
///
/// In whole groups: byte by byte it would take longer than the port may be left alone.
pub(super) fn decode(wire: &mut [u8]) -> Result<usize, Error> {
    // Each byte moves to the front, past bytes that were read: cells may be read and written in
    // turn.
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
        let (data, next) = after.split_at_checked(code.wrapping_sub(1).into()).ok_or(Error::Malformed)?;
        for (to, from) in cells.get(len..).unwrap_or_default().iter().zip(data) {
            to.set(from.get());
        }
        len = len.wrapping_add(data.len());
        rest = next;
    }
    message_len(len, Crc16::of(wire.get(..len).unwrap_or_default()))
}

/// The length of the message in data of `len` bytes with this CRC.
fn message_len(len: usize, crc: u16) -> Result<usize, Error> {
    match len.checked_sub(CRC) {
        Some(len @ SMP_HEADER..) if crc == 0 => Ok(len),
        Some(SMP_HEADER..) => Err(Error::Checksum),
        _ => Err(Error::Malformed),
    }
}

/// Whether bytes of a raw message are a COBS frame. The length in its SMP header has to fit, too:
/// the payload of an upload has very many runs between zeros, and a CRC fits one in 65,536.
pub(super) fn is_frame(wire: &[u8]) -> bool {
    let mut data = Unstuffed::START;
    let mut head = [0; SMP_HEADER];
    for place in &mut head {
        *place = data.next(wire).unwrap_or_default();
    }
    SmpHead::total(&head).is_ok_and(|total| {
        let (mut data, mut crc, mut len) = (Unstuffed::START, Crc16::new(), 0usize);
        while let Some(byte) = data.next(wire) {
            crc.update(&[byte]);
            len = len.wrapping_add(1);
        }
        data.at == wire.len() && message_len(len, crc.value()) == Ok(total)
    })
}
