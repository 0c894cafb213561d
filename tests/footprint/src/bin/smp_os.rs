//! `smp_echo` with parameters and reset added.
#![no_std]
#![no_main]

use anysmp::smp::os;
use anysmp::smp::server::{Answer, Handler, Incoming, Reply};
use anysmp::smp::{Error, Group};
use footprint::groups::Os;

struct Device(Os);

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(&mut self.0, incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

footprint::server!(Device, || Device(Os));
