//! Any stream in any pieces, with silences: the S3MP decoder agrees with the slow reference. And
//! every message can be decoded from its frame, with only the next byte or silence after it.
//!
//! Input: the buffer's length, then pieces: a length in one byte (0: silence) and that many bytes.
#![no_main]

#[path = "../../kit/events.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod events;
#[path = "../../kit/oracle.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod oracle;

use std::time::Duration;

use anysmp::framing::lrc::{Lrc, max_encoded_len};
use events::{Event, Events};
use libfuzzer_sys::fuzz_target;

/// Longer than all limits.
const SILENCE: Duration = Duration::from_secs(1);

fn pieces(mut input: &[u8]) -> Vec<Option<&[u8]>> {
    let mut pieces = Vec::new();
    while let Some((len, rest)) = input.split_first() {
        let (piece, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        pieces.push(if piece.is_empty() { None } else { Some(piece) });
        input = rest;
    }
    pieces
}

fn silence(events: &mut Events, framing: &mut Lrc<'_>) {
    events::idle(events, framing, SILENCE);
    assert!(!framing.is_waiting());
}

fuzz_target!(|input: &[u8]| {
    let [limit, stream @ ..] = input else { return };
    let limit = usize::from(*limit);
    let pieces = pieces(stream);
    let mut buffer = vec![0; limit];
    let mut framing = Lrc::new(&mut buffer);
    let mut events = Events::default();
    for piece in &pieces {
        match piece {
            Some(bytes) => events.push(&mut framing, bytes),
            None => silence(&mut events, &mut framing),
        }
    }
    assert_eq!(events.0, oracle::lrc_reference(&pieces, limit));

    let wire = events::encode(&framing, stream);
    assert!(wire.len() <= max_encoded_len(stream.len()));
    let mut buffer = vec![0; stream.len()];
    for follower in [&b""[..], b"\x05"] {
        let mut framing = Lrc::new(&mut buffer);
        let mut events = Events::default();
        events.push(&mut framing, &wire);
        events.push(&mut framing, follower);
        silence(&mut events, &mut framing);
        assert_eq!(events.0.first(), Some(&Event::Message(stream.to_vec())));
    }
});
