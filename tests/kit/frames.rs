//! Frames and damaged streams, and every way to cut them: for codecs that have fast paths.

use std::vec::Vec;

use anysmp::framing::{Encoder, Framing};

use super::events::Event;
use super::oracle::{base64, console_frame};
use super::random::Random;

/// Data with long runs, short runs, no zeros, only zeros, at least 8 bytes.
pub fn message(random: &mut Random, longest: usize) -> Vec<u8> {
    let len = 8 + random.index(longest - 7);
    let kind = random.index(6);
    (0..len)
        .map(|_| match kind {
            0 => 0,
            1 => random.byte() & random.byte() & random.byte(),
            2 => random.byte(),
            3 => random.byte() | 1,
            _ if random.index(1 << (2 * kind - 2)) == 0 => 0,
            _ => 0x80 | random.byte(),
        })
        .collect()
}

/// The frame whose first call has room for `first` bytes, and each later one for as many as
/// `later` draws.
pub fn pulled(mut next: impl FnMut(&mut [u8]) -> usize, first: usize, mut later: impl FnMut() -> usize) -> Vec<u8> {
    let (mut wire, mut size) = (Vec::new(), first);
    loop {
        let mut room = std::vec![0xEE; size];
        match next(&mut room) {
            0 => return wire,
            count => wire.extend_from_slice(&room[..count]),
        }
        size = later();
    }
}

/// Asserts that an encoder makes `expected` for every size of the first room, and in rooms of
/// changing sizes.
pub fn makes<N: FnMut(&mut [u8]) -> usize>(random: &mut Random, new: impl Fn() -> N, expected: &[u8]) {
    for first in 1..=expected.len() + 9 {
        assert!(pulled(new(), first, || 4096) == expected, "{first} bytes first, of {expected:02x?}");
    }
    for most in [1, 4, 9, 12, 64, 127, 300] {
        let wire = pulled(new(), 1 + random.index(most), || 1 + random.index(most));
        assert!(wire == expected, "up to {most} bytes at a time: {wire:02x?}, not {expected:02x?}");
    }
}

/// The encoder of a message's frame, as the function that fills a room.
pub fn framed<'m, F: Framing>(framing: &F, message: &'m [u8]) -> impl FnMut(&mut [u8]) -> usize + use<'m, F> {
    let mut encoder = framing.encode(message).unwrap();
    move |room| encoder.next(message, room)
}

/// One to three frames, most with a bit of damage, cut or with bytes between them that mean
/// something.
pub fn stream(random: &mut Random, frame: impl Fn(&mut Random) -> Vec<u8>, meant: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..1 + random.index(3) {
        let mut wire = frame(random);
        for _ in 0..random.index(3) {
            let at = random.index(wire.len());
            match random.index(6) {
                0 => wire[at] = random.byte(),
                1 => wire[at] ^= 1 << random.index(8),
                2 => wire[at] = random.pick(meant),
                3 => wire.insert(at, random.pick(meant)),
                4 if wire.len() > 1 => drop(wire.remove(at)),
                5 if random.index(4) == 0 => wire.truncate(at + 1),
                _ => {}
            }
        }
        stream.extend_from_slice(&wire);
    }
    stream
}

/// Whether a decoder makes `expected` of every two pieces of a stream, of single bytes, and of
/// pieces of changing sizes.
pub fn takes(random: &mut Random, stream: &[u8], expected: &[Event], mut run: impl FnMut(&[&[u8]]) -> Vec<Event>) {
    for cut in 0..=stream.len() {
        let (head, tail) = stream.split_at(cut);
        assert_eq!(run(&[head, tail]), expected, "cut at {cut} of {stream:02x?}");
    }
    assert_eq!(run(&stream.chunks(1).collect::<Vec<_>>()), expected, "single bytes of {stream:02x?}");
    for longest in [3, 20, 130] {
        let pieces = random.pieces(stream, longest);
        let sizes: Vec<_> = pieces.iter().map(|piece| piece.len()).collect();
        assert_eq!(run(&pieces), expected, "pieces of {sizes:?} of {stream:02x?}");
    }
}

/// A buffer that holds the longest message of a stream, or one that may be too short.
pub fn room(random: &mut Random) -> Vec<u8> {
    let len = if random.percent(70) { 700 } else { 8 + random.index(400) };
    std::vec![0xEE; len]
}

/// A stream of console frames with damage: lines of other lengths, carriage returns, LEN that does
/// not fit, messages that are too short.
pub fn console_stream(random: &mut Random) -> Vec<u8> {
    let frame = |random: &mut Random| {
        let mut message = message(random, 300);
        if random.percent(10) {
            // Too short for a message, whatever the checksum says.
            message.truncate(1 + random.index(7));
        }
        let mut wire = console_frame(&message, random.pick(&[0, 11, 20, 64, 127, 127, 127, 300]));
        if random.percent(10) {
            wire = wire.iter().flat_map(|byte| [&b"\r"[..usize::from(*byte == b'\n')], &[*byte]].concat()).collect();
        }
        if random.percent(20) {
            // Another LEN, in the first group.
            let any = random.byte();
            let len = random.pick(&[0, 8, 9, 10, 11, any]);
            wire[2..6].copy_from_slice(&base64(&[random.index(2) as u8, len, message[0]]));
        }
        wire
    };
    stream(random, frame, b"\x06\x09\x04\x14\n\r =AB/+w")
}
