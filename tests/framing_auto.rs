//! One port, three framings: whatever comes in any order and in any pieces is told apart, and answered in kind.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::cast_possible_truncation, missing_docs)]

use anysmp::framing::auto::{Auto, Kind};
use anysmp::framing::{Encoder, Framing, Progress, console, counted, delimited};
use core::time::Duration;

mod common;
use common::Random;

/// An SMP request of so many payload bytes.
fn request(random: &mut Random, payload: usize) -> Vec<u8> {
    let first = [0x00, 0x02, 0x08, 0x0A][random.below(4)];
    let [high, low] = (payload as u16).to_be_bytes();
    let mut message = vec![first, 0, high, low, 0, random.byte() & 1, random.byte(), random.byte() & 7];
    message.extend(random.bytes(payload));
    message
}

fn drain(mut encoder: impl Encoder, message: &[u8]) -> Vec<u8> {
    let (mut all, mut out) = (Vec::new(), [0; 64]);
    loop {
        match encoder.next(message, &mut out) {
            0 => return all,
            len => all.extend(&out[..len]),
        }
    }
}

fn frame(kind: Kind, message: &[u8]) -> Vec<u8> {
    match kind {
        Kind::Console => drain(console::Encoder::new(message).unwrap(), message),
        Kind::Raw => drain(counted::Encoder::new(), message),
        Kind::Cobs => drain(delimited::Encoder::new(message).unwrap(), message),
    }
}

/// What came out: messages with their kind, and all text.
fn decode(auto: &mut Auto<'_>, pieces: &[&[u8]]) -> (Vec<(Kind, Vec<u8>)>, Vec<u8>) {
    let (mut messages, mut text) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut input = *piece;
        loop {
            match auto.push(&mut input) {
                Ok(Progress::More) => break,
                Ok(Progress::Text(run)) => text.extend(run),
                Ok(Progress::Message) => {
                    messages.push((auto.kind(), auto.message().to_vec()));
                    let answer = drain(auto.encode(auto.message()).unwrap(), auto.message());
                    assert_eq!(answer, frame(auto.kind(), auto.message()), "the answer goes out in kind");
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(input.is_empty());
    }
    while let Ok(Progress::Text(run)) = auto.idle(Duration::from_millis(100)) {
        text.extend(run);
    }
    (messages, text)
}

#[test]
fn frames_of_all_kinds_are_told_apart_in_any_order_and_any_pieces() {
    for seed in 1..=400 {
        let mut random = Random(seed);
        let (mut wire, mut expected, mut printed) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..8 {
            let kind = [Kind::Console, Kind::Raw, Kind::Cobs][random.below(3)];
            let payload = random.below(200);
            let message = request(&mut random, payload);
            // A client that resynchronises first, and a device that prints between frames.
            match (kind, random.below(3)) {
                (Kind::Console, 0) => {
                    wire.push(b'\n');
                    printed.push(b'\n');
                }
                (Kind::Cobs, 0) => wire.push(0),
                (_, 1) => {
                    wire.extend(b"boot: ok\r\n$ ");
                    printed.extend(b"boot: ok\r\n$ ");
                }
                _ => {}
            }
            wire.extend(frame(kind, &message));
            expected.push((kind, message));
        }
        let mut buffer = [0; 512];
        let mut auto = Auto::new(&mut buffer);
        let mut pieces = Vec::new();
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let (piece, next) = rest.split_at(rest.len().min(1 + random.below(9)));
            pieces.push(piece);
            rest = next;
        }
        for pieces in [&pieces[..], &[&wire[..]]] {
            let (messages, text) = decode(&mut auto, pieces);
            assert_eq!(messages, expected, "seed {seed}");
            assert_eq!(text, printed, "seed {seed}");
        }
    }
}

#[test]
fn raw_can_be_excluded_where_text_shares_the_port() {
    let mut buffer = [0; 64];
    let mut auto = Auto::new(&mut buffer).without_raw();
    let raw = [0x0A, 0, 0, 1, 0, 0, 0, 0, 0xA0];
    let (messages, _) = decode(&mut auto, &[&raw]);
    assert!(messages.is_empty());
    let message = [8, 0, 0, 0, 0, 0, 0, 6];
    let (messages, _) = decode(&mut auto, &[&frame(Kind::Console, &message), &frame(Kind::Cobs, &message)]);
    assert_eq!(messages, [(Kind::Console, message.to_vec()), (Kind::Cobs, message.to_vec())]);
}

#[test]
fn a_header_that_fits_no_buffer_begins_no_raw_message() {
    let mut buffer = [0; 64];
    let mut auto = Auto::new(&mut buffer);
    // 57 bytes of payload would need 65.
    let (messages, _) = decode(&mut auto, &[&[0x0A, 0, 0, 57, 0, 0, 0, 0]]);
    assert!(messages.is_empty());
    let message = [8, 0, 0, 0, 0, 0, 0, 6];
    assert_eq!(decode(&mut auto, &[&frame(Kind::Console, &message)]).0.len(), 1);
}

#[test]
fn a_console_frame_behind_zeros_arrives_in_any_pieces() {
    let message = [8, 0, 0, 0, 0, 0, 0, 6];
    // Three of them and a 06 are the front of a raw message.
    for zeros in 0..3 {
        let wire = [&vec![0; zeros][..], &frame(Kind::Console, &message)].concat();
        // Just too short for a raw message whose length is a start marker.
        for len in [64, 0x609 + 7] {
            for piece in 1..=wire.len() {
                let mut buffer = vec![0; len];
                let mut auto = Auto::new(&mut buffer);
                let pieces: Vec<_> = wire.chunks(piece).collect();
                let (messages, _) = decode(&mut auto, &pieces);
                assert_eq!(messages, [(Kind::Console, message.to_vec())], "{zeros} zeros, pieces of {piece}, {len}");
            }
        }
    }
}

#[test]
fn half_a_raw_message_is_given_up_after_the_silence_limit() {
    let mut buffer = [0; 64];
    let mut auto = Auto::new(&mut buffer);
    let (messages, _) = decode(&mut auto, &[&[0x0A, 0, 0, 4, 0, 0, 0, 0, 1, 2]]);
    assert!(messages.is_empty());
    assert!(auto.idle(counted::ABANDON).is_err());
    let message = [8, 0, 0, 0, 0, 0, 0, 6];
    assert_eq!(decode(&mut auto, &[&frame(Kind::Cobs, &message)]).0, [(Kind::Cobs, message.to_vec())]);
}

#[test]
fn noise_never_panics_and_the_next_console_frame_after_silence_arrives() {
    for seed in 1..=2000 {
        let mut random = Random(seed);
        let len = random.below(80);
        let noise = random.bytes(len);
        let mut buffer = [0; 128];
        let mut auto = Auto::new(&mut buffer);
        let mut input = &noise[..];
        while !input.is_empty() {
            let _ = auto.push(&mut input);
        }
        let silence = Duration::from_secs(4);
        while !matches!(auto.idle(silence), Ok(Progress::More)) {}
        let message = [8, 0, 0, 0, 0, 0, 0, 6];
        let wire = frame(Kind::Console, &message);
        let mut input = &wire[..];
        let mut found = false;
        while !input.is_empty() {
            found |= auto.push(&mut input) == Ok(Progress::Message);
        }
        assert!(found, "seed {seed}");
    }
}
