//! Any stream in any pieces: the COBS decoder agrees with the slow reference. And any data that
//! were encoded as COBS are decoded unchanged.
//!
//! Input: a quarter of the buffer's length, the length of the pieces less 1, the stream.
#![no_main]

#[path = "../../kit/events.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod events;
#[path = "../../kit/oracle.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod oracle;

use anysmp::cobs::{Decoded, Decoder, Encoder, max_encoded_len};
use anysmp::framing::delimited::Cobs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [quarter, piece, stream @ ..] = input else { return };
    let buffer = 4 * usize::from(*quarter);
    let size = 1 + usize::from(*piece);
    assert_eq!(
        events::decode(&mut Cobs::new(&mut vec![0; buffer]), stream.chunks(size)),
        oracle::cobs_reference(stream, buffer)
    );

    let mut encoder = Encoder::new([*quarter, *piece]);
    let (mut wire, mut run) = (Vec::new(), vec![0; size]);
    loop {
        match encoder.next(stream, &mut run) {
            0 => break,
            count => wire.extend_from_slice(&run[..count]),
        }
    }
    assert!(!wire.contains(&0) && wire.len() <= max_encoded_len(stream.len() + 2));
    wire.push(0);
    let (mut data, mut len) = (vec![0; stream.len() + 2], 0);
    let mut decoder = Decoder::new();
    let mut last = Decoded::More;
    for mut piece in wire.chunks(size) {
        assert_eq!(last, Decoded::More);
        last = decoder.push(&mut piece, &mut data, &mut len);
    }
    assert_eq!((last, len), (Decoded::End, data.len()));
    assert_eq!(data, [stream, &[*quarter, *piece]].concat());
});
