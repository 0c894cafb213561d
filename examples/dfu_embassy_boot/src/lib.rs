//! An SMP server whose firmware can be upgraded under `embassy-boot`.
//!
//! `serve` is what firmware has, for any port and any flash; `tests/upgrade.rs` plays the board.
//! `embassy-boot` swaps two partitions page by page, and keeps one word of state: whatever the
//! client sends runs, with or without an MCUboot header.

use core::cell::RefCell;

use anysmp::blocking::Link;
use anysmp::dfu::flash::{self, Failed};
use anysmp::dfu::{Loader, Region, Regions, Updater, scratch_len};
use anysmp::framing::console::Console;
use anysmp::line;
use anysmp::mcuboot::{Version, digest::Sha256};
use anysmp::port::Clock;
use anysmp::smp::server::{After, AllowAll, Incoming, Reply};
use anysmp::smp::{Empty, Error, Group, Server, image, os};
use embassy_boot::{AlignedBuffer, BlockingFirmwareState, State};
use embassy_embedded_hal::flash::partition::BlockingPartition;
use embassy_sync::blocking_mutex::{Mutex, raw::NoopRawMutex};
use embedded_io::{Read, Write};
use embedded_storage::nor_flash::NorFlash;

// ---- the user's part ----

/// The partitions, as the linker script has them. `embassy-boot` needs a page more in `DFU` than in
/// `ACTIVE`.
pub const ACTIVE: Region = Region::new(0, 16 << 10);
/// The region that uploads are written to.
pub const DFU: Region = Region::new(16 << 10, 20 << 10);
/// The state of the boot loader.
pub const STATE: Region = Region::new(36 << 10, 4 << 10);
/// Hash, length and version of both files, which `embassy-boot` does not keep.
const RECORD: Region = Region::new(40 << 10, 8 << 10);
/// The region that keeps the progress of an upload over a power cut.
const CHECKPOINT: Region = Region::new(48 << 10, 4 << 10);

struct Boot<'d, S>(BlockingFirmwareState<'d, S>);

impl<S: NorFlash> Loader for Boot<'_, S> {
    fn is_trial(&mut self) -> Result<bool, Failed> {
        self.0.get_state().map(|state| state == State::Swap).or(Err(Failed))
    }

    fn mark(&mut self) -> Result<(), Failed> {
        self.0.mark_updated().or(Err(Failed))
    }

    fn confirm(&mut self) -> Result<(), Failed> {
        self.0.mark_booted().or(Err(Failed))
    }
}

struct Os;

impl os::Commands for Os {
    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        Ok(Empty {})
    }
}

/// Serves until the device is to be reset, or a connection ends. `None` if a size cannot work.
pub fn serve<F: NorFlash>(
    port: impl Read + Write + Clock,
    flash: &Mutex<NoopRawMutex, RefCell<F>>,
    version: Version,
) -> Option<After> {
    let part = |region: Region| BlockingPartition::new(flash, region.start, region.len);
    let mut whole = part(Region::new(0, CHECKPOINT.start + CHECKPOINT.len));
    let mut word = AlignedBuffer([0; 32]);
    let loader = Boot(BlockingFirmwareState::new(part(STATE), word.0.get_mut(..F::WRITE_SIZE)?));
    let mut scratch = [0; scratch_len(32, 32) + 512];
    let regions = Regions { active: ACTIVE, spare: DFU, record: RECORD, checkpoint: Some(CHECKPOINT) };
    let geometry = flash::geometry(&whole);
    let mut updater = Updater::new(geometry, regions, version, loader, &mut scratch, Sha256::new()).ok()?;
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| match incoming.group() {
        Group::OS => os::dispatch(&mut Os, incoming, reply),
        Group::IMAGE => image::answer(&mut updater, &mut whole, incoming, reply),
        _ => reply.error(Error::NOT_SUPPORTED),
    };
    let (mut message, mut memory) = ([0; 1024], [0; Console::sizes_of(1024).memory()]);
    let mut server = Server::new(handler, AllowAll).with_parameters(1, 1024);
    let mut link = Link::new(port, Console::new(&mut message), &mut memory).ok()?;
    loop {
        match link.serve(&mut server) {
            Ok(After::Nothing) => {}
            Ok(reset @ After::Reset { .. }) => return Some(reset),
            Err(line::Error::Closed) => return Some(After::Nothing),
            Err(_) => {}
        }
    }
}
