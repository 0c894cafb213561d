//! SMP without a line: its CBOR, its messages, both ends, every group, and the routines over
//! scripted peers.
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

mod cbor;
mod client;
mod error;
mod groups;
mod item;
#[cfg(anysmp_checkout)]
mod pairs;
mod recovery;
mod routine;
mod server;
mod stores;
mod vectors;
