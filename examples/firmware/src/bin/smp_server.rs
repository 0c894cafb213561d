//! An SMP server: OS, images in two slots, statistics, settings, shell, enumeration and a vendor
//! group, over the console framing on UART0.
//!
//! Features: `defmt` logs to a separate channel; `text` logs plain text to the same UART, between
//! the frames.
#![no_std]
#![no_main]

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::{Pair, Slots, scratch_len};
use anysmp::smp::Server;
use anysmp::smp::server::{After, AllowAll, Answers};
use embedded_storage::nor_flash::{NorFlash as _, ReadNorFlash as _};
use firmware::board::{self, Board, Flash, PRIMARY, SECONDARY};
use firmware::boot::{self, Boot};
use firmware::device::{Device, Os, Upgrades};
use firmware::settings::Values;
use firmware::vendor::Lamp;
use firmware::{clock, info};

/// The framing's buffer: messages of up to 508 bytes.
const BUFFER: usize = 512;
/// Scratch memory of the slots: more of it makes flash operations fewer and longer.
const SCRATCH: usize = scratch_len(Flash::READ_SIZE, Flash::WRITE_SIZE) + 256;

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(Board { uart0, mut flash, .. }) = Board::take() else { firmware::exit(false) };
    let Ok((outcome, version)) = boot::boot(&mut flash) else { firmware::exit(false) };
    let start = match outcome {
        Boot::Factory => "first start",
        Boot::Stayed => "nothing to swap",
        Boot::Swapped(_) => "swapped",
        Boot::Rejected => "the new image is damaged and stays out",
    };
    info!("{=str}; version {}", start, version);
    let _ = (start, version);

    let (mut pairs, mut scratch) = ([Pair::new(PRIMARY, SECONDARY)], [0; SCRATCH]);
    let Ok(slots) = Slots::new(Upgrades, &mut pairs, &mut scratch, Sha256::new()) else { firmware::exit(false) };
    let values = Values::new(&mut flash);
    let device = Device { os: Os::new(), slots, flash, values, lamp: Lamp::default(), link: Default::default() };

    // A response must fit the client's buffer, as a request fits ours. Responses that may be
    // requested again are kept.
    let (mut message, mut buffers) = ([0; BUFFER], [0; Console::sizes_of(BUFFER).memory()]);
    let mut memory = [0; Answers::memory_len(1, 32)];
    let server = Server::new(device, AllowAll).with_parameters(board::REQUESTS, BUFFER as u32);
    let mut server = server.with_memory(&mut memory);
    let Ok(mut link) = Link::new(uart0, Console::new(&mut message), &mut buffers) else { firmware::exit(false) };
    #[cfg(feature = "text")]
    let mut reported = 0;
    loop {
        match link.serve(&mut server) {
            Ok(After::Reset { .. }) => {
                clock::sleep(10);
                firmware::reset();
            }
            Ok(After::Nothing) => {}
            // An overrun costs a request, which the client repeats; the link continues.
            Err(_) => {
                info!("port failed {=u32} times", link.counters().failures);
            }
        }
        server.handler().link = link.counters();
        #[cfg(feature = "text")]
        if reported != link.counters().received {
            use embedded_io::Write as _;
            reported = link.counters().received;
            // Lost text does no harm.
            let _ = writeln!(link.port(), "[{}] {start}: {reported} requests\r", clock::uptime_ms());
        }
    }
}
