//! Unit tests of `src/framing/console/base64.rs`.

use ::base64::Engine as _;
use ::base64::alphabet::STANDARD as ALPHABET;
use ::base64::engine::general_purpose::STANDARD;

use super::super::*;

fn decode_padded(symbols: [u8; 4]) -> Option<([u8; 3], usize)> {
    let [one, two, three] = [padded::<SMALL>(symbols), padded::<FIRMWARE>(symbols), padded::<HOST>(symbols)];
    assert_eq!((one, one), (two, three));
    one
}

fn padded<const FORM: u8>(symbols: [u8; 4]) -> Option<([u8; 3], usize)> {
    let mut group = Group::EMPTY;
    if !symbols.iter().all(|symbol| group.push::<FORM>(*symbol)) {
        return None;
    }
    let (bits, count) = group.bytes::<FORM>()?;
    let [a, b, c, _] = bits.to_be_bytes();
    Some(([a, b, c], count))
}

#[test]
fn both_forms_have_the_standard_alphabet() {
    for (bits, theirs) in (0..).zip(ALPHABET.as_str().bytes()) {
        assert_eq!((tables::symbol(bits), arithmetic::symbol(bits)), (theirs, theirs));
    }
    for byte in 0..=u8::MAX {
        // For a foreign byte only the mark counts.
        let [ours, theirs] = [tables::value(byte), arithmetic::value(byte)];
        let [ours, theirs] = [ours, theirs].map(|value| if value < INVALID { value } else { INVALID });
        assert_eq!(ours, theirs, "{byte:#04x}");
    }
}

#[test]
fn the_wide_tables_hold_the_same_alphabet() {
    for bits in 0..1 << 12 {
        let [high, low] = [bits >> 6, bits & 0x3F].map(|bits| arithmetic::symbol(u8::try_from(bits).unwrap()));
        // Bits above the twelve do not count.
        assert_eq!(tables::pair(bits | 0xF000).to_le_bytes(), [high, low]);
    }
    for place in 0..4 {
        for byte in 0..=u8::MAX {
            let mut quad = *b"AAAA";
            quad[place] = byte;
            let value = u32::from(arithmetic::value(byte));
            let found = tables::group(quad);
            if value < 64 {
                let [_, a, b, c] = (value << (18 - 6 * place)).to_be_bytes();
                assert_eq!(found.to_le_bytes(), [a, b, c, 0]);
            } else {
                assert_ne!(found & tables::STRAY, 0);
            }
        }
    }
}

fn encode_padded(bits: u32, count: usize) -> u32 {
    let quad = super::super::encode_padded::<SMALL>(bits, count);
    assert_eq!(super::super::encode_padded::<FIRMWARE>(bits, count), quad);
    quad
}

#[test]
fn every_triple_is_encoded_as_by_the_base64_crate_and_comes_back() {
    for number in 0..1u32 << 24 {
        let [_, a, b, c] = number.to_be_bytes();
        let mut theirs = [0; 4];
        if number % 251 == 0 {
            assert_eq!(STANDARD.encode_slice([a, b, c], &mut theirs), Ok(4));
            assert_eq!(encode_padded(u32::from_be_bytes([0, a, b, c]), 3).to_le_bytes(), theirs);
        }
        let quad = encode_padded(number, 3).to_le_bytes();
        assert_eq!(decode_padded(quad), Some(([a, b, c], 3)));
    }
}

#[test]
fn every_padded_end_is_encoded_as_by_the_base64_crate() {
    for number in 0..=u16::MAX {
        let [a, b] = number.to_be_bytes();
        let mut theirs = [0; 4];
        assert_eq!(STANDARD.encode_slice([a, b], &mut theirs), Ok(4));
        assert_eq!(encode_padded(u32::from_be_bytes([0, a, b, 0]), 2).to_le_bytes(), theirs);
        assert_eq!(STANDARD.encode_slice([a], &mut theirs), Ok(4));
        assert_eq!(encode_padded(u32::from_be_bytes([0, a, 0, 0]), 1).to_le_bytes(), theirs);
    }
}

#[test]
fn a_group_is_accepted_exactly_if_the_base64_crate_accepts_it() {
    // All byte values at each place beside each kind of neighbour: symbol, symbol with stray
    // bits, padding, foreign byte.
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
    runs_stop::<FIRMWARE>();
    runs_stop::<HOST>();
}

fn runs_stop<const FORM: u8>() {
    let mut out = [0; 9];
    let decode = |mut symbols: &'static [u8], out: &mut [u8]| (decode_quads::<FORM>(&mut symbols, out), symbols);
    assert_eq!(decode(b"AAAAQUJDAA==AAAA", &mut out), (6, &b"AA==AAAA"[..]));
    assert_eq!(decode(b"AAAAQUJD", &mut out[..5]), (3, &b"QUJD"[..]));
    assert_eq!(decode(b"AAAAQUJ", &mut out), (3, &b"QUJ"[..]));
    assert_eq!(encode_triples::<FORM>(b"abcdef", &mut out), 2);
    assert_eq!(&out[..8], b"YWJjZGVm");
    assert_eq!(encode_triples::<FORM>(b"abcde", &mut out), 1);
    assert_eq!(encode_triples::<FORM>(b"abcdef", &mut out[..7]), 1);
    // Long enough to decode two groups at a time, with damage at each place.
    let mut symbols = [0; 40];
    assert_eq!(STANDARD.encode_slice([0xA5; 30], &mut symbols), Ok(40));
    for at in 0..symbols.len() {
        let mut damaged = symbols;
        damaged[at] = b'!';
        let mut out = [0xEE; 33];
        let mut rest = &damaged[..];
        assert_eq!(decode_quads::<FORM>(&mut rest, &mut out), at / 4 * 3);
        assert_eq!(rest.len(), 40 - at / 4 * 4);
        assert!(out[..at / 4 * 3].iter().all(|byte| *byte == 0xA5));
    }
}
