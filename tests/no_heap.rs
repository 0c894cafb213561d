//! No framing allocates: counted by the global allocator.
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

use allocation_counter::measure;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::{Encoder, Framing, Progress};

/// There and back, in small pieces.
fn exchange(framing: &mut impl Framing, message: &[u8]) {
    let mut wire = [0; 4096];
    let mut len = 0;
    let mut encoder = framing.encode(message).unwrap();
    loop {
        match encoder.next(message, &mut wire[len..]) {
            0 => break,
            count => len += count,
        }
    }
    let mut input = &wire[..len];
    assert_eq!(framing.push(&mut input), Ok(Progress::Message));
    assert_eq!(framing.message(), message);
}

#[test]
fn a_message_makes_the_round_trip_through_every_framing_without_the_heap() {
    let mut message = [0x5A; 2044];
    message[..4].copy_from_slice(&[2, 0, 0x07, 0xF4]);
    let mut buffer = [0; 2048];
    let info = measure(|| {
        exchange(&mut Console::new(&mut buffer), &message);
        exchange(&mut Cobs::new(&mut buffer), &message);
        exchange(&mut Lrc::new(&mut buffer), &message);
        exchange(&mut Counted::<Head8>::new(&mut buffer), &message);
        exchange(&mut Datagram::new(&mut buffer), &message);
    });
    assert_eq!(info.count_total, 0);
    // The count is alive.
    assert_eq!(measure(|| drop(std::hint::black_box(Box::new(1)))).count_total, 1);
}
