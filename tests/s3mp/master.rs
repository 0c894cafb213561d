//! The S3MP master: counters, matching, repeats, lists and values, without a port.

use anysmp::framing::{Encoder as _, lrc};
use anysmp::line::{Caller, Verdict};
use anysmp::s3mp::master::{
    Describe, Error, Get, Invert, Master, Names, Set, Status, Subscribe, Unsolicited, Unsubscribe, error_text,
};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Counter, Header, Pending, Request, ResponseCode};

use crate::kit::damage;

fn check(message: &[u8]) -> u8 {
    let mut wire = vec![0; lrc::max_encoded_len(message.len())];
    let len = lrc::Encoder::new().next(message, &mut wire);
    wire[len - 2]
}

/// The relation of a message to a request, as a link sees it.
fn verdict<R: Request>(master: &mut Master, pending: &mut Pending<R::Kind>, message: &[u8]) -> Verdict {
    let verdict = Caller::<R>::receive(master, pending, message, &mut []);
    assert_eq!(pending.accepts(message), verdict == Verdict::Answer);
    verdict
}

#[test]
fn requests_are_the_bytes_of_the_readme() {
    let mut master = Master::new(Counter(9));
    let mut tx = [0; 16];
    let (len, _) = master.request(&Status, &mut tx).unwrap();
    assert_eq!(tx[..len], [0x00, 0x00, 9]);
    let (len, _) = master.request(&Describe, &mut tx).unwrap();
    assert_eq!(tx[..len], [0x02, 0x00, 10]);
    let (len, _) = master.request(&Get { address: Address(1) }, &mut tx).unwrap();
    assert_eq!(tx[..len], [0x10, 0x01, 11]);
    let (len, _) = master.request(&Set { address: Address(3), value: Value::new(&[0xF5]) }, &mut tx).unwrap();
    assert_eq!(tx[..len], [0x11, 0x03, 12, 0xF5]);
    let (len, _) = master.request(&Invert { address: Address(3) }, &mut tx).unwrap();
    assert_eq!(tx[..len], [0x12, 0x03, 13]);
    let (len, _) = master.request(&Subscribe { address: Address::ALL }, &mut tx).unwrap();
    assert_eq!(tx[..len], [0xA0, 0xFF, 14]);
    let (len, _) = master.request(&Unsubscribe { address: Address(4) }, &mut tx).unwrap();
    assert_eq!(tx[..len], [0xA1, 0x04, 15]);
    let len = master.reset(Address::HOST, &mut tx).unwrap();
    assert_eq!(tx[..len], [0xFF, 0x00, 16]);
}

/// 255 commands in a row, each kind at many addresses: never 00, never a check of 00 or 01, and no
/// counter left out besides.
#[test]
fn counters_go_round_without_zero_and_without_checks_that_look_like_markers() {
    let mut tx = [0; 700];
    for address in [0, 1, 2, 0x7F, 0xFE, 0xFF] {
        for data in [&[][..], &[0xF5], &[0], &[1; 251], &[1; 253], &[1; 254], &[7; 509], &[0; 300]] {
            let mut master = Master::new(Counter::NONE);
            let mut expected = Counter::FIRST;
            for _ in 0..600 {
                let (len, _) =
                    master.request(&Set { address: Address(address), value: Value::new(data) }, &mut tx).unwrap();
                let message = &tx[..len];
                assert!(check(message) > 1, "{:02X?}", &message[..3]);
                while expected.0 != message[2] {
                    let mut skipped = message.to_vec();
                    skipped[2] = expected.0;
                    assert!(check(&skipped) <= 1, "{expected:?} left out");
                    expected = expected.next();
                }
                assert_ne!(message[2], 0);
                expected = expected.next();
            }
        }
    }
    assert_eq!(Counter(0xFF).next(), Counter::FIRST);
}

#[test]
fn answer_has_the_counter_or_is_an_error_with_counter_zero() {
    let mut tx = [0; 16];
    // All repeats used up, so that INVALID is the end as well.
    let mut master = Master::new(Counter(7)).with_retries(0);
    let (_, mut pending) = master.request(&Get { address: Address(1) }, &mut tx).unwrap();
    for code in 0..=0xFF {
        for counter in [0, 6, 7, 8] {
            let expected = match (code, counter) {
                (0xA0 | 0xDE, _) => Verdict::Unsolicited,
                (_, 7) | (0x40 | 0x41 | 0x44 | 0x45 | 0x50, 0) => Verdict::Answer,
                (_, 0) => Verdict::Unsolicited,
                // A late one.
                _ => Verdict::Foreign,
            };
            assert_eq!(
                verdict::<Get>(&mut master, &mut pending, &[code, 1, counter]),
                expected,
                "{code:02X} {counter}"
            );
        }
    }
    for short in [&[][..], &[0], &[0, 1]] {
        assert_eq!(verdict::<Get>(&mut master, &mut pending, short), Verdict::Foreign);
    }
}

#[test]
fn every_code_but_ack_is_reported_and_not_fatal() {
    let (_, pending) = Master::new(Counter(7)).request(&Get { address: Address(1) }, &mut [0; 16]).unwrap();
    for code in 1..=0xFF {
        assert_eq!(pending.decode(&[code, 1, 7]), Err(Error::Remote(ResponseCode(code))));
    }
    assert_eq!(pending.decode(&[0, 1]), Err(Error::Malformed));
    assert_eq!(format!("{}", Error::Remote(ResponseCode(0x77))), "the slave responded 0x77");
    assert_eq!(error_text(b"\x50\x01\x07no sensor"), b"no sensor");
    assert_eq!(error_text(b"\x44\x01\x07no sensor"), b"");
}

/// Each byte of a good response to each command changed, each front of it, and garbage in front of
/// it.
#[test]
fn a_response_damaged_anywhere_is_foreign_or_a_response_of_this_command() {
    fn check<R: Request>(request: &R, address: u8, data: &[u8]) -> usize {
        let mut master = Master::new(Counter(7));
        let (_, pending) = master.request(request, &mut [0; 64]).unwrap();
        let response = [&[0, address, 7], data].concat();
        assert!(pending.accepts(&response) && pending.decode(&response).is_ok(), "{response:02x?}");
        damage::each(&response, |damaged| {
            let decoded = pending.decode(damaged).map(drop);
            if pending.accepts(damaged) {
                // The counter is that of the command; only a refusal may have none.
                assert!(damaged[2] == 7 || decoded.is_err(), "{damaged:02x?}");
                assert!(damaged[0] == 0 || matches!(decoded, Err(Error::Remote(_))), "{damaged:02x?}");
            }
        })
    }
    let sum = [
        check(&Status {}, 0, &[0x1A, 1, 2, 3, 4]),
        check(&Describe {}, 0, b"heater;temperature;"),
        check(&Get { address: Address(1) }, 1, &[0xF5]),
        check(&Set { address: Address(3), value: Value::new(&[0xF5]) }, 3, &[]),
        check(&Invert { address: Address(3) }, 3, &[]),
        check(&Subscribe { address: Address(1) }, 1, &[0x18, 0x2A]),
        check(&Unsubscribe { address: Address(1) }, 1, &[]),
    ];
    assert!(sum.iter().sum::<usize>() > 8_000, "{sum:?}");
}

#[test]
fn repeats_have_new_counters_and_invert_has_none() {
    let mut tx = [0; 16];
    let mut master = Master::new(Counter(1));
    let (len, mut pending) = master.request(&Set { address: Address(3), value: Value::new(&[0xF5]) }, &mut tx).unwrap();
    let mut counters = vec![tx[2]];
    while let Some(again) = Caller::<Set<'_>>::retry(&mut master, &mut pending, &mut tx) {
        assert_eq!((again, tx[0], tx[1], tx[3]), (len, 0x11, 3, 0xF5));
        // The answer to the earlier one is a late one now.
        assert_eq!(verdict::<Set<'_>>(&mut master, &mut pending, &[0, 3, *counters.last().unwrap()]), Verdict::Foreign);
        assert_eq!(verdict::<Set<'_>>(&mut master, &mut pending, &[0, 3, tx[2]]), Verdict::Answer);
        counters.push(tx[2]);
    }
    assert_eq!(counters, [1, 2, 3]);

    let (_, mut pending) = master.request(&Invert { address: Address(3) }, &mut tx).unwrap();
    assert_eq!(Caller::<Invert>::retry(&mut master, &mut pending, &mut tx), None);
}

/// Not after the timeout: the slave says within milliseconds that it could not read something.
#[test]
fn an_unreadable_command_is_repeated_at_once_and_ends_with_the_last_retry() {
    for unread in [[0x41, 0, 0], [0x40, 0, 0]] {
        let mut tx = [0; 16];
        let mut master = Master::new(Counter(1)).with_retries(2);
        let (len, mut pending) = master.request(&Get { address: Address(1) }, &mut tx).unwrap();
        for counter in [2, 3] {
            assert!(!pending.accepts(&unread));
            let verdict = Caller::<Get>::receive(&mut master, &mut pending, &unread, &mut tx);
            assert_eq!((verdict, tx[0], tx[1], tx[2]), (Verdict::Again(len), 0x10, 1, counter));
        }
        // If it was noise that could not be read, this is the response to the first one.
        assert_eq!(verdict::<Get>(&mut master, &mut pending, &[0, 1, 1, 5]), Verdict::Foreign);
        assert_eq!(verdict::<Get>(&mut master, &mut pending, &unread), Verdict::Answer);
        assert_eq!(pending.decode(&unread), Err(Error::Remote(ResponseCode(unread[0]))));
    }
    // What is wrong with the data of a command stays wrong: no retry.
    let mut tx = [0; 16];
    let mut master = Master::new(Counter(1));
    let (_, mut pending) = master.request(&Set { address: Address(3), value: Value::new(&[0xF5]) }, &mut tx).unwrap();
    assert_eq!(verdict::<Set<'_>>(&mut master, &mut pending, &[0x40, 3, 0]), Verdict::Answer);
    // INVERT may have been obeyed: no retry.
    let (_, mut pending) = master.request(&Invert { address: Address(3) }, &mut tx).unwrap();
    assert_eq!(verdict::<Invert>(&mut master, &mut pending, &[0x41, 0, 0]), Verdict::Answer);
}

#[test]
fn a_response_of_another_address_is_foreign_unless_it_is_an_error_about_nothing_readable() {
    let mut tx = [0; 16];
    let mut master = Master::new(Counter(7)).with_retries(0);
    let (_, mut pending) = master.request(&Get { address: Address(2) }, &mut tx).unwrap();
    for code in [0x00, 0x40, 0x41, 0x44, 0x45, 0x50, 0x77] {
        let is_error = code != 0x00 && code != 0x77;
        for (address, counter, expected) in [
            (2, 7, Verdict::Answer),
            (3, 7, Verdict::Foreign),
            (0, 7, if is_error { Verdict::Answer } else { Verdict::Foreign }),
            (2, 0, if is_error { Verdict::Answer } else { Verdict::Unsolicited }),
            (0, 0, if is_error { Verdict::Answer } else { Verdict::Unsolicited }),
            (3, 0, Verdict::Unsolicited),
            (2, 6, Verdict::Foreign),
        ] {
            let verdict = verdict::<Get>(&mut master, &mut pending, &[code, address, counter]);
            assert_eq!(verdict, expected, "{code:02X} {address} {counter}");
        }
    }
}

#[test]
fn requests_that_do_not_fit_say_so() {
    let mut master = Master::new(Counter(1));
    assert_eq!(master.request(&Status, &mut [0; 2]).unwrap_err(), Error::BufferFull);
    assert_eq!(
        master.request(&Set { address: Address(1), value: Value::new(&[1, 2]) }, &mut [0; 4]).unwrap_err(),
        Error::BufferFull
    );
    assert_eq!(master.reset(Address(1), &mut [0; 2]), Err(Error::BufferFull));
}

#[test]
fn names_are_read_with_and_without_the_last_semicolon() {
    let read = |list: &[u8]| -> Vec<(u8, String)> {
        Names::parse(list).unwrap().iter().map(|(address, name)| (address.0, name.to_string())).collect()
    };
    let three = [(1, "temp".into()), (2, "humidity".into()), (3, "time".into())];
    assert_eq!(read(b"temp;humidity;time;"), three);
    assert_eq!(read(b"temp;humidity;time"), three);
    assert_eq!(read(b""), []);
    assert_eq!(read(b";"), []);
    assert_eq!(read(b"a;;c;"), [(1, "a".into()), (3, "c".into())]);
    assert_eq!(read(b";;c"), [(3, "c".into())]);
    assert_eq!(read(b"a\xFFb;"), [(1, "a\u{FFFD}b".into())]);
    assert_eq!(Names::parse(b"a;;c;").unwrap().find("c"), Some(Address(3)));
    assert_eq!(Names::parse(b"a;;c;").unwrap().find(""), None);
}

#[test]
fn names_end_at_254() {
    let names = |count: usize| [b'n', b';'].repeat(count);
    assert_eq!(Names::parse(&names(254)).unwrap().iter().last().unwrap().0, Address(0xFE));
    assert_eq!(Names::parse(&names(254)[..507]).unwrap().iter().count(), 254);
    assert_eq!(Names::parse(&names(255)), Err(Error::Malformed));
    assert_eq!(Names::parse(&names(255)[..509]), Err(Error::Malformed));
    assert_eq!(Names::parse(&b";".repeat(254)).unwrap().iter().count(), 0);
    assert_eq!(Names::parse(&b";".repeat(255)), Err(Error::Malformed));
}

#[test]
fn what_a_slave_says_unasked_is_told_apart() {
    assert_eq!(Unsolicited::parse(&[0xA0, 3, 0, 0xF5]), Some(Unsolicited::Push(Address(3), Value::new(&[0xF5]))));
    let Some(Unsolicited::Debug(text)) = Unsolicited::parse(b"\xDE\0\0hi\xFF") else { panic!() };
    assert_eq!(text.to_string(), "hi\u{FFFD}");
    assert_eq!(Unsolicited::parse(&[0x41, 0, 0]), Some(Unsolicited::Error(ResponseCode::INVALID)));
    let other = Header { code: ResponseCode(0x77), address: Address(1), counter: Counter::NONE };
    assert_eq!(Unsolicited::parse(&[0x77, 1, 0]), Some(Unsolicited::Other(other)));
    assert_eq!(Unsolicited::parse(&[0x00, 1, 9]), None);
    assert_eq!(Unsolicited::parse(&[0xA0, 1]), None);
}

#[test]
fn values_are_exactly_one_item_of_their_type() {
    let mut out = [0; 64];
    let len = |result: Result<usize, value::Error>| result.unwrap();
    let truth = Value::encode(true, &mut out).unwrap();
    assert_eq!((truth.bool(), truth.is_item()), (Ok(true), true));
    assert_eq!(Value::encode(300, &mut [0; 2]), Err(value::Error::BufferFull));
    let n = len(value::encode(-300i16, &mut out));
    assert_eq!(Value::new(&out[..n]).i64(), Ok(-300));
    assert_eq!(Value::new(&out[..n]).u64(), Err(value::Error::Mismatch));
    let n = len(value::encode(u64::MAX, &mut out));
    assert_eq!(Value::new(&out[..n]).u64(), Ok(u64::MAX));
    assert_eq!(Value::new(&out[..n]).i64(), Err(value::Error::Mismatch));
    let n = len(value::encode(21.5f32, &mut out));
    assert_eq!(Value::new(&out[..n]).f64(), Ok(21.5));
    let n = len(value::encode(0.1f64, &mut out));
    assert_eq!(Value::new(&out[..n]).f64(), Ok(0.1));
    let n = len(value::encode("ok", &mut out));
    assert_eq!(Value::new(&out[..n]).text().unwrap().as_str(), Some("ok"));
    assert!(Value::new(&[0xF6]).is_null() && Value::new(&[0x41, 9]).byte_string().is_ok());
    assert_eq!(value::encode("too long", &mut out[..4]), Err(value::Error::BufferFull));

    for bad in [&[][..], &[0xF5, 0xF5], &[0x62, 0x6F], &[0x18], &[0x82, 1], &[0xFF], &[0xA1, 1]] {
        let value = Value::new(bad);
        assert!(!value.is_item(), "{bad:02X?}");
        assert_eq!(value.bool(), Err(value::Error::Mismatch));
        assert_eq!(value.i64(), Err(value::Error::Mismatch));
        assert_eq!(value.f64(), Err(value::Error::Mismatch));
        assert!(value.text().is_err() && value.byte_string().is_err() && value.entries().is_err(), "{bad:02X?}");
    }
    assert!(Value::new(&[0xC1, 0x1A, 0x58, 0x9D, 0x3C, 0]).is_item());
}

#[test]
fn half_floats_are_read_as_the_standard_says() {
    for (bits, value) in [
        (0x4D60, 21.5),
        (0x3C00, 1.0),
        (0xC400, -4.0),
        (0x7BFF, 65504.0),
        (0x0001, 5.960_464_477_539_063e-8),
        (0x0400, 0.000_061_035_156_25),
        (0x7C00, f64::INFINITY),
        (0xFC00, f64::NEG_INFINITY),
        (0x0000, 0.0),
    ] {
        let [a, b] = u16::to_be_bytes(bits);
        assert_eq!(Value::new(&[0xF9, a, b]).f64(), Ok(value), "{bits:04X}");
    }
    assert!(Value::new(&[0xF9, 0x7E, 0]).f64().unwrap().is_nan());
}

#[test]
fn map_for_all_addresses_is_read_to_its_end_or_not_at_all() {
    let map = [0xA4, 1, 0xF9, 0x4D, 0x60, 2, 0x18, 0x28, 3, 0xF4, 4, 0x62, 0x6F, 0x6B];
    let entries: Vec<_> =
        Value::new(&map).entries().unwrap().map(|(address, value)| (address.0, value.bytes())).collect();
    assert_eq!(entries, [(1, &map[2..5]), (2, &map[6..8]), (3, &map[9..10]), (4, &map[11..])]);
    for len in 0..map.len() {
        assert!(Value::new(&map[..len]).entries().is_err());
    }
    assert!(Value::new(&[&map[..], &[0]].concat()).entries().is_err());
    assert!(Value::new(&[0xA1, 0x19, 1, 0, 0]).entries().is_err(), "an address of two bytes");
}
