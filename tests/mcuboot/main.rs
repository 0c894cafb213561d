//! MCUboot images, and a device that receives an upgrade.
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

#[path = "../kit/hex.rs"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod hex;

mod boot;
mod boot_rules;
mod checkpoint;
mod dead_end;
mod device;
mod digest;
mod gate;
mod image;
mod mode;
mod nor;
mod padded;
mod power;
mod rules;
mod setup;
mod state;
mod two_flashes;
mod updater;
mod upload;
