//! A simulated device.

pub mod clock;
pub mod sim;
