//! The parts that the tools of `anysmp` share: ports of a host, and devices that exist only in
//! memory.

#![expect(missing_debug_implementations, reason = "nobody prints a simulation")]
#![expect(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::must_use_candidate,
    reason = "only the programs of this package use it"
)]

#[cfg(feature = "ble")]
pub mod ble;
pub mod bsmp;
pub mod curves;
pub mod describe;
pub mod diagnostic;
pub mod failure;
pub mod journal;
pub mod json;
pub mod live;
pub mod looked;
pub mod options;
pub mod out;
pub mod port;
pub mod s3mp;
pub mod smp;
pub mod trace;
pub mod words;
