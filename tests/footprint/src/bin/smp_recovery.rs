//! The five commands of `boot_serial`, as `smp_five`, without an answer memory, which it has not
//! either.
#![no_std]
#![no_main]

use footprint::groups::Five;

footprint::server!(Five, Five::new, (), |server, _| server);
