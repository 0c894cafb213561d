//! Every protocol, routine and driver over a simulated line: see `tests/kit` for the faults of this
//! line, and `tests/README.md` for the campaigns.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs,
    unreachable_pub,
    reason = "a test that panics has failed, and nobody reads its docs"
)]

#[path = "../kit/mod.rs"]
mod kit;

mod arithmetic;
mod bsmp;
mod campaign;
mod flush;
#[cfg(anysmp_checkout)]
mod golden;
mod recovery;
mod s3mp;
mod session;
mod smp;
mod smp_device;
mod soak;
mod survivors;
mod throughput;
mod work;
