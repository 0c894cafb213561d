//! Any datagrams: each one is a message or is too long.
//! Input: a quarter of the buffer's length, the length of the datagrams less 1, their bytes.
#![no_main]

#[path = "../../kit/events.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod events;

use anysmp::framing::Error;
use anysmp::framing::datagram::Datagram;
use events::Event;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [quarter, piece, stream @ ..] = input else { return };
    let mut buffer = vec![0; 4 * usize::from(*quarter)];
    let len = buffer.len();
    let datagrams = stream.chunks(1 + usize::from(*piece));
    let verdict = |datagram: &[u8]| match datagram.len() {
        fits if fits <= len => Event::Message(datagram.to_vec()),
        _ => Event::Error(Error::TooLong),
    };
    let expected: Vec<_> = datagrams.clone().map(verdict).collect();
    assert_eq!(events::decode(&mut Datagram::new(&mut buffer), datagrams), expected);
});
