//! SMP over Bluetooth Low Energy: identifiers, pieces, and messages put together from them.

use std::time::Duration;

use anysmp::framing::counted::ABANDON;
use anysmp::framing::gatt::{self, Reassembly};
use anysmp::framing::{Error, Framing, Progress};

use crate::kit::events::{Event, decode, encode};
use crate::kit::random::Random;
use crate::kit::smp::random as smp;

#[test]
fn identifiers_are_printed_in_one_order_and_advertised_in_the_other() {
    let printed = |uuid: u128| {
        let text: String = uuid.to_be_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
        [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
    };
    assert_eq!(printed(gatt::SERVICE), "8D53DC1D-1DB7-4CD3-868B-8A527460AA84");
    assert_eq!(printed(gatt::CHARACTERISTIC), "DA2E7828-FBCE-4E01-AE9E-261174997C48");
    assert_eq!(gatt::SERVICE.to_le_bytes()[..4], [0x84, 0xAA, 0x60, 0x74]);
}

#[test]
fn pieces_fill_the_mtu_and_are_the_message() {
    let message = Random::new(1).bytes(600);
    for mtu in [0, 1, 3, 22, 23, 24, 185, 247, 517, u16::MAX] {
        let limit = usize::from(mtu.max(23)) - 3;
        assert_eq!(gatt::fragment_len(mtu), limit);
        for len in [0, 1, 8, 19, 20, 21, 40, 244, 245, 514, 600] {
            let pieces: Vec<_> = gatt::fragments(&message[..len], mtu).collect();
            assert_eq!(pieces.concat(), message[..len]);
            assert_eq!(pieces.len(), len.div_ceil(limit), "mtu {mtu} length {len}");
            assert!(pieces.iter().rev().skip(1).all(|piece| piece.len() == limit));
        }
    }
}

#[test]
fn every_message_comes_through_every_mtu_at_both_ends() {
    let mut random = Random::new(2);
    for len in 8..300 {
        let message = smp(&mut random, len);
        for mtu in [23, 24, 30, 100, 247] {
            let (mut one, mut other) = (vec![0; len], vec![0; len]);
            for mut end in [Reassembly::client(&mut one), Reassembly::server(&mut other)] {
                for _ in 0..2 {
                    let events = decode(&mut end, gatt::fragments(&message, mtu));
                    assert_eq!(events, [Event::Message(message.clone())], "length {len} mtu {mtu}");
                }
            }
        }
    }
}

#[test]
fn pieces_of_any_size_make_a_message_as_notifications_may_shrink() {
    const SEED: u64 = 0xB1E;
    let mut random = Random::new(SEED);
    for round in 0..2000 {
        let len = 8 + random.index(200);
        let message = smp(&mut random, len);
        let mut buffer = [0; 256];
        let pieces = random.pieces(&message, 40);
        let events = decode(&mut Reassembly::client(&mut buffer), pieces);
        assert_eq!(events, [Event::Message(message)], "seed {SEED:#x} round {round}");
    }
}

#[test]
fn a_server_refuses_a_first_piece_without_a_whole_header_and_a_client_takes_it() {
    let message = smp(&mut Random::new(3), 40);
    for len in 1..8 {
        let mut buffer = [0; 64];
        let mut server = Reassembly::server(&mut buffer);
        assert_eq!(decode(&mut server, [&message[..len]]), [Event::Error(Error::Malformed)]);
        assert_eq!(
            decode(&mut server, [&message[..8], &message[8..9], &message[9..]]),
            [Event::Message(message.clone())]
        );
        let mut client = Reassembly::client(&mut buffer);
        assert_eq!(decode(&mut client, [&message[..len], &message[len..]]), [Event::Message(message.clone())]);
    }
}

#[test]
fn bytes_behind_a_message_cost_the_message_and_not_the_next() {
    let message = smp(&mut Random::new(4), 30);
    let surplus = [&message[..], &[0]].concat();
    let two = [&message[..], &message].concat();
    for bad in [&surplus, &two] {
        for cut in [0, 9, 20] {
            let mut buffer = [0; 64];
            let mut end = Reassembly::server(&mut buffer);
            let (head, tail) = bad.split_at(cut);
            assert_eq!(decode(&mut end, [head, tail]), [Event::Error(Error::Malformed)], "cut at {cut}");
            assert_eq!(end.message(), b"");
            assert_eq!(decode(&mut end, [&message[..]]), [Event::Message(message.clone())]);
        }
    }
}

#[test]
fn a_bad_or_oversized_header_costs_its_piece_and_the_next_message_comes_at_once() {
    let message = smp(&mut Random::new(5), 30);
    let mut bad = message.clone();
    bad[0] |= 4;
    let mut long = message.clone();
    long[2] = 0xFF;
    for (wrong, error) in [(bad, Error::Malformed), (long, Error::TooLong)] {
        let mut buffer = [0; 30];
        let mut end = Reassembly::server(&mut buffer);
        assert_eq!(decode(&mut end, [&wrong[..20]]), [Event::Error(error)]);
        assert_eq!(decode(&mut end, [&message[..20], &message[20..]]), [Event::Message(message.clone())]);
    }
}

#[test]
fn a_lost_connection_and_a_long_silence_drop_what_has_begun() {
    let message = smp(&mut Random::new(6), 30);
    let mut buffer = [0; 64];
    let mut end = Reassembly::server(&mut buffer);
    assert_eq!(decode(&mut end, [&message[..20]]), []);
    end.reset();
    assert_eq!(decode(&mut end, [&message[..20]]), []);
    assert_eq!(end.idle(ABANDON - Duration::from_millis(1)), Ok(Progress::More));
    assert_eq!(end.idle(ABANDON), Err(Error::Abandoned));
    assert_eq!(end.idle(ABANDON), Ok(Progress::More));
    assert_eq!(decode(&mut end, [&message[..]]), [Event::Message(message.clone())]);
    assert_eq!(end.message(), message);
}

#[test]
fn as_a_framing_it_sends_the_message_as_it_is() {
    let message = smp(&mut Random::new(7), 30);
    let end = Reassembly::client(&mut []);
    assert_eq!(encode(&end, &message), message);
    assert_eq!(end.encode(&message[..29]).unwrap_err(), Error::Unsendable);
}

#[test]
fn what_is_sent_is_never_printed() {
    let message = b"\x02\x00\x00\x07\x00\x03\x00\x00hunter2";
    let mut buffer = [0; 64];
    let mut end = Reassembly::server(&mut buffer);
    assert_eq!(decode(&mut end, [&message[..]]).len(), 1);
    for printed in [format!("{:?}", gatt::fragments(message, 23)), format!("{end:?}")] {
        assert!(!printed.contains("hunter") && !printed.contains("104, 117") && printed.contains("15"), "{printed}");
    }
}
