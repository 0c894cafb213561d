//! A board that upgrades another board: the new image is in its own secondary slot, and the SMP
//! server of the other board is at the port [`Board::peer`], over the console framing.
//!
//! The image is read from flash piece by piece as it is sent, without a copy in RAM: there are four
//! small buffers on the stack and the queues of the UARTs. The exit status of the emulator is
//! success if the other board runs the image; the last line is the outcome.
#![no_std]
#![no_main]

use core::ops::ControlFlow;
use core::time::Duration;

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::line::Buffers;
use anysmp::mcuboot::slots::Region;
use anysmp::routine::Ended;
use anysmp::smp::Client;
use anysmp::smp::routine::{Upgrade, UpgradeOutcome, Upload};
use anysmp::source::{Source, SourceFailed};
use embedded_storage::nor_flash::NorFlash;
use firmware::board::{Board, SECONDARY};
use firmware::{clock, exit, info, say};

/// Requests of up to 256 bytes; responses of up to 380, such as the list of two images with hashes.
const TX: usize = 256;
const MESSAGE: usize = 384;

/// A region of a flash, as the source of an upload.
struct Stored<F> {
    flash: F,
    region: Region,
}

impl<F: NorFlash> Source for Stored<F> {
    fn len(&self) -> u64 {
        self.region.len.into()
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SourceFailed> {
        const { assert!(F::READ_SIZE == 1, "pieces begin and end anywhere") };
        let offset = u32::try_from(offset).ok().and_then(|offset| self.region.start.checked_add(offset));
        self.flash.read(offset.ok_or(SourceFailed)?, into).or(Err(SourceFailed))
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some((mut port, flash)) = Board::take().map(Board::peer) else { exit(false) };
    let source = Stored { flash, region: SECONDARY };
    let mut upgrade = match Upgrade::new(Upload::new(source)) {
        Ok(upgrade) => upgrade,
        Err(error) => {
            say!("upgrade: {error}");
            exit(false);
        }
    };
    info!("to version {}", upgrade.item().version());

    let (mut message, mut memory) = ([0; MESSAGE], [0; TX + 128 + 32]);
    // A request without a response within this time was damaged on its way; the routine waits
    // longer if a device needs it.
    let mut client = Client::new(0).with_timeout(Duration::from_secs(1));
    let report = loop {
        // A new link after each reset of the other board: half a message from before is useless.
        let framing = Console::new(&mut message);
        let buffers = Buffers::split(&mut memory).with_tx(TX);
        let Ok(mut link) = Link::new(&mut port, framing, buffers) else { exit(false) };
        let mut phase = upgrade.phase();
        let ended = link.run(&mut client, &mut upgrade, |event| {
            if core::mem::replace(&mut phase, event.phase) != phase {
                info!("{}, {=u64} of {=u64} bytes", event.phase, event.upload.off, event.upload.len);
            }
            ControlFlow::Continue(())
        });
        match ended {
            Ok(Ended::Done(report)) => break report,
            Ok(Ended::Reopen) => {}
            // An overrun costs a message, which the routine requests again.
            Err(_) => {
                info!("port failed");
            }
            // No caller stops the routine.
            Ok(Ended::Stopped) => exit(false),
        }
    };
    let (time, sent, repeats) = (clock::uptime_ms(), report.upload.sent, report.upload.repeats);
    say!("upgrade: {:?}, {sent} bytes sent, {repeats} repeats, {time} ms", report.outcome);
    exit(matches!(report.outcome, UpgradeOutcome::Confirmed | UpgradeOutcome::AlreadyRunning))
}
