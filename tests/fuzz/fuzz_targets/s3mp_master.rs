//! Any bytes as messages to a master: only an answer is accepted as one, values are those that
//! their bytes encode, and both routines end or continue within their steps.
//!
//! Input: a choice, then messages, each preceded by its length in one byte (0: silence).
#![no_main]

use std::time::Duration;

use anysmp::line::{Caller, Verdict};
use anysmp::routine::{Routine, Step};
use anysmp::s3mp::master::{Describe, Get, Invert, Master, Names, Request, Set, Status, Unsolicited, error_text};
use anysmp::s3mp::routine::{Connect, Monitor, Watch};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Counter, Header, ResponseCode};
use libfuzzer_sys::fuzz_target;

/// A request and one message: an answer has our counter, or is an error without any.
fn exchange<R: Request>(request: &R, first: Counter, message: &[u8]) {
    let mut master = Master::new(first).with_retries(1);
    let mut tx = [0; 300];
    let Ok((len, mut pending)) = master.request(request, &mut tx) else {
        assert!(request.data().len() > 297);
        return;
    };
    assert_eq!(tx[..2], [R::COMMAND.0, request.address().0]);
    assert_eq!(&tx[3..len], request.data());
    let sent = Counter(tx[2]);
    assert_ne!(sent, Counter::NONE);
    let mut again = tx;
    let verdict = Caller::<R>::receive(&mut master, &mut pending, message, &mut again);
    if let Verdict::Again(len) = verdict {
        // The slave could not read it: the one retry is used at once, with another counter.
        assert!(again[2] != sent.0 && &again[3..len] == request.data());
        return;
    }
    match Header::<ResponseCode>::parse(message) {
        None => assert_eq!(verdict, Verdict::Foreign),
        Some((header, _)) => {
            let ours = header.counter == sent || header.counter == Counter::NONE && header.code.is_error();
            assert!(ours || verdict != Verdict::Answer);
            if verdict == Verdict::Unsolicited {
                drop(format!("{:?}", Unsolicited::parse(message)));
            }
        }
    }
    if verdict == Verdict::Answer {
        let agreed = pending.decode(message).is_ok();
        assert!(!agreed || message[0] == ResponseCode::ACK.0);
        assert!(agreed || message[0] != ResponseCode::ACK.0 || R::COMMAND.0 == Describe::COMMAND.0);
    }
    assert_eq!(Caller::<R>::retry(&mut master, &mut pending, &mut tx).is_some(), request.is_idempotent());
    assert!(!request.is_idempotent() || tx[2] != sent.0 && &tx[3..len] == request.data());
}

/// Every reader of a value returns what our writer wrote.
fn read(bytes: &[u8]) {
    let value = Value::new(bytes);
    let mut out = [0; 600];
    // What we write of it is read as the same again.
    let mut again = |item: &dyn Fn(&mut [u8]) -> Result<usize, value::Error>, same: &dyn Fn(Value<'_>) -> bool| {
        assert!(value.is_item());
        let len = item(&mut out).expect("room enough");
        assert!(same(Value::new(&out[..len])));
    };
    if let Ok(number) = value.u64() {
        again(&|out| value::encode(number, out), &|value| value.u64() == Ok(number));
    }
    if let Ok(number) = value.i64() {
        again(&|out| value::encode(number, out), &|value| value.i64() == Ok(number));
    }
    if let Ok(number) = value.f64() {
        let same = |read: f64| read.to_bits() == number.to_bits() || read.is_nan() && number.is_nan();
        again(&|out| value::encode(number, out), &|value| value.f64().is_ok_and(same));
    }
    if let Ok(on) = value.bool() {
        assert_eq!(bytes, [if on { 0xF5 } else { 0xF4 }]);
    }
    if let Some(text) = value.text().ok().and_then(|text| text.as_str()) {
        again(&|out| value::encode(text, out), &|value| value.text().is_ok_and(|read| read == text));
    }
    if let Ok(string) = value.byte_string() {
        assert!(value.is_item() && string.len() < bytes.len());
    }
    if let Ok(entries) = value.entries() {
        assert!(entries.count() <= bytes.len());
    }
    if let Ok(names) = Names::parse(bytes) {
        assert!(names.iter().count() <= 254);
        for (address, name) in names.iter() {
            let first = name.as_str().and_then(|name| names.find(name));
            assert!(first.is_none_or(|first| first <= address));
        }
    }
    assert!(error_text(bytes).len() <= bytes.len().saturating_sub(3));
}

/// Drives a routine with the messages of the input, then with silence. Silence alone loses a slave.
fn drive<R: Routine<Client = Master>>(mut routine: R, mut input: &[u8]) -> R::Report {
    let mut master = Master::new(Counter::FIRST);
    let mut tx = [0; 64];
    let mut silences = 0;
    loop {
        let mut sends = 0;
        match routine.poll(&mut master, &mut tx) {
            Step::Send(len) => {
                sends += 1;
                assert!(sends < 100 && len <= tx.len());
            }
            Step::Wait(time) => {
                let Some((len, rest)) = input.split_first() else {
                    silences += 1;
                    assert!(silences < 2000, "it waits for ever");
                    routine.tick(time);
                    routine.timed_out();
                    continue;
                };
                let (message, rest) = rest.split_at(usize::from(*len).min(rest.len()));
                input = rest;
                if message.is_empty() {
                    routine.tick(time);
                    routine.timed_out();
                    continue;
                }
                // With the counter that is waited for, where the message asks for that.
                let mut message = message.to_vec();
                if let [_, _, counter @ 0xF0..=0xFF, ..] = &mut message[..] {
                    *counter = tx[2];
                }
                routine.tick(Duration::from_millis(5));
                let _ = routine.receive(&mut master, &message);
            }
            Step::Reopen => panic!("a line is never reopened"),
            Step::Done => return routine.report(),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else { return };
    let address = Address(choice >> 2);
    let mut watches = [Watch::NONE; 4];
    match choice & 3 {
        0 => {
            read(input);
            let first = Counter(input.get(2).copied().unwrap_or(*choice));
            exchange(&Status, first, input);
            exchange(&Describe, first, input);
            exchange(&Get { address }, first, input);
            exchange(&Set { address, value: Value::new(input) }, first, input);
            exchange(&Invert { address }, first, input);
        }
        1 => drop(format!("{:?}", drive(Connect::from_names(&mut watches).with_retries(4), input))),
        2 => {
            watches = [1, 2, 3, 4].map(|address| Watch::new(Address(address)));
            drop(format!("{:?}", drive(Connect::new(&mut watches).with_reset(false).with_retries(4), input)));
        }
        _ => {
            watches = [1, 2, 3, 4].map(|address| Watch::new(Address(address)));
            drop(format!("{:?}", drive(Monitor::new(Value::new(&[1]).into(), &mut watches), input)));
        }
    }
});
