//! The alphabet as tables of 192 bytes, with one load for each symbol. A host has another 12 KiB:
//! one load encodes two symbols, and decoding a symbol needs no arithmetic.

use ::base64::alphabet::Alphabet;

use super::symbol::{INVALID, PAD, PADDING};

/// The standard alphabet of RFC 4648, section 4.
const SYMBOLS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The crate checks that these are 64 different symbols; a test compares them with its own.
const _: () = assert!(Alphabet::new(SYMBOLS).is_ok());

static ENCODE: [u8; 64] = encode_table();
/// The values of ASCII characters. A table for all bytes would take 128 more bytes.
static DECODE: [u8; 128] = decode_table();

/// Returns the symbol of the low six bits.
pub(super) fn symbol(bits: u8) -> u8 {
    ENCODE.get(usize::from(bits & 0x3F)).copied().unwrap_or(PAD)
}

/// Returns the six bits of a symbol, [`PADDING`], or a value with the bit [`INVALID`].
pub(super) fn value(symbol: u8) -> u8 {
    symbol & INVALID | ascii(symbol)
}

/// Does the same for an ASCII character; the highest bit of any other byte is ignored.
pub(super) fn ascii(symbol: u8) -> u8 {
    DECODE.get(usize::from(symbol & !INVALID)).copied().unwrap_or(INVALID)
}

/// Two symbols for each 12 bits, the first one lowest.
static PAIRS: [u16; 4096] = pairs_table();

/// The bits of each symbol at each of the four places of a group, whose first byte is lowest;
/// [`STRAY`] for other bytes.
static PLACES: [[u32; 256]; 4] = [places_table(0), places_table(1), places_table(2), places_table(3)];

/// The mark of a byte that is not a symbol: the bits above the three bytes of a group.
pub(super) const STRAY: u32 = 0xFF00_0000;

/// Returns the two symbols of the low 12 bits, the first one lowest.
pub(super) fn pair(bits: u64) -> u16 {
    let index = usize::try_from(bits & 0xFFF).unwrap_or_default();
    PAIRS.get(index).copied().unwrap_or_default()
}

/// Returns the three bytes of four symbols, the first one lowest; with bits of [`STRAY`] if one of
/// them is padding or foreign.
pub(super) fn group(symbols: [u8; 4]) -> u32 {
    let [w, x, y, z] = &PLACES;
    let at = |table: &[u32; 256], symbol| table.get(usize::from(symbol)).copied().unwrap_or(STRAY);
    let [a, b, c, d] = symbols;
    at(w, a) | at(x, b) | at(y, c) | at(z, d)
}

#[expect(clippy::indexing_slicing, reason = "runs in the compiler only, where an index out of range is an error")]
const fn pairs_table() -> [u16; 4096] {
    let (mut table, symbols) = ([0; 4096], encode_table());
    let mut at = 0;
    while at < table.len() {
        table[at] = u16::from_le_bytes([symbols[at >> 6], symbols[at & 0x3F]]);
        at += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, reason = "runs in the compiler only, where an index out of range is an error")]
const fn places_table(place: u32) -> [u32; 256] {
    let (mut table, values) = ([STRAY; 256], decode_table());
    let mut at = 0;
    while at < values.len() {
        if values[at] < 64 {
            table[at] = ((values[at] as u32) << (18 - 6 * place) << 8).swap_bytes();
        }
        at += 1;
    }
    table
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
const fn decode_table() -> [u8; 128] {
    let mut table = [INVALID; 128];
    table[PAD as usize] = PADDING;
    let mut at = 0;
    while at < SYMBOLS.len() {
        table[SYMBOLS.as_bytes()[at] as usize] = at as u8;
        at += 1;
    }
    table
}
