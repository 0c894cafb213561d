//! A client that upgrades a device over TCP: upload with progress, test, reset, and confirm once
//! the new image runs.
//!
//! ```sh
//! cargo run --features host --example upload -- zephyr.signed.bin 127.0.0.1:5000
//! ```

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::port::Tcp;
use anysmp::routine::Ended;
use anysmp::smp::Client;
use anysmp::smp::routine::{Upgrade, UpgradeEvent, UpgradeReport, Upload, sha256};

/// Upgrades the device at `address` to `image`, and calls `show` after each response.
pub(crate) fn upgrade(
    address: &str,
    image: &[u8],
    mut show: impl FnMut(UpgradeEvent),
) -> Result<UpgradeReport, Box<dyn Error>> {
    // The device recognises an interrupted upload by the hash of the file, and continues it.
    let sha = sha256(&mut &image[..], image.len() as u64)?;
    let mut upgrade = Upgrade::new(Upload::new(image).with_sha(sha))?.with_confirm(true);
    let mut client = Client::new(0);
    loop {
        let port = Tcp::connect(address, Duration::from_secs(5))?;
        let (mut message, mut memory) = ([0; 1024], [0; Console::sizes_of(1024).memory()]);
        let mut link = Link::new(port, Console::new(&mut message), &mut memory)?;
        let ended = link.run(&mut client, &mut upgrade, |event| {
            show(event);
            ControlFlow::Continue(()) // `Break` would end `run`, with `Stopped`
        })?;
        match ended {
            // The transfer has ended; its outcome is in the report, never an `Err` of `run`.
            Ended::Done(report) => return Ok(report),
            // The device restarts. A USB port vanishes then, so it is opened again, and the same
            // routine continues.
            Ended::Reopen => {}
            Ended::Stopped => return Err("nobody asked it to stop".into()),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("which image file?")?;
    let address = args.next().unwrap_or_else(|| "127.0.0.1:5000".into());
    let report = upgrade(&address, &std::fs::read(file)?, |event| {
        println!("{:?}: {} of {} bytes", event.phase, event.upload.off, event.upload.len);
    })?;
    println!("{:?}", report.outcome);
    Ok(())
}
