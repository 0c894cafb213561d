//! Both forms of S3MP's frames beside the slow oracles. That of firmware, which adds up runs as it
//! copies them, runs on a host only here. A unit test of `framing::lrc`, whose forms are not
//! public.
#![allow(
    clippy::cast_possible_truncation,
    clippy::duplicate_mod,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "the kit once more, and what other tests use"
)]

use core::time::Duration;
use std::vec::Vec;

use crate::framing::lrc::{Encoder, Lrc};
use crate::framing::{Error, Framing, Progress, Sizes, Unpaced};
use kit::events::decode;
use kit::frames::{makes, message, stream, takes};
use kit::oracle::{cobs_stuffed, lrc_reference};
use kit::random::Random;

#[path = "../kit"]
mod kit {
    pub mod events;
    pub mod frames;
    pub mod oracle;
    pub mod random;
}

/// A decoder in one of the forms.
struct Form<'b, const SUMS: bool>(Lrc<'b>);

impl<const SUMS: bool> Framing for Form<'_, SUMS> {
    const OVERHEAD: usize = Lrc::OVERHEAD;

    type Pace = Unpaced;
    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        self.0.encode(message)
    }

    fn sizes(&self) -> Sizes {
        self.0.sizes()
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        self.0.max_encoded_len(message)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        self.0.decode::<SUMS>(input)
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

/// Slow and obvious: COBS, the negative sum, and a zero.
fn frame(message: &[u8]) -> Vec<u8> {
    let mut wire = cobs_stuffed(message);
    let check = wire.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    wire.extend_from_slice(&[check, 0]);
    wire
}

/// A message of any length, some around the ends of full blocks, and some that end in zeros, as
/// those of frames with two readings do.
fn any(random: &mut Random) -> Vec<u8> {
    let mut any = message(random, 300);
    match random.index(4) {
        0 => any.truncate(random.index(4)),
        1 => any = std::vec![random.byte() | 1; random.pick(&[253, 254, 255, 508, 509])],
        _ => {}
    }
    let zeros = random.index(3);
    any.extend_from_slice(&[0; 2][..zeros]);
    any
}

fn encoder<const SUMS: bool>(message: &[u8]) -> impl FnMut(&mut [u8]) -> usize {
    let mut encoder = Encoder::new();
    move |room| encoder.run::<SUMS>(message, room)
}

#[test]
fn both_forms_make_the_frames_of_the_oracle_in_every_room() {
    let mut random = Random::new(0);
    for _ in 0..400 {
        let message = any(&mut random);
        let expected = frame(&message);
        makes(&mut random, || encoder::<false>(&message), &expected);
        makes(&mut random, || encoder::<true>(&message), &expected);
    }
}

#[test]
fn both_forms_read_frames_and_damage_as_the_oracle_reads_them_at_every_cut() {
    for seed in 0..1500 {
        let mut random = Random::new(seed);
        let stream = stream(&mut random, |random| frame(&any(random)), &[0, 0, 1, 2, 0xFE, 0xFF]);
        let room = if random.percent(70) { 700 } else { random.index(300) };
        let expected = lrc_reference(&[Some(&stream)], room);
        takes(&mut random, &stream, &expected, |pieces| {
            let pieces = || pieces.iter().copied();
            let host = decode(&mut Form::<false>(Lrc::new(&mut std::vec![0xEE; room])), pieces());
            let firmware = decode(&mut Form::<true>(Lrc::new(&mut std::vec![0xEE; room])), pieces());
            assert_eq!(firmware, host, "seed {seed}, {room} bytes of room, {stream:02x?}");
            host
        });
    }
}
