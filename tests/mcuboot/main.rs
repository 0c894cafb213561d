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
mod hex;

mod boot;
mod device;
mod image;
mod nor;
mod power;
mod state;
mod upload;
