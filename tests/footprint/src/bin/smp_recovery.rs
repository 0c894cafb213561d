//! The same without an answer memory, which `boot_serial` has not either.
#![no_std]
#![no_main]

use footprint::groups::Five;

footprint::server!(Five, Five::new, (), |server, _| server);
