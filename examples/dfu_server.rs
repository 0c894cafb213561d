//! An SMP server whose firmware can be upgraded: two slots in flash, under MCUboot's swap.
//!
//! `serve` is what firmware has, for any port and any flash. On a board the port is, for example,
//! `Ticking::new(uart, TICK).with_byte_time(BYTE)`; here it is a TCP connection, the flash is RAM,
//! and a boot loader that acts like MCUboot at a reset replaces the real one.
//!
//! ```sh
//! cargo run --features host --example dfu_server &
//! cargo run --features host --example upload -- zephyr.signed.bin
//! ```

use std::error::Error as StdError;
use std::net::TcpListener;

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::line;
use anysmp::mcuboot::Version;
use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::{BootMode, Config, Pair, Region, Slots};
use anysmp::mcuboot::trailer::Layout;
use anysmp::port::{Clock, Tcp};
use anysmp::smp::server::{After, AllowAll, Answers, Incoming, Reply};
use anysmp::smp::{Empty, Error, Group, Server, image, os};
use anysmp::testing::RamNor;
use anysmp::testing::bootloader::{Boot, Bootloader};
use embedded_io::{Read, Write};
use embedded_storage::nor_flash::NorFlash;

// ---- the device ----

/// The slots of the linker script and of MCUboot, in whole erase pages.
const PRIMARY: Region = Region::new(0, 256 << 10);
const SECONDARY: Region = Region::new(256 << 10, 256 << 10);
/// The pages that keep the progress of an upload across a power cut; nothing else uses them.
const CHECKPOINT: Region = Region::new(512 << 10, 8 << 10);

struct Os;

impl os::Commands for Os {
    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        Ok(Empty {})
    }
}

/// Serves until the device has to be reset, or a connection ends. `None` if a size or the layout of
/// the flash cannot work.
pub(crate) fn serve(port: impl Read + Write + Clock, flash: &mut impl NorFlash) -> Option<After> {
    // The scratch memory must have at least `slots::scratch_len` bytes; a longer one makes fewer
    // and longer reads.
    let (mut pairs, mut scratch) = ([Pair::new(PRIMARY, SECONDARY)], [0; 512]);
    // The mode of the MCUboot build, and its `CONFIG_BOOT_MAX_IMG_SECTORS`.
    let config = Config { checkpoint: Some(CHECKPOINT), ..Config::swap_move(flash::geometry(flash), 64) };
    let mut slots = Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).ok()?;
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| match incoming.group() {
        Group::OS => os::dispatch(&mut Os, incoming, reply),
        Group::IMAGE => image::answer(&mut slots, flash, incoming, reply),
        _ => reply.error(Error::NOT_SUPPORTED),
    };
    // Clients fill the buffer that `with_parameters` promises: a longer one makes a faster upload.
    let (mut message, mut memory) = ([0; 1024], [0; Console::sizes_of(1024).memory()]);
    let mut answers = [0; Answers::memory_len(1, 32)];
    let mut server = Server::new(handler, AllowAll).with_parameters(1, 1024).with_memory(&mut answers);
    let mut link = Link::new(port, Console::new(&mut message), &mut memory).ok()?;
    loop {
        match link.serve(&mut server) {
            Ok(After::Nothing) => {}
            // The response has left. A board waits for 100 ms, so that the client receives it, and
            // resets itself.
            Ok(reset @ After::Reset { .. }) => return Some(reset),
            // The end of a connection. A serial port has none.
            Err(line::Error::Closed) => return Some(After::Nothing),
            // An overrun, a pulled cable: `link.counters()` counts it, the client asks again, the
            // link stays usable. A loop that ended here would leave a device that cannot be managed
            // until its next power cycle.
            Err(_) => {}
        }
    }
}

// ---- the board: flash in RAM, and a boot loader ----

/// The flash of the board: writes of 8 bytes, erase pages of 4 KiB.
type Flash<'m> = RamNor<'m, 8, 4096>;

/// Runs the board for `lives` starts, with clients from `listener`; returns the result of the boot
/// loader at each.
pub(crate) fn live(listener: &TcpListener, lives: usize) -> Result<Vec<Boot>, Box<dyn StdError + Send + Sync>> {
    let mut memory = vec![0xFF; (CHECKPOINT.start + CHECKPOINT.len) as usize];
    Builder::new(Version::new(1, 0, 0)).build(b"the first program", &mut Sha256::new(), &mut memory)?;
    let mut flash = Flash::new(&mut memory);
    let layout = Layout::new(8).ok_or("8 is an alignment")?;
    let bootloader = Bootloader::new(BootMode::SwapMove, layout, [8, 4096], [PRIMARY, SECONDARY]);
    let (mut ram, mut boots) = (vec![0; 512 << 10], Vec::new());
    while boots.len() < lives {
        boots.push(bootloader.boot(&mut flash, &mut Sha256::new(), &mut ram)?);
        println!("boot: {:?}", boots.last());
        // A client that leaves is followed by the next one; only a reset ends a life.
        while serve(Tcp::new(listener.accept()?.0)?, &mut flash).ok_or("the sizes do not fit")? == After::Nothing {
            if boots.len() == lives {
                return Ok(boots);
            }
        }
    }
    Ok(boots)
}

fn main() -> Result<(), Box<dyn StdError + Send + Sync>> {
    live(&TcpListener::bind("127.0.0.1:5000")?, usize::MAX)?;
    Ok(())
}
