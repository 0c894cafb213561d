//! Framings: unknown bytes in any pieces, silence at any time, every message back out through a small buffer.

use crate::Operation;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, SmpHead};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::{Lrc, max_frame_len};
use anysmp::framing::{Encoder, Framing, Progress};
use core::hint::black_box;
use core::time::Duration;

pub const ALL: &[Operation] = &[
    |bytes, room| all(Console::new, bytes, room),
    |bytes, room| all(|room| Console::new(room).with_line(black_box(127)).with_abandon(time()), bytes, room),
    |bytes, room| all(Counted::<SmpHead>::new, bytes, room),
    |bytes, room| all(|room| Counted::<SmpHead>::new(room).with_limits(time(), time()), bytes, room),
    |bytes, room| all(Datagram::new, bytes, room),
    |bytes, room| all(Cobs::new, bytes, room),
    |bytes, room| all(|room| Cobs::new(room).with_abandon(time()), bytes, room),
    |bytes, room| all(Lrc::new, bytes, room),
    |bytes, room| all(|room| Lrc::new(room).with_gap(time()).with_abandon(time()), bytes, room),
    |_, _| drop_in_box(max_frame_len(size())),
    |_, _| drop_in_box((Console::buffer_len(size()), Console::max_message(size()), Console::encoded_len(size()))),
    |_, _| drop_in_box((Cobs::buffer_len(size()), Cobs::max_message(size()), Cobs::max_encoded_len(size()))),
    |_, _| drop_in_box((Datagram::buffer_len(size()), Datagram::max_message(size()), Datagram::encoded_len(size()))),
];

fn drop_in_box<T>(value: T) {
    black_box(value);
}

fn time() -> Duration {
    black_box(Duration::ZERO)
}

fn size() -> usize {
    black_box(0)
}

/// All that a driver does with a framing.
fn all<'r, F: Framing>(new: impl FnOnce(&'r mut [u8]) -> F, bytes: &[u8], room: &'r mut [u8]) {
    let Some((buffer, out)) = room.split_at_mut_checked(size()) else { return };
    let mut framing = new(buffer);
    black_box(framing.preamble());
    for mut piece in bytes.chunks(16) {
        while let Ok(Progress::Message | Progress::Text(_)) = black_box(framing.push(&mut piece)) {
            black_box(framing.message());
        }
        black_box(framing.idle(time())).ok();
    }
    for message in [framing.message(), bytes] {
        if let Ok(mut encoder) = framing.encode(message) {
            while black_box(encoder.next(out)) > 0 {}
        }
    }
    framing.reset();
}
