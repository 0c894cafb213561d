//! A simulated greenhouse on a pseudo-terminal, a TCP port or a serial line, for S3MP masters to
//! try.
//!
//! ```text
//! cargo run --release -p anysmp-tools --bin s3mp-slave -- --pty
//! cargo run --release -p anysmp-tools --bin s3mp-slave -- --tcp 127.0.0.1:4096
//! ```
//!
//! The first line of its output names the endpoint: `ready: /dev/pts/3`, `ready: 127.0.0.1:4096`.

#![allow(clippy::cast_possible_truncation, reason = "a program on a host, not the library")]

use anysmp_tools::{errln as eprintln, outln as println};
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anysmp::s3mp::slave::Slave;
use anysmp_tools::port::{Listener, Serial};
use anysmp_tools::s3mp::greenhouse::{Greenhouse, serve};
use anysmp_tools::trace::Trace;
use clap::Parser;

/// A simulated greenhouse that speaks S3MP: temperature, humidity, a relay, a label.
#[derive(Parser)]
#[command(name = "s3mp-slave", version)]
struct Options {
    #[command(flatten)]
    place: Place,
    /// Bits per second of the serial line
    #[arg(long, value_name = "N", default_value_t = 115_200, value_parser = clap::value_parser!(u32).range(1..))]
    baud: u32,
    /// Show each message in words on stderr
    #[arg(long, short)]
    verbose: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// Make a pseudo-terminal, like a serial line
    #[arg(long)]
    pty: bool,
    /// Wait for TCP connections; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT")]
    tcp: Option<String>,
    /// A serial line, for example /dev/ttyACM0 or COM3
    #[arg(long, value_name = "PATH")]
    serial: Option<String>,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> io::Result<()> {
    let mut listener = match (options.place.tcp, options.place.serial) {
        (Some(address), _) => Listener::tcp(&address)?,
        (_, Some(path)) => {
            let port = Serial::open(&path, options.baud)
                .map_err(|error| io::Error::other(format!("cannot open {path}: {error}; see `smp ports`")))?;
            Listener::Wire(Some(Box::new(port)), path)
        }
        _ => pty()?,
    };
    println!("ready: {}", listener.address()?);
    io::stdout().flush()?;
    let mut slave = Slave::new(Greenhouse::new()).map_err(io::Error::other)?;
    while let Some(port) = listener.accept() {
        serve(&mut slave, port, Trace::slave(options.verbose), &AtomicBool::new(true)).map_err(io::Error::other)?;
    }
    Ok(())
}

#[cfg(unix)]
fn pty() -> io::Result<Listener> {
    Listener::pty()
}

#[cfg(not(unix))]
fn pty() -> io::Result<Listener> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no pseudo-terminals: use --tcp"))
}
