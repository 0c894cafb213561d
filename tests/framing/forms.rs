//! All forms of the console framing beside the slow oracle. Each machine uses one of them, and
//! that of firmware runs on a host only here. A unit test of `framing::console`, whose forms are
//! not public.
#![allow(
    clippy::cast_possible_truncation,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "what other tests use, nobody reads its docs"
)]

use core::time::Duration;
use std::vec::Vec;

use crate::framing::console::base64::{FIRMWARE, HOST, SMALL};
use crate::framing::console::{Console, encoder};
use crate::framing::{Encoder, Error, Framing, Progress, Sizes, Unpaced};
use kit::events::{Event, decode};
use kit::frames::{console_stream, framed, makes, message, room, takes};
use kit::oracle::{NEXT, START, base64, console_frame, console_reference, crc16};
use kit::random::Random;

#[path = "../kit"]
mod kit {
    pub mod events;
    pub mod frames;
    pub mod oracle;
    pub mod random;
}

/// A console in one of the forms.
struct Form<'b, const FORM: u8>(Console<'b>);

struct FormEncoder<const FORM: u8>(encoder::Encoder);

impl<const FORM: u8> Encoder for FormEncoder<FORM> {
    const MIN_OUT: usize = encoder::Encoder::MIN_OUT;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        self.0.run::<FORM>(message, out)
    }
}

impl<const FORM: u8> Framing for Form<'_, FORM> {
    const OVERHEAD: usize = Console::OVERHEAD;

    type Pace = Unpaced;
    type Encoder = FormEncoder<FORM>;

    fn encode(&self, message: &[u8]) -> Result<Self::Encoder, Error> {
        self.0.encode(message).map(FormEncoder)
    }

    fn sizes(&self) -> Sizes {
        self.0.sizes()
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        self.0.max_encoded_len(message)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        self.0.lines.run::<FORM>(input)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        self.0.idle(silence)
    }

    fn message(&self) -> &[u8] {
        self.0.message()
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

fn decodes<const FORM: u8>() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let stream = console_stream(&mut random);
        let mut buffer = room(&mut random);
        let expected = console_reference(&stream, buffer.len());
        takes(&mut random, &stream, &expected, |pieces| {
            decode(&mut Form::<FORM>(Console::new(&mut buffer)), pieces.iter().copied())
        });
    }
    // Padding at the end of each line.
    let mut random = Random::new(200);
    let message = message(&mut random, 60);
    let crc = crc16(&message).to_be_bytes();
    let packet = [&(message.len() as u16 + 2).to_be_bytes()[..], &message, &crc].concat();
    for size in 1..=packet.len() {
        let mut wire = Vec::new();
        for (at, line) in packet.chunks(size).enumerate() {
            wire.extend_from_slice(if at == 0 { &START } else { &NEXT });
            wire.extend_from_slice(&base64(line));
            wire.push(b'\n');
        }
        takes(&mut random, &wire, &[Event::Message(message.clone())], |pieces| {
            decode(&mut Form::<FORM>(Console::new(&mut [0; 80])), pieces.iter().copied())
        });
    }
}

#[test]
fn each_form_reads_console_lines_as_the_oracle_reads_them_at_every_cut() {
    decodes::<SMALL>();
    decodes::<FIRMWARE>();
    decodes::<HOST>();
}

fn encodes<const FORM: u8>() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let message = message(&mut random, 420);
        let line = random.pick(&[0, 7, 11, 12, 20, 64, 127, 128, 300, 1000]);
        let console = Form::<FORM>(Console::new(&mut []).with_line(line));
        makes(&mut random, || framed(&console, &message), &console_frame(&message, line));
    }
}

#[test]
fn each_form_makes_the_frame_of_the_oracle_in_every_room() {
    encodes::<SMALL>();
    encodes::<FIRMWARE>();
    encodes::<HOST>();
}
