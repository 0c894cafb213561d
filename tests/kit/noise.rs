//! Bytes that mean something to one of the framings: uniform noise rarely hits a weak point.

use super::random::Random;

const MEANT: [u8; 24] = [
    0x00, 0x01, 0x02, 0x03, 0x06, 0x09, 0x04, 0x14, 0x0A, 0x0D, b'=', b'A', b'B', b'Q', b'/', b'+', 0x08, 0x0B, 0xFF,
    0xE0, 0x10, 0x11, 0x20, 0x06,
];

const PIECES: [&[u8]; 12] = [
    &[0x06, 0x09],
    &[0x04, 0x14],
    &[0x01, 0x01],
    &[0x02, 0x02],
    &[0x02, 0x00, 0x00, 0x01, 0x00, 0x00],
    &[0x0A, 0x00, 0x00, 0x10],
    &[0x00, 0x00, 0x00, 0x00, 0x00],
    &[0xFF, 0xFF],
    b"\x06\x09AAoA\n",
    b"\x06\x09AA",
    b"\x04\x14AAAA",
    b"==",
];

/// Some noise. `frames` are whole valid frames of other messages, which may be in it, whole or cut.
pub fn draw(random: &mut Random, frames: &[Vec<u8>], longest: usize) -> Vec<u8> {
    let len = 1 + random.index(longest);
    let mut noise = Vec::new();
    while noise.len() < len {
        match random.below(10) {
            0 => noise.push(random.byte()),
            1..=5 => noise.push(random.pick(&MEANT)),
            6 | 7 => noise.extend_from_slice(PIECES[random.index(PIECES.len())]),
            8 if !frames.is_empty() => {
                let frame = &frames[random.index(frames.len())];
                noise.extend_from_slice(&frame[..random.index(frame.len() + 1)]);
            }
            9 if !frames.is_empty() => noise.extend_from_slice(&frames[random.index(frames.len())]),
            _ => noise.push(b'\n'),
        }
    }
    noise
}

/// Console text: printable and nasty, but without a marker, either in it or at its seam with the
/// bytes before it.
pub fn text(random: &mut Random, before: Option<u8>, longest: usize) -> Vec<u8> {
    let mut last = before;
    let mut text = Vec::new();
    for _ in 0..1 + random.index(longest) {
        let byte = match random.below(8) {
            0 => random.pick(&[0x06, 0x04, 0x09, 0x14, b'=', b'\r', b'\n', b'>']),
            _ => b' ' + random.below(95) as u8,
        };
        if !matches!((last, byte), (Some(0x06), 0x09) | (Some(0x04), 0x14)) {
            text.push(byte);
            last = Some(byte);
        }
    }
    text
}
