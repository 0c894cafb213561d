//! A simulated device.

pub mod clock;
pub mod commands;
pub mod sim;
