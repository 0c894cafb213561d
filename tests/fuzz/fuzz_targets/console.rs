//! Any stream in any pieces: the console decoder agrees with the slow reference.
//! Input: a quarter of the buffer's length, the length of the pieces less 1, the stream.
#![no_main]

#[path = "../../kit/events.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod events;
#[path = "../../kit/oracle.rs"]
#[allow(dead_code, reason = "the kit is for all tests")]
mod oracle;

use anysmp::framing::console::Console;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [quarter, piece, stream @ ..] = input else { return };
    let buffer = 4 * usize::from(*quarter).max(3);
    let pieces = stream.chunks(1 + usize::from(*piece));
    assert_eq!(
        events::decode(&mut Console::new(&mut vec![0; buffer]), pieces),
        oracle::console_reference(stream, buffer)
    );
});
