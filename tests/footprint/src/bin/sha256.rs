//! SHA-256 alone: a part of the servers with slots that a hardware block can replace.
#![no_std]
#![no_main]

use anysmp::mcuboot::digest::{Digest, Sha256};
use footprint::Place;
use footprint::device::put;

static STATE: Place<Sha256> = Place::new();

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    footprint::baseline();
    // SAFETY: the images start once.
    let (digest, buffers) = unsafe { (STATE.put(Sha256::new()), footprint::buffers()) };
    main_loop(digest, &buffers.message)
}

#[inline(never)]
fn main_loop(digest: &mut Sha256, bytes: &[u8]) -> ! {
    loop {
        digest.reset();
        digest.update(bytes);
        put(digest.finish().as_bytes().iter().map(|byte| u32::from(*byte)).sum());
    }
}
