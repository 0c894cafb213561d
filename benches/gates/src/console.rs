//! Base64, CRC, and whole console frames beside their sum.

use crate::{LENGTHS, Meter, base64, random};
use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use anysmp::checksum::Crc16;
use anysmp::framing::console::Console;
use anysmp::framing::{Encoder, Framing, Progress};
use core::hint::black_box;
use crc::{CRC_16_XMODEM, Crc};

#[cfg(not(target_os = "none"))]
type Table = crc::Table<16>;
#[cfg(target_os = "none")]
type Table = crc::Table<1>;
static TABLE: Crc<u16, Table> = Crc::<u16, Table>::new(&CRC_16_XMODEM);

/// Symbols in a line, and the bytes that they are.
const LINE: usize = 93;

pub(crate) fn cases(meter: &mut impl Meter) {
    let (mut message, mut wire, mut out) = ([0; 2048], [0; 3072], [0; 3072]);
    random(&mut message);
    for len in [16, LINE, 380, 1024, 2044] {
        let bytes = &message[..len];
        // Whole groups: what is padded belongs to the frame.
        let whole = &bytes[..len - len % 3];
        meter.case("base64-encode", len, || {
            black_box(encode(black_box(whole), &mut out));
        });
        meter.case("base64-encode/base64-0.22", len, || {
            black_box(STANDARD.encode_slice(black_box(whole), &mut out).is_ok());
        });
        let symbols = STANDARD.encode_slice(whole, &mut wire).unwrap_or_default();
        meter.case("base64-decode", len, || {
            black_box(decode(black_box(&wire[..symbols]), &mut out));
        });
        #[cfg(not(target_os = "none"))]
        meter.case("base64-decode/base64-0.23", len, || {
            use base64_23::Engine as _;
            let engine = &base64_23::engine::general_purpose::STANDARD;
            black_box(engine.decode_slice(black_box(&wire[..symbols]), &mut out).is_ok());
        });
    }
    for len in LENGTHS {
        let message = &message[..len];
        meter.case("crc", len, || {
            black_box(Crc16::of(black_box(message)));
        });
        meter.case("crc/crc-table", len, || {
            black_box(TABLE.checksum(black_box(message)));
        });
        frames(meter, message);
    }
}

fn frames(meter: &mut impl Meter, message: &[u8]) {
    let len = message.len();
    let (mut wire, mut out, mut part, mut buffer) = ([0; 3072], [0; 3072], [0; 128], [0; 2048]);
    let mut console = Console::new(&mut buffer);
    meter.case("console-encode", len, || {
        if let Ok(mut encoder) = console.encode(black_box(message)) {
            black_box(encoder.next(message, black_box(&mut out)));
        }
    });
    meter.case("console-encode-128", len, || {
        if let Ok(mut encoder) = console.encode(black_box(message)) {
            while encoder.next(message, black_box(&mut part)) > 0 {}
        }
    });
    let wire_len = console.encode(message).map_or(0, |mut encoder| encoder.next(message, &mut wire));
    let wire = &wire[..wire_len];
    meter.case("console-decode", len, || {
        let mut input = black_box(wire);
        assert!(console.push(&mut input) == Ok(Progress::Message));
    });
    meter.case("console-decode-64", len, || {
        for mut read in black_box(wire).chunks(64) {
            black_box(console.push(&mut read).is_ok());
        }
    });

    // The sum of its parts: the CRC, and each line by itself. No copy, no marker, no line feed.
    let mut packet = [0; 2048];
    let packet = &mut packet[..len + 4];
    packet[..2].copy_from_slice(&(len as u16 + 2).to_be_bytes());
    packet[2..len + 2].copy_from_slice(message);
    packet[len + 2..].copy_from_slice(&Crc16::of(message).to_be_bytes());
    meter.case("console-encode/sum", len, || {
        black_box(TABLE.checksum(black_box(message)));
        for line in packet.chunks(LINE) {
            black_box(STANDARD.encode_slice(line, &mut out).is_ok());
        }
    });
    meter.case("console-decode/sum", len, || {
        for (line, room) in black_box(wire).chunks(127).zip(out.chunks_mut(LINE)) {
            black_box(STANDARD.decode_slice(&line[2..line.len() - 1], room).is_ok());
        }
        black_box(TABLE.checksum(black_box(message)));
    });
}

#[inline(never)]
fn encode(bytes: &[u8], out: &mut [u8]) -> usize {
    base64::encode_triples::<{ base64::FORM }>(bytes, out)
}

#[inline(never)]
fn decode(mut symbols: &[u8], out: &mut [u8]) -> usize {
    base64::decode_quads::<{ base64::FORM }>(&mut symbols, out)
}
