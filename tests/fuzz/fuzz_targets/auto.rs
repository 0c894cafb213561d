//! Any stream: in pieces it has the same result as in one; a console frame after it arrives without
//! a pause, and so does each one that the slow console decoder finds in it; without a byte that
//! begins other frames the result is that of this decoder; and after a silence, frames of all kinds
//! are distinguished in any order, and answered in the same framing.
//!
//! Input: the length of the pieces less 1, a length, that many bytes of any stream, then frames: a
//! choice and the length of the payload in one byte each, and the payload.
#![no_main]

#[path = "../../kit/events.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod events;
#[path = "../../kit/oracle.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod oracle;

use std::time::Duration;

use anysmp::framing::auto::{Auto, Kind};
use anysmp::framing::{Framing, Progress, console, counted, delimited};
use events::{Event, Events};
use libfuzzer_sys::fuzz_target;

const BUFFER: usize = 300;
/// Longer than all limits.
const SILENCE: Duration = Duration::from_secs(10);

fn frame(kind: Kind, message: &[u8]) -> Vec<u8> {
    match kind {
        Kind::Console => events::encode_in(console::Encoder::new(message).unwrap(), message, 64),
        Kind::Raw => events::encode_in(counted::Encoder::new(), message, 64),
        Kind::Cobs => events::encode_in(delimited::Encoder::new(message).unwrap(), message, 64),
    }
}

/// What comes out of one stream and a silence; adjacent text is one event.
fn decode<'i>(auto: &mut Auto<'_>, pieces: impl IntoIterator<Item = &'i [u8]>) -> Vec<Event> {
    let mut events = Events(events::decode(auto, pieces));
    events::idle(&mut events, auto, SILENCE);
    events.0
}

/// The console messages of one stream.
fn console_messages<'i>(auto: &mut Auto<'_>, pieces: impl Iterator<Item = &'i [u8]>) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for mut piece in pieces {
        loop {
            match auto.push(&mut piece) {
                Ok(Progress::More) => break,
                Ok(Progress::Message) if auto.kind() == Kind::Console => found.push(auto.message().to_vec()),
                Ok(Progress::Message | Progress::Text(_)) | Err(_) => {}
            }
        }
    }
    found
}

fuzz_target!(|input: &[u8]| {
    let [piece, len, rest @ ..] = input else { return };
    let (stream, mut frames) = rest.split_at(usize::from(*len).min(rest.len()));
    let size = 1 + usize::from(*piece);
    let (mut buffer, mut other) = ([0; BUFFER], [0; BUFFER]);
    let mut auto = Auto::new(&mut buffer);
    let frames_in = |events: Vec<Event>| events.into_iter().filter(|event| !matches!(event, Event::Text(_)));
    // Text after a zero may be taken for noise or not.
    let (events, whole) = (decode(&mut auto, stream.chunks(size)), decode(&mut Auto::new(&mut other), [stream]));
    assert!(frames_in(events).eq(frames_in(whole)));

    // Between zeros, which no console frame contains, the slow decoder is not irritated by what may
    // begin other frames.
    let message = [8, 0, 0, 0, 0, 0, 0, 6];
    let wire = [stream, &frame(Kind::Console, &message)].concat();
    let mut expected = Vec::new();
    for piece in wire.split(|byte| *byte == 0) {
        let events = oracle::console_reference(piece, BUFFER);
        expected.extend(events::messages(&events).into_iter().map(<[u8]>::to_vec));
    }
    assert_eq!(expected.last().map(Vec::as_slice), Some(&message[..]));
    for raw in [true, false] {
        let auto = Auto::new(&mut other);
        let auto = &mut if raw { auto } else { auto.with_raw(false) };
        assert_eq!(console_messages(auto, wire.chunks(size)), expected);
    }

    // Text, too: none of these bytes is left, and a line feed begins a raw message only before a
    // zero.
    let printed: Vec<u8> = stream.iter().copied().filter(|byte| !matches!(byte, 0 | 1 | 2 | 8)).collect();
    let mut events = Events(events::decode(&mut Auto::new(&mut other), printed.chunks(size)));
    if printed.last() == Some(&b'\n') && events.0 != oracle::console_reference(&printed, BUFFER) {
        // It was held.
        events.text(b"\n");
    }
    assert_eq!(events.0, oracle::console_reference(&printed, BUFFER));

    let (mut wire, mut expected) = (Vec::new(), Vec::new());
    while let [choice, len, rest @ ..] = frames {
        let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        frames = rest;
        let kind = [Kind::Console, Kind::Raw, Kind::Cobs][usize::from(choice % 3)];
        let first = [0x00, 0x02, 0x08, 0x0A][usize::from(choice >> 6)];
        let message = [&[first, 0, 0, payload.len() as u8, 0, 64, *choice, *len][..], payload].concat();
        wire.extend(frame(kind, &message));
        expected.push((kind, message));
    }
    for size in [size, wire.len().max(1)] {
        let mut found = Vec::new();
        for mut piece in wire.chunks(size) {
            loop {
                match auto.push(&mut piece) {
                    Ok(Progress::More) => break,
                    Ok(Progress::Message) => {
                        let (kind, message) = (auto.kind(), auto.message().to_vec());
                        assert_eq!(events::encode(&auto, &message), frame(kind, &message));
                        found.push((kind, message));
                    }
                    other => panic!("{other:?} behind {} messages", found.len()),
                }
            }
        }
        assert_eq!(found, expected);
    }
});
