//! Serves a simulated device over SMP, for clients of all kinds to talk to.
//!
//! ```text
//! cargo run --release -p anysmp-tools --bin smp-device -- --pty
//! ready: /dev/pts/3
//! ```

use anysmp_tools::{errln as eprintln, outln as println};
use std::io::Write as _;
use std::process::ExitCode;

use anysmp_tools::port::Listener;
use anysmp_tools::smp::sim::{Board, Device, Log, Options, Wire};
use clap::{CommandFactory as _, Parser, error::ErrorKind};

/// Serves a simulated device over SMP: slots of 1 MiB with a boot loader in any of MCUboot's modes,
/// OS commands, statistics, settings, files below /lfs1, and a small shell.
///
/// The first line on stdout is `ready: ` and the endpoint that a client opens. Log text goes to
/// stderr.
#[derive(Parser)]
#[command(name = "smp-device", version)]
#[command(group = clap::ArgGroup::new("endpoint").required(true))]
struct Cli {
    /// Make a pseudo-terminal, like a serial line
    #[arg(long, group = "endpoint")]
    pty: bool,
    /// Wait for TCP connections; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", group = "endpoint")]
    tcp: Option<String>,
    /// Wait for datagrams; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", group = "endpoint")]
    udp: Option<String>,
    /// Offer SMP over Bluetooth, by the system's BlueZ, under this name
    #[cfg(all(feature = "ble", target_os = "linux"))]
    #[arg(long, value_name = "NAME", group = "endpoint", conflicts_with = "framing")]
    ble: Option<String>,
    /// Framing of the messages; UDP needs none
    #[arg(long, value_enum, value_name = "KIND", default_value_t = Wire::Console, conflicts_with = "udp")]
    framing: Wire,
    /// The size of one buffer in bytes: the longest message, and on a console 4 more; default 1024,
    /// and 2048 over UDP, where clients fill datagrams before they ask
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(64..=65_507))]
    buf_size: Option<u32>,
    /// Number of buffers
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    buf_count: u32,
    /// Print the log to the client between the frames, with a line for each request
    #[arg(long)]
    chatty: bool,
    /// Show each message in words on stderr
    #[arg(long, short, conflicts_with = "chatty")]
    verbose: bool,
    /// Refuse resets that are not forced
    #[arg(long)]
    busy: bool,
    /// Let each new image crash at its first start, so that the boot loader restores the old one
    #[arg(long)]
    crashing: bool,
    #[command(flatten)]
    board: Board,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let wire = match (cli.udp.is_some(), cli.ble()) {
        (true, _) => Wire::Datagram,
        (_, Some(_)) => Wire::Gatt,
        _ => cli.framing,
    };
    if cli.chatty && !matches!(wire, Wire::Console | Wire::Auto) {
        Cli::command().error(ErrorKind::ArgumentConflict, "--chatty needs --framing console or auto").exit();
    }
    if let Some(fault) = cli.board.fault() {
        Cli::command().error(ErrorKind::ArgumentConflict, fault).exit();
    }
    let log = match (cli.chatty, cli.verbose) {
        (true, _) => Log::Wire,
        (_, true) => Log::Requests,
        _ => Log::Stderr,
    };
    let buf_size = cli.buf_size.unwrap_or(if wire == Wire::Datagram { 2048 } else { 1024 });
    let buf_count = cli.buf_count;
    let options = Options { wire, buf_size, buf_count, log, busy: cli.busy, crashing: cli.crashing, board: cli.board };
    match serve(&cli, options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    /// The name of a Bluetooth device, in a program that was built with the feature `ble`.
    const fn ble(&self) -> Option<&String> {
        #[cfg(all(feature = "ble", target_os = "linux"))]
        return self.ble.as_ref();
        #[cfg(not(all(feature = "ble", target_os = "linux")))]
        None
    }
}

fn serve(cli: &Cli, options: Options) -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(all(feature = "ble", target_os = "linux"))]
    if let Some(name) = cli.ble() {
        let mut listener = anysmp_tools::ble::peripheral::listen(name).map_err(|error| {
            let remedy = anysmp_tools::ble::Trouble::of(&error).map_or("", |trouble| trouble.remedy);
            format!("cannot offer {name}: {error}\n{remedy}")
        })?;
        let device = Device::new(options)?;
        println!("ready: {name}");
        std::io::stdout().flush()?;
        device.run(&mut listener)?;
        return Err("the Bluetooth service is gone".into());
    }
    let mut listener = match (&cli.tcp, &cli.udp) {
        (Some(address), _) => Listener::tcp(address)?,
        (_, Some(address)) => Listener::udp(address)?,
        #[cfg(unix)]
        _ => Listener::pty()?,
        #[cfg(not(unix))]
        _ => return Err("this system has no pseudo-terminals".into()),
    };
    let device = Device::new(options)?;
    println!("ready: {}", listener.address()?);
    std::io::stdout().flush()?;
    Ok(device.run(&mut listener)?)
}
