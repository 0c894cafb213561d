//! COBS by itself, and S3MP's frames beside the sum of COBS and checksum.

use crate::{LENGTHS, Meter, random};
use anysmp::checksum::Sum;
use anysmp::cobs::{Decoder, Encoder as Stuff};
use anysmp::framing::lrc::Lrc;
use anysmp::framing::{Encoder, Framing, Progress};
use core::hint::black_box;

pub(crate) fn cases(meter: &mut impl Meter) {
    let mut data = [0; 2048];
    random(&mut data);
    for len in LENGTHS {
        stuffing(meter, "random", &data[..len]);
    }
    stuffing(meter, "zeros", &[0; 1024]);
    stuffing(meter, "no-zero", &[7; 1024]);
    // About one byte in three is a zero, as in tables.
    let mut sparse = [0; 1024];
    for (pair, from) in sparse.chunks_exact_mut(2).zip(data.chunks_exact(2)) {
        pair.copy_from_slice(&[from[0], from[0] & from[1] & 3]);
    }
    stuffing(meter, "sparse", &sparse);
    for len in LENGTHS {
        frames(meter, &data[..len]);
    }
}

/// Names of cases are literals: `no_std` has no string to join them.
macro_rules! named {
    ($kind:expr, $prefix:literal, $suffix:literal) => {
        match $kind {
            "random" => concat!($prefix, "random", $suffix),
            "zeros" => concat!($prefix, "zeros", $suffix),
            "sparse" => concat!($prefix, "sparse", $suffix),
            _ => concat!($prefix, "no-zero", $suffix),
        }
    };
}

fn stuffing(meter: &mut impl Meter, kind: &str, data: &[u8]) {
    let (mut out, mut wire) = ([0; 2304], [0; 2304]);
    let len = data.len();
    meter.case(named!(kind, "cobs-encode-", ""), len, || {
        black_box(Stuff::new([]).next(black_box(data), black_box(&mut out)));
    });
    meter.case(named!(kind, "cobs-encode-", "/cobs"), len, || {
        black_box(::cobs::encode(black_box(data), black_box(&mut out)));
    });
    meter.case(named!(kind, "cobs-encode-", "/corncobs"), len, || {
        black_box(corncobs::encode_buf(black_box(data), black_box(&mut out)));
    });
    // With the zero at the end.
    let count = corncobs::encode_buf(data, &mut wire);
    let wire = &wire[..count];
    meter.case(named!(kind, "cobs-decode-", ""), len, || {
        let (mut input, mut len) = (black_box(wire), 0);
        black_box(Decoder::new().push(&mut input, black_box(&mut out), &mut len));
    });
    meter.case(named!(kind, "cobs-decode-", "/cobs"), len, || {
        black_box(::cobs::decode(black_box(wire), black_box(&mut out)).is_ok());
    });
    meter.case(named!(kind, "cobs-decode-", "/corncobs"), len, || {
        black_box(corncobs::decode_buf(black_box(wire), black_box(&mut out)).is_ok());
    });
}

fn frames(meter: &mut impl Meter, message: &[u8]) {
    let (mut out, mut wire, mut buffer) = ([0; 2304], [0; 2304], [0; 2304]);
    let len = message.len();
    let mut lrc = Lrc::new(&mut buffer);
    meter.case("lrc-encode", len, || {
        if let Ok(mut encoder) = lrc.encode(black_box(message)) {
            black_box(encoder.next(message, black_box(&mut out)));
        }
    });
    meter.case("lrc-encode/sum", len, || {
        let sum = Sum::of(black_box(message));
        black_box(Stuff::new([sum]).next(message, black_box(&mut out)));
    });
    let count = lrc.encode(message).map_or(0, |mut encoder| encoder.next(message, &mut wire));
    let wire = &wire[..count];
    // The first frame may only be found after the start.
    black_box(lrc.push(&mut { wire }).is_ok());
    meter.case("lrc-decode", len, || {
        let mut input = black_box(wire);
        assert!(lrc.push(&mut input) == Ok(Progress::Message));
    });
    let start = wire.iter().position(|byte| *byte != 0).unwrap_or_default();
    meter.case("lrc-decode/sum", len, || {
        let (mut input, mut len) = (black_box(&wire[start..]), 0);
        black_box(Decoder::new().push(&mut input, black_box(&mut out), &mut len));
        black_box(Sum::of(&out[..len]));
    });
}
