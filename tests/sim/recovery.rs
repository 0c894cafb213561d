//! After noise: the number of following frames that each framing loses, by rule 7 of the design.

use std::time::Duration;

use anysmp::framing::auto::Auto;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head3, Head8};
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::packet::{Packet, gap};
use anysmp::framing::{Framing, Progress};

use crate::kit::noise;
use crate::kit::random::Random;
use crate::kit::tally::sessions;
use crate::session::encode;

/// What comes out of `framing` for these bytes.
fn push(framing: &mut impl Framing, mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    loop {
        match framing.push(&mut bytes) {
            Ok(Progress::More) => return messages,
            Ok(Progress::Message) => messages.push(framing.message().to_vec()),
            Ok(Progress::Text(_)) | Err(_) => {}
        }
    }
}

fn idle(framing: &mut impl Framing, silence: Duration) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    loop {
        match framing.idle(silence) {
            Ok(Progress::More) => return messages,
            Ok(Progress::Message) => messages.push(framing.message().to_vec()),
            Ok(Progress::Text(_)) | Err(_) => {}
        }
    }
}

fn smp(random: &mut Random) -> Vec<u8> {
    let len = random.index(120);
    let mut message =
        vec![random.pick(&[0, 2, 8, 10]), 0, 0, len as u8, 0, random.pick(&[0, 1, 8, 64]), random.byte(), 0];
    message.extend(random.bytes(len));
    message
}

/// Noise, then three frames without a pause: how many of each place are lost over all tries, and
/// which seed was the first.
fn lost(
    seed: u64,
    share: u64,
    silence: Duration,
    message: impl Fn(&mut Random) -> Vec<u8>,
    framing: &mut impl Framing,
    sender: &impl Framing,
) -> [u64; 3] {
    let mut lost = [0; 3];
    for seed in seed..seed + sessions(share) {
        let mut random = Random::new(seed);
        let other: Vec<Vec<u8>> = (0..2).filter_map(|_| encode(sender, &message(&mut random))).collect();
        let noise = noise::draw(&mut random, &other, 60);
        let messages: Vec<Vec<u8>> = (0..3).map(|_| message(&mut random)).collect();
        framing.reset();
        {
            let mut at = &noise[..];
            while !at.is_empty() {
                let (piece, rest) = at.split_at(1 + random.index(at.len()));
                push(framing, piece);
                at = rest;
            }
            if !silence.is_zero() {
                idle(framing, silence);
            }
            for (place, message) in messages.iter().enumerate() {
                let mut got = push(framing, &encode(sender, message).unwrap());
                if !silence.is_zero() {
                    got.extend(idle(framing, silence));
                }
                if !got.contains(message) {
                    lost[place] += 1;
                    if lost[place] == 1 {
                        println!("seed {seed}: frame {place} is lost");
                    }
                }
            }
        }
    }
    lost
}

#[test]
fn a_console_frame_behind_noise_is_never_lost() {
    let mut buffer = [0; 256];
    let sender = Console::new(&mut []);
    let framing = &mut Console::new(&mut buffer);
    assert_eq!(lost(0, 20_000, Duration::ZERO, smp, framing, &sender), [0; 3]);
}

#[test]
fn a_console_frame_behind_noise_is_never_lost_by_a_port_that_finds_the_framing_itself() {
    let mut buffer = [0; 256];
    let sender = Console::new(&mut []);
    let framing = &mut Auto::new(&mut buffer);
    assert_eq!(lost(0, 20_000, Duration::ZERO, smp, framing, &sender), [0; 3]);
    let framing = &mut Auto::new(&mut buffer).with_raw(false);
    assert_eq!(lost(0, 20_000, Duration::ZERO, smp, framing, &sender), [0; 3]);
}

#[test]
fn noise_costs_a_line_of_cobs_frames_one_frame_at_most() {
    let mut buffer = [0; 256];
    let sender = Cobs::new(&mut []);
    let framing = &mut Cobs::new(&mut buffer);
    assert_eq!(lost(0, 20_000, Duration::ZERO, smp, framing, &sender)[1..], [0; 2]);
}

#[test]
fn noise_costs_a_line_of_s3mp_frames_one_frame_at_most() {
    let mut buffer = [0; 256];
    // A check of 0 is distinguished from the marker by what follows: silence.
    let message = |random: &mut Random| {
        let len = 3 + random.index(60);
        random.bytes(len)
    };
    let sender = Lrc::new(&mut []);
    let framing = &mut Lrc::new(&mut buffer);
    assert_eq!(lost(0, 20_000, Lrc::GAP, message, framing, &sender)[1..], [0; 2]);
}

#[test]
fn messages_that_say_their_length_come_through_behind_the_silence_limit() {
    let mut buffer = [0; 256];
    let sender = Counted::<Head8>::new(&mut []);
    let framing = &mut Counted::<Head8>::new(&mut buffer);
    assert_eq!(lost(0, 20_000, Duration::from_secs(3), smp, framing, &sender), [0; 3]);
    let bsmp = |random: &mut Random| {
        let len = random.index(100);
        [&[random.byte(), 0, len as u8], &random.bytes(len)[..]].concat()
    };
    let sender = Counted::<Head3>::new(&mut []);
    let framing = &mut Counted::<Head3>::new(&mut buffer);
    assert_eq!(lost(0, 20_000, Duration::from_secs(3), bsmp, framing, &sender), [0; 3]);
}

#[test]
fn a_packet_behind_noise_and_its_silence_is_never_lost() {
    let mut buffer = [0; 256];
    let message = |random: &mut Random| {
        let len = random.index(100);
        [&[random.byte(), random.byte(), 0, len as u8], &random.bytes(len)[..]].concat()
    };
    let mut none = [0; 8];
    let sender = Packet::new(&mut none, gap(115_200));
    let framing = &mut Packet::new(&mut buffer, gap(115_200));
    assert_eq!(lost(0, 20_000, gap(115_200), message, framing, &sender), [0; 3]);
    let framing = &mut Packet::new(&mut buffer, gap(115_200)).with_early_delivery();
    assert_eq!(lost(0, 20_000, gap(115_200), message, framing, &sender), [0; 3]);
}

#[test]
fn a_cobs_client_that_repeats_a_long_frame_behind_an_empty_one_is_heard() {
    // Two zeros and the front of the frame look like a raw header of 522 bytes: shorter than this
    // frame.
    let message = [&[0x0A, 0, 0x03, 0xF8, 0, 1, 0x25, 1][..], &[0x55; 1016]].concat();
    let frame = encode(&Cobs::new(&mut []), &message).unwrap();
    let mut buffer = [0; 1100];
    let mut auto = Auto::new(&mut buffer);
    push(&mut auto, &[0, 0]);
    let mut heard = 0;
    for _ in 0..6 {
        heard += push(&mut auto, &frame).iter().filter(|got| **got == message).count();
        // The client's preamble after its timeout, which is shorter than any silence limit.
        push(&mut auto, &[0]);
    }
    assert_eq!(heard, 6);
}
