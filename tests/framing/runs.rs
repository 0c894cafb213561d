//! The fast paths of a host, which take whole runs, lines and blocks at once. For any amount of
//! room, and wherever a read ends, their result is that of the slow oracles, and that of single
//! bytes.
//!
//! A fast path is left halfway when room or input ends there. So each frame is cut at every place,
//! and each decoder gets every cut of a damaged stream.

use anysmp::cobs;
use anysmp::framing::console::Console;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::{Encoder, Framing};

use crate::kit::events::{Event, Events, decode, idle};
use crate::kit::oracle::{
    base64, cobs_reference, cobs_stuffed, console_frame, console_reference, crc16, lrc_reference,
};
use crate::kit::random::Random;

/// Data with long runs, short runs, no zeros, only zeros, at least 8 bytes.
fn message(random: &mut Random, longest: usize) -> Vec<u8> {
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
fn pulled(mut next: impl FnMut(&mut [u8]) -> usize, first: usize, mut later: impl FnMut() -> usize) -> Vec<u8> {
    let (mut wire, mut size) = (Vec::new(), first);
    loop {
        let mut room = vec![0xEE; size];
        match next(&mut room) {
            0 => return wire,
            count => wire.extend_from_slice(&room[..count]),
        }
        size = later();
    }
}

/// Asserts that an encoder makes `expected` for every size of the first room, and in rooms of
/// changing sizes.
fn makes<N: FnMut(&mut [u8]) -> usize>(random: &mut Random, new: impl Fn() -> N, expected: &[u8]) {
    for first in 1..=expected.len() + 9 {
        assert!(pulled(new(), first, || 4096) == expected, "{first} bytes first, of {expected:02x?}");
    }
    for most in [1, 4, 9, 12, 64, 127, 300] {
        let wire = pulled(new(), 1 + random.index(most), || 1 + random.index(most));
        assert!(wire == expected, "up to {most} bytes at a time: {wire:02x?}, not {expected:02x?}");
    }
}

/// The encoder of a message's frame, as the function that fills a room.
fn framed<'m, F: Framing>(framing: &F, message: &'m [u8]) -> impl FnMut(&mut [u8]) -> usize + use<'m, F> {
    let mut encoder = framing.encode(message).unwrap();
    move |room| encoder.next(message, room)
}

#[test]
fn a_console_frame_is_that_of_the_oracle_in_every_room() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let message = message(&mut random, 420);
        let line = random.pick(&[0, 7, 11, 12, 20, 64, 127, 128, 300, 1000]);
        let console = Console::new(&mut []).with_line(line);
        makes(&mut random, || framed(&console, &message), &console_frame(&message, line));
    }
    // Each way in which the end of a message meets the end of a line.
    let mut random = Random::new(300);
    for len in 8..=300 {
        let message = random.bytes(len);
        for line in [15, 23, 127] {
            let console = Console::new(&mut []).with_line(line);
            let expected = console_frame(&message, line);
            for most in [1, 12, 60, 4096] {
                let wire = pulled(framed(&console, &message), 1 + random.index(most), || 1 + random.index(most));
                assert_eq!(wire, expected, "{len} bytes, line {line}, up to {most} at a time");
            }
        }
    }
}

#[test]
fn a_cobs_frame_is_that_of_the_oracle_in_every_room() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let message = message(&mut random, 600);
        let crc = crc16(&message).to_be_bytes();
        let mut expected = cobs_stuffed(&[&message[..], &crc].concat());
        let bare = || {
            let mut encoder = cobs::Encoder::new(crc);
            let message = &message;
            move |room: &mut [u8]| encoder.next(message, room)
        };
        makes(&mut random, bare, &expected);
        expected.push(0);
        makes(&mut random, || framed(&Cobs::new(&mut []), &message), &expected);
    }
}

/// A frame of S3MP by the oracle.
fn lrc_frame(message: &[u8]) -> Vec<u8> {
    let mut wire = cobs_stuffed(message);
    wire.push(wire.iter().fold(0, |sum: u8, byte| sum.wrapping_sub(*byte)));
    wire.push(0);
    wire
}

#[test]
fn a_frame_of_s3mp_is_that_of_the_oracle_in_every_room() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let message = message(&mut random, 600);
        makes(&mut random, || framed(&Lrc::new(&mut []), &message), &lrc_frame(&message));
    }
}

/// One to three frames, most with a bit of damage, cut or with bytes between them that mean
/// something.
fn stream(random: &mut Random, frame: impl Fn(&mut Random) -> Vec<u8>, meant: &[u8]) -> Vec<u8> {
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
fn takes(random: &mut Random, stream: &[u8], expected: &[Event], mut run: impl FnMut(&[&[u8]]) -> Vec<Event>) {
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
fn room(random: &mut Random) -> Vec<u8> {
    let len = if random.percent(70) { 700 } else { 8 + random.index(400) };
    vec![0xEE; len]
}

#[test]
fn console_lines_are_read_as_the_oracle_reads_them_at_every_cut() {
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let frame = |random: &mut Random| {
            let mut message = message(random, 300);
            if random.percent(10) {
                // Too short for a message, whatever the checksum says.
                message.truncate(1 + random.index(7));
            }
            let mut wire = console_frame(&message, random.pick(&[0, 11, 20, 64, 127, 127, 127, 300]));
            if random.percent(10) {
                wire =
                    wire.iter().flat_map(|byte| [&b"\r"[..usize::from(*byte == b'\n')], &[*byte]].concat()).collect();
            }
            if random.percent(20) {
                // Another LEN, in the first group.
                let any = random.byte();
                let len = random.pick(&[0, 8, 9, 10, 11, any]);
                wire[2..6].copy_from_slice(&base64(&[random.index(2) as u8, len, message[0]]));
            }
            wire
        };
        let stream = stream(&mut random, frame, b"\x06\x09\x04\x14\n\r =AB/+w");
        let mut buffer = room(&mut random);
        let expected = console_reference(&stream, buffer.len());
        takes(&mut random, &stream, &expected, |pieces| decode(&mut Console::new(&mut buffer), pieces.iter().copied()));
    }
}

#[test]
fn cobs_frames_are_read_as_the_oracle_reads_them_at_every_cut() {
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let frame = |random: &mut Random| {
            let message = message(random, 600);
            let mut wire = cobs_stuffed(&[&message[..], &crc16(&message).to_be_bytes()].concat());
            wire.push(0);
            wire
        };
        let stream = stream(&mut random, frame, &[0, 1, 2, 3, 8, 9, 10, 33, 254, 255]);
        let mut buffer = room(&mut random);
        let expected = cobs_reference(&stream, buffer.len());
        takes(&mut random, &stream, &expected, |pieces| decode(&mut Cobs::new(&mut buffer), pieces.iter().copied()));
    }
}

#[test]
fn frames_of_s3mp_are_read_as_the_oracle_reads_them_at_every_cut() {
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let frame = |random: &mut Random| lrc_frame(&message(random, 600));
        let stream = stream(&mut random, frame, &[0, 1, 2, 3, 8, 9, 10, 33, 254, 255]);
        let mut buffer = room(&mut random);
        let expected = lrc_reference(&[Some(&stream), None], buffer.len());
        takes(&mut random, &stream, &expected, |pieces| {
            let mut decoder = Lrc::new(&mut buffer);
            let mut events = Events(decode(&mut decoder, pieces.iter().copied()));
            idle(&mut events, &mut decoder, Lrc::ABANDON);
            events.0
        });
    }
}
