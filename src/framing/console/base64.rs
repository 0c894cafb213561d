//! Converts groups of four base64 symbols (RFC 4648, section 4), strictly: one alphabet, and no
//! stray bits.

mod arithmetic;
mod symbol;
mod tables;

use symbol::{INVALID, PAD, PADDING};

/// The form without tables: everything goes symbol by symbol.
pub(super) const SMALL: u8 = 0;
/// The form with a table for each direction: whole groups in one run are converted at once.
pub(super) const FIRMWARE: u8 = 1;
/// The form with large tables, and a fast path from one end of a frame to the other.
pub(super) const HOST: u8 = 2;
/// The form in use. Code that depends on it is generic over the form, and calls this one: so tests
/// run all three, and no other file of the framing names the feature.
pub(super) const FORM: u8 = if cfg!(feature = "small") {
    SMALL
} else if cfg!(target_os = "none") {
    FIRMWARE
} else {
    HOST
};

/// Encodes the whole groups of three bytes at the front of `bytes` that fit `out`; returns the
/// number of groups.
// Not inlined on a host: its loop needs the registers that the state of the encoder takes.
#[cfg_attr(not(target_os = "none"), inline(never))]
pub(super) fn encode_triples<const FORM: u8>(mut bytes: &[u8], out: &mut [u8]) -> usize {
    let mut count = 0;
    // Two groups at once if two more bytes follow: one load reads eight bytes, of which six are
    // used, and one more load turns each 12 bits into two symbols.
    let octets = if FORM == HOST { &mut *out } else { &mut [] };
    for octet in octets.chunks_exact_mut(8) {
        let (Some(eight), [s, t, u, v, w, x, y, z]) = (bytes.first_chunk(), octet) else { break };
        let bits = u64::from_be_bytes(*eight);
        let pair = |place: u32| tables::pair(bits >> place).to_le_bytes();
        ([*s, *t], [*u, *v]) = (pair(52), pair(40));
        ([*w, *x], [*y, *z]) = (pair(28), pair(16));
        bytes = bytes.get(6..).unwrap_or_default();
        count += 2;
    }
    // Not `zip`: it computes lengths with a division, whose check for a zero divisor (a panic)
    // stays when the compiler optimises for size.
    for quad in out.get_mut(count * 4..).unwrap_or_default().chunks_exact_mut(4) {
        let (Some((triple, rest)), Some(quad)) = (bytes.split_first_chunk(), quad.first_chunk_mut()) else { break };
        let [a, b, c] = *triple;
        *quad = encode(u32::from_be_bytes([0, a, b, c]));
        bytes = rest;
        count += 1;
    }
    count
}

/// Encodes the three bytes of `bits`, the last `3 - count` of which are padding; the first symbol
/// is lowest.
pub(super) fn encode_padded<const FORM: u8>(mut bits: u32, count: usize) -> u32 {
    if FORM == SMALL {
        let mut quad = 0;
        for at in 0..4 {
            let [_, high, ..] = (bits >> 2).to_be_bytes();
            bits <<= 6;
            quad = quad >> 8 | u32::from(if at > count { PAD } else { arithmetic::symbol(high) }) << 24;
        }
        return quad;
    }
    let [w, x, y, z] = encode(bits);
    u32::from_le_bytes(match count {
        1 => [w, x, PAD, PAD],
        2 => [w, x, y, PAD],
        _ => [w, x, y, z],
    })
}

/// Decodes valid whole groups without padding, as many as fit `out`, and removes them from the
/// front of `symbols`; returns the number of bytes.
#[inline(always)]
pub(super) fn decode_quads<const FORM: u8>(symbols: &mut &[u8], out: &mut [u8]) -> usize {
    if FORM == HOST { decode_octets(symbols, out) } else { decode_each(symbols, out) }
}

/// The form of a host.
fn decode_octets(symbols: &mut &[u8], mut room: &mut [u8]) -> usize {
    let (before, mut from) = (room.len(), 0);
    // Two groups at once while the output has room for the eight bytes of one store, of which six
    // count.
    for octet in symbols.chunks_exact(8) {
        let (Some(place), [s, t, u, v, w, x, y, z]) = (room.first_chunk_mut(), octet) else { break };
        let (one, two) = (tables::group([*s, *t, *u, *v]), tables::group([*w, *x, *y, *z]));
        if (one | two) & tables::STRAY != 0 {
            break;
        }
        *place = (u64::from(one) | u64::from(two) << 24).to_le_bytes();
        room = room.get_mut(6..).unwrap_or_default();
        from += 8;
    }
    let mut rest = symbols.get(from..).unwrap_or_default();
    while let (Some((quad, after)), Some(place)) = (rest.split_first_chunk(), room.first_chunk_mut()) {
        let Some(bytes) = decode(*quad) else { break };
        *place = bytes;
        room = room.get_mut(3..).unwrap_or_default();
        rest = after;
    }
    *symbols = rest;
    before.wrapping_sub(room.len())
}

/// Decodes a padded group at the front of `symbols` if its bytes fill `out` and a line feed follows
/// it, and removes it; returns the number of bytes.
pub(super) fn decode_last(symbols: &mut &[u8], out: &mut [u8]) -> usize {
    let [w, x, y, PAD, rest @ ..] = *symbols else { return 0 };
    let [b'\n', ..] = rest else { return 0 };
    // `A`, the first symbol of the alphabet, has the value 0.
    let (y, count) = if *y == PAD { (b'A', 1) } else { (*y, 2) };
    let bits = tables::group([*w, *x, y, b'A']);
    // A byte outside the alphabet, or bits that belong to no byte.
    if out.len() != count || bits >> (8 * count) != 0 {
        return 0;
    }
    for (place, byte) in out.iter_mut().zip(bits.to_le_bytes()) {
        *place = byte;
    }
    *symbols = rest;
    count
}

/// The form of firmware.
// Not inlined, so that the compiler does not keep the state of a line in registers around it: 6 %
// of a frame's instructions on an M3, 2 % on an M0, for 34 to 40 bytes of flash.
#[inline(never)]
fn decode_each(symbols: &mut &[u8], mut room: &mut [u8]) -> usize {
    let (before, mut front) = (room.len(), *symbols);
    while let Some((quad, rest)) = front.split_first_chunk() {
        // One test of all four bytes for those that the table does not have. It comes before that
        // of the room: after it, the compiler would compute how many groups fit by a division, and
        // small cores have no instruction for that.
        if u32::from_le_bytes(*quad) & u32::from_le_bytes([INVALID; 4]) != 0 {
            break;
        }
        let Some(place) = room.first_chunk_mut() else { break };
        if !decode_ascii(*quad, place) {
            break;
        }
        front = rest;
        room = room.get_mut(3..).unwrap_or_default();
    }
    *symbols = front;
    before.wrapping_sub(room.len())
}

/// The symbols of a group so far: six bits or [`PADDING`] in a byte each, on a host the symbols as
/// they are, the last one lowest. The bytes above them are FF, so bit 31 becomes 0 with the fourth
/// symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Group(u32);

impl Group {
    pub(super) const EMPTY: Self = Self(u32::MAX);

    pub(super) const fn is_full(self) -> bool {
        self.0 >> 31 == 0
    }

    /// Returns the group of four symbols or padding; `None` if one of them is neither.
    pub(super) fn of([a, b, c, d]: [u8; 4]) -> Option<Self> {
        let value = tables::value;
        let values = u32::from_be_bytes([value(a), value(b), value(c), value(d)]);
        (values & u32::from_be_bytes([INVALID; 4]) == 0).then_some(Self(values))
    }

    /// Adds a symbol or padding; returns false if the byte is neither.
    pub(super) fn push<const FORM: u8>(&mut self, byte: u8) -> bool {
        let value = if FORM == SMALL { arithmetic::value(byte) } else { tables::value(byte) };
        self.0 = self.0 << 8 | u32::from(if FORM == HOST { byte } else { value });
        value & INVALID == 0
    }

    /// Returns the bytes, the first one highest, and their number. `None` if padding is misplaced,
    /// or if the bits that belong to no byte are not zero.
    pub(super) fn bytes<const FORM: u8>(self) -> Option<(u32, usize)> {
        let values = if FORM == HOST { u32::from_be_bytes(self.0.to_be_bytes().map(tables::value)) } else { self.0 };
        let count = match values & u32::from_be_bytes([PADDING; 4]) {
            0x0000_0000 => 3,
            0x0000_0040 => 2,
            0x0000_4040 => 1,
            _ => return None,
        };
        let [w, x, y, z] = (values & 0x3F3F_3F3F).to_be_bytes();
        let bits = u32::from(w) << 26 | u32::from(x) << 20 | u32::from(y) << 14 | u32::from(z) << 8;
        (bits << (8 * count) == 0).then_some((bits, count))
    }

    /// Completes the group of a host from `symbols`; returns it and the bytes after it. `None` if
    /// fewer than four bytes are there.
    pub(super) fn filled(self, symbols: &[u8]) -> Option<([u8; 4], &[u8])> {
        let missing = self.0.leading_ones();
        let both = u64::from(self.0) << 32 | u64::from(u32::from_be_bytes(*symbols.first_chunk()?));
        let [_, _, _, _, quad @ ..] = (both >> (32 - missing)).to_be_bytes();
        Some((quad, symbols.get(missing as usize / 8..)?))
    }

    /// Returns the cut group at the end of a read: at most three symbols. `None` if there are more
    /// bytes, or one is padding or no symbol.
    pub(super) fn cut(symbols: &[u8]) -> Option<Self> {
        // `A` has the value 0.
        let (quad, group) = match *symbols {
            [] => return Some(Self::EMPTY),
            [w] => ([w, b'A', b'A', b'A'], [0xFF, 0xFF, 0xFF, w]),
            [w, x] => ([w, x, b'A', b'A'], [0xFF, 0xFF, w, x]),
            [w, x, y] => ([w, x, y, b'A'], [0xFF, w, x, y]),
            _ => return None,
        };
        (tables::group(quad) & tables::STRAY == 0).then_some(Self(u32::from_be_bytes(group)))
    }
}

// Written out symbol by symbol: with `map` over an array the image grows by 114 bytes on a
// Cortex-M4, and by 4 on a Cortex-M0.

/// Encodes the low three bytes of `bits`.
fn encode(bits: u32) -> [u8; 4] {
    let symbol = |place: u32| {
        let [low, ..] = (bits >> place).to_le_bytes();
        tables::symbol(low)
    };
    [symbol(18), symbol(12), symbol(6), symbol(0)]
}

/// Decodes four bytes of ASCII to `place`; returns false if one of them is not a symbol; the
/// stored bytes are then meaningless.
// Stored before the test, so that the three bytes need no registers until then. With that, and the
// room cut instead of counted, a frame of 380 bytes takes 9,435 instructions instead of 9,950 on a
// Cortex-M3 and 15,056 instead of 16,470 on an M0, and the loop 32 bytes of flash less there.
fn decode_ascii([a, b, c, d]: [u8; 4], place: &mut [u8; 3]) -> bool {
    let value = tables::ascii;
    let (w, x, y, z) = (value(a), value(b), value(c), value(d));
    *place = [w << 2 | x >> 4, x << 4 | y >> 2, y << 6 | z];
    (w | x | y | z) & (INVALID | PADDING) == 0
}

/// Decodes four symbols; `None` if one of them is padding or invalid.
pub(super) fn decode(symbols: [u8; 4]) -> Option<[u8; 3]> {
    let bits = tables::group(symbols);
    let [a, b, c, _] = bits.to_le_bytes();
    (bits & tables::STRAY == 0).then_some([a, b, c])
}

// Only in a checkout.
#[path = "../../../tests/unit/framing/console"]
#[cfg(test)]
mod tests {
    #[cfg(anysmp_checkout)]
    mod base64;
}
