//! The work of one look at a line: calls of the framing, counted per byte and per look.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anysmp::framing::auto::Auto;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head8};
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::packet::{Packet, gap};
use anysmp::framing::{Error, Framing, Progress, Sizes};
use anysmp::line::{Line, Peer};
use anysmp::time::Span;

use crate::kit::noise;
use crate::kit::random::Random;

/// Counts the calls of a framing.
struct Counting<F>(F, Rc<Cell<usize>>);

impl<F: Framing> Framing for Counting<F> {
    const OVERHEAD: usize = F::OVERHEAD;
    const WHOLE: bool = F::WHOLE;
    const DATAGRAM: bool = F::DATAGRAM;

    type Pace = F::Pace;

    type Encoder = F::Encoder;

    fn encode(&self, message: &[u8]) -> Result<F::Encoder, Error> {
        self.0.encode(message)
    }

    fn sizes(&self) -> Sizes {
        self.0.sizes()
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        self.0.max_encoded_len(message)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        self.1.set(self.1.get() + 1);
        self.0.push(input)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        self.1.set(self.1.get() + 1);
        self.0.idle(silence)
    }

    fn message(&self) -> &[u8] {
        self.0.message()
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

/// Bytes that mean something, in any pieces, with any time between them: no look takes more than
/// two calls for each byte and a few more.
fn bounded<F: Framing>(framing: F) {
    let calls = Rc::new(Cell::new(0));
    let mut memory = [0; 2048];
    let mut line = Line::new(Counting(framing, calls.clone()), &mut memory).unwrap();
    let mut random = Random::new(9);
    for _ in 0..4_000 {
        let noise = noise::draw(&mut random, &[], 60);
        let mut rest = &noise[..];
        while !rest.is_empty() {
            let piece = &rest[..1 + random.index(rest.len())];
            calls.set(0);
            let count = line.received(piece, Peer(0));
            assert!(count > 0, "a line that is read has room");
            rest = &rest[count..];
            line.elapsed(Span::floor(Duration::from_micros(random.pick(&[0, 10, 1_000, 4_000_000]))));
            let mut events = 0;
            while line.next(&mut ()).is_some() {
                events += 1;
            }
            // Each byte ends at most one message and begins one; silence adds what was held, a few
            // bytes.
            let most = 2 * count + 8 + events;
            assert!(calls.get() <= most, "{} calls for {count} bytes and {events} events", calls.get());
            assert!(events <= count + 3, "{events} events for {count} bytes");
        }
    }
}

#[test]
fn one_look_at_a_line_does_a_bounded_amount_of_work_for_each_byte() {
    let mut buffer = [0; 256];
    bounded(Console::new(&mut buffer));
    bounded(Cobs::new(&mut buffer));
    bounded(Counted::<Head8>::new(&mut buffer));
    bounded(Auto::new(&mut buffer));
    bounded(Auto::new(&mut buffer).with_raw(false));
    bounded(Lrc::new(&mut buffer));
    bounded(Packet::new(&mut buffer, gap(115_200)));
    bounded(Packet::new(&mut buffer, gap(115_200)).with_early_delivery());
}
