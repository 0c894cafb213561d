//! A simulated slave.

pub mod greenhouse;
