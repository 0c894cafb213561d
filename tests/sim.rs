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

mod common;
mod kit;

#[path = "sim/arithmetic.rs"]
mod arithmetic;
#[path = "sim/bsmp.rs"]
mod bsmp;
#[path = "sim/flush.rs"]
mod flush;
#[path = "sim/golden.rs"]
mod golden;
#[path = "sim/recovery.rs"]
mod recovery;
#[path = "sim/s3mp.rs"]
mod s3mp;
#[path = "sim/session.rs"]
mod session;
#[path = "sim/smp.rs"]
mod smp;
#[path = "sim/smp_device.rs"]
mod smp_device;
#[path = "sim/soak.rs"]
mod soak;
#[path = "sim/work.rs"]
mod work;
