//! The server with echo, parameters, reset and the image group over slots in NOR flash, SHA-256
//! included.
#![no_std]
#![no_main]

use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::Slots;
use anysmp::smp::server::{Answer, Handler, Incoming, Reply};
use anysmp::smp::{Error, Group, image, os};
use footprint::device::Nor;
use footprint::groups::{Board, Os, slots};

struct Device {
    os: Os,
    slots: Slots<'static, Sha256, (), Board>,
    nor: Nor,
}

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(&mut self.os, incoming, reply),
            Group::IMAGE => image::answer(&mut self.slots, &mut self.nor, incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

// SAFETY: the images start once.
footprint::server!(Device, || Device { os: Os, slots: unsafe { slots(Board, Sha256::new()) }, nor: Nor });
