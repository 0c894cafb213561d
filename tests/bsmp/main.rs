//! BSMP: both ends, the routines, and the lines on which they are used.
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

// The simulated node belongs to the tools, which are a separate package: only a checkout has it
// beside the library.
#[cfg(all(anysmp_checkout, feature = "md5"))]
#[path = "../../examples/tools/src/bsmp/device.rs"]
mod device;
#[cfg(all(anysmp_checkout, feature = "md5", feature = "async"))]
mod wire;

mod bridge;
#[cfg(all(anysmp_checkout, feature = "md5", feature = "async"))]
mod bus;
mod client;
#[cfg(all(anysmp_checkout, feature = "md5", feature = "async"))]
mod line;
#[cfg(feature = "md5")]
mod md5;
mod poll;
#[cfg(feature = "md5")]
mod routine;
#[cfg(all(anysmp_checkout, feature = "md5"))]
mod server;
mod typed;
#[cfg(all(anysmp_checkout, feature = "md5"))]
mod vectors;
