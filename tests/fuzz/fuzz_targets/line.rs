//! Two lines of one framing, driven by anything: bytes from nowhere, pieces of any size, times,
//! frames that are broken off, lost bytes. Nothing panics, `next` ends, every delivered message can
//! be framed again, and once the port has recovered a message arrives.
//!
//! Input: the framing, then steps: the end and the action (one byte), the amount (one byte), and
//! for noise that many bytes.
#![no_main]

use std::time::Duration;

use anysmp::framing::Framing;
use anysmp::framing::auto::Auto;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::packet::Packet;
use anysmp::line::{Buffers, Event, Line, Peer};
use anysmp::time::Span;
use libfuzzer_sys::fuzz_target;

const ONE: Peer = Peer(1);
/// The longest message to send.
const TX: usize = 80;

/// An SMP message with this much payload, which every framing here can carry.
fn message(len: u8, fill: u8) -> Vec<u8> {
    let mut message = vec![2, 0, 0, len, 0, 0, fill, 0];
    message.resize(8 + usize::from(len), fill);
    message
}

/// Takes all that a line has to report; returns the last message.
fn drain<F: Framing>(line: &mut Line<'_, F>) -> Option<Vec<u8>> {
    let mut last = None;
    for count in 0.. {
        assert!(count < 2000, "next does not end");
        match line.next(&mut ()) {
            None => break,
            Some(Event::Message) => {
                let message = line.message().to_vec();
                assert!(message.len() <= line.limits().rx);
                // What came in a frame can leave in one.
                assert!(line.framing().encode(&message).is_ok());
                last = Some(message);
            }
            Some(Event::Damaged(_)) => {}
            Some(Event::Elapsed(time)) => assert!(!time.is_zero()),
        }
    }
    last
}

/// Hands `bytes` to a line as its port would: again what did not fit.
fn deliver<F: Framing>(line: &mut Line<'_, F>, mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut last = None;
    for _ in 0..=bytes.len() {
        let taken = line.received(bytes, ONE);
        bytes = &bytes[taken..];
        last = drain(line).or(last);
    }
    last
}

/// Two ends whose port is well: what `from` sends arrives at `to`, in pieces of `piece` bytes, and
/// time passes.
fn settle<'b, F: Framing>(from: &mut Line<'b, F>, to: &mut Line<'b, F>, piece: usize) -> Option<Vec<u8>> {
    let mut last = None;
    for _ in 0..400 {
        loop {
            let pending = from.pending();
            if pending.is_empty() {
                break;
            }
            // Where a frame leaves in one piece the port takes it so.
            let count = if F::WHOLE { pending.len() } else { pending.len().min(piece) };
            let bytes = pending[..count].to_vec();
            from.sent(count);
            last = deliver(to, &bytes).or(last);
        }
        for line in [&mut *from, &mut *to] {
            line.elapsed(Span::floor(Duration::from_millis(20)));
            last = drain(line).or(last);
        }
    }
    assert!(!from.is_sending(), "a message waits on a line that is silent");
    last
}

fn step<F: Framing>(line: &mut Line<'_, F>, other: &mut Line<'_, F>, what: u8, how_much: u8, input: &mut &[u8]) {
    let count = usize::from(how_much);
    match what & 7 {
        0 => {
            let (noise, rest) = input.split_at(count.min(input.len()));
            *input = rest;
            let taken = line.received(noise, Peer((what >> 3 & 1).into()));
            assert!(taken <= noise.len());
        }
        1 => line.elapsed(Span::floor(Duration::from_micros(u64::from(how_much) << (what >> 3 & 15)))),
        2 => line.away(Span::floor(Duration::from_millis(how_much.into()))),
        3 => {
            let message = message(how_much & 0x3F, what);
            let is_busy = line.is_sending();
            if !is_busy {
                line.tx()[..message.len()].copy_from_slice(&message);
            }
            assert_eq!(line.transmit(message.len()).is_ok(), !is_busy);
        }
        4 => {
            let pending = line.pending();
            let bytes = pending[..count.min(pending.len())].to_vec();
            if !bytes.is_empty() {
                line.sent(bytes.len());
                let _ = other.received(&bytes, ONE);
            }
        }
        5 => drop(drain(line)),
        6 => line.abandon(),
        _ => line.lost(),
    }
}

fn run<F: Framing>(framings: [F; 2], mut input: &[u8]) {
    let mut memory = framings.each_ref().map(|framing| {
        let out = framing.max_encoded_len(TX).max(128);
        (vec![0; TX + out + framing.sizes().read], out)
    });
    let mut memory = memory.iter_mut().map(|(memory, out)| Buffers::split(memory).with_tx(TX).with_out(*out));
    let [mut one, mut two] = framings.map(|framing| Line::new(framing, memory.next().unwrap()).unwrap());
    while let [what, how_much, rest @ ..] = input {
        input = rest;
        let (line, other) = if what & 0x80 == 0 { (&mut one, &mut two) } else { (&mut two, &mut one) };
        step(line, other, *what, *how_much, &mut input);
    }
    // The port is well again, and whatever hung in it has passed.
    settle(&mut one, &mut two, 7);
    settle(&mut two, &mut one, 7);
    let message = message(40, 0xA5);
    // A damaged frame may cost the one after it; no framing may lose more.
    let arrived = (0..3).any(|_| {
        one.tx()[..message.len()].copy_from_slice(&message);
        one.transmit(message.len()).unwrap();
        settle(&mut one, &mut two, 5).as_deref() == Some(&message[..])
    });
    assert!(arrived, "a message does not arrive: {one:?} {two:?}");
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else { return };
    let [mut one, mut two] = [[0; 160]; 2];
    let (one, two) = (&mut one[..], &mut two[..]);
    match choice % 7 {
        0 => run([one, two].map(Console::new), input),
        1 => run([one, two].map(Counted::<Head8>::new), input),
        2 => run([one, two].map(Cobs::new), input),
        3 => run([one, two].map(Datagram::new), input),
        4 => run([one, two].map(|buffer| Packet::new(buffer, Duration::from_micros(174))), input),
        5 => run([one, two].map(Lrc::new), input),
        _ => run([one, two].map(Auto::new), input),
    }
});
