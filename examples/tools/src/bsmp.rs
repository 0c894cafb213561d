//! A simulated node, and a bus for several.

pub mod bus;
pub mod device;
pub mod fbp;
pub mod serve;
