//! One port, three framings: frames in any order and in any pieces are told apart, and answered in
//! the same framing.

use core::time::Duration;

use anysmp::framing::auto::{ABANDON, ABANDON_COBS, Auto, Kind};
use anysmp::framing::console::Console;
use anysmp::framing::{Encoder, Framing, Progress, console, counted, delimited};

use crate::kit::events::messages;
use crate::kit::oracle::{base64, console_reference};
use crate::kit::random::Random;
use crate::kit::vectors::vectors;

/// An SMP request with this many payload bytes.
fn request(random: &mut Random, payload: usize) -> Vec<u8> {
    let first = [0x00, 0x02, 0x08, 0x0A][random.index(4)];
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
        let mut random = Random::new(seed);
        let (mut wire, mut expected, mut printed) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..8 {
            let kind = [Kind::Console, Kind::Raw, Kind::Cobs][random.index(3)];
            let payload = random.index(200);
            let message = request(&mut random, payload);
            // A client that resynchronises first, and a device that prints between frames.
            match (kind, random.index(3)) {
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
            let (piece, next) = rest.split_at(rest.len().min(1 + random.index(9)));
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
    let mut auto = Auto::new(&mut buffer).with_raw(false);
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
    assert!(auto.idle(ABANDON).is_err());
    let message = [8, 0, 0, 0, 0, 0, 0, 6];
    assert_eq!(decode(&mut auto, &[&frame(Kind::Cobs, &message)]).0, [(Kind::Cobs, message.to_vec())]);
}

#[test]
fn noise_never_panics_and_the_next_console_frame_after_silence_arrives() {
    for seed in 1..=2000 {
        let mut random = Random::new(seed);
        let len = random.index(80);
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

/// What came out, with the kind of each message.
#[derive(Debug, Default)]
struct Heard {
    messages: Vec<(Kind, Vec<u8>)>,
    errors: usize,
    text: Vec<u8>,
}

impl Heard {
    fn push(&mut self, auto: &mut Auto<'_>, mut input: &[u8]) {
        let limit = 3 * input.len() + 4;
        for _ in 0..limit {
            match auto.push(&mut input) {
                Ok(Progress::More) => {
                    assert!(input.is_empty(), "More, but {} bytes are left", input.len());
                    return;
                }
                Ok(Progress::Text(run)) => self.text.extend(run),
                Ok(Progress::Message) => self.messages.push((auto.kind(), auto.message().to_vec())),
                Err(_) => self.errors += 1,
            }
        }
        panic!("push makes no progress");
    }

    fn idle(&mut self, auto: &mut Auto<'_>, silence: Duration) {
        for _ in 0..64 {
            match auto.idle(silence) {
                Ok(Progress::More) => return,
                Ok(Progress::Text(run)) => self.text.extend(run),
                Ok(Progress::Message) => self.messages.push((auto.kind(), auto.message().to_vec())),
                Err(_) => self.errors += 1,
            }
        }
        panic!("a silence that has no end");
    }

    fn of<'i>(auto: &mut Auto<'_>, pieces: impl IntoIterator<Item = &'i [u8]>) -> Self {
        let mut heard = Self::default();
        for piece in pieces {
            heard.push(auto, piece);
        }
        heard
    }

    fn in_kind(&self, wanted: Kind) -> Vec<&[u8]> {
        self.messages.iter().filter(|(kind, _)| *kind == wanted).map(|(_, message)| &**message).collect()
    }
}

fn auto(buffer: &mut [u8], raw: bool) -> Auto<'_> {
    if raw { Auto::new(buffer) } else { Auto::new(buffer).with_raw(false) }
}

/// Slow and obvious: the messages of all console packets without a zero in them, by the slow
/// console decoder. Neither what is around them nor what may become of it matters.
fn console_messages(stream: &[u8], buffer: usize) -> Vec<Vec<u8>> {
    let pieces = stream.split(|byte| *byte == 0);
    pieces
        .flat_map(|piece| {
            messages(&console_reference(piece, buffer)).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
        })
        .collect()
}

/// Bytes that mean something to one of the framings, alone and in the combinations that begin or
/// end something.
fn noise(random: &mut Random) -> Vec<u8> {
    if random.index(2) == 0 {
        let len = 1 + random.index(60);
        return random.bytes(len);
    }
    let mut noise = Vec::new();
    for _ in 0..1 + random.index(8) {
        match random.index(12) {
            0..5 => {
                let bytes = [0, 1, 2, 3, 4, 6, 8, 9, 0x0A, 0x0B, 0x14, 0x0D, b'=', b'A', b'z', b'/', b' ', 0xFF];
                for _ in 0..1 + random.index(4) {
                    noise.push(bytes[random.index(bytes.len())]);
                }
            }
            5 => noise.extend([[1, 1], [2, 2], [2, 8], [2, 10], [6, 9], [4, 0x14]][random.index(6)]),
            6 | 7 => {
                // A raw header with any length, often one that ends within what follows.
                let len = if random.index(2) == 0 { random.index(80) } else { random.next() as usize & 0x7FF };
                noise.extend([[0u8, 2, 8, 10][random.index(4)], 0]);
                noise.extend((len as u16).to_be_bytes());
                let rest = random.bytes(4);
                noise.extend(&rest[..random.index(5)]);
            }
            8 => {
                let symbols = random.bytes(9);
                noise.extend(base64(&symbols));
            }
            _ => {
                let payload = random.index(40);
                let message = request(random, payload);
                let whole = frame([Kind::Console, Kind::Raw, Kind::Cobs][random.index(3)], &message);
                noise.extend(&whole[..random.index(whole.len())]);
            }
        }
    }
    noise
}

/// The share of a campaign: `ANYSMP_SHARE=10` runs ten times as much.
fn share(count: u64) -> u64 {
    count * std::env::var("ANYSMP_SHARE").map_or(1, |share| share.parse().unwrap())
}

fn twelve(random: &mut Random, kind: Kind, longest: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..12)
        .map(|_| {
            let payload = random.index(longest);
            let message = request(random, payload);
            let wire = frame(kind, &message);
            (message, wire)
        })
        .collect()
}

#[test]
fn a_console_client_that_repeats_is_heard_behind_two_bytes_that_look_like_cobs() {
    let message = [2, 0, 0, 1, 0, 0, 7, 0, 0xA0];
    let wire = frame(Kind::Console, &message);
    for (noise, errors) in [(&[][..], 0), (&[1, 1], 1), (&[2, 2], 1), (&[2, 8], 1), (&[0x0A, 0, 0, 200, 0, 0, 0, 0], 1)]
    {
        for raw in [true, false] {
            let mut buffer = [0; 256];
            let mut auto = auto(&mut buffer, raw);
            let heard = Heard::of(&mut auto, std::iter::once(noise).chain(std::iter::repeat_n(&wire[..], 100)));
            assert_eq!(heard.messages, vec![(Kind::Console, message.to_vec()); 100], "{noise:02x?}");
            if raw || noise.len() <= 2 {
                assert_eq!(heard.errors, errors, "{noise:02x?}: what surrounds a frame is one error");
            }
        }
    }
}

/// Frames after noise without a pause; returns how many raw messages were made of noise.
fn console_behind_noise(seeds: impl Iterator<Item = u64>) -> (u64, usize) {
    let (mut trials, mut made_of_noise) = (0, 0);
    for seed in seeds {
        let mut random = Random::new(seed);
        let noise = noise(&mut random);
        let frames = twelve(&mut random, Kind::Console, 70);
        let stream: Vec<u8> = noise.iter().copied().chain(frames.iter().flat_map(|(_, wire)| wire.clone())).collect();
        let size = [82, 100, 300, 520, 600, 2100][random.index(6)];
        let expected = console_messages(&stream, size);
        assert!(
            expected.len() >= 12
                && expected[expected.len() - 12..].iter().eq(frames.iter().map(|(message, _)| message))
        );
        for raw in [true, false] {
            let (mut buffer, mut other) = (vec![0; size], vec![0; size]);
            let heard = Heard::of(&mut auto(&mut buffer, raw), [&stream[..]]);
            assert_eq!(heard.in_kind(Kind::Console), expected, "seed {seed}, raw {raw}, noise {noise:02x?}");
            made_of_noise += heard.in_kind(Kind::Raw).len();
            assert!(raw || heard.in_kind(Kind::Raw).is_empty());
            let pieces = random.pieces(&stream, 9);
            let split = Heard::of(&mut auto(&mut other, raw), pieces);
            assert_eq!(split.messages, heard.messages, "seed {seed}, raw {raw}, in pieces");
            assert_eq!(split.errors, heard.errors, "seed {seed}, raw {raw}, in pieces");
            // At every cut, and byte by byte.
            if seed % 64 == 0 {
                let end = noise.len() + frames[0].1.len();
                for cut in 1..end {
                    let (one, two) = stream.split_at(cut);
                    let split = Heard::of(&mut auto(&mut other, raw), [one, two]);
                    assert_eq!(split.messages, heard.messages, "seed {seed}, raw {raw}, cut at {cut}");
                    assert_eq!(split.errors, heard.errors, "seed {seed}, raw {raw}, cut at {cut}");
                }
                let split = Heard::of(&mut auto(&mut other, raw), stream.chunks(1));
                assert_eq!(split.messages, heard.messages, "seed {seed}, raw {raw}, byte by byte");
                assert_eq!(split.errors, heard.errors, "seed {seed}, raw {raw}, byte by byte");
            }
        }
        trials += 1;
    }
    (trials, made_of_noise)
}

#[test]
fn every_console_frame_behind_noise_arrives_without_a_pause() {
    let (trials, raw) = console_behind_noise(1..=share(20_000));
    println!("{trials} noises, 24 frames behind each, 0 lost; {raw} raw messages made of noise");
}

#[test]
#[ignore = "a campaign: some minutes"]
fn every_console_frame_behind_noise_arrives_without_a_pause_campaign() {
    let (trials, raw) = console_behind_noise(1_000_000..1_000_000 + share(200_000));
    println!("{trials} noises, 24 frames behind each, 0 lost; {raw} raw messages made of noise");
}

#[test]
fn console_frames_are_those_of_the_slow_decoder_whatever_is_around_them() {
    for seed in 1..=share(20_000) {
        let mut random = Random::new(seed);
        let mut stream = Vec::new();
        for _ in 0..1 + random.index(6) {
            stream.extend(noise(&mut random));
            let payload = random.index(120);
            let message = request(&mut random, payload);
            let kind = [Kind::Console, Kind::Console, Kind::Raw, Kind::Cobs][random.index(4)];
            stream.extend(frame(kind, &message));
        }
        let size = [16, 64, 100, 140, 600][random.index(5)];
        let expected = console_messages(&stream, size);
        for raw in [true, false] {
            let mut buffer = vec![0; size];
            let pieces = random.pieces(&stream, 40);
            let heard = Heard::of(&mut auto(&mut buffer, raw), pieces);
            assert_eq!(heard.in_kind(Kind::Console), expected, "seed {seed}, raw {raw}");
        }
    }
}

#[test]
fn a_console_frame_that_is_longer_on_the_wire_than_the_buffer_arrives_behind_noise() {
    for seed in 1..=2000 {
        let mut random = Random::new(seed);
        let payload = 100 + random.index(300);
        let message = request(&mut random, payload);
        let wire = frame(Kind::Console, &message);
        let size = Console::buffer_len(message.len());
        assert!(wire.len() > size);
        let mut noise = noise(&mut random);
        if seed % 2 == 0 {
            noise.extend([[1, 1], [2, 2], [2, 8], [2, 10]][random.index(4)]);
        }
        let stream = [&noise[..], &wire, &wire].concat();
        for raw in [true, false] {
            let mut buffer = vec![0; size];
            let pieces = random.pieces(&stream, 100);
            let heard = Heard::of(&mut auto(&mut buffer, raw), pieces);
            let found = heard.in_kind(Kind::Console);
            assert_eq!(found[found.len() - 2..], [&message[..]; 2], "seed {seed}, noise {noise:02x?}");
        }
    }
}

#[test]
fn noise_costs_a_cobs_client_the_frame_that_it_touches_and_one_more_only_if_it_looks_raw() {
    let mut lost = [[0; 3]; 2];
    for seed in 1..=share(20_000) {
        let mut random = Random::new(seed);
        let noise = noise(&mut random);
        let frames = twelve(&mut random, Kind::Cobs, 70);
        let stream: Vec<u8> = noise.iter().copied().chain(frames.iter().flat_map(|(_, wire)| wire.clone())).collect();
        let size = [100, 300, 520, 600, 2100][random.index(5)];
        for raw in [true, false] {
            let mut buffer = vec![0; size];
            let pieces = random.pieces(&stream, 30);
            let heard = Heard::of(&mut auto(&mut buffer, raw), pieces);
            let found = heard.in_kind(Kind::Cobs);
            // No zero is between noise and first frame. A raw message made of noise may end within
            // the second.
            let count = 1 + usize::from(raw);
            let expected: Vec<&[u8]> = frames[count..].iter().map(|(message, _)| &message[..]).collect();
            assert!(found.ends_with(&expected), "seed {seed}, raw {raw}, {size}, noise {noise:02x?}");
            let gone = frames[..count].iter().filter(|(message, _)| !found.contains(&&message[..])).count();
            lost[usize::from(raw)][gone] += 1;
        }
    }
    println!("noises that cost no frame, one, two: {:?} without raw messages, {:?} with them", lost[0], lost[1]);
}

#[test]
fn raw_messages_behind_noise_and_the_silence_limit_arrive() {
    for seed in 1..=share(20_000) {
        let mut random = Random::new(seed);
        let noise = noise(&mut random);
        let mut buffer = [0; 300];
        let mut auto = Auto::new(&mut buffer);
        let mut heard = Heard::of(&mut auto, [&noise[..]]);
        heard.idle(&mut auto, ABANDON);
        heard.messages.clear();
        for (message, wire) in twelve(&mut random, Kind::Raw, 70) {
            heard.push(&mut auto, &wire);
            assert_eq!(heard.messages.pop(), Some((Kind::Raw, message)), "seed {seed}, noise {noise:02x?}");
        }
        assert!(heard.messages.is_empty());
    }
}

#[test]
fn a_raw_client_that_repeats_is_heard_whatever_its_request_looks_like() {
    // Behind what looks like a packet, a request that ends with a start marker is one more such
    // packet.
    for message in
        [[8, 0, 0, 0, 0, 0, 6, 9], [0, 0, 0, 0, 0, 0, 6, 9], [10, 0, 0, 0, 2, 2, 6, 9], [2, 0, 0, 0, 1, 1, 6, 9]]
    {
        for noise in
            [&[6, 9][..], b"\x06\x09AAo", b"\x06\x09\n", b"\x04\x14", b"\x02\x02", b"\x08\x00\x00\xF0\x00\x00\x00\x00"]
        {
            let mut buffer = [0; 300];
            let mut auto = Auto::new(&mut buffer);
            let mut heard = Heard::of(&mut auto, [noise]);
            for _ in 0..3 {
                heard.push(&mut auto, &message);
                heard.idle(&mut auto, Duration::from_millis(2400));
            }
            let found = heard.in_kind(Kind::Raw);
            assert!(found.ends_with(&[&message[..]; 2]), "{message:02x?} behind {noise:02x?}: {found:02x?}");
        }
    }
}

#[test]
fn text_beside_frames_comes_out_in_order_and_whole() {
    for seed in 1..=4000 {
        let mut random = Random::new(seed);
        let (mut stream, mut printed, mut expected) = (Vec::new(), Vec::<u8>::new(), Vec::new());
        for _ in 0..8 {
            let text: Vec<u8> = (0..random.index(40))
                .map(|_| match random.index(12) {
                    0 => b'\n',
                    1 => b'\r',
                    2 => 0x08,
                    3 => [0x09, 0x14, 0x1B, 0x7F, 0xC3, 0x0B][random.index(6)],
                    _ => b' ' + random.byte() % 95,
                })
                .collect();
            stream.extend(&text);
            printed.extend(&text);
            let payload = random.index(150);
            let message = request(&mut random, payload);
            let wire = frame(Kind::Console, &message);
            // Between the lines of a packet, too.
            for line in wire.split_inclusive(|byte| *byte == b'\n') {
                if random.index(4) == 0 && line[0] == 4 {
                    stream.extend(b"between\r\n");
                    printed.extend(b"between\r\n");
                }
                stream.extend(line);
            }
            expected.push((Kind::Console, message));
        }
        for raw in [true, false] {
            let mut buffer = [0; 300];
            let mut auto = auto(&mut buffer, raw);
            let mut heard = Heard::of(&mut auto, random.pieces(&stream, 20));
            heard.idle(&mut auto, Duration::from_millis(100));
            assert_eq!(heard.messages, expected, "seed {seed}");
            assert_eq!(heard.text, printed, "seed {seed}");
            assert_eq!(heard.errors, 0, "seed {seed}");
        }
    }
}

#[test]
fn behind_every_damage_to_a_golden_frame_the_next_console_frame_arrives() {
    let console = vectors("console", "vectors", "name");
    let raw = console.iter().map(|vector| vector.message.clone());
    let cobs = vectors("cobs", "vectors", "name").into_iter().map(|vector| vector.wire);
    let frames: Vec<_> = raw.chain(console.iter().map(|vector| vector.wire.clone())).chain(cobs).collect();
    let message = [8, 0, 0, 0, 0, 0, 0, 6];
    let next = frame(Kind::Console, &message);
    let (mut one, mut two) = (vec![0; 1024], vec![0; 1024]);
    let mut trials = 0;
    let mut check = |damaged: &[u8], what: &dyn Fn() -> String| {
        for auto in [&mut Auto::new(&mut one), &mut Auto::new(&mut two).with_raw(false)] {
            let heard = Heard::of(auto, [damaged, &next]);
            assert_eq!(heard.messages.last(), Some(&(Kind::Console, message.to_vec())), "{}", what());
            trials += 1;
        }
    };
    for (number, wire) in frames.iter().enumerate() {
        for len in 0..wire.len() {
            check(&wire[..len], &|| format!("frame {number} cut to {len}"));
        }
        let mut damaged = wire.clone();
        for at in 0..wire.len() {
            for change in 1..=u8::MAX {
                damaged[at] = wire[at] ^ change;
                check(&damaged, &|| format!("frame {number} with {:#04x} at {at}", wire[at] ^ change));
            }
            damaged[at] = wire[at];
        }
    }
    println!("{} frames, {trials} trials", frames.len());
}

#[test]
fn a_buffer_accepts_in_each_framing_what_its_length_says() {
    for size in (12..1100).chain([2048, 4096, 65_535]) {
        let mut random = Random::new(size as u64);
        for kind in [Kind::Console, Kind::Raw, Kind::Cobs] {
            let len = Auto::max_message_in(kind, size);
            assert!(len >= Auto::max_message(size));
            let mut buffer = vec![0; size];
            let mut auto = Auto::new(&mut buffer);
            let mut heard = Heard::default();
            if len < 8 {
                continue;
            }
            // Few zeros: COBS is longest then.
            let mut message = request(&mut random, len - 8);
            message[8..].fill(0xA5);
            // Raw read requests with a payload of 257 bytes look like empty COBS frames, and nobody
            // sends them.
            message[0] |= 2;
            heard.push(&mut auto, &frame(kind, &message));
            assert_eq!(heard.messages, [(kind, message.clone())], "{kind:?} in {size}");
            assert_eq!(heard.errors, 0);
            if kind == Kind::Console && len < 65_533 {
                let longer = request(&mut random, len - 7);
                heard.push(&mut auto, &frame(kind, &longer));
                assert_eq!((heard.messages.len(), heard.errors), (1, 1), "one byte too many for {size}");
            }
        }
    }
    for len in (8..1100).chain([2048, 65_000]) {
        let size = Auto::buffer_len(len);
        assert!(Auto::max_message(size) >= len && Auto::max_message(size - 1) < len, "{len}");
    }
}

#[test]
fn silence_gives_up_what_is_not_decided_but_no_console_packet_that_goes_on() {
    let message = [8, 0, 0, 0, 0, 0, 0, 6];
    let wire = frame(Kind::Console, &message);
    for noise in [&[2, 2][..], &[1, 1, 7, 7], &[8, 0, 0, 99, 0, 0, 0, 0, 1]] {
        for cut in 1..wire.len() {
            let mut buffer = [0; 128];
            let mut auto = Auto::new(&mut buffer);
            let mut heard = Heard::of(&mut auto, [noise, &wire[..cut]]);
            for tick in 1..100 {
                heard.idle(&mut auto, Duration::from_millis(9 * tick));
            }
            heard.push(&mut auto, &wire[cut..]);
            assert_eq!(heard.messages, [(Kind::Console, message.to_vec())], "{noise:02x?}, cut at {cut}");
            assert_eq!(heard.errors, 1, "{noise:02x?}, cut at {cut}");
        }
    }
    let cobs = frame(Kind::Cobs, &message);
    let mut buffer = [0; 128];
    let mut auto = Auto::new(&mut buffer);
    let mut heard = Heard::of(&mut auto, [&cobs[..5]]);
    heard.idle(&mut auto, ABANDON_COBS - Duration::from_millis(1));
    assert_eq!(heard.errors, 0);
    heard.idle(&mut auto, ABANDON_COBS);
    assert_eq!(heard.errors, 1, "half a COBS frame is one error");
    let message = [8, 0, 0, 1, 0, 0, 0, 6, 0xA0];
    heard.push(&mut auto, &message[..8]);
    heard.idle(&mut auto, Duration::from_millis(999));
    heard.push(&mut auto, &message[8..]);
    assert_eq!(heard.messages, [(Kind::Raw, message.to_vec())], "a raw message may pause for most of a second");
}

#[test]
fn messages_may_contain_the_front_of_any_frame() {
    for seed in 1..=4000 {
        let mut random = Random::new(seed);
        let (mut wires, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            let mut payload = noise(&mut random);
            // No line feed: a packet whose lines are whole goes on after the message.
            payload.retain(|byte| *byte != b'\n');
            payload.extend(
                [&[][..], &[6], &[4], &[2, 2], b"\x06\x09A\xA0", b"\x06\x09AAo\xFF\x06", b"\x06\x09\xFF"]
                    [random.index(7)],
            );
            let first = [0, 2, 8, 10][random.index(4)];
            let mut message = vec![first, 0, 0, payload.len() as u8, 0, 0, random.byte(), 1];
            message.extend(payload);
            let kind = [Kind::Raw, Kind::Raw, Kind::Cobs, Kind::Console][random.index(4)];
            wires.push(frame(kind, &message));
            expected.push((kind, message));
        }
        let mut buffer = [0; 600];
        let mut auto = Auto::new(&mut buffer);
        let longest = [1, 2, 50][random.index(3)];
        let mut heard = Heard::default();
        for wire in &wires {
            for piece in random.pieces(wire, longest) {
                heard.push(&mut auto, piece);
            }
        }
        assert_eq!(heard.messages, expected, "seed {seed}");
        assert_eq!((heard.errors, &heard.text[..]), (0, &[][..]), "seed {seed}");
    }
}

#[test]
fn a_read_that_ends_after_a_line_feed_changes_nothing_behind_a_raw_message_that_ends_like_a_packet() {
    let packet = frame(Kind::Console, &[8, 0, 0, 0, 0, 0, 0, 6]);
    let request = [10, 0, 0, 1, 0, 0, 0, 0, 0xA0];
    // Start marker, LEN and one more byte: the shortest end after which a line may end.
    for end in [&b"\x06\x09AAoA"[..], &packet[..packet.len() - 1], b"\x06\x09AAoI\x04", b"\x06\x09AAoICAAAAAAAAAYA"] {
        let message = [&[8, 0, 0, end.len() as u8, 0, 0, 0, 0][..], end].concat();
        for next in
            [&request[..], b"\n\x04\x14ABAA\n", b"\n\n", b"\n$ ", b"\n\x06\x09", b"\n\x02\x02", b"\n\x00\x00", b"\n"]
        {
            let stream = [&message, next, &packet].concat();
            let mut buffer = [0; 128];
            let whole = Heard::of(&mut Auto::new(&mut buffer), [&stream[..]]);
            assert!(whole.in_kind(Kind::Console).ends_with(&[&[8, 0, 0, 0, 0, 0, 0, 6][..]]), "{stream:02x?}");
            for cut in 1..stream.len() {
                let (one, two) = stream.split_at(cut);
                let split = Heard::of(&mut Auto::new(&mut buffer), [one, two]);
                assert_eq!(split.messages, whole.messages, "{stream:02x?} cut at {cut}");
                assert_eq!((split.errors, &split.text), (whole.errors, &whole.text), "{stream:02x?} cut at {cut}");
            }
        }
    }
    // The request is not lost, and a silence after the line feed leaves no byte behind.
    let message = b"\x08\0\0\x06\0\0\0\0\x06\x09AAoA";
    let mut buffer = [0; 128];
    let heard = Heard::of(&mut Auto::new(&mut buffer), [&message[..], &request[..1], &request[1..]]);
    assert_eq!(heard.in_kind(Kind::Raw), [&message[..], &request]);
    let mut auto = Auto::new(&mut buffer);
    let mut heard = Heard::of(&mut auto, [&message[..], b"\n"]);
    heard.idle(&mut auto, Duration::from_millis(100));
    heard.push(&mut auto, b"\x04\x14AAAAAAAAAAAA\n");
    assert_eq!(heard.in_kind(Kind::Console), [[0; 8]], "the line feed ended a line of a packet that goes on");
}

#[test]
fn a_raw_message_with_runs_of_ones_in_front_of_zeros_arrives() {
    for run in 0..64 {
        let payload = [&[0][..], &vec![1; run], &[0, 2], &vec![1; run], &[0]].concat();
        let message = [&[2, 0, 0, u8::try_from(payload.len()).unwrap(), 0, 1, 7, 0][..], &payload].concat();
        let mut buffer = [0; 256];
        let mut auto = Auto::new(&mut buffer);
        assert_eq!(auto.push(&mut &message[..]), Ok(Progress::Message), "a run of {run}");
        assert_eq!(auto.message(), message);
    }
}

#[test]
fn a_cobs_frame_inside_what_looks_like_a_raw_message_arrives() {
    let message = [8, 0, 0, 0, 0, 0, 0, 6];
    let wire = frame(Kind::Cobs, &message);
    for header in
        [&[0x0A, 0, 0, 200, 0, 0, 0, 0][..], &[0, 0, 0, 100, 5, 5, 0, 0], &[8, 0, 0, 90, 0, 0, 1, 1, 1, 1, 0, 7, 7, 0]]
    {
        let mut buffer = [0; 256];
        let mut auto = Auto::new(&mut buffer);
        let heard = Heard::of(&mut auto, [header, &wire, &wire].concat().chunks(3));
        assert_eq!(heard.messages, vec![(Kind::Cobs, message.to_vec()); 2], "{header:02x?}");
        assert_eq!(heard.errors, 1, "{header:02x?}");
    }
}

#[test]
fn buffers_that_hold_no_frame_are_no_trouble() {
    for size in 0..16 {
        for seed in 1..500 {
            let mut random = Random::new(seed);
            let stream = [noise(&mut random), noise(&mut random)].concat();
            for raw in [true, false] {
                let mut buffer = vec![0; size];
                let mut auto = auto(&mut buffer, raw);
                let mut heard = Heard::of(&mut auto, random.pieces(&stream, 7));
                heard.idle(&mut auto, ABANDON);
                assert!(heard.messages.iter().all(|(_, message)| message.len() <= size));
            }
        }
    }
}
