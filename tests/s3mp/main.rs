//! S3MP: master, slave, and both over a line.
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

#[cfg(feature = "async")]
mod wire;

#[cfg(feature = "async")]
mod link;
mod master;
mod reference;
mod slave;
mod traffic;
mod watching;
