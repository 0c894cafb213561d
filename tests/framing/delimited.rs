//! COBS, and SMP in COBS frames with a CRC.

use core::time::Duration;

use anysmp::cobs::{self, Decoded, Decoder};
use anysmp::framing::delimited::{ABANDON, Cobs, Encoder};
use anysmp::framing::{Encoder as _, Error, Framing, Progress};

use crate::kit::events::{Event, decode, encode, encode_in, errors, messages};
use crate::kit::oracle::cobs_reference;
use crate::kit::random::Random;
use crate::kit::smp::random as smp;
use crate::kit::vectors::{Vector, vectors};

const BUFFER: usize = 600;

fn run(stream: &[u8]) -> Vec<Event> {
    decode(&mut Cobs::new(&mut [0; BUFFER]), [stream])
}

fn goldens() -> Vec<Vector> {
    vectors("cobs", "vectors", "name")
}

type Stuff = fn(&[u8]) -> Vec<u8>;

/// All of `data` through the run encoder, in pieces of `out` bytes.
fn stuff<const TAIL: usize>(body: &[u8], tail: [u8; TAIL], out: usize) -> Vec<u8> {
    let mut encoder = cobs::Encoder::new(tail);
    let mut encoded = Vec::new();
    let mut piece = vec![0xEE; out];
    loop {
        match encoder.next(body, &mut piece) {
            0 => return encoded,
            count => encoded.extend_from_slice(&piece[..count]),
        }
    }
}

/// Data with few zeros, some, many, or only zeros.
fn data(random: &mut Random, len: usize) -> Vec<u8> {
    let kind = random.index(5);
    (0..len)
        .map(|_| match kind {
            0 => 0,
            1 => random.byte() & random.byte() & random.byte(),
            2 => random.byte(),
            3 => random.byte() | 1,
            _ if random.index(200) == 0 => 0,
            _ => 0x55,
        })
        .collect()
}

#[test]
fn encoded_data_are_those_of_the_cobs_crate_but_for_the_group_that_it_leaves_out() {
    for seed in 0..4000 {
        let mut random = Random::new(seed);
        let len = random.index(1100);
        let data = data(&mut random, len);
        let out = 1 + random.index(300);
        let ours = stuff(&data, [], out);
        let mut theirs = ::cobs::encode_vec(&data);
        // The paper closes a full last group with an empty one; the crate does not.
        let full = data.rsplit(|byte| *byte == 0).next().is_some_and(|run| !run.is_empty() && run.len() % 254 == 0);
        if full && theirs.len() < ours.len() {
            theirs.push(1);
        }
        assert_eq!(ours, theirs, "seed {seed}");
        assert!(ours.len() <= cobs::max_encoded_len(data.len()), "seed {seed}");
        // Body and tail are one stream.
        if let Some((body, tail)) = data.split_last_chunk::<2>() {
            assert_eq!(stuff(body, *tail, out), ours, "seed {seed}");
        }
    }
}

#[test]
fn the_longest_encoding_is_that_of_data_without_a_zero() {
    for len in 0..=4096 {
        assert_eq!(stuff(&vec![7; len], [], 5000).len(), cobs::max_encoded_len(len));
    }
}

#[test]
fn decoded_data_are_those_of_both_crates_in_any_pieces() {
    for seed in 0..4000 {
        let mut random = Random::new(seed);
        let len = random.index(1100);
        let data = data(&mut random, len);
        let encoders: [Stuff; 3] = [
            |data| stuff(data, [], 64),
            ::cobs::encode_vec,
            |data| {
                let mut out = vec![0; corncobs::max_encoded_len(data.len())];
                let len = corncobs::encode_buf(data, &mut out);
                out.truncate(len - 1);
                out
            },
        ];
        for encoder in encoders {
            let mut wire = encoder(&data);
            wire.push(0);
            let mut out = vec![0xEE; data.len()];
            let mut len = 0;
            let mut decoder = Decoder::new();
            let longest = 1 + random.index(400);
            let pieces = random.pieces(&wire, longest);
            let last = pieces.len() - 1;
            for (at, mut piece) in pieces.into_iter().enumerate() {
                let expected = if at == last { Decoded::End } else { Decoded::More };
                assert_eq!(decoder.push(&mut piece, &mut out, &mut len), expected, "seed {seed}");
                assert!(piece.is_empty());
            }
            assert_eq!(out, data, "seed {seed}");
            assert_eq!(len, data.len());
            assert_eq!(decoder, Decoder::new());
        }
    }
}

#[test]
fn the_decoder_stops_before_the_byte_that_has_no_room() {
    let mut out = [0; 3];
    let mut len = 0;
    let mut input: &[u8] = &[5, 1, 2, 3, 4, 0];
    let mut decoder = Decoder::new();
    assert_eq!(decoder.push(&mut input, &mut out, &mut len), Decoded::Full);
    assert_eq!((len, input), (3, &[4, 0][..]));
    // It goes on from there in another place.
    len = 0;
    assert_eq!(decoder.push(&mut input, &mut out, &mut len), Decoded::End);
    assert_eq!((len, out[0]), (1, 4));
    // The zero between two groups has no room either.
    let mut input: &[u8] = &[4, 1, 2, 3, 1, 0];
    len = 0;
    assert_eq!(decoder.push(&mut input, &mut out, &mut len), Decoded::Full);
    assert_eq!((len, input), (3, &[1, 0][..]));
    len = 0;
    assert_eq!(decoder.push(&mut input, &mut out, &mut len), Decoded::End);
    assert_eq!((len, out[0]), (1, 0));
}

#[test]
fn a_zero_ends_the_data_between_two_groups_only() {
    let mut decoder = Decoder::new();
    for (wire, expected) in [
        (&[0, 9][..], Decoded::Broken),
        (&[3, 1, 0, 9], Decoded::Broken),
        (&[3, 1, 2, 0, 9], Decoded::End),
        (&[1, 0, 9], Decoded::End),
    ] {
        let mut input = wire;
        assert_eq!(decoder.push(&mut input, &mut [0; 8], &mut 0), expected, "{wire:?}");
        assert_eq!(input, [9]);
    }
}

#[test]
fn every_vector_is_encoded_byte_for_byte_in_every_output_size() {
    for vector in goldens() {
        assert_eq!(encode(&Cobs::new(&mut []), &vector.message), vector.wire, "{}", vector.name);
        for out in Encoder::MIN_OUT..=vector.wire.len() + 1 {
            assert_eq!(
                encode_in(Encoder::new(&vector.message).unwrap(), &vector.message, out),
                vector.wire,
                "{}",
                vector.name
            );
        }
    }
}

#[test]
fn every_vector_is_decoded_at_every_split_and_byte_by_byte() {
    for vector in goldens() {
        let expected = [Event::Message(vector.message.clone())];
        for cut in 0..=vector.wire.len() {
            let (head, tail) = vector.wire.split_at(cut);
            assert_eq!(
                decode(&mut Cobs::new(&mut [0; BUFFER]), [head, tail]),
                expected,
                "{} cut at {cut}",
                vector.name
            );
        }
        assert_eq!(decode(&mut Cobs::new(&mut [0; BUFFER]), vector.wire.chunks(1)), expected);
    }
}

#[test]
fn the_last_empty_group_may_be_left_out() {
    let mut seen = 0;
    for vector in goldens().into_iter().filter(|vector| vector.wire.ends_with(&[1, 0])) {
        let mut wire = vector.wire;
        let end = wire.len() - 2;
        if wire[..end].len() % 255 == 0 {
            seen += 1;
            wire.remove(end);
            assert_eq!(run(&wire), [Event::Message(vector.message)], "{}", vector.name);
        }
    }
    assert_eq!(seen, 2);
}

#[test]
fn every_length_makes_the_round_trip_in_exactly_the_buffer_that_is_announced() {
    let mut random = Random::new(4);
    for len in 8..=4096 {
        let message = smp(&mut random, len);
        let wire = encode(&Cobs::new(&mut []), &message);
        assert!(wire.len() <= Cobs::max_encoded_len(len));
        let mut buffer = vec![0; Cobs::buffer_len(len)];
        assert_eq!(Cobs::max_message(buffer.len()), len);
        assert_eq!(decode(&mut Cobs::new(&mut buffer), [&wire[..]]), [Event::Message(message)]);
        buffer.pop();
        assert_eq!(decode(&mut Cobs::new(&mut buffer), [&wire[..]]), [Event::Error(Error::TooLong)], "length {len}");
    }
}

#[test]
fn the_announced_frame_length_is_reached() {
    // Without a zero in message or CRC, every length is the worst case.
    for len in 8..=4096 {
        let message = (1..=u8::MAX)
            .map(|fill| vec![fill; len])
            .find(|m| !crate::kit::oracle::crc16(m).to_be_bytes().contains(&0))
            .unwrap();
        assert_eq!(encode(&Cobs::new(&mut []), &message).len(), Cobs::max_encoded_len(len));
    }
}

#[test]
fn less_than_a_header_is_unsendable_and_malformed() {
    for len in 0..8 {
        let message = vec![3; len];
        assert_eq!(Cobs::new(&mut []).encode(&message).unwrap_err(), Error::Unsendable);
        let mut wire = stuff(&message, crate::kit::oracle::crc16(&message).to_be_bytes(), 64);
        wire.push(0);
        assert_eq!(run(&wire), [Event::Error(Error::Malformed)]);
    }
}

#[test]
fn empty_frames_are_ignored() {
    let vector = &goldens()[0];
    let stream = [&[0, 0][..], &vector.wire, &[0, 0, 0], &vector.wire, &[0]].concat();
    let message = || Event::Message(vector.message.clone());
    assert_eq!(run(&stream), [message(), message()]);
    assert_eq!(Cobs::new(&mut []).preamble(), [0]);
}

#[test]
fn an_oversized_frame_costs_one_error_at_its_end_and_its_tail_is_never_taken_for_a_message() {
    // The tail after the buffer's end is a whole frame by itself.
    let inner = encode(&Cobs::new(&mut []), &goldens()[1].message);
    let mut stream = stuff(&vec![9; BUFFER], [], 4096);
    stream.extend_from_slice(&inner);
    for piece in [1, 100, stream.len()] {
        let mut buffer = [0; BUFFER];
        let mut cobs = Cobs::new(&mut buffer);
        assert_eq!(decode(&mut cobs, stream[..stream.len() - 1].chunks(piece)), []);
        assert_eq!(decode(&mut cobs, [&[0][..]]), [Event::Error(Error::TooLong)]);
        assert_eq!(decode(&mut cobs, [&inner[..]]).len(), 1);
    }
}

#[test]
fn every_truncation_costs_one_error_and_one_frame_more_at_most() {
    let next = &goldens()[1];
    for vector in goldens() {
        for cut in 1..vector.wire.len() {
            let stream = [&vector.wire[..cut], &next.wire, &next.wire].concat();
            let events = run(&stream);
            assert_eq!(events, cobs_reference(&stream, BUFFER), "{} cut at {cut}", vector.name);
            assert_eq!(messages(&events).last(), Some(&&next.message[..]), "{} cut at {cut}", vector.name);
            assert!(errors(&events).len() <= 1);
            // With the preamble nothing but the truncated frame is lost.
            let stream = [&vector.wire[..cut], &[0], &next.wire].concat();
            assert_eq!(messages(&run(&stream)).last(), Some(&&next.message[..]));
        }
    }
}

#[test]
fn every_single_byte_change_has_the_verdict_of_the_reference_and_the_frame_after_the_next_arrives() {
    let next = &goldens()[1];
    for vector in goldens() {
        for at in 0..vector.wire.len() {
            for byte in 0..=u8::MAX {
                let mut stream = [&vector.wire[..], &next.wire, &next.wire].concat();
                let changed = stream[at] != byte;
                let delimiter = stream[at] == 0;
                stream[at] = byte;
                let events = run(&stream);
                assert_eq!(events, cobs_reference(&stream, BUFFER), "{}: byte {at} is {byte:#04x}", vector.name);
                let got = messages(&events);
                let kept = if changed && delimiter { 1 } else { 2 };
                let (before, after) = got.split_at(got.len() - kept);
                assert!(after.iter().all(|message| **message == next.message));
                // What the CRC cannot see, because it begins with 0: two frames whose delimiter
                // became a code may be one that fits, the first message and more; and zeros may be
                // missing at the front.
                let zeros = vector.message.iter().take_while(|byte| **byte == 0).count();
                let may = |message: &&[u8]| {
                    **message == vector.message
                        || (delimiter && message.starts_with(&vector.message))
                        || (byte == 0 && (1..=zeros).any(|cut| vector.message[cut..] == **message))
                };
                assert!(before.len() <= 1 && before.iter().all(may), "{}: byte {at} is {byte:#04x}", vector.name);
                // A zero cuts the frame in two, each with its own verdict.
                assert!(errors(&events).len() <= 1 + usize::from(byte == 0));
            }
        }
    }
}

#[test]
fn a_wrong_checksum_costs_one_error() {
    let mut wire = goldens()[1].wire.clone();
    wire[20] ^= 0x40;
    assert_eq!(run(&wire), [Event::Error(Error::Checksum)]);
}

#[test]
fn an_incomplete_frame_is_abandoned_once_and_its_tail_is_dropped() {
    let vector = &goldens()[1];
    for cut in 1..vector.wire.len() {
        let mut buffer = [0; BUFFER];
        let mut cobs = Cobs::new(&mut buffer);
        assert_eq!(decode(&mut cobs, [&vector.wire[..cut]]), []);
        assert_eq!(cobs.idle(ABANDON - Duration::from_millis(1)), Ok(Progress::More));
        assert_eq!(cobs.idle(ABANDON), Err(Error::Abandoned), "cut at {cut}");
        assert_eq!(cobs.idle(ABANDON * 2), Ok(Progress::More));
        assert_eq!(decode(&mut cobs, [&vector.wire[cut..], &vector.wire]), [Event::Message(vector.message.clone())]);
        assert_eq!(cobs.idle(ABANDON), Ok(Progress::More));
        assert_eq!(cobs.message(), vector.message);
    }
}

#[test]
fn silence_reports_an_oversized_frame_that_never_ends() {
    let mut buffer = [0; 12];
    let mut cobs = Cobs::new(&mut buffer).with_abandon(Duration::from_millis(20));
    assert_eq!(decode(&mut cobs, [&[1; 40][..]]), []);
    assert_eq!(cobs.idle(Duration::from_millis(19)), Ok(Progress::More));
    assert_eq!(cobs.idle(Duration::from_millis(20)), Err(Error::TooLong));
    assert_eq!(cobs.idle(Duration::from_millis(40)), Ok(Progress::More));
    assert_eq!(decode(&mut cobs, [&[1; 40][..], &[0]]), []);
}

#[test]
fn a_message_is_lent_until_the_next_byte_and_a_reset_forgets_a_partial_frame() {
    let vector = &goldens()[1];
    let mut buffer = [0; BUFFER];
    let mut cobs = Cobs::new(&mut buffer);
    decode(&mut cobs, [&vector.wire[..]]);
    assert_eq!(cobs.message(), vector.message);
    decode(&mut cobs, [&vector.wire[..9]]);
    assert_eq!(cobs.message(), b"");
    cobs.reset();
    assert_eq!(decode(&mut cobs, [&vector.wire[..]]), [Event::Message(vector.message.clone())]);
    cobs.reset();
    assert_eq!(cobs.message(), b"");
}

/// A stream of frames, noise and damage.
fn noisy(random: &mut Random) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..random.index(8) {
        let len = random.index(300);
        let mut message = data(random, len.max(8));
        if random.index(9) == 0 {
            message = random.bytes(8);
        }
        let mut wire = encode(&Cobs::new(&mut []), &message);
        match random.index(7) {
            0 => wire.truncate(random.index(wire.len())),
            1 => wire = random.bytes(40),
            2 | 3 => random.damage(&mut wire, &[0, 1, 2, 0xFF]),
            _ => {}
        }
        stream.extend_from_slice(&wire);
    }
    stream
}

#[test]
fn noisy_streams_in_any_pieces_give_what_the_reference_gives() {
    for seed in 0..30_000 {
        let mut random = Random::new(seed);
        let stream = noisy(&mut random);
        let size = random.index(330);
        let mut buffer = vec![0; size];
        let longest = 1 + random.index(300);
        let pieces = random.pieces(&stream, longest);
        assert_eq!(decode(&mut Cobs::new(&mut buffer), pieces), cobs_reference(&stream, size), "seed {seed}");
    }
}

#[test]
fn after_any_noise_at_most_one_frame_is_lost() {
    let next = &goldens()[1];
    for seed in 0..10_000 {
        let stream = [noisy(&mut Random::new(seed)), next.wire.clone(), next.wire.clone()].concat();
        assert_eq!(messages(&run(&stream)).last(), Some(&&next.message[..]), "seed {seed}");
    }
}
