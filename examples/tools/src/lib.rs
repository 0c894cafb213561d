//! What the tools of `anysmp` share: ports of a host, and devices that exist only in memory.

#![expect(missing_debug_implementations, reason = "nobody prints a simulation")]

pub mod bsmp;
pub mod port;
pub mod s3mp;
pub mod smp;
