//! Any stream in any pieces: all messages of a valid beginning are delivered, at most one error
//! follows, and silence ends it.
//!
//! Input: a quarter of the buffer's length, the length of the pieces less 1, the stream.
#![no_main]

#[path = "../../kit/events.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod events;

use anysmp::framing::Framing;
use anysmp::framing::counted::{ABANDON, Counted, Head8};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [quarter, piece, stream @ ..] = input else { return };
    let mut buffer = vec![0; 4 * usize::from(*quarter)];
    let mut framing = Counted::<Head8>::new(&mut buffer);
    let events = events::decode(&mut framing, stream.chunks(1 + usize::from(*piece)));
    assert!(stream.starts_with(&events::messages(&events).concat()));
    let errors = events::errors(&events).len();
    assert!(errors <= 1);
    let abandoned = usize::from(framing.idle(ABANDON).is_err());
    assert!(errors + abandoned <= 1);
    assert!(framing.idle(ABANDON).is_ok());

    let request = [0x0A, 0, 0, 1, 0, 0, 0, 5, 0xA0];
    let events = events::decode(&mut framing, [&request[..]]);
    assert_eq!(events::messages(&events).len(), usize::from(*quarter >= 3));
});
