//! Any stream in any pieces, with silences: the packet decoder agrees with the slow reference. And
//! every message can be decoded from its packet.
//!
//! Input: the choices (early, echo, checksum), the buffer's length, then pieces: a length in one
//! byte (0: silence) and that many bytes.
#![no_main]

#[path = "../../kit/events.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod events;

use std::time::Duration;

use anysmp::framing::packet::{Echo, Packet};
use anysmp::framing::{Error, Framing};
use events::{Event, Events};
use libfuzzer_sys::fuzz_target;

const GAP: Duration = Duration::from_micros(174);

#[derive(Clone, Copy)]
struct Choices {
    early: bool,
    echo: Option<Echo>,
    checksum: bool,
}

impl Choices {
    fn packet(self, buffer: &mut [u8]) -> Packet<'_> {
        let mut packet = Packet::new(buffer, GAP);
        if self.early {
            packet = packet.with_early_delivery();
        }
        if let Some(echo) = self.echo {
            packet = packet.with_echo(echo);
        }
        if self.checksum { packet } else { packet.with_checksum(false) }
    }

    fn sound(self, bytes: &[u8]) -> bool {
        !self.checksum || bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0
    }

    /// Slow and obvious: what becomes of the bytes between two silences; without the second one if
    /// it has not come.
    fn reference(self, bytes: &[u8], silence: bool, buffer: usize, events: &mut Events) {
        let tail = usize::from(self.checksum);
        let mut current = Vec::new();
        for byte in bytes {
            current.push(*byte);
            let [to, _, high, low, ..] = current[..] else { continue };
            let whole = current.len() == 4 + usize::from(u16::from_be_bytes([high, low])) + tail;
            // The length is read from the buffer.
            if buffer < 4 || !whole || !self.sound(&current) {
                continue;
            }
            let ours = match self.echo {
                Some(Echo::Node) => to == 0,
                Some(Echo::Master) => to != 0,
                None => false,
            };
            if ours {
                current.clear();
            } else if self.early && current.len() <= buffer {
                events.message(&current[..current.len() - tail]);
                current.clear();
            }
        }
        if !silence || current.is_empty() {
            return;
        }
        if !self.sound(&current) {
            events.error(Error::Checksum);
        } else if current.len() < 1 + tail {
            events.error(Error::Malformed);
        } else if current.len() > buffer {
            events.error(Error::TooLong);
        } else {
            events.message(&current[..current.len() - tail]);
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let [choices, limit, stream @ ..] = input else { return };
    let choices = Choices {
        early: choices & 1 != 0,
        echo: [None, Some(Echo::Master), Some(Echo::Node), None][usize::from(choices >> 1 & 3)],
        checksum: choices & 8 == 0,
    };
    let limit = usize::from(*limit);
    let mut buffer = vec![0xEE; limit];
    let mut framing = choices.packet(&mut buffer);
    let (mut events, mut expected) = (Events::default(), Events::default());
    let (mut rest, mut since) = (stream, Vec::new());
    while let Some((len, behind)) = rest.split_first() {
        let (piece, behind) = behind.split_at(usize::from(*len).min(behind.len()));
        rest = behind;
        if piece.is_empty() {
            events::idle(&mut events, &mut framing, GAP);
            choices.reference(&since, true, limit, &mut expected);
            since.clear();
        } else {
            events.push(&mut framing, piece);
            since.extend_from_slice(piece);
            // Too short a silence changes nothing.
            events::idle(&mut events, &mut framing, GAP - Duration::from_micros(1));
        }
    }
    choices.reference(&since, false, limit, &mut expected);
    assert_eq!(events.0, expected.0);

    if stream.is_empty() {
        assert!(framing.encode(stream).is_err());
        return;
    }
    let wire = events::encode(&framing, stream);
    assert_eq!(wire.len(), stream.len() + usize::from(choices.checksum));
    let mut buffer = vec![0; wire.len()];
    let mut framing = Choices { early: false, echo: None, ..choices }.packet(&mut buffer);
    let mut events = Events::default();
    events.push(&mut framing, &wire);
    events::idle(&mut events, &mut framing, GAP);
    assert_eq!(events.0, [Event::Message(stream.to_vec())]);
});
