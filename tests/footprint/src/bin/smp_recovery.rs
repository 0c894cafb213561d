//! The five commands of `boot_serial`, like `smp_five`, without an answer memory: `boot_serial` has
//! none either.
#![no_std]
#![no_main]

use footprint::groups::Five;

footprint::server!(Five, Five::new, (), |server, _| server);
