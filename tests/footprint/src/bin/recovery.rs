//! The server of a boot loader, `smp::Recovery`, over a console: the commands of `boot_serial`.
#![no_std]
#![no_main]

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::line::Serving;
use anysmp::smp::recovery::{Image, Target};
use anysmp::smp::server::After;
use anysmp::smp::{Error, Recovery, error};
use embedded_storage::nor_flash::NorFlash;
use footprint::device::{Nor, Uart, get, put};
use footprint::{Buffers, Place};

/// A slot, as far as it goes without a boot loader.
struct Slot;

impl Target for Slot {
    const WRITE_SIZE: u32 = 4;

    fn list(&mut self, mut add: impl FnMut(Image<'_>)) {
        let mut image = Image::new(get(), "1.2.3");
        image.hash = Some(&[0x55; 32]);
        add(image);
    }

    fn begin(&mut self, _: u32, len: u32) -> Result<(), Error> {
        if len > 0x8000 {
            return Err(error::image::INVALID_IMAGE_TOO_LARGE);
        }
        Nor.erase(0x1_0000, 0x1_8000).or(Err(error::image::FLASH_ERASE_FAILED))
    }

    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Error> {
        Nor.write(0x1_0000_u32.wrapping_add(offset), data).or(Err(error::image::FLASH_WRITE_FAILED))
    }
}

type Line = Link<'static, Uart, Console<'static>, (), Serving>;

static LINK: Place<Line> = Place::new();
static SERVER: Place<Recovery<Slot>> = Place::new();

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    footprint::baseline();
    // SAFETY: the images start once.
    let Buffers { message, line, .. } = unsafe { footprint::buffers() };
    let parts = anysmp::line::Buffers::split(line).with_tx(256).with_out(128);
    let Ok(link) = Line::serving(Uart, Console::new(message), parts) else { loop {} };
    // SAFETY: as above.
    let (link, server) = unsafe { (LINK.put(link), SERVER.put(Recovery::new(Slot, 512))) };
    footprint::device::begin();
    main_loop(link, server)
}

#[inline(never)]
fn main_loop(link: &mut Line, server: &mut Recovery<Slot>) -> ! {
    loop {
        match link.serve(server) {
            Ok(After::Reset { .. }) => put(1),
            Ok(_) => {}
            Err(_) => put(2),
        }
    }
}
