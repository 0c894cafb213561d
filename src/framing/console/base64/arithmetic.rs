//! The alphabet as comparisons, without tables.

use super::symbol::{INVALID, PAD, PADDING};

/// Returns the symbol of the low six bits.
pub(super) fn symbol(bits: u8) -> u8 {
    let bits = bits & 0x3F;
    // Each comparison steps over the gap between two ranges of ASCII: A-Z, a-z, 0-9, +, /.
    let mut symbol = bits + b'A';
    if bits > 25 {
        symbol += 6;
    }
    if bits > 51 {
        symbol -= 75;
    }
    if bits > 61 {
        symbol -= 15;
    }
    if bits > 62 {
        symbol += 3;
    }
    symbol
}

/// Returns the six bits of a symbol, [`PADDING`], or [`INVALID`].
pub(super) fn value(symbol: u8) -> u8 {
    // Both cases at once, which differ in one bit.
    let letter = (symbol | 0x20).wrapping_sub(b'a');
    match symbol {
        _ if letter < 26 && symbol & 0x20 == 0 => letter,
        _ if letter < 26 => letter + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        PAD => PADDING,
        _ => INVALID,
    }
}
