//! The same with the image group over slots in NOR flash, SHA-256 included; framing, driver, answer memory and policy included.
#![no_std]
#![no_main]

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::{Config, Geometry, Pair, Region, Slots, scratch_len};
use anysmp::smp::server::{After, AllowAll, Incoming, Reply, Server};
use anysmp::smp::{Empty, Error, Group, image, os};
use core::time::Duration;
use footprint::{Nor, Uart, put};

struct Device;

impl os::Commands for Device {
    fn parameters(&mut self) -> Result<os::ParametersResponse, Error> {
        Ok(os::ParametersResponse { buf_size: 512, buf_count: 1 })
    }

    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        Ok(Empty {})
    }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut buffer = [0; 64];
    footprint::baseline(&mut buffer);
    let (mut message, mut chunk, mut out) = ([0; 512], [0; 64], [0; 128]);
    let (mut tx, mut memory) = ([0; 256], [0; 64]);
    let mut device = Device;
    let mut pairs = [Pair::new(Region::new(0x8000, 0x8000), Region::new(0x1_0000, 0x8000))];
    let mut scratch = [0; scratch_len(4, 4)];
    let mut nor = Nor;
    let config = Config::new(Geometry::of(&nor));
    let Ok(mut slots) = Slots::new(config, &mut pairs, &mut scratch, Sha256::new()) else { loop {} };
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| match incoming.group() {
        Group::OS => os::dispatch(&mut device, incoming, reply),
        Group::IMAGE => flash::run(image::begin(&mut slots, incoming), &mut nor).finish(reply),
        _ => reply.error(Error::NOT_SUPPORTED),
    };
    let mut server = Server::new(handler, AllowAll).with_memory(&mut memory);
    let mut link = Link::new(Uart, Console::new(&mut message), &mut chunk, &mut out, Duration::from_millis(10));
    loop {
        match link.serve(&mut server, &mut tx) {
            Ok(After::Reset { .. }) => put(1),
            Ok(_) => {}
            Err(_) => put(2),
        }
    }
}
