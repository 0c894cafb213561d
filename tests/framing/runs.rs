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

use crate::kit::events::{Events, decode, idle};
use crate::kit::frames::{console_stream, framed, makes, message, pulled, room, stream, takes};
use crate::kit::oracle::{cobs_reference, cobs_stuffed, console_frame, console_reference, crc16, lrc_reference};
use crate::kit::random::Random;

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

#[test]
fn console_lines_are_read_as_the_oracle_reads_them_at_every_cut() {
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let stream = console_stream(&mut random);
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
