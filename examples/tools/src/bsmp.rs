//! A simulated node, and a bus for several.

pub mod bus;
pub mod describe;
pub mod device;
pub mod fbp;
