//! A framing of your own: one byte of length, then the message.
//!
//! It follows the four rules of `anysmp::framing`, and works with any link, protocol and port. It
//! has no checksum: it is for lines that lose bytes but never change them.
//!
//! ```sh
//! cargo run --example framing
//! ```

use core::time::Duration;

use anysmp::framing::{Encoder, Error, Framing, Progress, Sizes, Unpaced};
use heapless::Vec;

// ---- the framing ----

/// The frame that is arriving: its length, and the part of the message that has come. A framing may
/// also borrow its buffer, as the crate's own do.
pub(crate) struct Short(pub(crate) Vec<u8, 256>);

impl Short {
    fn is_complete(&self) -> bool {
        self.0.first().is_some_and(|len| self.0.len() > usize::from(*len))
    }
}

#[rustfmt::skip] // Short functions take one line each, so that the whole framing fits a page.
impl Framing for Short {
    const OVERHEAD: usize = 1; // of the peer's 256 bytes the length takes one
    type Pace = Unpaced; type Encoder = ShortEncoder;
    fn encode(&self, message: &[u8]) -> Result<ShortEncoder, Error> {
        u8::try_from(message.len()).map(|len| ShortEncoder { len, at: 0 }).or(Err(Error::Unsendable))
    }
    fn sizes(&self) -> Sizes { Sizes { message: 255, buffer: 256, out: 128, read: 64 } }
    fn max_encoded_len(&self, message: usize) -> usize { message.saturating_add(1) }
    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        while let Some(byte) = input.split_off_first() {
            if self.is_complete() { self.reset() }
            let _ = self.0.push(*byte); // `out` has room for the length and 255 bytes
            if self.is_complete() { return Ok(Progress::Message) }
        }
        Ok(Progress::More)
    }
    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        if self.0.is_empty() || self.is_complete() || silence < Duration::from_millis(100) { return Ok(Progress::More) }
        self.reset(); // bytes were lost: the next one is a length again
        Err(Error::Abandoned)
    }
    fn message(&self) -> &[u8] { if self.is_complete() { self.0.get(1..).unwrap_or_default() } else { &[] } }
    fn reset(&mut self) { self.0.clear() }
}

#[rustfmt::skip]
pub(crate) struct ShortEncoder { len: u8, at: usize }

impl Encoder for ShortEncoder {
    const MIN_OUT: usize = 1;
    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let frame = core::iter::once(&self.len).chain(message).skip(self.at);
        out.iter_mut().zip(frame).map(|(to, from)| (*to, self.at) = (*from, self.at.saturating_add(1))).count()
    }
}

// ---- one message through it ----

fn main() -> Result<(), Error> {
    let (mut framing, mut wire) = (Short(Vec::new()), [0; 64]);
    let len = framing.encode(b"hello")?.next(b"hello", &mut wire);
    let mut input = wire.get(..len).unwrap_or_default();
    println!("on the wire: {input:02x?}");
    let found = framing.push(&mut input)?;
    println!("{found:?}: {:?}", String::from_utf8_lossy(framing.message()));
    Ok(())
}
