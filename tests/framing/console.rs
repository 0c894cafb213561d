//! SMP over a console: frames that are sent, frames that are accepted, and the outcome of damage.

use core::time::Duration;

use anysmp::framing::console::{ABANDON, Console, Encoder, LINE};
use anysmp::framing::{Encoder as _, Error, Framing, Progress};

use crate::kit::events::{Event, decode, encode, encode_in, errors, messages, text};
use crate::kit::oracle::console_reference;
use crate::kit::random::Random;
use crate::kit::smp::random as smp;
use crate::kit::vectors::vectors;

const BUFFER: usize = 600;

fn run(stream: &[u8]) -> Vec<Event> {
    decode(&mut Console::new(&mut [0; BUFFER]), [stream])
}

fn goldens() -> Vec<crate::kit::vectors::Vector> {
    vectors("console", "vectors", "name")
}

#[test]
fn every_vector_is_encoded_byte_for_byte() {
    for vector in goldens() {
        assert_eq!(encode(&Console::new(&mut []), &vector.message), vector.wire, "{}", vector.name);
    }
}

#[test]
fn every_vector_is_decoded_at_every_split_and_byte_by_byte() {
    for vector in goldens() {
        let expected = [Event::Message(vector.message.clone())];
        for cut in 0..=vector.wire.len() {
            let (head, tail) = vector.wire.split_at(cut);
            assert_eq!(
                decode(&mut Console::new(&mut [0; BUFFER]), [head, tail]),
                expected,
                "{} cut at {cut}",
                vector.name
            );
        }
        assert_eq!(decode(&mut Console::new(&mut [0; BUFFER]), vector.wire.chunks(1)), expected, "{}", vector.name);
    }
}

#[test]
fn the_layouts_of_all_known_senders_are_accepted() {
    for vector in vectors("layouts", "layouts", "layout") {
        let name = format!("{} bytes by {}", vector.message.len(), vector.name);
        assert_eq!(run(&vector.wire), [Event::Message(vector.message)], "{name}");
    }
}

#[test]
fn padding_may_end_any_line() {
    let mut packet = vec![0, 22];
    packet.extend_from_slice(&smp(&mut Random::new(1), 20));
    packet.extend_from_slice(&crate::kit::oracle::crc16(&packet[2..]).to_be_bytes());
    for size in 1..=packet.len() {
        let mut wire = Vec::new();
        for (at, line) in packet.chunks(size).enumerate() {
            wire.extend_from_slice(if at == 0 { &crate::kit::oracle::START } else { &crate::kit::oracle::NEXT });
            wire.extend_from_slice(&crate::kit::oracle::base64(line));
            wire.push(b'\n');
        }
        assert_eq!(run(&wire), [Event::Message(packet[2..22].to_vec())], "lines of {size} bytes");
    }
}

#[test]
fn lines_keep_their_length_and_hold_whole_triples() {
    let message = smp(&mut Random::new(2), 2044);
    for length in 0..300 {
        let console = Console::new(&mut []).with_line(length);
        let wire = encode(&console, &message);
        assert_eq!(wire.len(), Encoder::encoded_len(message.len(), length));
        let lines: Vec<_> = wire.split_inclusive(|byte| *byte == b'\n').collect();
        for (at, line) in lines.iter().enumerate() {
            assert!(line.starts_with(if at == 0 { &crate::kit::oracle::START } else { &crate::kit::oracle::NEXT }));
            assert!(line.len() <= length.max(7), "line length {length}");
            assert_eq!((line.len() - 3) % 4, 0);
            assert!(at + 1 == lines.len() || (!line.contains(&b'=') && line.len() + 4 > length));
        }
        let mut buffer = vec![0; Console::buffer_len(message.len())];
        assert_eq!(decode(&mut Console::new(&mut buffer), [&wire[..]]), [Event::Message(message.clone())]);
    }
}

#[test]
fn a_message_of_2044_bytes_takes_23_lines_and_2801_bytes() {
    let wire = encode(&Console::new(&mut []), &smp(&mut Random::new(3), 2044));
    assert_eq!((wire.iter().filter(|byte| **byte == b'\n').count(), wire.len()), (23, 2801));
    assert_eq!(Console::encoded_len(2044), 2801);
}

#[test]
fn every_length_makes_the_round_trip_in_exactly_the_buffer_that_is_announced() {
    let mut random = Random::new(4);
    for len in 8..=4096 {
        let message = smp(&mut random, len);
        let wire = encode(&Console::new(&mut []), &message);
        assert_eq!(wire.len(), Console::encoded_len(len));
        let mut buffer = vec![0; Console::buffer_len(len)];
        assert_eq!(Console::max_message(buffer.len()), len);
        assert_eq!(decode(&mut Console::new(&mut buffer), [&wire[..]]), [Event::Message(message)]);
        buffer.pop();
        assert_eq!(decode(&mut Console::new(&mut buffer), [&wire[..]]), [Event::Error(Error::TooLong)], "length {len}");
    }
}

#[test]
fn the_longest_message_makes_the_round_trip_and_one_byte_more_is_unsendable() {
    let message = Random::new(5).bytes(65_534);
    let mut buffer = vec![0; Console::buffer_len(65_533)];
    assert_eq!(Console::new(&mut []).encode(&message).unwrap_err(), Error::Unsendable);
    let wire = encode(&Console::new(&mut []), &message[..65_533]);
    assert_eq!(decode(&mut Console::new(&mut buffer), [&wire[..]]), [Event::Message(message[..65_533].to_vec())]);
    assert_eq!(Console::max_message(usize::MAX), 65_533);
}

#[test]
fn less_than_a_header_is_unsendable() {
    for len in 0..8 {
        assert_eq!(Console::new(&mut []).encode(&vec![0; len]).unwrap_err(), Error::Unsendable);
    }
}

#[test]
fn every_output_size_gives_the_same_frame() {
    for vector in goldens() {
        for out in Encoder::MIN_OUT..=vector.wire.len() + 1 {
            assert_eq!(
                encode_in(Encoder::new(&vector.message).unwrap(), &vector.message, out),
                vector.wire,
                "{} in runs of {out}",
                vector.name
            );
        }
    }
}

#[test]
fn text_around_and_between_lines_comes_back_exactly() {
    let vector = &goldens()[3];
    let lines: Vec<_> = vector.wire.split_inclusive(|byte| *byte == b'\n').collect();
    let noise: [&[u8]; 6] = [
        b"boot> ",
        b"\r\n",
        b"\x06 and \x04\x09 are text\n",
        b"\n\n",
        b"\x06\x06\x04\x04",
        b"[00:01] <inf> \x14\x09\r\n",
    ];
    let mut stream = Vec::new();
    let mut expected = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        stream.extend_from_slice(noise[at % noise.len()]);
        expected.extend_from_slice(noise[at % noise.len()]);
        stream.extend_from_slice(line);
    }
    stream.extend_from_slice(b"$ ");
    expected.extend_from_slice(b"$ ");
    for cut in 0..=stream.len() {
        let (head, tail) = stream.split_at(cut);
        let events = decode(&mut Console::new(&mut [0; BUFFER]), [head, tail]);
        assert_eq!(messages(&events), [&vector.message[..]], "cut at {cut}");
        assert_eq!(errors(&events), []);
        assert_eq!(text(&events), expected, "cut at {cut}");
    }
    assert_eq!(text(&decode(&mut Console::new(&mut [0; BUFFER]), stream.chunks(1))), expected);
}

#[test]
fn text_comes_in_one_run_as_long_as_the_input_allows() {
    let mut console = Console::new(&mut []);
    let mut input: &[u8] = b"a \x06 in the middle\n\x06";
    assert_eq!(console.push(&mut input), Ok(Progress::Text(b"a \x06 in the middle\n")));
    assert_eq!(console.push(&mut input), Ok(Progress::More));
    input = b"x";
    assert_eq!(console.push(&mut input), Ok(Progress::Text(b"\x06")));
    assert_eq!(console.push(&mut input), Ok(Progress::Text(b"x")));
}

#[test]
fn carriage_returns_and_spaces_before_the_line_feed_are_ignored() {
    for vector in goldens() {
        for end in [&b"\r\n"[..], b" \n", b"  \r\n", b"\r\r\n"] {
            let wire: Vec<u8> = vector
                .wire
                .split_inclusive(|byte| *byte == b'\n')
                .flat_map(|line| [&line[..line.len() - 1], end].concat())
                .collect();
            assert_eq!(run(&wire), [Event::Message(vector.message.clone())], "{}", vector.name);
        }
    }
}

#[test]
fn two_packets_in_one_read_are_both_delivered() {
    let all = goldens();
    let stream: Vec<u8> = all.iter().flat_map(|vector| vector.wire.clone()).collect();
    let expected: Vec<_> = all.into_iter().map(|vector| Event::Message(vector.message)).collect();
    assert_eq!(run(&stream), expected);
}

#[test]
fn a_message_is_lent_until_the_next_frame_begins_and_not_after_a_reset() {
    let vector = &goldens()[1];
    let mut buffer = [0; BUFFER];
    let mut console = Console::new(&mut buffer);
    assert_eq!(console.message(), b"");
    decode(&mut console, [&vector.wire[..]]);
    assert_eq!(console.message(), vector.message);
    decode(&mut console, [&vector.wire[..9]]);
    assert_eq!(console.message(), b"");
    decode(&mut console, [&vector.wire[..], b"$ "]);
    assert_eq!(console.message(), vector.message);
    console.reset();
    assert_eq!(console.message(), b"");
}

#[test]
fn every_truncation_costs_one_error_and_the_next_packet_arrives_even_without_a_line_feed() {
    let next = &goldens()[1];
    for vector in goldens() {
        for cut in 2..vector.wire.len() {
            let stream = [&vector.wire[..cut], &next.wire].concat();
            let events = run(&stream);
            assert_eq!(messages(&events), [&next.message[..]], "{} cut at {cut}", vector.name);
            assert_eq!(errors(&events), [Error::Truncated], "{} cut at {cut}", vector.name);
            assert_eq!(events, console_reference(&stream, BUFFER));
        }
    }
}

#[test]
fn every_single_byte_change_has_the_verdict_of_the_reference_and_the_next_packet_arrives() {
    let next = &goldens()[1];
    for vector in goldens() {
        for at in 0..vector.wire.len() {
            for byte in 0..=u8::MAX {
                let mut stream = [&vector.wire[..], &next.wire].concat();
                let changed = stream[at] != byte;
                stream[at] = byte;
                let events = run(&stream);
                assert_eq!(events, console_reference(&stream, BUFFER), "{}: byte {at} is {byte:#04x}", vector.name);
                let got = messages(&events);
                assert_eq!(got.last(), Some(&&next.message[..]), "{}: byte {at} is {byte:#04x}", vector.name);
                assert!(errors(&events).len() <= 1);
                // A line feed more or less, or a space before it, may leave the packet as it was;
                // nothing changes it unseen.
                assert!(
                    !changed || got.len() == 1 || got[0] == vector.message,
                    "{}: byte {at} is {byte:#04x}",
                    vector.name
                );
            }
        }
    }
}

#[test]
fn damage_to_two_neighbouring_symbols_never_passes() {
    let mut random = Random::new(6);
    let alphabet = base64::alphabet::STANDARD.as_str().as_bytes();
    for vector in goldens() {
        for at in 0..vector.wire.len() - 1 {
            for _ in 0..400 {
                let mut wire = vector.wire.clone();
                wire[at] = alphabet[random.index(64)];
                wire[at + 1] = alphabet[random.index(64)];
                let events = run(&wire);
                for message in messages(&events) {
                    assert_eq!(message, vector.message, "{}: bytes {at} and the next", vector.name);
                }
            }
        }
    }
}

#[test]
fn a_wrong_checksum_costs_one_error() {
    let vector = &goldens()[0];
    let mut wire = vector.wire.clone();
    wire[14] = b'Q';
    assert_eq!(
        run(&[&wire[..], &vector.wire].concat()),
        [Event::Error(Error::Checksum), Event::Message(vector.message.clone())]
    );
}

/// A line from symbols.
fn line(start: bool, symbols: &str) -> Vec<u8> {
    [if start { &crate::kit::oracle::START } else { &crate::kit::oracle::NEXT }, symbols.as_bytes(), b"\n"].concat()
}

#[test]
fn a_length_below_ten_is_malformed() {
    // LEN 9, and 0.
    for symbols in ["AAkIAAAAAAAABn4c", "AAAIAAAAAAAABn4c"] {
        let stream = [line(true, symbols), line(false, "AAAA"), goldens()[0].wire.clone()].concat();
        assert_eq!(run(&stream), [Event::Error(Error::Malformed), Event::Message(goldens()[0].message.clone())]);
    }
}

#[test]
fn too_many_bytes_are_malformed_on_the_same_line_and_on_another() {
    let wire = &goldens()[0].wire;
    let symbols = core::str::from_utf8(&wire[2..wire.len() - 1]).unwrap();
    for surplus in ["AA==", "AAA=", "AAAA", "AAAAAAAA"] {
        assert_eq!(run(&line(true, &format!("{symbols}{surplus}"))), [Event::Error(Error::Malformed)], "{surplus}");
        // The packet was complete; what follows is no part of it.
        let stream = [wire.clone(), line(false, surplus)].concat();
        assert_eq!(run(&stream), [Event::Message(goldens()[0].message.clone())]);
    }
    let two = [line(true, &symbols[..12]), line(false, "AAAAAAAA")].concat();
    assert_eq!(run(&two), [Event::Error(Error::Malformed)]);
}

#[test]
fn an_oversized_packet_costs_one_error_and_its_tail_is_never_taken_for_a_message() {
    let long = smp(&mut Random::new(7), BUFFER);
    let vector = &goldens()[0];
    let stream = [encode(&Console::new(&mut []), &long), vector.wire.clone()].concat();
    for pieces in [1, 7, 64, stream.len()] {
        let events = decode(&mut Console::new(&mut [0; BUFFER]), stream.chunks(pieces));
        assert_eq!(events, [Event::Error(Error::TooLong), Event::Message(vector.message.clone())]);
    }
}

#[test]
fn a_buffer_without_room_for_a_header_reports_and_survives() {
    let vector = &goldens()[0];
    for len in 0..12 {
        let mut buffer = vec![0; len];
        let stream = [&vector.wire[..], &vector.wire].concat();
        assert_eq!(
            decode(&mut Console::new(&mut buffer), [&stream[..]]),
            [const { Event::Error(Error::TooLong) }; 2],
            "buffer of {len}"
        );
    }
}

#[test]
fn continuations_without_a_start_are_ignored() {
    let stream = [line(false, "AAoIAAAAAAAABn4c"), goldens()[0].wire.clone(), line(false, "!!")].concat();
    assert_eq!(run(&stream), [Event::Message(goldens()[0].message.clone())]);
}

#[test]
fn a_start_in_the_middle_of_a_packet_restarts_it() {
    let (long, short) = (&goldens()[3], &goldens()[0]);
    let stream = [&long.wire[..127], &short.wire, &long.wire[127..], &short.wire].concat();
    let message = || Event::Message(short.message.clone());
    assert_eq!(run(&stream), [Event::Error(Error::Truncated), message(), message()]);
}

#[test]
fn strictness_within_a_line() {
    for bad in
        ["AAo", "AAoIA", "AA==AAAA", "A===", "====", "AAoI=", "AAoI AAAA", "AAoI\rAAAA", "AA-_", "AAoI\0", "AB=="]
    {
        assert_eq!(run(&line(true, bad)), [Event::Error(Error::Malformed)], "{bad:?}");
    }
}

#[test]
fn an_incomplete_packet_is_abandoned_once_and_a_held_marker_byte_becomes_text() {
    let wire = &goldens()[3].wire;
    for cut in 2..wire.len() {
        let mut buffer = [0; BUFFER];
        let mut console = Console::new(&mut buffer);
        assert!(decode(&mut console, [&wire[..cut]]).is_empty());
        assert_eq!(console.idle(ABANDON - Duration::from_millis(1)), Ok(Progress::More));
        assert_eq!(console.idle(ABANDON), Err(Error::Abandoned), "cut at {cut}");
        // Only a whole line leaves a marker byte undecided; its second byte then begins no line.
        let held = if wire[cut - 1] == 0x04 { Progress::Text(b"\x04") } else { Progress::More };
        assert_eq!(console.idle(ABANDON), Ok(held), "cut at {cut}");
        assert_eq!(console.idle(ABANDON * 2), Ok(Progress::More));
        assert_eq!(decode(&mut console, [&goldens()[0].wire[..]]), [Event::Message(goldens()[0].message.clone())]);
    }
    let mut console = Console::new(&mut []).with_abandon(Duration::from_millis(50));
    assert!(decode(&mut console, [&b"\x06"[..]]).is_empty());
    assert_eq!(console.idle(Duration::from_millis(49)), Ok(Progress::More));
    assert_eq!(console.idle(Duration::from_millis(50)), Ok(Progress::Text(b"\x06")));
}

#[test]
fn silence_gives_text_back_to_the_console_after_a_useless_half_line() {
    let mut console = Console::new(&mut []);
    assert!(decode(&mut console, [&b"\x04\x14AAAA"[..]]).is_empty());
    assert_eq!(console.idle(ABANDON), Ok(Progress::More));
    assert_eq!(decode(&mut console, [&b"help\r"[..]]), [Event::Text(b"help\r".to_vec())]);
}

#[test]
fn text_that_follows_half_a_line_of_a_packet_after_silence_is_text() {
    let wire = &goldens()[3].wire;
    // In the middle of its first line: with a whole number of groups and without.
    for cut in 6..=13 {
        let mut buffer = [0; BUFFER];
        let mut console = Console::new(&mut buffer);
        assert!(decode(&mut console, [&wire[..cut]]).is_empty());
        assert_eq!(console.idle(ABANDON), Err(Error::Abandoned), "cut at {cut}");
        // At once, without another look at the silence.
        assert_eq!(decode(&mut console, [&b"help\r"[..]]), [Event::Text(b"help\r".to_vec())], "cut at {cut}");
    }
}

#[test]
fn a_reset_forgets_a_partial_packet() {
    let mut buffer = [0; BUFFER];
    let mut console = Console::new(&mut buffer);
    decode(&mut console, [&goldens()[3].wire[..130]]);
    console.reset();
    assert_eq!(console.idle(ABANDON), Ok(Progress::More));
    assert_eq!(
        decode(&mut console, [&b"$ "[..], &goldens()[0].wire]),
        [Event::Text(b"$ ".to_vec()), Event::Message(goldens()[0].message.clone())]
    );
}

#[test]
fn the_preamble_ends_a_half_line_at_the_receiver() {
    let console = Console::new(&mut []);
    assert_eq!(console.preamble(), b"\n");
    let stream = [&goldens()[1].wire[..50], console.preamble(), &goldens()[1].wire].concat();
    assert_eq!(messages(&run(&stream)), [&goldens()[1].message[..]]);
    assert_eq!(errors(&run(&stream)).len(), 1);
    assert_eq!(LINE, 127);
}

/// A stream of frames, text, half frames and damage.
fn noisy(random: &mut Random) -> Vec<u8> {
    let alphabet: &[u8] = b"\x06\x09\x04\x14\n\r =A/9w";
    let mut stream = Vec::new();
    for _ in 0..random.index(8) {
        let len = random.index(200);
        let mut wire = encode(&Console::new(&mut []).with_line(random.index(140)), &smp(random, len));
        match random.index(8) {
            0 => wire.truncate(random.index(wire.len())),
            1 => wire = random.bytes(40),
            2 => wire = (0..40).map(|_| alphabet[random.index(alphabet.len())]).collect(),
            3 | 4 => random.damage(&mut wire, alphabet),
            5 => wire = b"uart:~$ \r\n"[..random.index(11)].to_vec(),
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
        let size = 12 + random.index(220);
        let mut buffer = vec![0; size];
        let longest = 1 + random.index(90);
        let pieces = random.pieces(&stream, longest);
        assert_eq!(decode(&mut Console::new(&mut buffer), pieces), console_reference(&stream, size), "seed {seed}");
    }
}

#[test]
fn a_packet_after_any_noise_is_delivered() {
    let next = &goldens()[1];
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let stream = [noisy(&mut random), next.wire.clone()].concat();
        assert_eq!(messages(&run(&stream)).last(), Some(&&next.message[..]), "seed {seed}");
    }
}
