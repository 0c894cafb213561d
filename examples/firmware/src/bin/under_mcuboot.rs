//! The smallest firmware that can be upgraded under a real MCUboot: OS commands, and images in two
//! slots.
//!
//! MCUboot is built for RAM loading: it copies the image with the highest version to RAM and starts
//! it there. So there is no confirmation, and the free slot is the one from which MCUboot did not
//! start. Build with `--features mcuboot`, wrap with `smp image make --load-addr 0x20240000`.
#![no_std]
#![no_main]

use core::fmt::Write as _;

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::{Config, Geometry, Pair, Setup, Slots, scratch_len};
use anysmp::smp::server::{After, AllowAll, Answers, Incoming, Reply};
use anysmp::smp::{Empty, Error, Group, Server, error, image, os};
use embedded_storage::nor_flash::{NorFlash as _, ReadNorFlash as _};
use firmware::board::{self, Board, FLASH_LEN, Flash, PRIMARY, SECONDARY};
use firmware::{clock, handover};
use heapless::String;

/// The framing's buffer: messages of up to 1020 bytes.
const BUFFER: usize = 1024;
/// Scratch memory of the slots: more of it makes flash operations fewer and longer.
const SCRATCH: usize = scratch_len(Flash::READ_SIZE, Flash::WRITE_SIZE) + 256;

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(Board { uart0, mut flash, .. }) = Board::take() else { firmware::exit(false) };
    // A wrong guess would overwrite the only good image: without an answer there are no uploads.
    let Some(running) = handover::running_slot() else { firmware::exit(false) };
    let (mut pairs, mut scratch) = ([Pair::new(PRIMARY, SECONDARY).with_running(running)], [0; SCRATCH]);
    let Ok(mut slots) = Slots::new(RamLoad, &mut pairs, &mut scratch, Sha256::new()) else { firmware::exit(false) };

    let mut os = Os::default();
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| match incoming.group() {
        Group::OS => os::dispatch(&mut os, incoming, reply),
        Group::IMAGE => image::answer(&mut slots, &mut flash, incoming, reply),
        _ => reply.error(Error::NOT_SUPPORTED),
    };
    let (mut message, mut buffers) = ([0; BUFFER], [0; Console::sizes_of(BUFFER).memory()]);
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = Server::new(handler, AllowAll).with_parameters(2, BUFFER as u32).with_memory(&mut memory);
    let Ok(mut link) = Link::new(uart0, Console::new(&mut message), &mut buffers) else { firmware::exit(false) };
    loop {
        // An overrun costs a request, which the client repeats; the link continues.
        if let Ok(After::Reset { mode, .. }) = link.serve(&mut server) {
            handover::set_boot_mode(mode);
            clock::sleep(10);
            firmware::reset();
        }
    }
}

/// The configuration of the slots: a constant, like the mode of the MCUboot build.
struct RamLoad;

impl Setup for RamLoad {
    type Flash = Geometry;

    fn config(&self) -> &Config {
        const { &Config::ram_load(Geometry::of_type::<Flash>(FLASH_LEN)) }
    }
}

/// The OS group.
#[derive(Default)]
struct Os {
    /// The text that a response borrows.
    text: String<64>,
}

impl os::Commands for Os {
    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        Ok(Empty {})
    }

    /// Returns name, version and board for every format.
    fn info<'r>(&'r mut self, _: os::Info<'r>) -> Result<os::InfoResponse<'r>, Error> {
        let version = handover::version().ok_or(Error::UNKNOWN)?;
        self.text.clear();
        write!(self.text, "anysmp {version} {}", board::NAME).or(Err(Error::TOO_LARGE))?;
        Ok(os::InfoResponse::new(self.text.as_str().into()))
    }

    fn boot_loader<'r>(&'r mut self, request: os::BootLoader<'r>) -> Result<os::BootLoaderResponse<'r>, Error> {
        /// RAM load.
        const MODE: i32 = 6;
        match request.query {
            None => Ok(os::BootLoaderResponse::of_name("MCUboot")),
            Some(query) if query == "mode" => Ok(os::BootLoaderResponse::of_mode(MODE)),
            Some(_) => Err(error::os::QUERY_YIELDS_NO_ANSWER),
        }
    }
}
