//! The properties that all encoders share: runs of any size, messages other than the one that was
//! begun, and sizes.

use core::time::Duration;

use anysmp::cobs;
use anysmp::framing::auto::{Auto, Kind};
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head3, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::gatt::Reassembly;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::packet::Packet;
use anysmp::framing::{Encoder, Framing, Progress, Sizes};

use crate::kit::events::{encode, encode_in};
use crate::kit::random::Random;

const GAP: Duration = Duration::from_micros(174);

/// An SMP message of `len` bytes, at least 8; the payload is random, zeros, or without a zero.
fn message(random: &mut Random, len: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(len - 8).unwrap().to_be_bytes();
    let mut message = vec![2, 0, high, low, 0, 1, 7, 0];
    match random.index(4) {
        0 => message.resize(len, 0),
        1 => message.resize(len, 0x55),
        2 => message.extend((8..len).map(|_| random.byte() & random.byte() & 1)),
        _ => message.extend(random.bytes(len - 8)),
    }
    message
}

/// A framing that answers in one kind, because it received that kind last.
fn auto(buffer: &mut [u8], kind: Kind) -> Auto<'_> {
    let hello = [2, 0, 0, 1, 0, 1, 0, 0, 0x60];
    let wire = match kind {
        Kind::Console => encode(&Console::new(&mut []), &hello),
        Kind::Raw => hello.to_vec(),
        Kind::Cobs => encode(&Cobs::new(&mut []), &hello),
    };
    let mut auto = Auto::new(buffer);
    assert_eq!(auto.push(&mut &wire[..]), Ok(Progress::Message));
    assert_eq!(auto.kind(), kind);
    auto
}

/// The same for each framing, and for those with options in each form.
macro_rules! each {
    (|$framing:ident, $name:ident| $body:block) => {
        each!(@ 64, |$framing, $name| $body)
    };
    (@ $buffer:expr, |$framing:ident, $name:ident| $body:block) => {{
        each!(@one "console", $buffer, room, Console::new(room), $framing, $name, $body);
        each!(@one "short lines", $buffer, room, Console::new(room).with_line(0), $framing, $name, $body);
        each!(@one "long lines", $buffer, room, Console::new(room).with_line(usize::MAX), $framing, $name, $body);
        each!(@one "COBS", $buffer, room, Cobs::new(room), $framing, $name, $body);
        each!(@one "counted", $buffer, room, Counted::<Head8>::new(room), $framing, $name, $body);
        each!(@one "datagram", $buffer, room, Datagram::new(room), $framing, $name, $body);
        each!(@one "S3MP", $buffer, room, Lrc::new(room), $framing, $name, $body);
        each!(@one "packet", $buffer, room, Packet::new(room, GAP), $framing, $name, $body);
        each!(@one "no checksum", $buffer, room, Packet::new(room, GAP).with_checksum(false), $framing, $name, $body);
        each!(@one "BLE", $buffer, room, Reassembly::client(room), $framing, $name, $body);
        each!(@one "auto, console", $buffer, room, auto(room, Kind::Console), $framing, $name, $body);
        each!(@one "auto, raw", $buffer, room, auto(room, Kind::Raw), $framing, $name, $body);
        each!(@one "auto, COBS", $buffer, room, auto(room, Kind::Cobs), $framing, $name, $body);
    }};
    (@one $text:literal, $buffer:expr, $room:ident, $new:expr, $framing:ident, $name:ident, $body:block) => {{
        let $name = $text;
        let mut memory = vec![0; $buffer];
        let $room = &mut memory[..];
        let $framing = &mut $new;
        $body
    }};
}

fn min_out<F: Framing>(_: &F) -> usize {
    F::Encoder::MIN_OUT
}

#[test]
fn a_frame_in_runs_of_every_size_is_the_frame_in_one_run() {
    let mut random = Random::new(1);
    for len in [8, 9, 93, 253, 254, 255, 262, 700] {
        let message = message(&mut random, len);
        each!(|framing, name| {
            let whole = encode_in(framing.encode(&message).unwrap(), &message, 1 << 13);
            // One byte of room is progress too, though no driver gives less than `MIN_OUT`.
            for out in 1..=whole.len() + 1 {
                let runs = encode_in(framing.encode(&message).unwrap(), &message, out);
                assert!(runs == whole, "{name}: {len} bytes in runs of {out}");
            }
            // Runs of changing sizes, too.
            let (mut encoder, mut runs, mut room) = (framing.encode(&message).unwrap(), Vec::new(), [0; 40]);
            loop {
                match encoder.next(&message, &mut room[..1 + random.index(40)]) {
                    0 => break,
                    count => runs.extend_from_slice(&room[..count]),
                }
            }
            assert_eq!(runs, whole, "{name}: {len} bytes");
        });
    }
}

#[test]
fn two_encoders_that_take_turns_do_not_disturb_each_other() {
    let mut random = Random::new(2);
    for (one, two) in [(8, 500), (300, 300), (260, 9)] {
        let messages = [message(&mut random, one), message(&mut random, two)];
        each!(|framing, name| {
            let mut encoders = [framing.encode(&messages[0]).unwrap(), framing.encode(&messages[1]).unwrap()];
            let mut wires = [Vec::new(), Vec::new()];
            let mut room = [0; 16];
            let mut busy = true;
            while busy {
                busy = false;
                for which in 0..2 {
                    let room = &mut room[..min_out(framing) + random.index(8)];
                    let count = encoders[which].next(&messages[which], room);
                    wires[which].extend_from_slice(&room[..count]);
                    busy |= count > 0;
                }
            }
            for (message, wire) in messages.iter().zip(wires) {
                assert_eq!(wire, encode(framing, message), "{name}");
            }
        });
    }
}

/// Goes on with `encoder` after `before` calls with the right message, now with what `other`
/// returns; panics unless it ends.
fn goes_astray<E: Encoder>(
    mut encoder: E,
    message: &[u8],
    before: usize,
    out: usize,
    mut other: impl FnMut(usize) -> Vec<u8>,
) -> bool {
    let mut room = vec![0; out];
    for _ in 0..before {
        if encoder.next(message, &mut room) == 0 {
            return false;
        }
    }
    // Each call writes something, so that a frame of at most 2 bytes for one of the message, and
    // lines of one group, bounds them.
    for call in 0..4 * 600 {
        if encoder.next(&other(call), &mut room) == 0 {
            return true;
        }
    }
    panic!("{out} bytes at a time, astray after {before} calls: no end");
}

#[test]
fn another_message_at_any_later_call_never_panics_and_the_frame_ends() {
    let mut random = Random::new(3);
    for len in [8, 30, 270] {
        let right = message(&mut random, len);
        let mut others: Vec<Vec<u8>> = (0..len).map(|shorter| right[..shorter].to_vec()).collect();
        others.extend([vec![0; len], vec![0; 600], vec![0x55; 600], random.bytes(len), random.bytes(600)]);
        others.push(message(&mut random, 600));
        each!(|framing, name| {
            let _ = name;
            for out in [min_out(framing), min_out(framing) + 1, 16, 128, 2000] {
                // Every message where that is cheap, a few where the calls are many.
                let every = if out < 16 && len > 30 { 13 } else { 1 };
                for other in others.iter().rev().step_by(every) {
                    let mut before = 0;
                    while goes_astray(framing.encode(&right).unwrap(), &right, before, out, |_| other.clone()) {
                        before += 1 + before / 4;
                    }
                }
                // Another one at each call, the right one among them.
                for _ in 0..20 {
                    let before = random.index(4);
                    let mut random = random.clone();
                    goes_astray(framing.encode(&right).unwrap(), &right, before, out, |call| {
                        if call % 3 == 2 { right.clone() } else { others[random.index(others.len())].clone() }
                    });
                }
            }
        });
    }
}

#[test]
fn the_cobs_encoder_ends_whatever_body_it_is_handed() {
    let mut random = Random::new(4);
    for seed in 0..2000 {
        let bodies: Vec<Vec<u8>> = (0..4)
            .map(|_| {
                let len = random.index(600);
                if random.index(2) == 0 { random.bytes(len) } else { vec![random.byte() & 1; len] }
            })
            .collect();
        let mut encoder = cobs::Encoder::new([0, random.byte()]);
        let mut room = vec![0; 1 + random.index(20)];
        let mut calls = 0;
        while encoder.next(&bodies[random.index(4)], &mut room) > 0 {
            calls += 1;
            assert!(calls < 1500, "seed {seed}: no end");
        }
    }
}

/// Holds an encoder as long as a static does.
fn keep<E: Encoder + 'static>(encoder: E) -> Box<E> {
    Box::new(encoder)
}

#[test]
fn a_half_sent_frame_outlives_the_borrow_of_its_message() {
    let mut random = Random::new(5);
    let mut tx = message(&mut random, 100);
    each!(|framing, name| {
        let whole = encode(framing, &tx);
        let mut encoder = keep(framing.encode(&tx).unwrap());
        let mut out = [0; 4];
        let mut wire = Vec::new();
        loop {
            let count = encoder.next(&tx, &mut out);
            // The buffer can be borrowed between two calls, even to be written.
            tx.reserve(1);
            wire.extend_from_slice(&out[..count]);
            if count == 0 {
                break;
            }
        }
        assert_eq!(wire, whole, "{name}");
    });
}

#[test]
fn no_frame_is_longer_than_announced_and_the_worst_one_is_as_long() {
    let mut random = Random::new(6);
    for len in 0..=4096 {
        // No zero, but for the header where the framing looks at it: groups of COBS are as long as
        // they get.
        let mut worst = vec![0x55; len];
        if let (Some(head), Some(payload)) = (worst.first_chunk_mut::<8>(), len.checked_sub(8)) {
            let [high, low] = u16::try_from(payload).unwrap().to_be_bytes();
            *head = [0x4A, 0x55, high, low, 0x55, 0x55, 0x55, 0x55];
        }
        let usual = (len >= 8).then(|| message(&mut random, len));
        each!(|framing, name| {
            let max = framing.max_encoded_len(len);
            if let Ok(encoder) = framing.encode(&worst) {
                let wire = encode_in(encoder, &worst, 1 << 15);
                // A zero in the length, or in the CRC after it, may cut a group or two.
                let zeros = worst.contains(&0) || name.contains("COBS");
                assert!(wire.len() <= max, "{name}: {len} bytes take {}, not {max}", wire.len());
                let slack = if name == "auto, raw" || name == "auto, COBS" { max } else { usize::from(zeros) };
                assert!(wire.len() + slack >= max, "{name}: {len} bytes take {}, not {max}", wire.len());
            }
            if let Some(Ok(encoder)) = usual.as_ref().map(|message| framing.encode(message)) {
                let wire = encode_in(encoder, usual.as_ref().unwrap(), 1 << 15);
                assert!(wire.len() <= max, "{name}: {len} bytes take {}, not {max}", wire.len());
            }
        });
    }
}

/// Whether a message of `len` bytes comes out of a framing, when a peer sends it.
fn arrives(framing: &mut impl Framing, message: &[u8]) -> bool {
    let wire = encode(framing, message);
    let mut input = &wire[..];
    let pushed = framing.push(&mut input);
    let found = pushed == Ok(Progress::Message) || framing.idle(GAP.max(Lrc::GAP)) == Ok(Progress::Message);
    assert!(!found || framing.message() == message);
    found
}

#[test]
fn the_longest_message_is_that_of_the_sizes_in_buffers_of_every_length() {
    let mut random = Random::new(7);
    for buffer in 16..=4096 {
        each!(@ buffer, |framing, name| {
            let Sizes { message: longest, .. } = framing.sizes();
            // What a peer sends counts; auto's is the least of its three.
            let longer = if name.starts_with("auto") { longest } else { longest + 1 };
            assert!(arrives(framing, &message(&mut random, longest)), "{name}: {buffer} take no {longest}");
            assert!(
                longer == longest || !arrives(framing, &message(&mut random, longer)),
                "{name}: {buffer} take {longer}"
            );
        });
    }
}

/// Whether the longest message that a peer makes of the promised buffer is taken.
fn is_kept<F: Framing>(framing: &mut F, promised: usize, random: &mut Random) -> bool {
    let longest = promised - F::OVERHEAD;
    longest < 8 || arrives(framing, &message(random, longest))
}

#[test]
fn the_buffer_of_the_sizes_can_be_promised_to_a_peer() {
    let mut random = Random::new(8);
    for buffer in 16..=4096 {
        each!(@ buffer, |framing, name| {
            let sizes = framing.sizes();
            assert!(is_kept(framing, sizes.buffer, &mut random), "{name}: {buffer} bytes do not keep {}", sizes.buffer);
            // Nothing is given away, but where a peer may choose the kind: auto stores a COBS frame
            // as it is on the wire.
            let kept = match name {
                _ if name.starts_with("auto") => buffer - 3 - buffer / 255,
                _ if name.contains("COBS") => buffer - 2,
                _ => buffer,
            };
            assert!(sizes.buffer >= kept, "{name}: {buffer} bytes keep only {}", sizes.buffer);
        });
    }
}

fn takes_a_whole_frame<F: Framing>(framing: &F, name: &str, buffer: usize) {
    let sizes = framing.sizes();
    if F::WHOLE {
        assert_eq!(sizes.out, framing.max_encoded_len(sizes.message), "{name}: {buffer}");
    }
    if F::DATAGRAM {
        // A piece of Bluetooth is at most as long as an attribute's value.
        assert_eq!(sizes.read, if name == "BLE" { 512 } else { buffer }, "{name}");
    }
    assert!(sizes.out >= F::Encoder::MIN_OUT && sizes.read > 0, "{name}: {buffer}");
    assert_eq!(sizes.memory(), sizes.message + sizes.out + sizes.read);
}

#[test]
fn a_link_writes_whole_frames_where_it_has_to_and_reads_whole_datagrams() {
    for buffer in 8..=4096 {
        each!(@ buffer.max(16), |framing, name| {
            takes_a_whole_frame(framing, name, buffer.max(16));
        });
    }
}

#[test]
fn the_sizes_of_a_length_are_those_of_a_framing_with_such_a_buffer() {
    for len in 0..=4096 {
        let mut room = vec![0; len];
        let room = &mut room[..];
        assert_eq!(Console::sizes_of(len), Console::new(room).sizes());
        assert_eq!(Cobs::sizes_of(len), Cobs::new(room).sizes());
        assert_eq!(Counted::<Head8>::sizes_of(len), Counted::<Head8>::new(room).sizes());
        assert_eq!(Counted::<Head3>::sizes_of(len), Counted::<Head3>::new(room).sizes());
        assert_eq!(Datagram::sizes_of(len), Datagram::new(room).sizes());
        assert_eq!(Lrc::sizes_of(len), Lrc::new(room).sizes());
        assert_eq!(Packet::sizes_of(len), Packet::new(room, GAP).sizes());
        assert_eq!(Auto::sizes_of(len), Auto::new(room).sizes());
        assert_eq!(Reassembly::sizes_of(len), Reassembly::server(room).sizes());
    }
}

#[test]
fn the_sizes_of_auto_are_the_same_in_whatever_it_has_received() {
    for kind in [Kind::Console, Kind::Raw, Kind::Cobs] {
        assert_eq!(auto(&mut [0; 100], kind).sizes(), Auto::sizes_of(100));
    }
}

#[test]
fn the_memory_of_a_link_is_a_constant() {
    static MEMORY: [u8; Console::sizes_of(512).memory()] = [0; Console::sizes_of(512).memory()];
    assert_eq!(MEMORY.len(), 508 + 128 + 64);
    let huge = Sizes { message: usize::MAX, buffer: usize::MAX, out: usize::MAX, read: 1 };
    assert_eq!(huge.memory(), usize::MAX);
}

#[test]
fn longer_lines_want_a_longer_out() {
    assert_eq!(Console::new(&mut []).with_line(80).sizes().out, 128);
    assert_eq!(Console::new(&mut []).with_line(1000).sizes().out, 999);
    assert_eq!(Console::new(&mut []).with_line(1000).max_encoded_len(2044), Console::encoded_len(2044) - 20 * 3);
}

#[test]
fn a_packet_alone_has_a_gap_and_its_byte_takes_half_of_it() {
    let packet = Packet::new(&mut [], GAP);
    assert_eq!((packet.gap(), packet.byte_time()), (GAP, GAP / 2));
    let console = Console::new(&mut []);
    assert_eq!((console.gap(), console.byte_time()), (Duration::ZERO, Duration::ZERO));
}

#[test]
fn datagrams_alone_are_one_message_for_each_read() {
    const {
        assert!(Datagram::DATAGRAM);
        assert!(!Console::DATAGRAM && !Cobs::DATAGRAM && !Counted::<Head8>::DATAGRAM);
        assert!(!Packet::DATAGRAM && !Lrc::DATAGRAM && !Auto::DATAGRAM);
    }
}
