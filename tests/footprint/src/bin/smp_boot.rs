//! `smp_os` with the list and the upload of the image group added, over the device's own commands,
//! with a flash that does nothing: the commands of MCUboot's `boot_serial`.
#![no_std]
#![no_main]

use anysmp::smp::server::{Answer, Handler, Incoming, Reply};
use anysmp::smp::{Error, Group, image, os};
use footprint::groups::{Images, Os};

struct Device {
    os: Os,
    images: Images,
}

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(&mut self.os, incoming, reply),
            Group::IMAGE => image::dispatch(&mut self.images, incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

footprint::server!(Device, || Device { os: Os, images: Images::new() });
