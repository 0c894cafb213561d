//! The loop around a framing whose functions are linked later: the base from which the images of
//! framings are counted.
#![no_std]
#![no_main]

use anysmp::framing::{Encoder, Error, Framing, Progress, Sizes, Unpaced};
use core::time::Duration;

#[expect(dead_code, reason = "the functions that use it are not here")]
struct Framed(&'static mut [u8]);

struct Frame;

unsafe extern "Rust" {
    safe fn framing_encode(framed: &Framed, message: &[u8]) -> Result<Frame, Error>;
    safe fn framing_next(frame: &mut Frame, message: &[u8], out: &mut [u8]) -> usize;
    safe fn framing_push<'i>(framed: &mut Framed, input: &mut &'i [u8]) -> Result<Progress<'i>, Error>;
    safe fn framing_idle(framed: &mut Framed, silence: Duration) -> Result<Progress<'static>, Error>;
    safe fn framing_message(framed: &Framed) -> &[u8];
}

impl Framing for Framed {
    const OVERHEAD: usize = 0;

    type Pace = Unpaced;

    type Encoder = Frame;

    fn encode(&self, message: &[u8]) -> Result<Frame, Error> {
        framing_encode(self, message)
    }

    fn sizes(&self) -> Sizes {
        Sizes { message: 0, buffer: 0, out: 0, read: 0 }
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        message
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        framing_push(self, input)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        framing_idle(self, silence)
    }

    fn message(&self) -> &[u8] {
        framing_message(self)
    }

    fn reset(&mut self) {}
}

impl Encoder for Frame {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        framing_next(self, message, out)
    }
}

footprint::framing!(Framed, Framed);
