//! Framings: unknown bytes in any pieces, silence at any time, every received message encoded again
//! through a small buffer.

use crate::{Operation, drop_in_box, size, time};
use anysmp::cobs;
use anysmp::framing::auto::{Auto, Kind};
use anysmp::framing::bridge::{Bridge, WithId, WithoutId};
use anysmp::framing::console::{self, Console};
use anysmp::framing::counted::{Counted, Head, Head3, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::gatt::{self, Reassembly};
use anysmp::framing::lrc::{Lrc, max_encoded_len};
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp::framing::{Encoder, Framing, Progress};
use anysmp::time::Span;
use core::hint::black_box;

pub const ALL: &[Operation] = &[
    |bytes, room| all(Console::new, bytes, room),
    |bytes, room| all(|room| Console::new(room).with_line(black_box(127)).with_abandon(time()), bytes, room),
    |bytes, room| all(Counted::<Head8>::new, bytes, room),
    |bytes, room| all(|room| Counted::<Head8>::new(room).with_limits(time(), time()), bytes, room),
    |bytes, room| all(Counted::<Head3>::new, bytes, room),
    |bytes, room| all(|room| Counted::<Head3>::new(room).with_limits(time(), time()), bytes, room),
    |bytes, room| all(Datagram::new, bytes, room),
    |bytes, room| all(|room| Packet::new(room, gap(black_box(0))), bytes, room),
    |bytes, room| {
        all(|room| Packet::new(room, time()).with_early_delivery().with_echo(black_box(Echo::Node)), bytes, room)
    },
    |bytes, room| all(|room| Packet::new(room, time()).with_stream_carrier(), bytes, room),
    |bytes, room| all(|room| Bridge::<WithId>::new(room, time()), bytes, room),
    |bytes, room| all(|room| Bridge::<WithoutId>::new(room, time()), bytes, room),
    |_, _| drop_in_box(Bridge::<WithId>::sizes_of(size())),
    |mut bytes, room| {
        let mut packet = Packet::new(room, time());
        drop_in_box(packet.push(&mut bytes));
        drop_in_box(packet.is_arriving());
    },
    |bytes, room| all(Auto::new, bytes, room),
    |bytes, room| all(|room| Auto::new(room).with_raw(false), bytes, room),
    |bytes, room| all(Reassembly::client, bytes, room),
    |bytes, room| all(Reassembly::server, bytes, room),
    |bytes, _| gatt::fragments(bytes, black_box(0)).for_each(drop_in_box),
    |bytes, room| all(Cobs::new, bytes, room),
    |bytes, room| all(|room| Cobs::new(room).with_abandon(time()), bytes, room),
    |bytes, room| all(Lrc::new, bytes, room),
    |bytes, room| all(|room| Lrc::new(room).with_gap(time()).with_abandon(time()), bytes, room),
    |mut bytes, room| {
        let (mut decoder, mut len) = (cobs::Decoder::new(), size());
        while !bytes.is_empty() {
            drop_in_box(decoder.push(&mut bytes, room, &mut len));
        }
    },
    |bytes, room| {
        let mut encoder = cobs::Encoder::new(black_box([0; 2]));
        while encoder.next(black_box(bytes), room) > 0 {
            black_box(&room);
        }
    },
    |_, _| drop_in_box(max_encoded_len(size())),
    |_, _| drop_in_box(cobs::max_encoded_len(size())),
    |_, _| {
        drop_in_box((Console::sizes_of(size()).memory(), Cobs::sizes_of(size()), Counted::<Head8>::sizes_of(size())))
    },
    |_, _| drop_in_box((Datagram::sizes_of(size()), Packet::sizes_of(size()), Lrc::sizes_of(size()))),
    |_, _| drop_in_box((Auto::sizes_of(size()), Auto::max_encoded_len(size()), gatt::Reassembly::sizes_of(size()))),
    |_, _| drop_in_box((Console::buffer_len(size()), Console::max_message(size()), Console::encoded_len(size()))),
    |_, _| drop_in_box((Cobs::buffer_len(size()), Cobs::max_message(size()), Cobs::max_encoded_len(size()))),
    |_, _| drop_in_box((Auto::buffer_len(size()), Auto::max_message(size()))),
    |_, _| drop_in_box(Auto::max_message_in(black_box(Kind::Cobs), size())),
    |_, _| drop_in_box((Datagram::buffer_len(size()), Datagram::max_message(size()), Datagram::encoded_len(size()))),
    |mut bytes, room| {
        let mut framing = Auto::new(room);
        drop_in_box(framing.push(&mut bytes));
        drop_in_box(framing.kind());
    },
    |mut bytes, room| {
        let mut framing = Lrc::new(room);
        drop_in_box(framing.push(&mut bytes));
        drop_in_box(framing.is_waiting());
    },
    |bytes, room| all(|room| Packet::new(room, time()).with_checksum(false), bytes, room),
    |_, _| {
        drop_in_box((
            Counted::<Head8>::buffer_len(size()),
            Counted::<Head8>::max_message(size()),
            Counted::<Head8>::encoded_len(size()),
        ))
    },
    |_, _| drop_in_box((console::Encoder::encoded_len(size(), size()), gatt::fragment_len(black_box(0)))),
    |bytes, _| drop_in_box((Head8::total(bytes), Head3::total(bytes))),
];

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
        black_box(framing.silent(Span::floor(time()))).ok();
    }
    for message in [framing.message(), bytes] {
        black_box((framing.gap(), framing.byte_time(), framing.sizes(), framing.max_encoded_len(size())));
        if let Ok(mut encoder) = framing.encode(message) {
            // Behind a black box it may be any message, not only the one that was begun.
            while black_box(encoder.next(black_box(message), out)) > 0 {}
        }
    }
    framing.reset();
}
