//! Images for big-endian devices, as `imgtool sign --endian big` makes them.
//!
//! ```text
//!   header: magic u32, load address u32, header u16, protected TLVs u16, body u32, flags u32,
//!           version u8 u8 u16 u32
//!   TLVs:   magic u16, length u16; each: type u8 and a zero, or of a vendor u16; length u16; value
//! ```
//!
//! The device reads these numbers in its own order, so a tool has to do the same. This concerns
//! only reading: the file is sent and hashed as it is.

use std::borrow::Cow;

const MAGIC: [u8; 4] = [0x96, 0xF3, 0xB8, 0x3D];
/// Bytes of the header without padding.
const HEADER: usize = 28;

/// The numbers of the header, by offset and length.
const NUMBERS: [(usize, usize); 8] = [(0, 4), (4, 4), (8, 2), (10, 2), (12, 4), (16, 4), (22, 2), (24, 4)];

/// Returns the file with its header and the heads of its TLVs in little-endian order, in which all
/// other code reads them; a file that is not a big-endian image is returned as it is.
pub fn little(file: &[u8]) -> Cow<'_, [u8]> {
    if file.get(..4) != Some(&MAGIC) || file.len() < HEADER {
        return Cow::Borrowed(file);
    }
    let mut view = file.to_vec();
    for (at, len) in NUMBERS {
        swap(&mut view, at, len);
    }
    let number = |at: usize, len: usize| {
        let bytes = file.get(at..at + len).unwrap_or_default();
        bytes.iter().fold(0, |number: usize, byte| number << 8 | usize::from(*byte))
    };
    let mut at = number(8, 2) + number(12, 4);
    // The protected area, and the other one.
    let areas = if number(10, 2) > 0 { 2 } else { 1 };
    for _ in 0..areas {
        let end = at + number(at + 2, 2);
        swap(&mut view, at, 2);
        swap(&mut view, at + 2, 2);
        at += 4;
        while at < end && at + 4 <= file.len() {
            // A standard type is one byte and a zero in either order.
            if number(at + 1, 1) != 0 {
                swap(&mut view, at, 2);
            }
            swap(&mut view, at + 2, 2);
            at += 4 + number(at + 2, 2);
        }
    }
    Cow::Owned(view)
}

/// Swaps a number, if all of it is there.
fn swap(bytes: &mut [u8], at: usize, len: usize) {
    if let Some(number) = bytes.get_mut(at..at + len) {
        number.reverse();
    }
}
