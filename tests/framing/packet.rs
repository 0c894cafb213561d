//! The RS-485 packets of BSMP as a framing: any split, any damage, echo, early delivery, bounded
//! buffers.

use std::time::Duration;

use anysmp::checksum::Sum;
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp::framing::{Encoder, Error, Framing, Progress};

use crate::kit::noise;
use crate::kit::random::Random;

const GAP: Duration = Duration::from_micros(174);

fn packet(message: &[u8]) -> Vec<u8> {
    let mut packet = message.to_vec();
    packet.push(Sum::of(message));
    packet
}

/// All events of a decoder for some bytes, then silence.
fn decode(framing: &mut Packet<'_>, mut bytes: &[u8]) -> Vec<Result<Vec<u8>, Error>> {
    let mut found = Vec::new();
    loop {
        match framing.push(&mut bytes) {
            Ok(Progress::More) => break,
            Ok(Progress::Message) => found.push(Ok(framing.message().to_vec())),
            Ok(Progress::Text(_)) => panic!("packets have no text"),
            Err(error) => found.push(Err(error)),
        }
    }
    assert!(bytes.is_empty());
    loop {
        match framing.idle(GAP) {
            Ok(Progress::More) => return found,
            Ok(Progress::Message) => found.push(Ok(framing.message().to_vec())),
            Ok(Progress::Text(_)) => panic!("packets have no text"),
            Err(error) => found.push(Err(error)),
        }
    }
}

const READ: [u8; 5] = [5, 0x10, 0, 1, 2];
const ANSWER: [u8; 8] = [0, 0x11, 0, 4, 1, 2, 3, 4];

#[test]
fn the_gap_is_20_bit_times() {
    assert_eq!(gap(115_200), GAP);
    assert_eq!(gap(10_000_000), Duration::from_micros(2));
    assert_eq!(gap(9_600), Duration::from_micros(2_084));
    assert_eq!(gap(0), Duration::from_secs(1));
    assert_eq!(gap(1), Duration::from_secs(20));
    assert_eq!(gap(u32::MAX), Duration::from_micros(1));
}

#[test]
fn a_packet_ends_with_silence_and_not_before_at_every_split() {
    let bytes = packet(&READ);
    let mut buffer = [0; 64];
    let mut framing = Packet::new(&mut buffer, GAP);
    for cut in 0..=bytes.len() {
        for part in [&bytes[..cut], &bytes[cut..]] {
            assert_eq!(framing.push(&mut &*part), Ok(Progress::More));
            assert_eq!(framing.idle(GAP - Duration::from_micros(1)), Ok(Progress::More));
            assert_eq!(framing.message(), [0; 0]);
        }
        assert_eq!(framing.idle(GAP), Ok(Progress::Message));
        assert_eq!(framing.message(), READ);
        assert_eq!(framing.idle(GAP * 2), Ok(Progress::More));
        assert_eq!(framing.message(), READ);
    }
}

#[test]
fn every_changed_byte_and_every_missing_one_is_one_error_and_the_next_packet_arrives() {
    let bytes = packet(&ANSWER);
    let mut buffer = [0; 64];
    let mut framing = Packet::new(&mut buffer, GAP);
    for place in 0..bytes.len() {
        for change in 1..=255 {
            let mut damaged = bytes.clone();
            damaged[place] ^= change;
            assert_eq!(decode(&mut framing, &damaged), [Err(Error::Checksum)]);
            assert_eq!(decode(&mut framing, &bytes), [Ok(ANSWER.to_vec())]);
        }
        let mut short = bytes.clone();
        if short.remove(place) != 0 {
            assert_eq!(decode(&mut framing, &short), [Err(Error::Checksum)]);
        }
        assert_eq!(decode(&mut framing, &bytes), [Ok(ANSWER.to_vec())]);
    }
}

#[test]
fn less_than_an_address_and_a_checksum_is_no_packet() {
    let mut buffer = [0; 64];
    let mut framing = Packet::new(&mut buffer, GAP);
    assert_eq!(decode(&mut framing, &[]), []);
    assert_eq!(decode(&mut framing, &[5]), [Err(Error::Checksum)]);
    assert_eq!(decode(&mut framing, &[0]), [Err(Error::Malformed)]);
    assert_eq!(decode(&mut framing, &[5, 0xFB]), [Ok(vec![5])]);
}

#[test]
fn an_oversized_packet_is_one_error_and_its_tail_is_no_packet() {
    let mut buffer = [0; 9];
    let mut framing = Packet::new(&mut buffer, GAP);
    assert_eq!(decode(&mut framing, &packet(&ANSWER)), [Ok(ANSWER.to_vec())]);
    let mut long = vec![5, 0x20, 0, 60];
    long.extend([0; 51]);
    long.extend(packet(&READ));
    long.extend(packet(&[]));
    assert_eq!(Sum::of(&long), Sum::of(&long[..55]));
    assert_eq!(decode(&mut framing, &packet(&long)), [Err(Error::TooLong)]);
    assert_eq!(decode(&mut framing, &packet(&READ)), [Ok(READ.to_vec())]);
    // Whatever its options.
    let mut buffer = [0; 9];
    let mut framing = Packet::new(&mut buffer, GAP).with_early_delivery().with_echo(Echo::Node);
    assert_eq!(decode(&mut framing, &packet(&long)), [Err(Error::TooLong)]);
    assert_eq!(decode(&mut framing, &packet(&READ)), [Ok(READ.to_vec())]);
    // No buffer at all takes no packet.
    let mut framing = Packet::new(&mut [], GAP);
    assert_eq!(decode(&mut framing, &packet(&READ)), [Err(Error::TooLong)]);
}

#[test]
fn early_delivery_needs_the_length_and_the_sum() {
    let both = [packet(&READ), packet(&ANSWER)].concat();
    let mut buffer = [0; 64];
    let mut framing = Packet::new(&mut buffer, GAP);
    assert_eq!(decode(&mut framing, &both).len(), 1, "without early delivery two packets in one breath are one");
    let mut buffer = [0; 64];
    let mut framing = Packet::new(&mut buffer, GAP).with_early_delivery();
    assert_eq!(decode(&mut framing, &both), [Ok(READ.to_vec()), Ok(ANSWER.to_vec())]);
    // A message shorter than its length field waits for silence.
    let short = [5, 0x10, 0, 9, 0];
    assert_eq!(decode(&mut framing, &packet(&short)), [Ok(short.to_vec())]);
    // The right length with a wrong sum waits for silence as well.
    let mut damaged = packet(&READ);
    damaged[4] ^= 1;
    assert_eq!(decode(&mut framing, &damaged), [Err(Error::Checksum)]);
}

#[test]
fn the_own_echo_is_skipped_even_without_silence_behind_it() {
    let both = [packet(&READ), packet(&ANSWER)].concat();
    let mut buffer = [0; 64];
    let mut framing = Packet::new(&mut buffer, GAP).with_echo(Echo::Master);
    assert_eq!(decode(&mut framing, &both), [Ok(ANSWER.to_vec())]);
    assert_eq!(decode(&mut framing, &packet(&READ)), []);
    assert_eq!(decode(&mut framing, &packet(&ANSWER)), [Ok(ANSWER.to_vec())]);
    let mut buffer = [0; 64];
    let mut framing = Packet::new(&mut buffer, GAP).with_echo(Echo::Node);
    let after_answer = [packet(&ANSWER), packet(&READ)].concat();
    assert_eq!(decode(&mut framing, &after_answer), [Ok(READ.to_vec())]);
    assert_eq!(decode(&mut framing, &packet(&ANSWER)), []);
    // A master that writes long blocks needs no room for their echo.
    let mut block = vec![5, 0x41, 0, 103];
    block.extend([9; 103]);
    let mut buffer = [0; 16];
    let mut framing = Packet::new(&mut buffer, GAP).with_echo(Echo::Master);
    assert_eq!(decode(&mut framing, &[packet(&block), packet(&ANSWER)].concat()), [Ok(ANSWER.to_vec())]);
}

#[test]
fn reset_forgets_half_a_packet() {
    let mut buffer = [0; 64];
    let mut framing = Packet::new(&mut buffer, GAP);
    framing.push(&mut &READ[..3]).unwrap();
    framing.reset();
    assert_eq!(decode(&mut framing, &packet(&READ)), [Ok(READ.to_vec())]);
    framing.reset();
    assert_eq!(framing.message(), [0; 0]);
}

#[test]
fn a_packet_leaves_in_runs_of_any_size() {
    let mut buffer = [0; 4];
    let framing = Packet::new(&mut buffer, GAP);
    assert!(matches!(framing.encode(&[]), Err(Error::Unsendable)));
    for size in 1..12 {
        let mut encoder = framing.encode(&ANSWER).unwrap();
        let mut bytes: Vec<u8> = Vec::new();
        let mut out = vec![0; size];
        loop {
            match encoder.next(&ANSWER, &mut out) {
                0 => break,
                written => bytes.extend(&out[..written]),
            }
        }
        assert_eq!(bytes, packet(&ANSWER));
        assert_eq!(encoder.next(&ANSWER, &mut out), 0);
    }
}

#[test]
fn after_any_noise_the_next_packet_behind_a_silence_arrives() {
    let mut random = Random::new(0x5EED_0485);
    let frames = [packet(&READ), packet(&ANSWER)];
    for round in 0..100_000 {
        let mut buffer = [0; 16];
        let mut framing = Packet::new(&mut buffer, GAP);
        if random.below(2) == 0 {
            framing = framing.with_early_delivery();
        }
        if random.below(2) == 0 {
            framing = framing.with_echo(Echo::Node);
        }
        let noise = noise::draw(&mut random, &frames, 40);
        decode(&mut framing, &noise);
        assert_eq!(decode(&mut framing, &packet(&READ)), [Ok(READ.to_vec())], "round {round}");
    }
}

#[test]
fn without_a_checksum_a_packet_is_one_byte_shorter_and_only_its_length_is_compared() {
    let message = [5, 0x10, 0, 1, 7];
    for early in [false, true] {
        let mut buffer = [0; 16];
        let mut framing = Packet::new(&mut buffer, GAP).with_checksum(false);
        if early {
            framing = framing.with_early_delivery();
        }
        let (mut wire, mut out) = (Vec::new(), [0; 3]);
        let mut encoder = framing.encode(&message).unwrap();
        loop {
            match encoder.next(&message, &mut out) {
                0 => break,
                len => wire.extend(&out[..len]),
            }
        }
        assert_eq!(wire, message);
        assert_eq!(decode(&mut framing, &wire), [Ok(message.to_vec())]);
        // A checksum is one byte too many here, and nothing else is wrong with it.
        let whole = if early { message.to_vec() } else { packet(&message) };
        assert_eq!(decode(&mut framing, &packet(&message))[0], Ok(whole));
        let damaged = [5, 0x10, 0, 1, 8];
        assert_eq!(decode(&mut framing, &damaged), [Ok(damaged.to_vec())], "the carrier has to find it");
    }
}

#[test]
fn on_a_stream_packets_follow_each_other_and_a_cut_one_is_dropped_after_the_time_that_was_given() {
    let limit = Duration::from_millis(100);
    let mut buffer = [0; 64];
    let mut framing = Packet::new(&mut buffer, limit).with_stream_carrier();
    assert_eq!((framing.gap(), framing.byte_time()), (Duration::ZERO, Duration::ZERO));
    let both = [packet(&READ), packet(&ANSWER)].concat();
    assert_eq!(decode(&mut framing, &both), [Ok(READ.to_vec()), Ok(ANSWER.to_vec())]);
    // The network cuts a packet in two.
    let bytes = packet(&READ);
    assert_eq!(framing.push(&mut &bytes[..3]), Ok(Progress::More));
    assert_eq!(framing.idle(limit - Duration::from_millis(1)), Ok(Progress::More));
    assert_eq!(framing.push(&mut &bytes[3..]), Ok(Progress::Message));
    assert_eq!(framing.push(&mut &bytes[..3]), Ok(Progress::More));
    assert_eq!(framing.idle(limit), Err(Error::Checksum));
    assert_eq!(decode(&mut framing, &bytes), [Ok(READ.to_vec())]);
    // On a bus both ends keep the gap, whether they receive early or not.
    let mut buffer = [0; 64];
    assert_eq!(Packet::new(&mut buffer, GAP).with_early_delivery().gap(), GAP);
    assert_eq!(Packet::new(&mut buffer, GAP).byte_time(), GAP / 2);
}

#[test]
fn builders_of_a_packet_framing_give_the_same_in_any_order() {
    let shown = |build: fn(Packet<'_>) -> Packet<'_>| format!("{:?}", build(Packet::new(&mut [0; 64], GAP)));
    let one = shown(|it| it.with_early_delivery().with_stream_carrier().with_checksum(false).with_echo(Echo::Node));
    let other = shown(|it| it.with_echo(Echo::Node).with_checksum(false).with_stream_carrier().with_early_delivery());
    assert_eq!(one, other);
    assert!(one.contains("end: Stream"), "{one}");
}
