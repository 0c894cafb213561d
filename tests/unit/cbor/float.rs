//! Unit tests of `src/cbor/float.rs`.

use super::super::*;
use crate::cbor::Reader;
use std::string::ToString;

/// RFC 8949, appendix D, with the power of two as a loop.
fn half_of_the_rfc(bits: u16) -> f64 {
    let (exponent, mut value) = (i32::from(bits >> 10 & 0x1F), f64::from(bits & 0x3FF));
    if exponent == 31 {
        value = if value == 0.0 { f64::INFINITY } else { f64::NAN };
    } else {
        value += if exponent == 0 { 0.0 } else { 1024.0 };
        let mut power = exponent.max(1) - 25;
        while power != 0 {
            value = if power > 0 { value * 2.0 } else { value / 2.0 };
            power -= power.signum();
        }
    }
    if bits & 0x8000 == 0 { value } else { -value }
}

#[test]
fn every_half_float_reads_as_the_rfc_says() {
    for bits in 0..=u16::MAX {
        let [high, low] = bits.to_be_bytes();
        let (ours, theirs) = (Reader::new(&[0xF9, high, low]).float().unwrap(), half_of_the_rfc(bits));
        assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:#06x}");
    }
}

#[test]
fn floats_read_back_what_was_written_at_either_width() {
    for value in [0.0, -0.0, 1.5, -21.25, 3.4e38, f32::MIN_POSITIVE, f32::INFINITY] {
        let mut out = [0; 16];
        let mut writer = Writer::new(&mut out);
        value.write(&mut writer).unwrap();
        f64::from(value).write(&mut writer).unwrap();
        let mut reader = Reader::new(&out);
        assert_eq!(f32::read(&mut reader), Ok(value));
        assert_eq!(f64::read(&mut reader), Ok(value.into()));
    }
}

#[test]
fn an_integer_reads_as_a_float_and_a_text_does_not() {
    assert_eq!(f32::read(&mut Reader::new(b"\x18\x2a")), Ok(42.0));
    assert_eq!(f64::read(&mut Reader::new(b"\x20")), Ok(-1.0));
    assert_eq!(f64::read(&mut Reader::new(b"\x61x")), Err(Malformed));
    assert_eq!(f64::read(&mut Reader::new(b"\xf6")), Err(Malformed), "null");
    assert_eq!(f32::read(&mut Reader::new(b"\xf7")), Err(Malformed), "undefined");
}

#[test]
fn an_integer_of_any_size_reads_as_the_nearest_float() {
    for number in [0, 1, 1 << 53, (1 << 53) + 1, (1 << 54) + 2, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX] {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = number.to_be_bytes();
        let read = |head: u8| f64::read(&mut Reader::new(&[head, b0, b1, b2, b3, b4, b5, b6, b7]));
        for (head, exact) in [(0x1B, i128::from(number)), (0x3B, -1 - i128::from(number))] {
            assert_eq!(read(head), Ok(exact.to_string().parse().unwrap()), "{exact}");
        }
    }
}
