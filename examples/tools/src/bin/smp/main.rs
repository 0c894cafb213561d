//! Talks to a device over SMP: inspects it, configures it, upgrades it.
//!
//! ```text
//! cargo run --release -p anysmp-tools -- --simulated upgrade
//! cargo run --release -p anysmp-tools -- --serial /dev/ttyACM0 image list
//! ```

#![expect(unreachable_pub, reason = "in a program, `pub` says what a file offers to the others")]

mod cli;
mod decode;
mod device;
mod endian;
mod enumeration;
mod failure;
mod fs;
mod image;
mod info;
mod input;
mod install;
mod keys;
mod make;
mod mynewt;
mod os;
mod output;
mod package;
mod plan;
mod plugin;
mod ports;
mod profile;
mod raw;
mod settings;
mod shell;
mod sniff;
mod stat;
mod stop;
mod terminal;
mod upgrade;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anysmp::framing::Framing;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{ABANDON, Counted, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
#[cfg(feature = "ble")]
use anysmp::framing::gatt::Reassembly;
use anysmp_tools::options::usage_with;
use anysmp_tools::smp::sim;
use anysmp_tools::{diagnostic, journal, json, words};
use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Command, Image, Storage};
use device::{Device, Endpoint, Found};
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let mut cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return plugin::run(&words, &error).unwrap_or_else(|| usage(&error)),
    };
    // Only now is it known which words are ours, and which belong to a command on the device.
    match profile::added(&cli.link) {
        Ok(added) if added.is_empty() => {}
        Ok(added) => {
            words.splice(1..1, added.into_iter().map(OsString::from));
            cli = match Cli::try_parse_from(&words) {
                Ok(cli) => cli,
                Err(error) => return usage(&error),
            };
        }
        Err(failure) => {
            output(&cli.link).failure(&failure);
            return ExitCode::from(failure.code());
        }
    }
    stop::begin(Output { aside: has_data(&cli), ..output(&cli.link) });
    // A full disk is reported last: the command's work on the device comes first.
    let log = cli.link.log_file.as_deref();
    let done = journal::begin("smp", cli.link.quiet, log)
        .map_err(|error| Failure::Local(log.unwrap_or(Path::new("")).to_owned(), error))
        .and_then(|()| run(&cli))
        .and_then(|()| anysmp_tools::out::check().map_err(|error| Failure::Local("the standard output".into(), error)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            Output { aside: has_data(&cli), ..output(&cli.link) }.failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

const fn output(link: &cli::Link) -> Output {
    Output { json: link.json, verbose: link.verbose, aside: false }
}

/// Returns true if stdout carries data.
fn has_data(cli: &Cli) -> bool {
    matches!(&cli.command, Command::Fs(cli::Fs::Download { file: Some(file), .. }) if info::is_stream(file))
}

/// Reports an invalid command line, or a request for help.
fn usage(error: &clap::Error) -> ExitCode {
    let has_ble = std::env::args_os().any(|word| word.to_string_lossy().split('=').next() == Some("--ble"));
    let remedy = "Bluetooth needs a program that is built with `--features ble`.";
    usage_with(error, (cfg!(not(feature = "ble")) && has_ble).then_some(remedy))
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let (link, command) = (&cli.link, &cli.command);
    if let Command::Ports
    | Command::Completion { .. }
    | Command::Decode(_)
    | Command::Sniff(_)
    | Command::Device(_)
    | Command::Install { .. }
    | Command::Plan(_)
    | Command::Image(Image::Make(_) | Image::Info(_)) = command
    {
        return local(link, command);
    }
    let endpoint =
        Endpoint::new(link, if let Command::Terminal { .. } = command { sim::Log::Wire } else { sim::Log::Off })?;
    let framing = match (command, link.framing) {
        // Only the console framing allows text beside the frames, whether or not a server is there.
        (Command::Terminal { .. }, cli::Framing::Auto) => cli::Framing::Console,
        (_, framing) => framing,
    };
    let has_text = framing == cli::Framing::Console && endpoint.is_stream();
    if let (Command::Terminal { .. }, false) = (command, has_text) {
        let text = "only console framing carries text beside SMP".to_owned();
        return Err(Failure::Usage(text, "Use --framing console on a serial line or TCP."));
    }
    match (&endpoint, framing) {
        (Endpoint::Udp(_), _) => perform(&mut Device::open(link, endpoint, Datagram::new)?, command),
        #[cfg(feature = "ble")]
        (Endpoint::Ble(_), _) => perform(&mut Device::open(link, endpoint, Reassembly::client)?, command),
        (_, cli::Framing::Console) => perform(&mut Device::open(link, endpoint, Console::new)?, command),
        (_, cli::Framing::Raw) => perform(&mut Device::open(link, endpoint, Counted::<Head8>::new)?, command),
        (_, cli::Framing::Cobs) => perform(&mut Device::open(link, endpoint, Cobs::new)?, command),
        (_, cli::Framing::Auto) => find(link, endpoint, command),
    }
}

/// Performs the commands that concern this computer only.
fn local(link: &cli::Link, command: &Command) -> Result<(), Failure> {
    let output = output(link);
    match command {
        #[cfg(feature = "ble")]
        Command::Ports if link.ble().is_some() => ports::near(output, link.ble().map_or("", String::as_str)),
        Command::Ports => ports::list(output, link.baud),
        Command::Decode(options) => decode::perform(output, options),
        Command::Sniff(options) => sniff::perform(output, link.baud, options),
        Command::Image(Image::Make(options)) => make::perform(output, options),
        Command::Image(Image::Info(options)) => info::perform(output, options),
        Command::Device(command) => profile::perform(output, command),
        Command::Plan(plan) => plan::perform(output, link, plan),
        Command::Install { prefix } => install::perform(output, prefix.as_deref()),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "smp", &mut script);
            anysmp_tools::out!("{}", String::from_utf8_lossy(&script));
            Ok(())
        }
        _ => Err(Failure::Usage("this command needs a device".to_owned(), "")),
    }
}

/// Finds out which framing the device uses, then performs the command.
///
/// Raw comes first: a raw device that has received anything else waits for the rest of it. The
/// other framings have a preamble. A raw device that has just received another framing is therefore
/// found in the second round, after it has given that up.
fn find(link: &cli::Link, endpoint: Endpoint, command: &Command) -> Result<(), Failure> {
    let mut opened = endpoint.opened(link.pace)?;
    for round in 0..=link.retries {
        if round > 0 {
            // The device measures the silence in its own ticks, from our last byte on.
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

/// Performs a command; with `--watch`, repeatedly.
fn perform<F: Framing>(device: &mut Device<F>, command: &Command) -> Result<(), Failure> {
    let Some(pause) = device.watch.take() else { return explained(device, command) };
    let reads = matches!(
        command,
        Command::Echo { .. }
            | Command::Params
            | Command::Info { .. }
            | Command::Bootloader
            | Command::Taskstat
            | Command::Mpstat
            | Command::Datetime { set: None }
            | Command::Stat(_)
            | Command::Enum(_)
            | Command::Image(Image::List | Image::Slots)
            | Command::Settings(cli::Settings::Read { .. })
            | Command::Fs(cli::Fs::Status { .. } | cli::Fs::Hash { .. })
            | Command::Log(cli::Log::Show { .. } | cli::Log::List)
    );
    if !reads {
        let text = "--watch repeats only what reads".to_owned();
        return Err(Failure::Usage(text, "For example: smp --watch stat read NAME"));
    }
    while anysmp_tools::out::is_open() {
        explained(device, command)?;
        std::thread::sleep(pause);
        device.output.note("");
    }
    Ok(())
}

/// Performs a command, and adds the device's own explanation to a failure.
fn explained<F: Framing>(device: &mut Device<F>, command: &Command) -> Result<(), Failure> {
    dispatch(device, command).map_err(|failure| device.explained(failure))
}

fn dispatch<F: Framing>(device: &mut Device<F>, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Upgrade(options) => upgrade::perform(device, options),
        Command::Image(command) => image::perform(device, command),
        Command::Echo { text } => os::echo(device, text),
        Command::Params => os::params(device),
        Command::Info { format } => os::info(device, format.as_deref()),
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
        Command::Log(command) => mynewt::log(device, command),
        Command::Crash { how } => mynewt::crash(device, how),
        Command::Run(command) => mynewt::run(device, command),
        Command::Raw(options) => raw::perform(device, options),
        Command::Terminal { duration } => terminal::perform(device, *duration),
        Command::Ports
        | Command::Completion { .. }
        | Command::Decode(_)
        | Command::Sniff(_)
        | Command::Device(_)
        | Command::Plan(_)
        | Command::Install { .. } => {
            Err(Failure::Usage("this command needs no device".to_owned(), "Run it outside the terminal."))
        }
    }
}
