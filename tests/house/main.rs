//! The house in order: the rules that the sources themselves have to follow.
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

mod api;
mod contributing;
mod deletion;
mod entry_points;
mod errors;
mod examples;
mod features;
mod imports;
mod responses;
mod sizes;
mod top_level;
mod twins;
