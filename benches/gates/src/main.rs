//! Prints how many instructions each case takes: lines of a name, a length and a count.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[allow(dead_code, reason = "a part of the library, measured by itself")]
mod base64;
mod bsmp;
mod cbor;
mod cobs;
mod console;
mod s3mp;
mod smp;

#[cfg(target_os = "none")]
mod board;
#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
mod transfers;

/// Counts the instructions of one case.
pub trait Meter {
    /// Measures `work`, and reports it under this name. `len` tells cases of one name
    /// apart: bytes, entries or variables.
    fn case(&mut self, name: &'static str, len: usize, work: impl FnMut());
}

/// Lengths of messages.
const LENGTHS: [usize; 5] = [8, 64, 380, 1024, 2044];

/// Bytes without a pattern, the same each time.
fn random(bytes: &mut [u8]) {
    let mut state = 0x9E37_79B9_u32;
    for byte in bytes {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        *byte = state as u8;
    }
}

/// Runs all cases.
fn all(meter: &mut impl Meter) {
    console::cases(meter);
    cobs::cases(meter);
    cbor::cases(meter);
    smp::cases(meter);
    bsmp::cases(meter);
    s3mp::cases(meter);
}

#[cfg(not(target_os = "none"))]
fn main() {
    host::main();
}
