//! Talks to a device over SMP.
#[path = "../common/port.rs"]
mod port;
fn main() {}
