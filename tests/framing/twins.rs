//! COBS in the form of firmware, which no other test runs on a host, beside the form of a host and
//! slow oracles. A unit test of `cobs`, whose forms are not public.
#![allow(
    clippy::cast_possible_truncation,
    clippy::duplicate_mod,
    dead_code,
    missing_docs,
    unfulfilled_lint_expectations,
    unnameable_types,
    unreachable_pub,
    reason = "the sources once more, and what other tests use"
)]

use std::vec::Vec;

use crate::cobs;
use kit::frames::makes;
use kit::oracle::cobs_stuffed;
use kit::random::Random;

#[path = "../kit"]
mod kit {
    pub mod events;
    pub mod frames;
    pub mod oracle;
    pub mod random;
}

/// Both directions compiled with the form of firmware. Registers are those of the host.
#[path = "../../src/cobs"]
mod lean {
    pub mod decoder;
    pub mod encoder;
    mod firmware;
    mod words;

    use firmware as form;

    const BYTES: bool = false;

    #[test]
    fn the_first_zero_of_a_word_is_found_at_every_place() {
        for first in 0..=words::WORD {
            for before in [1, 0x7F, 0x80, 0x81, 0xFF] {
                for after in [0, 1, 0x7F, 0x80, 0x81, 0xFF] {
                    let mut word = [after; words::WORD];
                    word[..first].fill(before);
                    if let Some(zero) = word.get_mut(first) {
                        *zero = 0;
                    }
                    assert_eq!(form::zero_in(word), first, "{word:02x?}");
                    assert_eq!(words::has_zero(word), first < words::WORD, "{word:02x?}");
                }
            }
        }
    }
}

/// The same, with the copies of a Cortex-M0.
#[path = "../../src/cobs"]
mod bare {
    pub mod decoder;
    pub mod encoder;
    mod firmware;
    mod words;

    use firmware as form;

    const BYTES: bool = true;
}

/// Data of `len` bytes: without a zero, only zeros, few zeros, many, a zero at both ends, and one
/// anywhere.
fn data(random: &mut Random, len: usize) -> [Vec<u8>; 6] {
    let clear: Vec<_> = (0..len).map(|_| random.byte().max(1)).collect();
    let some = |random: &mut Random, percent| {
        clear.iter().map(|byte| if random.percent(percent) { 0 } else { *byte }).collect::<Vec<_>>()
    };
    let (few, many) = (some(random, 4), some(random, 50));
    let (mut ends, mut one) = (clear.clone(), clear.clone());
    ends.iter_mut().take(1).for_each(|byte| *byte = 0);
    ends.iter_mut().rev().take(1).for_each(|byte| *byte = 0);
    one.iter_mut().skip(random.index(len)).take(1).for_each(|byte| *byte = 0);
    [clear, std::vec![0; len], few, many, ends, one]
}

/// Lengths around a word and around full groups, and any others.
fn lengths(random: &mut Random) -> Vec<usize> {
    let others = (0..6).map(|at| random.index(if at < 3 { 80 } else { 600 }));
    [0, 1, 2, 3, 4, 7, 8, 9, 252, 253, 254, 255, 508].into_iter().chain(others).collect()
}

fn encodes<const TAIL: usize>(random: &mut Random, body: &[u8], tail: [u8; TAIL]) {
    let expected = cobs_stuffed(&[body, &tail].concat());
    let host = || {
        let mut encoder = cobs::Encoder::new(tail);
        move |room: &mut [u8]| encoder.next(body, room)
    };
    let firmware = || {
        let mut encoder = lean::encoder::Encoder::new(tail);
        move |room: &mut [u8]| encoder.next(body, room)
    };
    let by_bytes = || {
        let mut encoder = bare::encoder::Encoder::new(tail);
        move |room: &mut [u8]| encoder.next(body, room)
    };
    makes(random, host, &expected);
    makes(random, firmware, &expected);
    makes(random, by_bytes, &expected);
}

#[test]
fn all_forms_encode_as_the_oracle_in_every_room() {
    let mut random = Random::new(0);
    for len in lengths(&mut random) {
        for body in data(&mut random, len) {
            let byte = random.byte().max(1);
            encodes(&mut random, &body, []);
            for tail in [0, byte] {
                encodes(&mut random, &body, [tail]);
                encodes(&mut random, &body, [tail, 0]);
                encodes(&mut random, &body, [tail, byte]);
            }
        }
    }
}

/// What a call of a decoder did: its result, the bytes that it left, and those that it wrote.
type Step = (u8, usize, Vec<u8>);

const MORE: u8 = cobs::Decoded::More as u8;

/// Slow and obvious: byte by byte.
#[derive(Default)]
struct Slow {
    left: u8,
    is_open: bool,
    /// The group stands for a zero, should another one follow.
    zero: bool,
}

impl Slow {
    fn push(&mut self, input: &mut &[u8], out: &mut [u8], len: &mut usize) -> u8 {
        let ended = loop {
            let Some((byte, rest)) = input.split_first() else { return MORE };
            if *byte == 0 {
                *input = rest;
                break if self.is_open && self.left == 0 { cobs::Decoded::End } else { cobs::Decoded::Broken };
            }
            let is_code = self.left == 0;
            if !is_code || self.zero {
                let Some(place) = out.get_mut(*len) else { return cobs::Decoded::Full as u8 };
                (*place, *len) = (if is_code { 0 } else { *byte }, *len + 1);
            }
            if is_code {
                *self = Self { left: *byte - 1, is_open: true, zero: *byte != 0xFF };
            } else {
                self.left -= 1;
            }
            *input = rest;
        };
        *self = Self::default();
        ended as u8
    }
}

/// The steps of a decoder with a stream in two pieces, and a first output of `room` bytes. Each
/// call gets an output behind what is there, or a new one once it was full.
fn steps(
    stream: &[u8],
    cut: usize,
    room: usize,
    mut push: impl FnMut(&mut &[u8], &mut [u8], &mut usize) -> u8,
) -> Vec<Step> {
    let (head, tail) = stream.split_at(cut);
    let (mut out, mut len, mut steps) = (std::vec![0xEE; room], 0, Vec::new());
    for mut input in [head, tail] {
        loop {
            let result = push(&mut input, &mut out, &mut len);
            steps.push((result, input.len(), out[..len].to_vec()));
            assert!(steps.len() < 2 * stream.len() + 10, "no progress: {stream:02x?}");
            match result {
                MORE => break,
                _ => (out, len) = (std::vec![0xEE; 700], 0),
            }
        }
    }
    steps
}

fn decodes(stream: &[u8], cut: usize, room: usize) {
    let (mut slow, mut host, mut firmware) = (Slow::default(), cobs::Decoder::new(), lean::decoder::Decoder::new());
    let expected = steps(stream, cut, room, |input, out, len| slow.push(input, out, len));
    let found = steps(stream, cut, room, |input, out, len| host.push(input, out, len) as u8);
    assert_eq!(found, expected, "host, cut at {cut}, {room} bytes of room, {stream:02x?}");
    let found = steps(stream, cut, room, |input, out, len| firmware.push(input, out, len) as u8);
    assert_eq!(found, expected, "firmware, cut at {cut}, {room} bytes of room, {stream:02x?}");
    let mut by_bytes = bare::decoder::Decoder::new();
    let found = steps(stream, cut, room, |input, out, len| by_bytes.push(input, out, len) as u8);
    assert_eq!(found, expected, "a Cortex-M0, cut at {cut}, {room} bytes of room, {stream:02x?}");
}

#[test]
fn all_forms_decode_as_the_oracle_at_every_cut_and_in_every_room() {
    let mut random = Random::new(1);
    for len in lengths(&mut random) {
        for data in data(&mut random, len) {
            let whole = cobs_stuffed(&data);
            for damage in 0..3 {
                let mut stream = whole.clone();
                match damage {
                    1 => stream[random.index(whole.len())] = 0,
                    2 => stream[random.index(whole.len())] = random.byte(),
                    _ => {}
                }
                stream.extend_from_slice(&[0, 2, 7, 0]);
                for cut in 0..=stream.len() {
                    decodes(&stream, cut, 700);
                    decodes(&stream, cut, random.index(len + 2));
                }
                for room in 0..=len {
                    decodes(&stream, stream.len(), room);
                }
                if stream.len() < 24 {
                    for cut in 0..=stream.len() {
                        (0..=len).for_each(|room| decodes(&stream, cut, room));
                    }
                }
            }
        }
    }
}
