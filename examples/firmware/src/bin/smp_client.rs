//! A board that upgrades another board: the new image lies in its own secondary slot, the other board's SMP server is at the
//! port [`Board::peer`], over the console framing.
//!
//! It is read from flash piece by piece, as it is sent; no copy of it is in RAM, which holds four small buffers on the stack
//! and the queues of the UARTs. The exit status of the emulator says whether the other board runs the image, the last line
//! what came of it.
#![no_std]
#![no_main]

use core::ops::ControlFlow;
use core::time::Duration;

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::line::Buffers;
use anysmp::mcuboot::slots::Region;
use anysmp::routine::{Ended, Source, SourceFailed};
use anysmp::smp::client::Client;
use anysmp::smp::routine::{Upgrade, UpgradeOutcome, Upload};
use embedded_storage::nor_flash::NorFlash;
use firmware::board::{Board, SECONDARY};
use firmware::{clock, exit, info, say};

/// Requests of up to 256 bytes; answers of up to 380, as the list of two images with hashes.
const TX: usize = 256;
const MESSAGE: usize = 384;

/// A region of a flash, as something to be sent.
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
    info!("to version {}", upgrade.file().version());

    let (mut message, mut chunk, mut tx, mut out) = ([0; MESSAGE], [0; 32], [0; TX], [0; 128]);
    // What is not answered by then was damaged on the way; where a device needs longer, the routine knows.
    let mut client = Client::new(0).with_timeout(Duration::from_secs(1));
    let report = loop {
        // A new link after each reset of the other board: what it has half received is of no use.
        let framing = Console::new(&mut message);
        let buffers = Buffers::parts(&mut chunk, &mut tx, &mut out);
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
            // An overrun costs a message, which the routine asks for again.
            Err(_) => {
                info!("port failed");
            }
            // Nobody breaks off.
            Ok(Ended::Stopped) => exit(false),
        }
    };
    let (time, sent, repeats) = (clock::uptime_ms(), report.upload.sent, report.upload.repeats);
    say!("upgrade: {:?}, {sent} bytes sent, {repeats} repeats, {time} ms", report.outcome);
    exit(matches!(report.outcome, UpgradeOutcome::Confirmed | UpgradeOutcome::AlreadyRunning))
}
