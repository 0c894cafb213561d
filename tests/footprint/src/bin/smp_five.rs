//! The five commands of MCUboot's `boot_serial`, by a `match` of the device's own.
#![no_std]
#![no_main]

use footprint::groups::Five;

footprint::server!(Five, Five::new);
