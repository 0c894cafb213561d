//! The ports that wrap others, over a port about which nothing is known.

use crate::link::{Pause, Port};
use crate::{Operation, drop_in_box, peer, size, time};
use anysmp::port::{Clock, Clocked, Join, Ticking, Timed};
use core::hint::black_box;
use embedded_io::{Read, ReadReady, Write};

pub const ALL: &[Operation] = &[
    |bytes, room| all(Ticking::new(Port, time()), bytes, room),
    |bytes, room| {
        let mut port = Ticking::new(Port, time()).with_byte_time(time());
        drop_in_box(port.port().read(room));
        all(port, bytes, room);
    },
    |bytes, room| all(Timed::new(Port, Pause, time()), bytes, room),
    |bytes, room| {
        let mut port = Timed::new(Port, Pause, time()).with_byte_time(time());
        drop_in_box(port.port().read(room));
        all(port, bytes, room);
    },
    |bytes, room| {
        let mut port = Clocked::new(Port, time);
        drop_in_box(port.port().read(room));
        all(port, bytes, room);
    },
    |bytes, room| {
        let mut port = Join::new(Port, Port);
        drop_in_box((port.halves(), size()));
        drop_in_box(port.read_ready());
        all(Clocked::new(port, time), bytes, room);
    },
    |bytes, room| {
        let port = Join::new(Port, Port).with_flush(size(), |tx: &mut Port| tx.write(black_box(&[])).map(drop_in_box));
        all(Timed::new(port, Pause, time()), bytes, room);
    },
];

/// All that a driver does with a port.
fn all<P: Read + Write + Clock>(mut port: P, bytes: &[u8], room: &mut [u8]) {
    // Through a reference as well, which has all of it.
    let port = &mut port;
    drop_in_box(port.read(room));
    drop_in_box(port.write(bytes));
    drop_in_box(port.flush());
    drop_in_box((port.elapsed(), port.peer() == peer(), port.ready()));
}
