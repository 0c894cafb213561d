//! Golden frames, damaged: every truncation, every replaced byte, every one and two flipped bits.
//! The verdict is that of the slow decoders in `tests/kit`, and a good frame directly after the
//! damaged one arrives as rule 7 demands.
//!
//! The normal run takes every truncation and every single bit, and a share of the rest;
//! `ANYSMP_GOLDEN=all` takes all. Frames with bit errors at every rate are drawn: `ANYSMP_FRAMES=n`
//! sets their number for each framing.

use std::collections::BTreeSet;
use std::time::Duration;

use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head8};
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::packet::{Packet, gap};
use anysmp::framing::{Error, Framing};

use crate::kit::events::{Event, Events};
use crate::kit::hex::hex;
use crate::kit::random::Random;
use crate::session::encode;

/// At least 200 messages of each protocol, short ones.
fn smp() -> Vec<Vec<u8>> {
    let mut messages = BTreeSet::new();
    for line in include_str!("../vectors/smp/pairs.jsonl").lines() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["req", "rsp"] {
            messages.insert(hex(json[key].as_str().unwrap()));
        }
    }
    let mut messages: Vec<_> = messages.into_iter().filter(|message| message.len() >= 8).collect();
    messages.sort_by_key(Vec::len);
    // Short ones, and some of two and more lines.
    let long = messages.iter().filter(|message| (100..260).contains(&message.len())).take(4).cloned();
    let long: Vec<_> = long.collect();
    messages.into_iter().take(200).chain(long).collect()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// Requests and answers of BSMP, after an address.
fn bsmp() -> Vec<Vec<u8>> {
    let json = json(include_str!("../vectors/bsmp/bsmp.json"));
    let mut messages = BTreeSet::new();
    for session in json["sessions"].as_array().unwrap() {
        for step in session["steps"].as_array().unwrap() {
            for (key, address) in [("request", 1), ("response", 0)] {
                if let Some(message) = step[key].as_str() {
                    messages.insert([&[address], &hex(message)[..]].concat());
                }
            }
        }
    }
    let mut messages: Vec<_> = messages.into_iter().filter(|message| message.len() > 3).collect();
    messages.sort_by_key(Vec::len);
    messages.truncate(220);
    messages
}

fn s3mp() -> Vec<Vec<u8>> {
    let json = json(include_str!("../vectors/s3mp/s3mp.json"));
    let frames = json["frames"].as_array().unwrap().iter().map(|frame| hex(frame["message"].as_str().unwrap()));
    let mut messages: Vec<_> = frames.filter(|message| message.len() <= 60).collect();
    // The vectors are fewer than 200: the same with other counters and data.
    let mut random = Random::new(3);
    while messages.len() < 200 {
        let mut message = messages[random.index(messages.len())].clone();
        message.extend(random.bytes(1));
        let place = random.index(message.len());
        message[place] = random.pick(&[0, 1, 0xFF, 0x10]);
        messages.push(message);
    }
    messages
}

/// Every damaged form of a frame, or a share of them.
fn each_damage(frame: &[u8], random: &mut Random, mut see: impl FnMut(&[u8])) {
    let all = std::env::var("ANYSMP_GOLDEN").is_ok_and(|golden| golden == "all");
    for len in 0..frame.len() {
        see(&frame[..len]);
    }
    let mut damaged = frame.to_vec();
    for place in 0..frame.len() {
        for change in 1..=255_u8 {
            if all || change.is_power_of_two() || random.percent(2) {
                damaged[place] ^= change;
                see(&damaged);
                damaged[place] = frame[place];
            }
        }
    }
    let bits = 8 * frame.len();
    for one in 0..bits {
        for other in one + 1..bits {
            if all || random.below(bits as u64) == 0 {
                damaged[one / 8] ^= 1 << (one % 8);
                damaged[other / 8] ^= 1 << (other % 8);
                see(&damaged);
                damaged[one / 8] = frame[one / 8];
                damaged[other / 8] = frame[other / 8];
            }
        }
    }
}

/// What came of damaged frames.
#[derive(Default)]
struct Verdicts {
    tries: u64,
    /// Frames that passed the check although they were changed.
    passed: u64,
    /// Good frames that the damaged one in front of them cost.
    lost: u64,
}

impl Verdicts {
    /// Decodes a damaged frame of `message` in front of two of `good`, and compares with the
    /// reference.
    fn see(
        &mut self,
        name: &str,
        (damaged, message): (&[u8], &[u8]),
        (behind, good): (&[u8], &[u8]),
        decode: impl Fn(&[u8]) -> Vec<Event>,
        reference: impl Fn(&[u8]) -> Vec<Event>,
        may_lose: bool,
    ) {
        let stream = [damaged, behind].concat();
        let got = decode(&stream);
        assert_eq!(got, reference(&stream), "{name}: {damaged:02x?}, then {behind:02x?}");
        let messages = crate::kit::events::messages(&got);
        self.tries += 1;
        self.passed += u64::from(messages.iter().any(|got| *got != good && *got != message));
        let count = messages.iter().filter(|got| **got == good).count();
        let needed = if may_lose { 1 } else { 2 };
        assert!(count >= needed, "{name}: {damaged:02x?}, then {behind:02x?}: {count} of 2");
        self.lost += u64::from(count < 2);
    }
}

/// Damages each frame, puts two good ones after it, and compares with the reference.
fn compare<F: Framing>(
    name: &str,
    messages: &[Vec<u8>],
    sender: &impl Framing,
    decode: impl Fn(&[u8]) -> Vec<Event>,
    reference: impl Fn(&[u8]) -> Vec<Event>,
    may_lose: bool,
    _: std::marker::PhantomData<F>,
) {
    let mut random = Random::new(5);
    let mut verdicts = Verdicts::default();
    for (place, message) in messages.iter().enumerate() {
        let frame = encode(sender, message).unwrap();
        let good = &messages[(place + 7) % messages.len()];
        let behind = encode(sender, good).unwrap();
        let behind = [&behind[..], &behind].concat();
        each_damage(&frame, &mut random, |damaged| {
            verdicts.see(name, (damaged, message), (&behind, good), &decode, &reference, may_lose);
        });
    }
    let Verdicts { tries, passed, lost } = verdicts;
    assert!(messages.len() >= 200, "{name}: {} frames", messages.len());
    println!(
        "{name}: {} frames, {tries} damages, {passed} passed the check although changed, {lost} cost the next frame",
        messages.len()
    );
    noisy(name, messages, sender, decode, reference, may_lose);
}

/// Turns bits over at one of the rates of a bad line, at least one bit.
fn with_bit_errors(frame: &[u8], random: &mut Random) -> Vec<u8> {
    let rate = random.pick(&[1e-5, 1e-4, 1e-3, 1e-2, 5e-2]);
    let (mut damaged, bits) = (frame.to_vec(), 8 * frame.len());
    let mut place = random.index(bits);
    while place < bits {
        damaged[place / 8] ^= 1 << (place % 8);
        // The distance to the next error of a line without a memory.
        let unit = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        place += 1 + (unit.max(1e-300).ln() / f64::ln_1p(-rate)) as usize;
    }
    damaged
}

/// Frames with bit errors, as [`compare`] has those with one or two.
fn noisy(
    name: &str,
    messages: &[Vec<u8>],
    sender: &impl Framing,
    decode: impl Fn(&[u8]) -> Vec<Event>,
    reference: impl Fn(&[u8]) -> Vec<Event>,
    may_lose: bool,
) {
    let frames: Vec<_> = messages.iter().map(|message| (message, encode(sender, message).unwrap())).collect();
    let count = std::env::var("ANYSMP_FRAMES").map_or(20_000, |count| count.parse().unwrap());
    let mut random = Random::new(6);
    let mut verdicts = Verdicts::default();
    for _ in 0..count {
        let [(message, frame), (good, behind)] = [(); 2].map(|()| &frames[random.index(frames.len())]);
        let (damaged, behind) = (with_bit_errors(frame, &mut random), [&behind[..], behind].concat());
        verdicts.see(name, (&damaged, message), (&behind, good), &decode, &reference, may_lose);
    }
    let Verdicts { tries, passed, lost } = verdicts;
    println!("{name}: {tries} frames with bit errors, {passed} passed the check, {lost} cost the next frame");
    assert!(name != "console" || passed <= 3 + tries * 3 / 1_000_000, "{name}: {passed} of {tries}");
}

#[test]
fn damaged_console_frames_get_the_verdict_of_the_slow_decoder() {
    let decode = |stream: &[u8]| {
        let mut buffer = [0; 512];
        crate::kit::events::decode(&mut Console::new(&mut buffer), [stream])
    };
    let reference = |stream: &[u8]| crate::kit::oracle::console_reference(stream, 512);
    compare::<Console<'_>>("console", &smp(), &Console::new(&mut []), decode, reference, false, Default::default());
}

#[test]
fn damaged_cobs_frames_get_the_verdict_of_the_slow_decoder() {
    let decode = |stream: &[u8]| {
        let mut buffer = [0; 512];
        crate::kit::events::decode(&mut Cobs::new(&mut buffer), [stream])
    };
    let reference = |stream: &[u8]| crate::kit::oracle::cobs_reference(stream, 512);
    compare::<Cobs<'_>>("COBS", &smp(), &Cobs::new(&mut []), decode, reference, true, Default::default());
}

#[test]
fn damaged_s3mp_frames_get_the_verdict_of_the_slow_decoder() {
    let decode = |stream: &[u8]| {
        let mut buffer = [0; 128];
        let mut framing = Lrc::new(&mut buffer);
        let mut events = Events::default();
        events.push(&mut framing, stream);
        crate::kit::events::idle(&mut events, &mut framing, Lrc::ABANDON);
        events.0
    };
    let reference = |stream: &[u8]| crate::kit::oracle::lrc_reference(&[Some(stream), None], 128);
    compare::<Lrc<'_>>("S3MP", &s3mp(), &Lrc::new(&mut []), decode, reference, true, Default::default());
}

#[test]
fn damaged_packets_get_the_verdict_of_their_sum_and_cost_no_other() {
    let messages = bsmp();
    assert!(messages.len() >= 200, "{} packets", messages.len());
    let mut buffer = [0; 8];
    let sender = Packet::new(&mut buffer, gap(115_200));
    let mut random = Random::new(5);
    let (mut tries, mut passed) = (0_u64, 0_u64);
    for (place, message) in messages.iter().enumerate() {
        let good = &messages[(place + 7) % messages.len()];
        let (packet, behind) = (encode(&sender, message).unwrap(), encode(&sender, good).unwrap());
        each_damage(&packet, &mut random, |damaged| {
            let mut buffer = [0; 512];
            let mut framing = Packet::new(&mut buffer, gap(115_200));
            let mut events = Events::default();
            for packet in [damaged, &behind] {
                events.push(&mut framing, packet);
                crate::kit::events::idle(&mut events, &mut framing, gap(115_200));
            }
            let sum = damaged.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            let verdict = match damaged {
                [] => None,
                _ if sum != 0 => Some(Event::Error(Error::Checksum)),
                [_] => Some(Event::Error(Error::Malformed)),
                [message @ .., _] => Some(Event::Message(message.to_vec())),
            };
            passed += u64::from(matches!(verdict, Some(Event::Message(_))));
            tries += 1;
            let right: Vec<Event> = verdict.into_iter().chain([Event::Message(good.clone())]).collect();
            assert_eq!(events.0, right, "{damaged:02x?}");
        });
    }
    println!("packets: {} frames, {tries} damages, {passed} passed the sum although changed", messages.len());
}

#[test]
fn damaged_raw_messages_cost_what_comes_before_the_silence_limit() {
    let messages = smp();
    let mut random = Random::new(5);
    let mut tries = 0_u64;
    for (place, message) in messages.iter().enumerate() {
        let good = &messages[(place + 7) % messages.len()];
        each_damage(message, &mut random, |damaged| {
            let mut buffer = [0; 512];
            let mut framing = Counted::<Head8>::new(&mut buffer);
            let mut events = Events::default();
            events.push(&mut framing, damaged);
            crate::kit::events::idle(&mut events, &mut framing, Duration::from_secs(3));
            events.push(&mut framing, good);
            assert_eq!(events.0, [raw(damaged), vec![Event::Message(good.clone())]].concat(), "{damaged:02x?}");
            tries += 1;
        });
    }
    println!("raw: {} messages, {tries} damages", messages.len());
}

/// Slow and obvious: messages that begin with their length, up to a silence. After a bad header
/// nothing is received.
fn raw(mut stream: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !stream.is_empty() {
        let Some(head) = stream.get(..8) else {
            events.push(Event::Error(Error::Abandoned));
            break;
        };
        let total = 8 + usize::from(head[2]) * 256 + usize::from(head[3]);
        let error = match () {
            () if head[0] & 7 > 3 => Error::Malformed,
            () if total > 512 => Error::TooLong,
            () if total > stream.len() => Error::Abandoned,
            () => {
                events.push(Event::Message(stream[..total].to_vec()));
                stream = &stream[total..];
                continue;
            }
        };
        events.push(Event::Error(error));
        break;
    }
    events
}
