//! A master for an S3MP slave, or a demonstration of one.
//!
//! ```text
//! cargo run --release -p anysmp-tools --bin s3mp -- --simulated watch
//! cargo run --release -p anysmp-tools --bin s3mp -- --serial /dev/ttyACM0 describe
//! cargo run --release -p anysmp-tools --bin s3mp -- --tcp 127.0.0.1:4096 set relay true
//! cargo run --release -p anysmp-tools --bin s3mp -- --tcp 127.0.0.1:4096 --json watch
//! ```

#![expect(unreachable_pub, reason = "in a program, `pub` says what a file offers to the others")]
#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a program on a host, not the library")]

mod cli;
mod demo;
mod session;
mod show;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use anysmp::blocking;
use anysmp::framing::lrc::Lrc;
use anysmp::s3mp::{Counter, Master, USUAL_MESSAGE};
use anysmp_tools::describe::{Description, Protocol};
use anysmp_tools::failure::Failure;
use anysmp_tools::options;
use anysmp_tools::port::Port;
use anysmp_tools::s3mp::greenhouse::simulate;
use anysmp_tools::trace::Trace;
use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Command};
use session::Session;
use watch::Watching;

type Link = blocking::Link<'static, Port, Lrc<'static>, Trace>;

/// The time that a watch waits before it reopens a port that has failed.
const REOPEN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return options::usage(&error),
    };
    options::finish(&cli.output, options::begin("s3mp", &cli.output).and_then(|()| run(&cli)))
}

fn run(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Demo => return demo::run().map_err(|error| Failure::silent(error.to_string(), "")),
        Command::Completion { shell } => {
            options::completion(*shell, "s3mp", &mut Cli::command());
            return Ok(());
        }
        _ => {}
    }
    let about = match &cli.link.describe {
        Some(path) => Description::read(path, Protocol::S3mp)?,
        None => Description::default(),
    };
    let advice = "Name one with --serial, --usb or --tcp, or try --simulated: a device in this process.";
    let place = cli.link.endpoint.place(None, advice, simulate)?;
    let open = || -> Result<Session, Failure> {
        let link = link(place.open()?, Trace::s3mp(cli.output.verbose))?;
        let master = master().with_timeout(Duration::from_millis(cli.link.timeout)).with_retries(cli.link.retries);
        Ok(Session::new(link, master, cli.output.json, about.clone()))
    };
    let (addresses, reset, status, args) = match &cli.command {
        Command::Watch { addresses, reset, status, watching } => (addresses, *reset, Some(*status), watching),
        Command::Subscribe { addresses, watching } => (addresses, false, None, watching),
        command => return open()?.perform(command),
    };
    let mut watching = Watching::new(&cli.output, args, addresses, reset, about.clone());
    // Once a port has worked, its failure does not end the watch.
    let ended = loop {
        let done = open().and_then(|mut session| match status {
            Some(status) => watching.watch(&mut session, Duration::from_millis(status)),
            None => watching.listen(&mut session),
        });
        match done {
            Err(failure) if failure.code == 4 && watching.may_go_on() => {
                watching.event("port", &format!("{failure}; opening it again"));
                std::thread::sleep(REOPEN);
            }
            done => break done,
        }
    };
    watching.finish();
    ended
}

/// A link for the remaining life of the program.
fn link(port: Port, trace: Trace) -> Result<Link, Failure> {
    let message = vec![0; USUAL_MESSAGE].leak();
    let memory = vec![0; Lrc::sizes_of(USUAL_MESSAGE).memory()].leak();
    let link = blocking::Link::new(port, Lrc::new(message), memory);
    Ok(link.map_err(|error| Failure::usage(error.to_string(), ""))?.with_sink(trace))
}

/// A master whose first counter differs from run to run, so that a response to an earlier run is
/// not taken for a response to this one.
fn master() -> Master {
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.subsec_nanos());
    Master::new(Counter((nanos >> 10) as u8))
}
