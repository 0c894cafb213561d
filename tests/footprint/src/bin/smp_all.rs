//! An SMP server over a console with every group that the crate serves, slots and SHA-256 included.
#![no_std]
#![no_main]

use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::Slots;
use anysmp::smp::server::{Answer, Handler, Incoming, Reply};
use anysmp::smp::{Error, Group, enumeration, fs, image, os, settings, shell, stat, zephyr};
use footprint::device::{Files, Lines, Nor, Values, get};
use footprint::groups::{Board, Everything, pieces, slots};

struct Device {
    os: Everything,
    slots: Slots<'static, Sha256, (), Board>,
    nor: Nor,
    settings: settings::Store<'static, Values>,
    files: fs::Store<'static, Files>,
    shell: shell::Runner<'static, Lines>,
}

static GROUPS: [enumeration::Detail<'static>; 2] = [
    enumeration::Detail::new(0).with_name("os").with_handlers(9),
    enumeration::Detail::new(1).with_name("image").with_handlers(7),
];

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(&mut self.os, incoming, reply),
            Group::IMAGE => image::answer(&mut self.slots, &mut self.nor, incoming, reply),
            Group::STATISTICS => statistics(incoming, reply),
            Group::SETTINGS => settings::dispatch(&mut self.settings, incoming, reply),
            Group::FS => fs::dispatch(&mut self.files, incoming, reply),
            Group::SHELL => shell::dispatch(&mut self.shell, incoming, reply),
            Group::ENUMERATION => enumeration::dispatch(&GROUPS, incoming, reply),
            Group::ZEPHYR => zephyr::dispatch(&mut self.os, incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

#[inline(never)]
fn statistics(incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    let fields = [("rx".into(), get().into()), ("dropped".into(), get().into())];
    stat::answer(&[stat::Set { name: "uart", fields: &fields }], incoming, reply)
}

footprint::server!(Device, || {
    // SAFETY: the images start once.
    let ([settings, files, line, output], slots) = unsafe { (pieces(), slots(Board, Sha256::new())) };
    Device {
        os: Everything,
        slots,
        nor: Nor,
        settings: settings::Store::new(Values, settings),
        files: fs::Store::new(Files, "/lfs", files),
        shell: shell::Runner::new(Lines, line, output),
    }
});
