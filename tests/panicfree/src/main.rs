//! Calls every entry point of the crate on unknown bytes, with a panic handler that cannot be
//! linked.
//!
//! The image is never run: the proof is that it links. Any panic on foreign bytes, through any path
//! that the optimiser could not rule out, reaches the handler and with it a symbol that does not
//! exist. `--features offenders` links a real handler instead, and `offenders.py` names the callers
//! in that image.

#![no_std]
#![no_main]
#![deny(dead_code, reason = "an operation that is in no table proves nothing")]

#[cfg(feature = "asynch")]
mod asynch;
#[cfg(not(feature = "asynch"))]
mod asynch {
    pub const ALL: &[super::Operation] = &[];
}
mod bsmp;
mod cbor;
mod checksum;
mod device;
mod framing;
mod line;
mod link;
mod mcuboot;
mod port;
mod s3mp;
mod shown;
mod smp;

use anysmp::line::{Caller, Damage, Peer, Service, Verdict};
use anysmp::routine::{Routine, Step};
use anysmp::time::Span;
use core::hint::black_box;
use core::time::Duration;

/// Reads unknown bytes, writes to a buffer of unknown length, and consumes what it computes with
/// [`black_box`].
type Operation = fn(&[u8], &mut [u8]);

const OPERATIONS: &[&[Operation]] = if cfg!(feature = "planted") {
    &[planted::ALL]
} else if cfg!(feature = "asynch") {
    &[asynch::ALL]
} else {
    &[
        bsmp::ALL,
        cbor::ALL,
        checksum::ALL,
        device::ALL,
        framing::ALL,
        line::ALL,
        link::ALL,
        mcuboot::ALL,
        port::ALL,
        s3mp::ALL,
        shown::ALL,
        smp::ALL,
    ]
};

/// Keeps what was computed.
fn drop_in_box<T>(value: T) {
    black_box(value);
}

/// An unknown length, offset or count.
fn size() -> usize {
    black_box(0)
}

fn number() -> u64 {
    black_box(0)
}

fn time() -> Duration {
    black_box(Duration::ZERO)
}

fn span() -> Span {
    black_box(Span::ZERO)
}

fn peer() -> Peer {
    black_box(Peer(0))
}

fn flag() -> bool {
    black_box(true)
}

/// A routine, with unknown bytes as answers and silence after them, again and again.
fn run<R: Routine>(routine: &mut R, client: &mut R::Client, bytes: &[u8], room: &mut [u8]) {
    let mut messages = bytes.chunks(16);
    loop {
        match (black_box(routine.poll(client, room)), messages.next()) {
            (Step::Done, _) => break,
            (Step::Send(_) | Step::Reopen, _) => {}
            (Step::Wait(_), Some(message)) => drop_in_box(routine.receive(client, message)),
            (Step::Wait(_), None) => {
                routine.tick(time());
                routine.timed_out();
            }
        }
        drop_in_box(routine.report());
    }
    drop_in_box((routine.report(), routine.drain(client)));
}

/// A client that asks, receives foreign messages and silence, and reads an answer.
fn ask<R: ?Sized, C: Caller<R>>(client: &mut C, request: &R, bytes: &[u8], room: &mut [u8]) {
    let Ok((_, mut pending)) = client.request(request, room) else { return };
    for message in bytes.chunks(16) {
        drop_in_box(client.timeout(&pending));
        match client.receive(&mut pending, message, room) {
            Verdict::Answer => drop_in_box(client.decode(&pending, message)),
            verdict => drop_in_box(verdict),
        }
        drop_in_box((client.retry(&mut pending, room), client.drain(), client.instead(&pending)));
    }
}

/// A server that receives anything, damaged messages and silence.
fn serve<S: Service>(service: &mut S, bytes: &[u8], room: &mut [u8]) {
    for message in bytes.chunks(16) {
        drop_in_box(service.receive(message, peer(), room));
        drop_in_box(service.damaged(black_box(Damage::Checksum), room));
        service.tick(time());
        service.passed(Span::floor(time()));
        drop_in_box(service.buffer_size());
        while service.poll(room) > 0 {
            black_box(&room);
        }
    }
}

mod planted {
    pub const ALL: &[super::Operation] = &[|bytes, room| room[0] = bytes[bytes.len() / 2]];
}

#[unsafe(no_mangle)]
extern "C" fn start() -> ! {
    let mut room = [0; 64];
    loop {
        for operation in black_box(OPERATIONS).iter().copied().flatten() {
            operation(black_box(&[]), black_box(&mut room));
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    #[cfg(not(feature = "offenders"))]
    {
        unsafe extern "C" {
            safe fn a_panic_can_be_reached() -> !;
        }
        a_panic_can_be_reached()
    }
    #[cfg(feature = "offenders")]
    loop {
        core::hint::spin_loop();
    }
}
