//! The two directions as tables: 320 bytes, one load for each symbol.

use ::base64::alphabet::Alphabet;

use super::symbol::{INVALID, PAD, PADDING};

/// The standard alphabet of RFC 4648, section 4.
const SYMBOLS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The crate has checked that these are 64 different symbols; a test compares them with its own.
const _: () = assert!(Alphabet::new(SYMBOLS).is_ok());

static ENCODE: [u8; 64] = encode_table();
static DECODE: [u8; 256] = decode_table();

/// The symbol of the low six bits.
pub(super) fn symbol(bits: u8) -> u8 {
    ENCODE.get(usize::from(bits & 0x3F)).copied().unwrap_or(PAD)
}

/// The six bits of a symbol, [`PADDING`], or [`INVALID`].
pub(super) fn value(symbol: u8) -> u8 {
    DECODE.get(usize::from(symbol)).copied().unwrap_or(INVALID)
}

#[expect(clippy::indexing_slicing, reason = "runs in the compiler only, where an index out of range is an error")]
const fn encode_table() -> [u8; 64] {
    let mut table = [0; 64];
    let mut at = 0;
    while at < table.len() {
        table[at] = SYMBOLS.as_bytes()[at];
        at += 1;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "runs in the compiler only; values below 64"
)]
const fn decode_table() -> [u8; 256] {
    let mut table = [INVALID; 256];
    table[PAD as usize] = PADDING;
    let mut at = 0;
    while at < SYMBOLS.len() {
        table[SYMBOLS.as_bytes()[at] as usize] = at as u8;
        at += 1;
    }
    table
}
