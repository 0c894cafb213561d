//! The line by itself: no port, no clock, no driver. The base of the drivers and of every
//! superloop.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    reason = "a test that panics has failed, and nobody reads its docs"
)]

#[cfg(all(feature = "async", feature = "hal"))]
mod drivers;
mod exchange;
#[cfg(all(feature = "std", feature = "async", feature = "hal"))]
mod ports;
mod receiving;
mod sending;

use std::time::Duration;

use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head3, Head8};
use anysmp::framing::packet::Packet;
use anysmp::framing::{Encoder, Framing};
use anysmp::line::{Buffers, Damage, Event, Line, Peer, Sink};
use anysmp::time::Span;

/// The silence that ends a packet at 115,200 baud.
const GAP: Duration = Duration::from_micros(174);
const MS: Duration = Duration::from_millis(1);

/// Memory of static life.
fn room(len: usize) -> &'static mut [u8] {
    Box::leak(vec![0; len].into_boxed_slice())
}

/// Buffers of these lengths.
fn parts(read: usize, tx: usize, out: usize) -> Buffers<'static> {
    Buffers::split(room(tx + out + read)).with_tx(tx).with_out(out)
}

fn line<F: Framing>(framing: F) -> Line<'static, F> {
    let need = framing.sizes().memory();
    Line::new(framing, Buffers::split(room(need))).unwrap()
}

fn console() -> Line<'static, Console<'static>> {
    line(Console::new(room(256)))
}

fn packet() -> Line<'static, Packet<'static>> {
    line(Packet::new(room(256), GAP))
}

fn raw() -> Line<'static, Counted<'static, Head8>> {
    line(Counted::new(room(256)))
}

fn bsmp_tcp() -> Line<'static, Counted<'static, Head3>> {
    line(Counted::new(room(256)))
}

/// The frame of a message.
fn framed(framing: &impl Framing, message: &[u8]) -> Vec<u8> {
    let (mut encoder, mut out, mut wire) = (framing.encode(message).unwrap(), [0; 64], Vec::new());
    loop {
        match encoder.next(message, &mut out) {
            0 => return wire,
            len => wire.extend_from_slice(&out[..len]),
        }
    }
}

/// An SMP message with this number.
fn smp(op: u8, sequence: u8) -> [u8; 9] {
    [op, 0, 0, 1, 0, 0, sequence, 0, 0xA0]
}

/// Puts a message into `tx` and begins to send it.
fn transmit<F: Framing>(line: &mut Line<'_, F>, message: &[u8]) {
    line.tx()[..message.len()].copy_from_slice(message);
    line.transmit(message.len()).unwrap();
}

/// Everything that leaves without time passing, taken in runs of at most `run` bytes.
fn sent_in<F: Framing>(line: &mut Line<'_, F>, run: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    loop {
        let pending = line.pending();
        let run = run.min(pending.len());
        if run == 0 {
            return wire;
        }
        wire.extend_from_slice(&pending[..run]);
        line.sent(run);
    }
}

fn sent<F: Framing>(line: &mut Line<'_, F>) -> Vec<u8> {
    sent_in(line, usize::MAX)
}

/// A round of a loop: these bytes, then this time.
fn round<F: Framing>(line: &mut Line<'_, F>, bytes: &[u8], time: Duration) {
    assert_eq!(line.received(bytes, Peer(0)), bytes.len());
    line.elapsed(Span::floor(time));
}

/// What happened, without what time it was.
fn events<F: Framing>(line: &mut Line<'_, F>) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = line.next(&mut ()) {
        assert!(events.len() < 1_000, "it never ends");
        if !matches!(event, Event::Elapsed(_)) {
            events.push(event);
        }
    }
    events
}

/// What a sink was handed.
#[derive(Debug, Default)]
struct Heard {
    text: Vec<u8>,
    unsolicited: Vec<Vec<u8>>,
    dropped: Vec<Damage>,
    sent: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
}

impl Sink for Heard {
    fn text(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    fn unsolicited(&mut self, message: &[u8]) {
        self.unsolicited.push(message.to_vec());
    }

    fn dropped(&mut self, damage: Damage) {
        self.dropped.push(damage);
    }

    fn traced(&mut self, message: &[u8], sent: bool) {
        if sent { &mut self.sent } else { &mut self.received }.push(message.to_vec());
    }
}
