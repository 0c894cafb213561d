//! A master for BSMP nodes.
//!
//! ```text
//! cargo run --release -p anysmp-tools --bin bsmp -- --simulated watch 1 33
//! cargo run --release -p anysmp-tools --bin bsmp -- --tcp 192.0.2.7:5000 vars
//! cargo run --release -p anysmp-tools --bin bsmp -- \
//!     --serial /dev/ttyUSB0 --address 5 curve get 0 waveform.bin
//! ```

#![expect(unreachable_pub, reason = "in a program, `pub` says what a file offers to the others")]

mod cli;
mod demo;
mod failure;
mod master;
mod poll;
mod show;

use std::process::ExitCode;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::bsmp::{Address, Client};
use anysmp::framing::bridge::{Bridge, WithId, WithoutId};
use anysmp::framing::counted::{Counted, Head3};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp::line::Buffers;
use anysmp_tools::bsmp::serve::{CUT, Framing, LARGEST, simulate};
use anysmp_tools::describe::{Description, Protocol};
use anysmp_tools::failure::Failure;
use anysmp_tools::options::{self, Place};
use anysmp_tools::port::Port;
use anysmp_tools::trace::Trace;
use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Command};
use master::Master;
use poll::Polling;

/// The time that a watch waits before it reopens a port that has failed.
const REOPEN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return options::usage(&error),
    };
    options::finish(&cli.output, options::begin("bsmp", &cli.output).and_then(|()| run(&cli)))
}

fn run(cli: &Cli) -> Result<(), Failure> {
    match &cli.command {
        Command::Demo => return demo::run(cli.output.json),
        Command::Completion { shell } => {
            options::completion(*shell, "bsmp", &mut Cli::command());
            return Ok(());
        }
        _ => {}
    }
    let about = match &cli.link.describe {
        Some(path) => Description::read(path, Protocol::Bsmp)?,
        None => Description::default(),
    };
    let addresses = addresses(cli)?;
    let simulated = cli.link.framing.unwrap_or(Framing::Raw);
    let first = addresses.first().copied().filter(|address| address.is_node());
    let advice = "Name one with --serial, --usb, --tcp or --udp, or try --simulated: a device in this process.";
    let place = cli.link.endpoint.place(cli.link.udp.as_deref(), advice, || {
        // Simulates one node, at the requested address.
        simulate(simulated, first.or(Address::node(1)).unwrap_or(Address::MASTER))
    })?;
    if !has_addresses(cli, &place) && (!cli.link.address.is_empty() || matches!(cli.command, Command::Scan)) {
        return Err(Failure::usage("messages in this framing have no address", "Use --framing packet or bridge."));
    }
    let (Command::Watch(args) | Command::Poll(args)) = &cli.command else {
        return with(cli, &place, &addresses, about, &mut Job::Command(&cli.command));
    };
    let is_live = matches!(cli.command, Command::Watch(_));
    let mut polling =
        Polling::new(&cli.output, args, is_live, has_addresses(cli, &place).then_some(&addresses[..]), &about)?;
    // Once a port has worked, its failure does not end the poll.
    let ended = loop {
        match with(cli, &place, &addresses, about.clone(), &mut Job::Polling(&mut polling)) {
            Err(failure) if failure.code == 4 && polling.may_go_on() => {
                polling.note(&format!("{failure}; opening it again"));
                std::thread::sleep(REOPEN);
            }
            done => break done,
        }
    };
    polling.finish(ended)
}

/// The framing of the messages.
fn framing(cli: &Cli, place: &Place) -> Option<Framing> {
    if matches!(place, Place::Udp(_)) {
        return None;
    }
    Some(cli.link.framing.unwrap_or(if place.is_serial() { Framing::Packet } else { Framing::Raw }))
}

/// Returns true if messages carry the address of a node.
fn has_addresses(cli: &Cli, place: &Place) -> bool {
    framing(cli, place).is_some_and(|framing| framing != Framing::Raw)
}

/// The addresses of the command line.
fn addresses(cli: &Cli) -> Result<Vec<Address>, Failure> {
    let mut list = Vec::new();
    let given = cli.link.address.iter().flat_map(|range| range.0.clone());
    for value in given.chain(cli.link.address.is_empty().then_some(1)) {
        let all = (value == Address::BROADCAST.value()).then_some(Address::BROADCAST);
        let address = Address::node_or_32(value).or_else(|| Address::multicast(value)).or(all);
        let wrong = || Failure::usage(format!("{value} is not the address of a node or a group"), ADDRESS);
        list.push(address.ok_or_else(wrong)?);
    }
    let is_many = matches!(cli.command, Command::Watch(_) | Command::Poll(_));
    if list.len() != 1 && !is_many {
        let remedy = "Give one, or use `bsmp poll`.";
        return Err(Failure::usage("only `watch` and `poll` accept several addresses", remedy));
    }
    if is_many && list.iter().any(|address| !address.is_node()) {
        return Err(Failure::usage("a group does not answer", ADDRESS));
    }
    Ok(list)
}

const ADDRESS: &str =
    "A node has an address from 1 to 32, a multicast group one from 248 to 254; 255 is for all nodes.";

/// The job to do over a port.
enum Job<'j> {
    Command(&'j Command),
    Polling(&'j mut Polling),
}

impl Job<'_> {
    fn run<F: anysmp::framing::Framing>(&mut self, master: &mut Master<'_, Port, F>) -> Result<(), Failure> {
        match self {
            Self::Command(command) => master.perform(command),
            Self::Polling(polling) => polling.run(master),
        }
    }
}

/// Opens the port, and does a job over it.
fn with(cli: &Cli, place: &Place, addresses: &[Address], about: Description, job: &mut Job<'_>) -> Result<(), Failure> {
    let link = &cli.link;
    let mut client = Client::new().with_timeout(Duration::from_millis(link.timeout)).with_retries(link.retries);
    if let Some(drain) = link.drain {
        client = client.with_drain(Duration::from_millis(drain));
    }
    let framing = framing(cli, place);
    if let (true, Some(address)) = (has_addresses(cli, place), addresses.first()) {
        client = client.with_address(*address);
    }
    let port = place.open()?;
    let mut message = vec![0; LARGEST];
    let trace = Trace::bsmp(cli.output.verbose, has_addresses(cli, place));
    // The bridge gives up before this program does.
    let time = client.timeout() / 2;
    macro_rules! over {
        ($framing:expr) => {{
            let framing = $framing;
            let mut memory = vec![0; anysmp::framing::Framing::sizes(&framing).memory()];
            let link = Link::new(port, framing, Buffers::split(&mut memory));
            let link = link.map_err(|error| Failure::usage(error.to_string(), ""))?.with_sink(trace);
            job.run(&mut Master::new(link, client, &cli.output).with_description(about))
        }};
    }
    match framing {
        None => over!(Datagram::new(&mut message)),
        Some(Framing::Raw) => over!(Counted::<Head3>::new(&mut message)),
        Some(Framing::Bridge) => over!(Bridge::<WithId>::new(&mut message, time)),
        Some(Framing::BridgeWithoutId) => over!(Bridge::<WithoutId>::new(&mut message, time)),
        // A host does not see enough of the silence between two packets.
        Some(Framing::Packet) if place.is_serial() => {
            over!(Packet::new(&mut message, gap(link.endpoint.baud)).with_early_delivery().with_echo(Echo::Master))
        }
        Some(Framing::Packet) => {
            over!(Packet::new(&mut message, CUT).with_stream_carrier().with_echo(Echo::Master))
        }
    }
}
