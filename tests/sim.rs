//! Every protocol, routine and driver over a simulated line: see `tests/kit` for what goes wrong on it, and `tests/README.md`
//! for the campaigns.
#![cfg(all(feature = "async", feature = "md5", feature = "sha2", feature = "mcuboot"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub
)]

mod kit;

#[path = "sim/bsmp.rs"]
mod bsmp;
#[path = "sim/s3mp.rs"]
mod s3mp;
#[path = "sim/session.rs"]
mod session;
#[path = "sim/smp.rs"]
mod smp;
#[path = "sim/smp_device.rs"]
mod smp_device;
