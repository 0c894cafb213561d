//! Messages that carry their own length.

use core::time::Duration;

use anysmp::framing::counted::{self, ABANDON, Counted, Head, Head8, RESYNC};
use anysmp::framing::{Encoder as _, Error, Framing, Progress};

use crate::kit::events::{Event, Events, decode, encode, encode_in};
use crate::kit::random::Random;
use crate::kit::smp::random as smp;
use crate::kit::vectors::vectors;

const BUFFER: usize = 600;

fn counted(buffer: &mut [u8]) -> Counted<'_, Head8> {
    Counted::new(buffer)
}

/// Those of the golden messages whose length field is right: all.
fn goldens() -> Vec<Vec<u8>> {
    vectors("console", "vectors", "name").into_iter().map(|vector| vector.message).collect()
}

/// Slow and obvious: a stream without silence. An error ends it.
fn reference(mut stream: &[u8], buffer: usize) -> Vec<Event> {
    let mut events = Events::default();
    while !stream.is_empty() {
        let head = &stream[..stream.len().min(8)];
        if head.len() > buffer || (head.len() == buffer && buffer < 8) {
            events.error(Error::TooLong);
            break;
        }
        if head.len() < 8 {
            break;
        }
        let total = 8 + (usize::from(head[2]) << 8) + usize::from(head[3]);
        if head[0] & 7 > 3 {
            events.error(Error::Malformed);
            break;
        }
        if total > buffer {
            events.error(Error::TooLong);
            break;
        }
        if total > stream.len() {
            break;
        }
        events.message(&stream[..total]);
        stream = &stream[total..];
    }
    events.0
}

#[test]
fn every_message_is_delivered_at_every_split_and_all_of_one_read() {
    let all = goldens().concat();
    let expected: Vec<_> = goldens().into_iter().map(Event::Message).collect();
    for cut in 0..=all.len() {
        let (head, tail) = all.split_at(cut);
        assert_eq!(decode(&mut counted(&mut [0; BUFFER]), [head, tail]), expected, "cut at {cut}");
    }
    for piece in [1, 3, 8, 100] {
        assert_eq!(decode(&mut counted(&mut [0; BUFFER]), all.chunks(piece)), expected);
    }
}

#[test]
fn every_length_makes_the_round_trip_in_exactly_the_buffer_that_is_announced() {
    let mut random = Random::new(4);
    for len in 8..=4096 {
        let message = smp(&mut random, len);
        let mut buffer = vec![0; Counted::<Head8>::buffer_len(len)];
        assert_eq!(Counted::<Head8>::max_message(buffer.len()), len);
        let wire = encode(&counted(&mut []), &message);
        assert_eq!(wire.len(), Counted::<Head8>::encoded_len(len));
        assert_eq!(decode(&mut counted(&mut buffer), [&wire[..]]), [Event::Message(message)]);
        buffer.pop();
        assert_eq!(decode(&mut counted(&mut buffer), [&wire[..]]), [Event::Error(Error::TooLong)], "length {len}");
    }
}

#[test]
fn every_output_size_gives_the_same_bytes() {
    for message in goldens() {
        for out in counted::Encoder::MIN_OUT..=message.len() + 1 {
            assert_eq!(encode_in(counted::Encoder::new(), &message, out), message);
        }
    }
}

#[test]
fn a_length_field_that_does_not_fit_the_message_is_unsendable() {
    let mut message = goldens()[1].clone();
    let longer = [&message[..], &[0]].concat();
    assert_eq!(counted(&mut []).encode(&longer).unwrap_err(), Error::Unsendable);
    for wrong in [&message[..message.len() - 1], &message[..7], &[]] {
        assert_eq!(counted(&mut []).encode(wrong).unwrap_err(), Error::Unsendable);
    }
    message[3] ^= 1;
    assert_eq!(counted(&mut []).encode(&message).unwrap_err(), Error::Unsendable);
    message[3] ^= 1;
    message[0] |= 4;
    assert_eq!(counted(&mut []).encode(&message).unwrap_err(), Error::Unsendable);
}

#[test]
fn a_bad_header_costs_one_error_and_everything_up_to_the_next_silence() {
    let good = &goldens()[1];
    for op in 4..=7 {
        let mut bad = good.clone();
        bad[0] = 0x08 | op;
        let mut buffer = [0; BUFFER];
        let mut framing = counted(&mut buffer);
        assert_eq!(decode(&mut framing, [&bad[..], good, good]), [Event::Error(Error::Malformed)]);
        assert_eq!(framing.idle(RESYNC - Duration::from_millis(1)), Ok(Progress::More));
        assert_eq!(decode(&mut framing, [&good[..]]), []);
        assert_eq!(framing.idle(RESYNC), Ok(Progress::More));
        assert_eq!(decode(&mut framing, [&good[..]]), [Event::Message(good.clone())]);
    }
}

#[test]
fn an_oversized_message_costs_one_error_and_its_tail_is_never_taken_for_a_message() {
    let mut long = smp(&mut Random::new(7), BUFFER + 1);
    let good = &goldens()[1];
    let end = long.len() - good.len();
    long[end..].copy_from_slice(good);
    for piece in [1, 8, end, 1000] {
        let mut buffer = [0; BUFFER];
        let mut framing = counted(&mut buffer);
        assert_eq!(decode(&mut framing, long.chunks(piece)), [Event::Error(Error::TooLong)]);
        assert_eq!(framing.idle(RESYNC), Ok(Progress::More));
        assert_eq!(decode(&mut framing, [&good[..]]), [Event::Message(good.clone())]);
    }
}

#[test]
fn a_buffer_without_room_for_a_header_reports_and_survives() {
    for len in 0..8 {
        let mut buffer = vec![0; len];
        assert_eq!(decode(&mut counted(&mut buffer), goldens()[1].chunks(1)), [Event::Error(Error::TooLong)], "{len}");
    }
}

#[test]
fn every_truncation_is_abandoned_once_and_the_next_message_arrives() {
    for message in goldens() {
        for cut in 1..message.len() {
            let mut buffer = [0; BUFFER];
            let mut framing = counted(&mut buffer);
            assert_eq!(decode(&mut framing, [&message[..cut]]), []);
            assert_eq!(framing.idle(ABANDON - Duration::from_millis(1)), Ok(Progress::More));
            assert_eq!(framing.idle(ABANDON), Err(Error::Abandoned), "cut at {cut}");
            assert_eq!(framing.idle(ABANDON * 2), Ok(Progress::More));
            assert_eq!(decode(&mut framing, [&message[..]]), [Event::Message(message.clone())]);
        }
    }
}

#[test]
fn every_single_byte_change_has_the_verdict_of_the_reference_and_after_silence_the_next_message_arrives() {
    let next = &goldens()[1];
    for message in goldens() {
        for at in 0..message.len() {
            for byte in 0..=u8::MAX {
                let mut stream = [&message[..], next].concat();
                stream[at] = byte;
                let mut buffer = [0; BUFFER];
                let mut framing = counted(&mut buffer);
                let events = decode(&mut framing, [&stream[..]]);
                assert_eq!(events, reference(&stream, BUFFER), "byte {at} is {byte:#04x}");
                let _ = framing.idle(ABANDON);
                assert_eq!(
                    decode(&mut framing, [&next[..]]),
                    [Event::Message(next.clone())],
                    "byte {at} is {byte:#04x}"
                );
            }
        }
    }
}

#[test]
fn noisy_streams_in_any_pieces_give_what_the_reference_gives() {
    for seed in 0..30_000 {
        let mut random = Random::new(seed);
        let mut stream = Vec::new();
        for _ in 0..random.index(9) {
            let len = random.index(90);
            stream.extend_from_slice(&smp(&mut random, len));
            if random.index(6) == 0 {
                let at = random.index(stream.len());
                stream[at] = random.byte();
            }
        }
        let size = random.index(120);
        let mut buffer = vec![0; size];
        let longest = 1 + random.index(90);
        let pieces = random.pieces(&stream, longest);
        assert_eq!(decode(&mut counted(&mut buffer), pieces), reference(&stream, size), "seed {seed}");
    }
}

#[test]
fn a_message_is_lent_until_the_next_byte_and_a_reset_forgets_a_partial_one() {
    let message = &goldens()[1];
    let mut buffer = [0; BUFFER];
    let mut framing = counted(&mut buffer);
    assert_eq!(framing.message(), b"");
    decode(&mut framing, [&message[..]]);
    assert_eq!(framing.message(), message);
    decode(&mut framing, [&message[..9]]);
    assert_eq!(framing.message(), b"");
    framing.reset();
    assert_eq!(decode(&mut framing, [&message[..]]), [Event::Message(message.clone())]);
    // Silence costs nothing when no message is open.
    assert_eq!(framing.idle(ABANDON), Ok(Progress::More));
    assert_eq!(framing.message(), message);
}

#[test]
fn both_limits_can_be_set_and_a_sender_keeps_quiet_for_as_long_as_the_peer_may_wait() {
    let mut buffer = [0; BUFFER];
    let mut framing = counted(&mut buffer).with_limits(Duration::from_millis(5), Duration::from_millis(70));
    assert_eq!(decode(&mut framing, [&[0xFF; 8][..]]), [Event::Error(Error::Malformed)]);
    assert_eq!(framing.idle(Duration::from_millis(5)), Ok(Progress::More));
    assert_eq!(decode(&mut framing, [&[0; 1][..]]), []);
    assert_eq!(framing.idle(Duration::from_millis(69)), Ok(Progress::More));
    assert_eq!(framing.idle(Duration::from_millis(70)), Err(Error::Abandoned));
    assert_eq!(Counted::<Head8>::QUIET, ABANDON);
    assert_eq!(framing.preamble(), b"");
}

/// A header of three bytes, as that of BSMP: the length in the last two.
struct Three;

impl Head for Three {
    const LEN: usize = 3;

    fn total(head: &[u8]) -> Result<usize, Error> {
        match head {
            [0xEE, ..] => Ok(2),
            [_, high, low] => Ok(3 + usize::from(u16::from_be_bytes([*high, *low]))),
            _ => Err(Error::Malformed),
        }
    }
}

#[test]
fn another_header_is_a_few_lines() {
    let stream = [1, 0, 2, 7, 7, 2, 0, 0, 3, 0, 1, 9];
    let mut buffer = [0; 5];
    let mut framing = Counted::<Three>::new(&mut buffer);
    let expected = [&stream[..5], &stream[5..8], &stream[8..]].map(|message| Event::Message(message.to_vec()));
    assert_eq!(decode(&mut framing, stream.chunks(1)), expected);
    assert_eq!(decode(&mut framing, [&stream[..]]), expected);
    // Less than the header itself cannot be.
    assert_eq!(decode(&mut framing, [&[0xEE, 0, 0][..]]), [Event::Error(Error::Malformed)]);
}
