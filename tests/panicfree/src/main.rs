//! Calls every entry point of the crate on unknown bytes, with a panic handler that cannot be linked.
//!
//! The image is never run: that it links is the proof. Whatever panics on foreign bytes, through any path that the
//! optimiser could not rule out, reaches the handler and with it a symbol that does not exist.
//! `--features offenders` links a real handler instead, and `offenders.py` names the callers in that image.

#![no_std]
#![no_main]
#![deny(dead_code, reason = "an operation that is in no table proves nothing")]

mod checksum;
mod framing;
mod groups;
mod s3mp;
mod smp;

use core::hint::black_box;

/// Reads unknown bytes, writes to a buffer of unknown length, and consumes what it computes with [`black_box`].
type Operation = fn(&[u8], &mut [u8]);

const OPERATIONS: &[&[Operation]] = &[checksum::ALL, framing::ALL, groups::ALL, s3mp::ALL, smp::ALL, planted::ALL];

mod planted {
    pub const ALL: &[super::Operation] = &[
        #[cfg(feature = "planted")]
        |bytes, room| room[0] = bytes[bytes.len() / 2],
    ];
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
