//! The five commands of MCUboot's `boot_serial`, through a `match` of the device itself.
#![no_std]
#![no_main]

use footprint::groups::Five;

footprint::server!(Five, Five::new);
