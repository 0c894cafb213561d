//! Unit tests of `src/checksum.rs`.

use std::vec::Vec;

use super::super::*;

#[test]
fn check_values_of_the_catalogue() {
    assert_eq!(Crc16::of(b"123456789"), 0x31C3);
    assert_eq!(Sum::of(b"123456789"), 0x23);
}

#[test]
fn both_forms_are_the_crc_of_the_crc_crate_for_all_lengths_and_starts() {
    let oracle = crc::Crc::<u16, crc::NoTable>::new(&crc::CRC_16_XMODEM);
    let data: Vec<u8> = (0..200u32).map(|at| at.wrapping_mul(0x9E37_79B9).to_be_bytes()[0]).collect();
    for len in 0..=data.len() {
        for start in [0x0000, 0x0001, 0x0080, 0x8000, 0x31C3, 0xFFFF] {
            let mut theirs = oracle.digest_with_initial(start);
            theirs.update(&data[..len]);
            let theirs = theirs.finalize();
            assert_eq!(
                (arithmetic::update(start, &data[..len]), tables::update(start, &data[..len])),
                (theirs, theirs)
            );
        }
    }
    for start in 0..=u16::MAX {
        for byte in [0x00, 0x01, 0x10, 0x80, 0xFF] {
            assert_eq!(arithmetic::update(start, &[byte]), tables::update(start, &[byte]));
        }
    }
}

#[test]
fn data_followed_by_its_check_gives_zero_in_any_pieces() {
    let data = b"slot image trailer";
    let crc = Crc16::of(data).to_be_bytes();
    let sum = Sum::of(data);
    for cut in 0..data.len() {
        let (head, tail) = data.split_at(cut);
        let mut running = Crc16::new();
        for part in [head, tail, &crc[..1], &crc[1..]] {
            running.update(part);
        }
        assert_eq!(running.value(), 0);
        let mut running = Sum::new();
        for part in [head, tail, &[sum]] {
            running.update(part);
        }
        assert_eq!(running.value(), 0);
    }
}
