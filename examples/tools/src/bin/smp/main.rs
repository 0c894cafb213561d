//! Talks to a device over SMP: looks at it, sets it up, upgrades it.
//!
//! ```text
//! cargo run --release -p anysmp-tools -- --simulated upgrade
//! cargo run --release -p anysmp-tools -- --serial /dev/ttyACM0 image list
//! ```

#![expect(unreachable_pub, reason = "in a program, `pub` says what a file offers to the others")]

mod cli;
mod decode;
mod device;
mod diagnostic;
mod enumeration;
mod failure;
mod fs;
mod image;
mod json;
mod make;
mod os;
mod output;
mod ports;
mod raw;
mod settings;
mod shell;
mod sniff;
mod stat;
mod terminal;
mod upgrade;
mod words;

use std::io::Write as _;
use std::process::ExitCode;

use anysmp::framing::Framing;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{ABANDON, Counted, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp_tools::smp::sim;
use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Command, Image, Storage};
use device::{Device, Endpoint, Found};
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
    if let Command::Ports
    | Command::Completion { .. }
    | Command::Decode(_)
    | Command::Sniff(_)
    | Command::Image(Image::Make(_)) = command
    {
        return local(link, command);
    }
    let endpoint =
        Endpoint::new(link, if let Command::Terminal { .. } = command { sim::Log::Wire } else { sim::Log::Off })?;
    let framing = match (command, link.framing) {
        // Only a console has text beside the frames, whether or not anybody answers there.
        (Command::Terminal { .. }, cli::Framing::Auto) => cli::Framing::Console,
        (_, framing) => framing,
    };
    let has_text = framing == cli::Framing::Console && !matches!(endpoint, Endpoint::Udp(_));
    if let (Command::Terminal { .. }, false) = (command, has_text) {
        let text = "only console framing carries text beside SMP".to_owned();
        return Err(Failure::Usage(text, "Use --framing console on a serial line or TCP."));
    }
    match (&endpoint, framing) {
        (Endpoint::Udp(_), _) => perform(&mut Device::open(link, endpoint, Datagram::new)?, command),
        (_, cli::Framing::Console) => perform(&mut Device::open(link, endpoint, Console::new)?, command),
        (_, cli::Framing::Raw) => perform(&mut Device::open(link, endpoint, Counted::<Head8>::new)?, command),
        (_, cli::Framing::Cobs) => perform(&mut Device::open(link, endpoint, Cobs::new)?, command),
        (_, cli::Framing::Auto) => find(link, endpoint, command),
    }
}

/// What concerns this computer only.
fn local(link: &cli::Link, command: &Command) -> Result<(), Failure> {
    let output = Output { json: link.json, verbose: link.verbose };
    match command {
        Command::Ports => ports::list(output, link.baud),
        Command::Decode(options) => decode::perform(output, options),
        Command::Sniff(options) => sniff::perform(output, link.baud, options),
        Command::Image(Image::Make(options)) => make::perform(output, options),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "smp", &mut script);
            // `smp completion bash | head` is no failure.
            let _ = std::io::stdout().write_all(&script);
            Ok(())
        }
        _ => Err(Failure::Usage("this command needs a device".to_owned(), "")),
    }
}

/// Finds out how the device talks, then performs the command.
///
/// Raw comes first: a raw device that has heard anything else waits for the rest of it. The others
/// have a preamble. So a raw device that was spoken to in another framing just before is found in
/// the second round, after it has given that up.
fn find(link: &cli::Link, endpoint: Endpoint, command: &Command) -> Result<(), Failure> {
    let mut opened = endpoint.opened(link.pace)?;
    for round in 0..=link.retries {
        if round > 0 {
            // The device counts its silence in ticks of its own, from the last byte of ours on.
            std::thread::sleep(ABANDON * 2);
        }
        opened = match Device::over(link, opened, Counted::<Head8>::new)?.probe(link, "raw")? {
            Found::Device(mut device) => return perform(&mut device, command),
            Found::Nothing(opened) => opened,
        };
        opened = match Device::over(link, opened, Console::new)?.probe(link, "console")? {
            Found::Device(mut device) => return perform(&mut device, command),
            Found::Nothing(opened) => opened,
        };
        opened = match Device::over(link, opened, Cobs::new)?.probe(link, "COBS")? {
            Found::Device(mut device) => return perform(&mut device, command),
            Found::Nothing(opened) => opened,
        };
    }
    Err(Failure::TimedOut)
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
        Command::Stat(command) => stat::perform(device, command),
        Command::Settings(command) => settings::perform(device, command),
        Command::Fs(command) => fs::perform(device, command),
        Command::Shell { argv } => shell::perform(device, argv),
        Command::Enum(command) => enumeration::perform(device, command),
        Command::Storage(Storage::Erase) => settings::erase_storage(device),
        Command::Raw(options) => raw::perform(device, options),
        Command::Terminal { seconds } => terminal::perform(device, *seconds),
        Command::Ports | Command::Completion { .. } | Command::Decode(_) | Command::Sniff(_) => {
            Err(Failure::Usage("this command needs no device".to_owned(), "Run it outside the terminal."))
        }
    }
}
