//! SHA-256 alone: a part of the upgrade server that a hardware block can replace.
#![no_std]
#![no_main]

use anysmp::mcuboot::digest::{Digest, Sha256};
use footprint::put;

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut buffer = [0; 64];
    let mut digest = Sha256::new();
    loop {
        footprint::baseline(&mut buffer);
        digest.update(&buffer);
        put(digest.finish().as_bytes().iter().map(|byte| u32::from(*byte)).sum());
    }
}
