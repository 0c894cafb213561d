//! An SMP server over a console: echo; framing, driver, answer memory and policy included.
#![no_std]
#![no_main]

use anysmp::smp::os;
use anysmp::smp::server::{Answer, Handler, Incoming, Reply};
use anysmp::smp::{Error, Group};

struct Device;

impl os::Commands for Device {}

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(self, incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

footprint::server!(Device, || Device);
