//! Every framing by itself: bytes in, messages, text and errors out, and back.
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

mod auto;
mod console;
mod counted;
mod datagram;
mod delimited;
mod encoders;
mod gatt;
mod lrc;
mod packet;
mod runs;
