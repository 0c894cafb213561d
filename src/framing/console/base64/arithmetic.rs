//! The two directions as comparisons: no tables.

use super::symbol::{INVALID, PAD, PADDING};

/// The symbol of the low six bits.
pub(super) fn symbol(bits: u8) -> u8 {
    let bits = bits & 0x3F;
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

/// The six bits of a symbol, [`PADDING`], or [`INVALID`].
pub(super) fn value(symbol: u8) -> u8 {
    match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        PAD => PADDING,
        _ => INVALID,
    }
}
