//! Talks to a device over SMP: looks at it, upgrades it.
//!
//! ```text
//! cargo run --release --example smp -- upgrade
//! cargo run --release --example smp -- --serial /dev/ttyACM0 image list
//! ```

#![expect(unreachable_pub, reason = "in a program, `pub` says what a file offers to the others")]

#[path = "../common/clock.rs"]
mod clock;
#[path = "../common/port.rs"]
mod port;
#[path = "../common/sim.rs"]
mod sim;

mod cli;
mod device;
mod failure;
mod image;
mod json;
mod os;
mod output;
mod upgrade;

use std::process::ExitCode;

use anysmp::framing::Framing;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, SmpHead};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use clap::Parser as _;

use cli::{Cli, Command};
use device::{Device, Endpoint};
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            Output { json: cli.link.json, verbose: cli.link.verbose }.failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let (link, command) = (&cli.link, &cli.command);
    let endpoint = Endpoint::new(link)?;
    match (&endpoint, link.framing) {
        (Endpoint::Udp(_), _) => perform(&mut Device::open(link, endpoint, Datagram::new)?, command),
        (_, cli::Framing::Console) => perform(&mut Device::open(link, endpoint, Console::new)?, command),
        (_, cli::Framing::Raw) => perform(&mut Device::open(link, endpoint, Counted::<SmpHead>::new)?, command),
        (_, cli::Framing::Cobs) => perform(&mut Device::open(link, endpoint, Cobs::new)?, command),
    }
}

fn perform<F: Framing>(device: &mut Device<F>, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Upgrade(options) => upgrade::perform(device, options),
        Command::Image(command) => image::perform(device, command),
        Command::Echo { text } => os::echo(device, text),
        Command::Params => os::params(device),
        Command::Info { format } => os::info(device, format),
        Command::Bootloader => os::bootloader(device),
        Command::Taskstat => os::taskstat(device),
        Command::Mpstat => os::mpstat(device),
        Command::Datetime { set } => os::datetime(device, set.as_deref()),
        Command::Reset { force, bootloader } => os::reset(device, *force, *bootloader),
    }
}
