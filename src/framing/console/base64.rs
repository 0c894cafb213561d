//! Groups of four base64 symbols, strictly: no other alphabet, no stray bits, no bytes past the end of either slice.

use ::base64::alphabet::Alphabet;

/// The standard alphabet of RFC 4648, section 4.
const SYMBOLS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The crate has checked that these are 64 different symbols; a test compares them with its own.
const _: () = assert!(Alphabet::new(SYMBOLS).is_ok());

const PAD: u8 = b'=';
/// Bit 7 marks what is no symbol, so that one test covers a whole group.
const INVALID: u8 = 0x80;

static ENCODE: [u8; 64] = encode_table();
static DECODE: [u8; 256] = decode_table();

/// Whether a byte may stand in a group: a symbol of the alphabet, or padding.
pub(super) fn is_symbol(byte: u8) -> bool {
    byte == PAD || value(byte) != INVALID
}

/// Encodes the whole groups of three bytes at the front of `bytes`, as far as `out` goes; returns how many.
pub(super) fn encode_triples(mut bytes: &[u8], out: &mut [u8]) -> usize {
    let mut count = 0;
    // Two groups at once, where two bytes follow them: eight bytes are one load, six of them count.
    for octet in out.chunks_exact_mut(8) {
        let (Some(eight), [s, t, u, v, w, x, y, z]) = (bytes.first_chunk(), octet) else { break };
        let bits = u64::from_be_bytes(*eight);
        (*s, *t, *u, *v) = (symbol(bits >> 58), symbol(bits >> 52), symbol(bits >> 46), symbol(bits >> 40));
        (*w, *x, *y, *z) = (symbol(bits >> 34), symbol(bits >> 28), symbol(bits >> 22), symbol(bits >> 16));
        bytes = bytes.get(6..).unwrap_or_default();
        count += 2;
    }
    // Not zipped: that would compute lengths with a division, whose check for 0 stays when the compiler saves space.
    for quad in out.get_mut(count * 4..).unwrap_or_default().chunks_exact_mut(4) {
        let (Some((triple, rest)), Some(quad)) = (bytes.split_first_chunk(), quad.first_chunk_mut()) else { break };
        *quad = encode(*triple);
        bytes = rest;
        count += 1;
    }
    count
}

/// Encodes the last one or two bytes, with padding; three bytes without.
pub(super) fn encode_padded(bytes: [u8; 3], count: usize) -> [u8; 4] {
    let [w, x, y, z] = encode(bytes);
    match count {
        1 => [w, x, PAD, PAD],
        2 => [w, x, y, PAD],
        _ => [w, x, y, z],
    }
}

/// Decodes whole groups without padding from the front of `symbols`, as far as they are valid and `out` goes; returns how many.
pub(super) fn decode_quads(symbols: &[u8], out: &mut [u8]) -> usize {
    let mut count = 0;
    let mut triples = out.chunks_exact_mut(3);
    for quad in symbols.chunks_exact(4) {
        let ([w, x, y, z], Some([a, b, c])) = (quad, triples.next()) else { break };
        let Some(bytes) = decode([*w, *x, *y, *z]) else { break };
        [*a, *b, *c] = bytes;
        count += 1;
    }
    count
}

/// Decodes a group that may end with padding: its bytes, and how many of them count.
pub(super) fn decode_padded(symbols: [u8; 4]) -> Option<([u8; 3], usize)> {
    let ([w, x, y, z], count) = match symbols {
        [w, x, PAD, PAD] => ([w, x, b'A', b'A'], 1),
        [w, x, y, PAD] => ([w, x, y, b'A'], 2),
        quad => (quad, 3),
    };
    let bytes = decode([w, x, y, z])?;
    // The bits of the last symbol that no byte takes have to be zero.
    let clean = match (count, bytes) {
        (1, [_, b, c]) => b == 0 && c == 0,
        (2, [_, _, c]) => c == 0,
        _ => true,
    };
    clean.then_some((bytes, count))
}

fn encode([a, b, c]: [u8; 3]) -> [u8; 4] {
    let bits = u64::from(u32::from_be_bytes([0, a, b, c]));
    [18, 12, 6, 0].map(|place| symbol(bits >> place))
}

fn decode(symbols: [u8; 4]) -> Option<[u8; 3]> {
    let [w, x, y, z] = symbols.map(value);
    ((w | x | y | z) & INVALID == 0).then_some([w << 2 | x >> 4, x << 4 | y >> 2, y << 6 | z])
}

/// The symbol of the low six bits.
fn symbol(bits: u64) -> u8 {
    let [.., low] = bits.to_be_bytes();
    ENCODE.get(usize::from(low & 0x3F)).copied().unwrap_or(PAD)
}

/// The six bits of a symbol, else [`INVALID`].
fn value(symbol: u8) -> u8 {
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
    let mut at = 0;
    while at < SYMBOLS.len() {
        table[SYMBOLS.as_bytes()[at] as usize] = at as u8;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::alphabet::STANDARD as ALPHABET;
    use ::base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_alphabet_is_the_standard_one() {
        assert_eq!(SYMBOLS, ALPHABET.as_str());
    }

    #[test]
    fn every_triple_is_encoded_as_by_the_base64_crate_and_comes_back() {
        for number in 0..1u32 << 24 {
            let [_, a, b, c] = number.to_be_bytes();
            let mut theirs = [0; 4];
            if number % 251 == 0 {
                assert_eq!(STANDARD.encode_slice([a, b, c], &mut theirs), Ok(4));
                assert_eq!(encode([a, b, c]), theirs);
            }
            assert_eq!(decode(encode([a, b, c])), Some([a, b, c]));
        }
    }

    #[test]
    fn every_padded_end_is_encoded_as_by_the_base64_crate() {
        for number in 0..=u16::MAX {
            let [a, b] = number.to_be_bytes();
            let mut theirs = [0; 4];
            assert_eq!(STANDARD.encode_slice([a, b], &mut theirs), Ok(4));
            assert_eq!(encode_padded([a, b, 0], 2), theirs);
            assert_eq!(STANDARD.encode_slice([a], &mut theirs), Ok(4));
            assert_eq!(encode_padded([a, 0, 0], 1), theirs);
        }
    }

    #[test]
    fn a_group_is_accepted_exactly_if_the_base64_crate_accepts_it() {
        // All byte values at each place beside each kind of neighbour: symbol, symbol with stray bits, padding, foreign byte.
        let kinds = [b'A', b'B', b'Q', b'g', b'w', b'/', PAD, b'\n', 0x00, 0xFF];
        for place in 0..4 {
            for byte in 0..=u8::MAX {
                for neighbours in 0..kinds.len().pow(3) {
                    let mut quad = [0; 4];
                    let mut rest = neighbours;
                    for (at, symbol) in quad.iter_mut().enumerate() {
                        *symbol = if at == place {
                            byte
                        } else {
                            let kind = kinds[rest % kinds.len()];
                            rest /= kinds.len();
                            kind
                        };
                    }
                    let mut theirs = [0; 3];
                    let count = STANDARD.decode_slice(quad, &mut theirs).ok();
                    let ours = decode_padded(quad);
                    assert_eq!(ours.map(|(_, count)| count), count, "{quad:?}");
                    if let Some((bytes, count)) = ours {
                        assert_eq!(bytes[..count], theirs[..count], "{quad:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn runs_stop_at_the_first_bad_group_and_at_the_end_of_either_slice() {
        let mut out = [0; 9];
        assert_eq!(decode_quads(b"AAAAQUJDAA==AAAA", &mut out), 2);
        assert_eq!(decode_quads(b"AAAAQUJD", &mut out[..5]), 1);
        assert_eq!(decode_quads(b"AAAAQUJ", &mut out), 1);
        assert_eq!(encode_triples(b"abcdef", &mut out), 2);
        assert_eq!(&out[..8], b"YWJjZGVm");
        assert_eq!(encode_triples(b"abcde", &mut out), 1);
        assert_eq!(encode_triples(b"abcdef", &mut out[..7]), 1);
    }
}
