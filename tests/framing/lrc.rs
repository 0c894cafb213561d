//! The frames of S3MP: golden bytes, every short message, and noise compared with the state
//! machine, which is written down as a table.

use std::time::Duration;

use anysmp::framing::lrc::{self, Lrc};
use anysmp::framing::{Encoder as _, Error, Framing as _, Progress};
use serde_json::Value;

use crate::kit::events::Event;
use crate::kit::hex;
use crate::kit::oracle::lrc_reference as reference;
use crate::kit::random::Random;

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn encoder_writes_what_the_readme_code_writes() {
    for file in vectors() {
        for case in list(&file, "cobs") {
            let frame = frame(&hex(&case["message"]));
            let mut expected = hex(&case["encoded"]);
            expected.extend(hex(&case["lrc"]));
            expected.push(0);
            assert_eq!(frame, expected, "{}", case["name"]);
            assert!(frame.len() <= lrc::max_encoded_len(hex(&case["message"]).len()));
        }
        for case in list(&file, "frames") {
            assert_eq!(frame(&hex(&case["message"])), hex(&case["wire"]), "{case}");
        }
    }
}

#[test]
fn frames_are_the_same_in_runs_of_any_length() {
    for len in [0, 1, 3, 253, 254, 255, 256, 508, 600] {
        let message: Vec<u8> =
            (0..len).map(|i| (i % 7) as u8 * u8::from(len % 2 == 1) + u8::from(len % 2 == 0)).collect();
        let whole = frame(&message);
        for run in 1..=9 {
            let mut encoder = lrc::Encoder::new();
            let mut pieces = Vec::new();
            let mut out = vec![0; run];
            loop {
                let n = encoder.next(&message, &mut out);
                if n == 0 {
                    break;
                }
                pieces.extend_from_slice(&out[..n]);
            }
            assert_eq!(pieces, whole);
            assert_eq!(encoder.next(&message, &mut out), 0);
        }
    }
}

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn decoder_takes_both_forms_of_a_full_last_block() {
    for file in vectors() {
        for case in list(&file, "cobs") {
            let message = hex(&case["message"]);
            let forms = [("encoded", "lrc"), ("short_form", "short_form_lrc")];
            for (cobs, check) in forms.into_iter().filter(|(key, _)| case.get(*key).is_some()) {
                let mut wire = hex(&case[cobs]);
                if wire.is_empty() {
                    continue;
                }
                wire.extend(hex(&case[check]));
                wire.push(0);
                assert_eq!(
                    receive(&[Some(&wire), None], 1024),
                    [Event::Message(message.clone())],
                    "{} {cobs}",
                    case["name"]
                );
            }
        }
    }
}

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn decoder_rejects_broken_block_chains() {
    for file in vectors() {
        for case in list(&file, "cobs_malformed") {
            let cobs = hex(&case["encoded"]);
            // As much of it as a receiver can see as one piece: what comes before its first zero.
            let mut wire: Vec<u8> = cobs.iter().copied().take_while(|byte| *byte != 0).collect();
            if wire.is_empty() {
                continue;
            }
            wire.push(negative_sum(&wire));
            wire.push(0);
            let events = receive(&[Some(&wire), None], 1024);
            // A block that lacks just one byte takes the check for it, and the zero for a check:
            // another, valid frame.
            let mut end = 0;
            while end < cobs.len() && cobs[end] != 0 {
                end += usize::from(cobs[end]);
            }
            if wire.len() == cobs.len() + 2 && end > cobs.len() + 1 {
                assert_eq!(events, [Event::Error(Error::Malformed)], "{}", case["name"]);
            }
            assert_eq!(events, reference(&[Some(&wire), None], 1024), "{}", case["name"]);
        }
    }
}

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn check_is_the_negative_sum() {
    for file in vectors() {
        for case in list(&file, "lrc") {
            assert_eq!(vec![anysmp::checksum::Sum::of(&hex(&case["input"]))], hex(&case["lrc"]));
        }
    }
}

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn streams_give_exactly_the_listed_events() {
    for file in vectors() {
        for case in list(&file, "streams") {
            // The vectors count stored frame bytes; a message is two shorter than its COBS bytes
            // and check.
            let limit = case["encoded_limit"].as_u64().map_or(1024, |limit| limit as usize - 2);
            let pieces: Vec<Piece> = case["input"].as_array().unwrap().iter().map(piece).collect();
            let expected: Vec<Event> = case["events"].as_array().unwrap().iter().map(event).collect();
            // In one piece, and byte by byte.
            for split in [usize::MAX, 1] {
                let mut buffer = vec![0; limit];
                let mut decoder = Lrc::new(&mut buffer);
                let mut events = Vec::new();
                for piece in &pieces {
                    match piece {
                        Piece::Bytes(bytes) => bytes
                            .chunks(split.min(bytes.len().max(1)))
                            .for_each(|part| push(&mut decoder, part, &mut events)),
                        Piece::Silence(silence) => idle(&mut decoder, *silence, &mut events),
                    }
                }
                assert_eq!(events, expected, "{}", case["name"]);
                assert_eq!(decoder.is_waiting(), case["waiting_at_end"].as_bool().unwrap(), "{}", case["name"]);
            }
        }
    }
}

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn every_golden_frame_survives_every_split() {
    for file in vectors() {
        for case in list(&file, "frames") {
            let (message, wire) = (hex(&case["message"]), hex(&case["wire"]));
            for cut in 0..=wire.len() {
                let (head, tail) = wire.split_at(cut);
                assert_eq!(
                    receive(&[Some(head), Some(tail), None], 1024),
                    [Event::Message(message.clone())],
                    "{case} cut at {cut}"
                );
            }
        }
    }
}

/// All 16,777,216 messages of three bytes: alone, before silence, before another frame.
#[test]
fn every_message_of_three_bytes_round_trips() {
    let follower = [0x10, 0x02, 0x02];
    let after = frame(&follower);
    let (mut zeros, mut ones, mut waits) = (0, 0, 0);
    let mut buffer = [0; 8];
    let mut decoder = Lrc::new(&mut buffer);
    let mut wire = [0; 16];
    for number in 0u32..1 << 24 {
        let [_, a, b, c] = number.to_be_bytes();
        let message = [a, b, c];
        let mut encoder = lrc::Encoder::new();
        let len = encoder.next(&message, &mut wire);
        assert_eq!(wire[len - 1], 0);
        zeros += u32::from(wire[len - 2] == 0);
        ones += u32::from(wire[len - 2] == 1);

        // Alone: delivered at once, or the decoder reports that it waits.
        let mut input = &wire[..len];
        let mut alone = decoder.push(&mut input).unwrap();
        if decoder.is_waiting() {
            waits += 1;
            assert_eq!(alone, Progress::More);
            assert_eq!(decoder.idle(Lrc::GAP - Duration::from_millis(1)).unwrap(), Progress::More);
            alone = decoder.idle(Lrc::GAP).unwrap();
        }
        assert_eq!(alone, Progress::Message);
        assert_eq!(decoder.message(), message, "{message:02X?}");
        // Before silence: nothing more comes of it, not even of the marker after a check 00.
        assert_eq!(decoder.push(&mut input).unwrap(), Progress::More);
        assert_eq!(decoder.idle(Duration::from_secs(9)).unwrap(), Progress::More);

        // Before another frame.
        wire[len..len + after.len()].copy_from_slice(&after);
        let mut input = &wire[..len + after.len()];
        assert_eq!(decoder.push(&mut input).unwrap(), Progress::Message);
        assert_eq!(decoder.message(), message, "{message:02X?}");
        assert_eq!(decoder.push(&mut input).unwrap(), Progress::Message);
        assert_eq!(decoder.message(), follower, "{message:02X?}");
        assert_eq!(decoder.push(&mut input).unwrap(), Progress::More);
    }
    assert_eq!((zeros, ones, waits), (65_536, 65_536, 65_536));
}

#[test]
fn messages_around_full_blocks_round_trip_with_checks_00_and_01() {
    let mut random = Random::new(0x53_33_4D_50);
    for len in (0..4).chain(250..262).chain(504..514).chain(760..768) {
        for fill in 0..24 {
            let mut message: Vec<u8> =
                (0..len).map(|_| if fill < 12 { random.byte() | 1 } else { random.byte() }).collect();
            for wanted in [0, 1] {
                // Moves the check to `wanted` by its first byte that stays different from zero.
                if let Some(byte) = message.iter().position(|byte| *byte != 0) {
                    let wire = frame(&message);
                    let check = wire[wire.len() - 2];
                    let moved = message[byte].wrapping_add(check).wrapping_sub(wanted);
                    if moved != 0 {
                        message[byte] = moved;
                        let wire = frame(&message);
                        assert_eq!(wire[wire.len() - 2], wanted);
                    }
                }
                for last in [None, Some(0)] {
                    if let (Some(last), Some(end)) = (last, message.last_mut()) {
                        *end = last;
                    }
                    let mut wire = frame(&message);
                    assert_eq!(receive(&[Some(&wire), None], 1024), [Event::Message(message.clone())]);
                    wire.extend(frame(b"after"));
                    assert_eq!(
                        receive(&[Some(&wire), None], 1024),
                        [Event::Message(message.clone()), Event::Message(b"after".to_vec())]
                    );
                }
            }
        }
    }
}

#[test]
fn all_pairs_of_short_messages_survive_back_to_back() {
    let alphabet = [0x00, 0x01, 0x02, 0x03, 0xFC, 0xFE, 0xFF];
    let mut messages: Vec<Vec<u8>> = vec![vec![]];
    for len in 0..3 {
        let longer: Vec<_> = messages
            .iter()
            .filter(|m| m.len() == len)
            .flat_map(|m| alphabet.map(|byte| [&m[..], &[byte]].concat()))
            .collect();
        messages.extend(longer);
    }
    for first in &messages {
        for second in &messages {
            let wire = [frame(first), frame(second)].concat();
            assert_eq!(
                receive(&[Some(&wire), None], 16),
                [Event::Message(first.clone()), Event::Message(second.clone())]
            );
        }
    }
}

/// A million frames, hit by noise of every kind: the verdicts are those of the table, and sync
/// comes back.
#[test]
fn zero_before_255_bytes_without_one_is_no_code() {
    // Whole blocks, and where the next code would be the end of a cut frame, behind which there are
    // as many bytes as a block of that code would have.
    let next = frame(&[5; 600]);
    for cut in [&b"\x02\x07\x03\x09\x09\x00"[..], b"\x02\x07\x02\x09\x03\x08\x08\x00", b"\x02\x07\x02\x09\x01\x00"] {
        for kept in [next.len(), 255, 100] {
            let wire = [cut, &next[..kept]].concat();
            let bytes: Vec<_> = wire.chunks(1).map(Some).collect();
            assert_eq!(receive(&[Some(&wire)], 1024), receive(&bytes, 1024));
        }
    }
}

#[test]
fn noise_never_makes_the_decoder_differ_from_the_table_nor_costs_more_than_one_good_frame() {
    let mut buffer = [0; 24];
    let (mut hit, mut wrong) = (0u32, 0u32);
    for round in 0..125_000 {
        let mut random = Random::new(0x5EED_0005 + round);
        let (mut wire, mut sent) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            let message: Vec<u8> = (0..random.below(12))
                .map(|_| if random.below(3) == 0 { random.below(3) as u8 } else { random.byte() })
                .collect();
            let mut piece = frame(&message);
            if random.below(2) == 0 {
                damage(&mut piece, &mut random);
                hit += 1;
            }
            wire.extend(piece);
            sent.push(Event::Message(message));
        }
        // Two clean frames: the noise may have touched the first, the second always arrives.
        let clean = [vec![0x10, 1, random.byte()], vec![0x11, 3, random.byte(), 0xF5]];
        clean.iter().for_each(|message| wire.extend(frame(message)));
        let pieces = [Some(&wire[..]), None];
        let expected = reference(&pieces, buffer.len());
        let mut decoder = Lrc::new(&mut buffer);
        let mut events = Vec::new();
        let cut = random.index(wire.len() + 1);
        push(&mut decoder, &wire[..cut], &mut events);
        push(&mut decoder, &wire[cut..], &mut events);
        idle(&mut decoder, Duration::from_secs(1), &mut events);
        assert_eq!(events, expected, "round {round}: {wire:02X?}");
        assert_eq!(events.last(), Some(&Event::Message(clean[1].clone())), "round {round}: {wire:02X?}");
        let accepted = events.iter().filter(|event| matches!(event, Event::Message(_)));
        wrong += accepted
            .filter(|event| {
                !sent.contains(event)
                    && **event != Event::Message(clean[0].clone())
                    && **event != Event::Message(clean[1].clone())
            })
            .count() as u32;
    }
    // One check byte: a few damaged frames pass, as the sum lets them.
    assert!(hit > 300_000 && wrong < hit / 64, "{wrong} wrong of {hit}");
}

#[test]
fn any_bytes_cost_one_zero_or_two_and_bounded_memory() {
    let mut random = Random::new(77);
    for _ in 0..2000 {
        let mut wire: Vec<u8> = (0..random.below(700)).map(|_| random.byte()).collect();
        wire.extend([0, 0]);
        let message = [0x10, 1, random.byte()];
        wire.extend(frame(&message));
        let events = receive(&[Some(&wire), None], 16);
        assert_eq!(events.last(), Some(&Event::Message(message.to_vec())), "{wire:02X?}");
        assert_eq!(events, reference(&[Some(&wire), None], 16));
    }
}

#[test]
fn overlong_frame_is_one_error_and_its_tail_no_message() {
    for len in 9..600 {
        let message: Vec<u8> = (0..len).map(|i| (i * 11 % 251) as u8).collect();
        let mut wire = frame(&message);
        wire.extend(frame(b"next"));
        let events = receive(&[Some(&wire), None], 8);
        assert_eq!(events, [Event::Error(Error::TooLong), Event::Message(b"next".to_vec())], "length {len}");
    }
}

#[test]
fn partial_frame_is_abandoned_once() {
    let mut buffer = [0; 8];
    let mut decoder = Lrc::new(&mut buffer);
    let mut input: &[u8] = &[4, 0x10];
    assert_eq!(decoder.push(&mut input), Ok(Progress::More));
    assert_eq!(decoder.idle(Lrc::ABANDON / 2), Ok(Progress::More));
    assert_eq!(decoder.idle(Lrc::ABANDON), Err(Error::Abandoned));
    assert_eq!(decoder.idle(Lrc::ABANDON * 2), Ok(Progress::More));
    assert_eq!(decoder.message(), b"");
}

#[test]
fn after_an_error_no_byte_of_the_damaged_message_is_left() {
    let damaged: [(&[u8], Error); 3] = [
        (&[3, 0x10, 0x20, 0x30, 0], Error::Checksum),
        // The check is right, but the block is cut short.
        (&[5, 0x10, 0xEB, 0], Error::Malformed),
        (&frame(b"123456789"), Error::TooLong),
    ];
    for (wire, error) in damaged {
        let mut buffer = [0; 8];
        let mut decoder = Lrc::new(&mut buffer);
        let mut input = wire;
        assert_eq!(decoder.push(&mut input), Err(error));
        assert_eq!((decoder.message(), input), (&b""[..], &b""[..]), "{error:?}");
    }
}

#[test]
fn reset_forgets_partial_frames_and_messages() {
    let mut buffer = [0; 8];
    let mut decoder = Lrc::new(&mut buffer);
    for start in [&[4, 0x10][..], &[1, 1, 2, 0xFB, 1, 0], &frame(b"whole")] {
        let mut input = start;
        let _ = decoder.push(&mut input).unwrap();
        decoder.reset();
        assert_eq!(decoder.message(), b"");
        let wire = frame(b"next");
        let mut input = &wire[..];
        assert_eq!(decoder.push(&mut input), Ok(Progress::Message));
        assert_eq!(decoder.message(), b"next");
    }
}

// ---- helpers ------------------------------------------------------------------------------------

fn frame(message: &[u8]) -> Vec<u8> {
    let mut wire = vec![0; lrc::max_encoded_len(message.len())];
    let len = lrc::Encoder::new().next(message, &mut wire);
    wire.truncate(len);
    wire
}

fn receive(pieces: &[Option<&[u8]>], limit: usize) -> Vec<Event> {
    let mut buffer = vec![0; limit];
    let mut decoder = Lrc::new(&mut buffer);
    let mut events = Vec::new();
    for piece in pieces {
        match piece {
            Some(bytes) => push(&mut decoder, bytes, &mut events),
            None => idle(&mut decoder, Duration::from_secs(1), &mut events),
        }
    }
    events
}

fn push(decoder: &mut Lrc<'_>, mut input: &[u8], events: &mut Vec<Event>) {
    loop {
        match decoder.push(&mut input) {
            Ok(Progress::More) => break assert!(input.is_empty()),
            Ok(Progress::Message) => events.push(Event::Message(decoder.message().to_vec())),
            Ok(Progress::Text(_)) => panic!("S3MP has no text between frames"),
            Err(error) => events.push(Event::Error(error)),
        }
    }
}

fn idle(decoder: &mut Lrc<'_>, silence: Duration, events: &mut Vec<Event>) {
    loop {
        match decoder.idle(silence) {
            Ok(Progress::Message) => events.push(Event::Message(decoder.message().to_vec())),
            Ok(_) => break,
            Err(error) => events.push(Event::Error(error)),
        }
    }
}

fn damage(wire: &mut Vec<u8>, random: &mut Random) {
    let at = random.index(wire.len());
    match random.below(6) {
        0 => wire[at] = random.byte(),
        1 => wire[at] ^= 1 << random.below(8),
        2 => drop(wire.remove(at)),
        3 => wire.insert(at, random.byte()),
        4 => wire[at] = 0,
        _ => wire.truncate(at),
    }
}

fn negative_sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_sub(*byte))
}

enum Piece {
    Bytes(Vec<u8>),
    Silence(Duration),
}

fn piece(value: &Value) -> Piece {
    match value.as_str().unwrap() {
        "idle" => Piece::Silence(Duration::from_millis(50)),
        "long idle" => Piece::Silence(Duration::from_millis(500)),
        _ => Piece::Bytes(hex(value)),
    }
}

fn event(value: &Value) -> Event {
    match value.as_str() {
        Some("checksum_error") => Event::Error(Error::Checksum),
        Some("malformed") => Event::Error(Error::Malformed),
        Some("too_long") => Event::Error(Error::TooLong),
        Some("abandoned") => Event::Error(Error::Abandoned),
        Some(other) => panic!("unknown event {other}"),
        None => Event::Message(hex(&value["message"])),
    }
}

fn vectors() -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/s3mp");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    assert!(!files.is_empty());
    files.iter().map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

fn list<'v>(file: &'v Value, key: &str) -> &'v [Value] {
    file.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn hex(value: &Value) -> Vec<u8> {
    hex::hex(value.as_str().unwrap())
}
