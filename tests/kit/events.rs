//! The output of a decoder as a list, and the output of an encoder.

use std::vec::Vec;

use anysmp::framing::{Encoder, Error, Framing, Progress};

/// The output of a decoder. Adjacent text is one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Text(Vec<u8>),
    Message(Vec<u8>),
    Error(Error),
}

#[derive(Debug, Default)]
pub struct Events(pub Vec<Event>);

impl Events {
    pub fn text(&mut self, run: &[u8]) {
        if let Some(Event::Text(text)) = self.0.last_mut() {
            text.extend_from_slice(run);
        } else {
            self.0.push(Event::Text(run.to_vec()));
        }
    }

    pub fn message(&mut self, message: &[u8]) {
        self.0.push(Event::Message(message.to_vec()));
    }

    pub fn error(&mut self, error: Error) {
        self.0.push(Event::Error(error));
    }

    /// Pushes `input` until all of it has been used.
    pub fn push(&mut self, framing: &mut impl Framing, mut input: &[u8]) {
        let mut calls = 0;
        let limit = 2 * input.len() + 2;
        loop {
            calls += 1;
            assert!(calls <= limit, "push makes no progress");
            match framing.push(&mut input) {
                Ok(Progress::More) => {
                    assert!(input.is_empty(), "More, but {} bytes are left", input.len());
                    return;
                }
                Ok(Progress::Message) => self.message(framing.message()),
                Ok(Progress::Text(run)) => {
                    assert!(!run.is_empty());
                    self.text(run);
                }
                Err(error) => self.error(error),
            }
        }
    }
}

/// Returns the output of a decoder for `stream` in the given pieces.
pub fn decode<'i>(framing: &mut impl Framing, pieces: impl IntoIterator<Item = &'i [u8]>) -> Vec<Event> {
    let mut events = Events::default();
    for piece in pieces {
        events.push(framing, piece);
    }
    events.0
}

/// Reports a silence to a decoder until it returns no more events for it.
pub fn idle(events: &mut Events, framing: &mut impl Framing, silence: core::time::Duration) {
    for _ in 0..64 {
        match framing.idle(silence) {
            Ok(Progress::More) => return,
            Ok(Progress::Message) => events.message(framing.message()),
            Ok(Progress::Text(run)) => events.text(run),
            Err(error) => events.error(error),
        }
    }
    panic!("a silence that has no end");
}

pub fn messages(events: &[Event]) -> Vec<&[u8]> {
    events
        .iter()
        .filter_map(|event| if let Event::Message(message) = event { Some(&**message) } else { None })
        .collect()
}

pub fn errors(events: &[Event]) -> Vec<Error> {
    events.iter().filter_map(|event| if let Event::Error(error) = event { Some(*error) } else { None }).collect()
}

pub fn text(events: &[Event]) -> Vec<u8> {
    events.iter().flat_map(|event| if let Event::Text(text) = event { text.clone() } else { Vec::new() }).collect()
}

/// The whole frame, pulled in pieces of `out` bytes.
pub fn encode_in<E: Encoder>(mut encoder: E, message: &[u8], out: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut piece = std::vec![0xEE; out];
    loop {
        match encoder.next(message, &mut piece) {
            0 => break,
            count => wire.extend_from_slice(&piece[..count]),
        }
        assert!(wire.len() < 1 << 20, "the encoder has no end");
    }
    assert_eq!(encoder.next(message, &mut piece), 0, "complete means complete");
    wire
}

pub fn encode(framing: &impl Framing, message: &[u8]) -> Vec<u8> {
    encode_in(framing.encode(message).unwrap(), message, 4096)
}
