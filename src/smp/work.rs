//! The work of decoding hostile payloads, counted in heads of items: it grows as their length does.

use super::{Decode, Error, image, os};
use crate::cbor::work::heads;

/// Heads that are read to decode and walk a payload.
fn cost(payload: &[u8]) -> u64 {
    heads(|| {
        let _ = image::Upload::decode(payload);
        let _ = Error::find(payload);
        if let Ok(pools) = os::PoolStatisticsResponse::decode(payload) {
            pools.iter().count();
        }
        if let Ok(state) = image::SlotInfoResponse::decode(payload) {
            for image in state.images.iter() {
                image.slots.iter().count();
            }
        }
    })
}

#[test]
fn the_work_for_a_payload_grows_no_faster_than_its_length() {
    const SHORT: usize = 2_000;
    // Prefix, what is repeated, and the breaks at the end, which may be too few.
    let cases: [(&[u8], &[u8], &[u8]); 9] = [
        (b"\xbf", b"\x60\x00", b"\xff"),
        (b"\xbf", b"\x61x\x80", b"\xff"),
        (b"\xbf", b"\x61x\xa0", b"\xff"),
        (b"\xbf\x7f", b"\x60", b"\xff"),
        (b"\xbf\x61x\x5f", b"\x40", b"\xff"),
        (b"\xbf\x61x\x9f", b"\x9f\xff", b"\xff"),
        (b"\xbf\x66images", b"\x9f\xa2\x65image\x00\x65slots\x9f\xa1\x64slot\x00\xa1\x64slot\x01\xff", b"\xff"),
        // The lists in these two are read to their ends.
        (b"\xbf", b"\x7f\x60\x60\x60\x60\xff\xa2\x65nblks\x01\x65nfree\x01", b"\xff"),
        (b"\xbf\x66images\x9f", b"\xa2\x65image\x00\x65slots\x9f\xa1\x64slot\x00\xa1\x64slot\x01\xff", b"\xff\xff"),
    ];
    for (prefix, unit, end) in cases {
        let cost = |len: usize| cost(&[prefix, &unit.repeat(len / unit.len()), end].concat());
        // The short one first, so that work that grows faster is found before the long one is
        // begun.
        let short = cost(SHORT);
        assert!(short > 0 && short <= 16 * SHORT as u64, "{short} heads in {SHORT} bytes of {unit:02x?}");
        let long = cost(32 * SHORT);
        assert!(long <= 33 * short, "{short} heads, then {long} in 32 times the length of {unit:02x?}");
    }
}
