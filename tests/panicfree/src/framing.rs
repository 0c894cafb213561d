//! Framings: unknown bytes in any pieces, silence at any time, every message back out through a small buffer.

use crate::Operation;
use anysmp::framing::{Encoder, Framing, Progress};
use core::hint::black_box;
use core::time::Duration;

pub const ALL: &[Operation] = &[|bytes, room| all(Echo(bytes), bytes, room)];

/// All that a driver does with a framing.
pub fn all<F: Framing>(mut framing: F, mut bytes: &[u8], room: &mut [u8]) {
    black_box(framing.preamble());
    while let Ok(Progress::Message | Progress::Text(_)) = black_box(framing.push(&mut bytes)) {
        black_box(framing.message());
    }
    black_box(framing.idle(black_box(Duration::ZERO))).ok();
    if let Ok(mut encoder) = framing.encode(framing.message()) {
        while black_box(encoder.next(room)) > 0 {}
    }
    framing.reset();
}

/// Stands here until there is a framing in the crate.
struct Echo<'b>(&'b [u8]);

impl Framing for Echo<'_> {
    const OVERHEAD: usize = 0;
    type Encoder<'m> = Nothing;

    fn encode<'m>(&self, _: &'m [u8]) -> Result<Nothing, anysmp::framing::Error> {
        Ok(Nothing)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, anysmp::framing::Error> {
        *input = &[];
        Ok(Progress::More)
    }

    fn idle(&mut self, _: Duration) -> Result<Progress<'static>, anysmp::framing::Error> {
        Ok(Progress::More)
    }

    fn message(&self) -> &[u8] {
        self.0
    }

    fn reset(&mut self) {}
}

struct Nothing;

impl Encoder for Nothing {
    const MIN_OUT: usize = 0;

    fn next(&mut self, _: &mut [u8]) -> usize {
        0
    }
}
