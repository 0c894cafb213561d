//! The MD5 of curves, whose blocks this crate computes itself, compared with the complete one of
//! the `md-5` crate.

use anysmp::bsmp::curve::{Checksum, Md5};
use md5::Digest;

#[test]
fn every_length_and_every_cut_gives_the_digest_of_the_whole() {
    let data: Vec<u8> = (0..=255).collect();
    for len in 0..200 {
        let whole: [u8; 16] = md5::Md5::digest(&data[..len]).into();
        for cut in [0, 1, 55, 56, 63, 64, 65, 119, len / 2, len] {
            let (one, two) = data[..len].split_at(cut.min(len));
            let mut md5 = Md5::default();
            md5.update(one);
            md5.digest().unwrap();
            md5.update(two);
            assert_eq!(md5.digest(), Some(whole), "{len} bytes, cut at {cut}");
        }
    }
}

#[test]
fn the_vectors_of_rfc_1321_hold() {
    let mut md5 = Md5::default();
    assert_eq!(md5.digest().unwrap(), 0xD41D_8CD9_8F00_B204_E980_0998_ECF8_427E_u128.to_be_bytes());
    md5.update(b"abcdefghijklmnopqrstuvwxyz");
    assert_eq!(md5.digest().unwrap(), 0xC3FC_D3D7_6192_E400_7DFB_496C_CA67_E13B_u128.to_be_bytes());
}
