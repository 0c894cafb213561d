//! A master for BSMP nodes.
//!
//! ```text
//! cargo run --release -p anysmp-tools --bin bsmp -- demo
//! cargo run --release -p anysmp-tools --bin bsmp -- --tcp 192.0.2.7:5000 vars
//! cargo run --release -p anysmp-tools --bin bsmp -- \
//!     --serial /dev/ttyUSB0 --node 5 curve get 0 waveform.bin
//! ```

#![expect(unreachable_pub, reason = "in a program, `pub` says what a file offers to the others")]

mod cli;
mod curves;
mod demo;
mod failure;
mod master;
mod poll;

use anysmp_tools::{errln as eprintln, outln as println};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::bsmp::{Address, Client};
use anysmp::framing::Framing;
use anysmp::framing::bridge::{Bridge, WithId, WithoutId};
use anysmp::framing::counted::{Counted, Head3};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp::line::Buffers;
use anysmp::port::{Tcp, Udp};
use anysmp_tools::bsmp::describe::Description;
use anysmp_tools::port::{Port, Serial};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use serde_json::json;

use cli::{Cli, Command, Envelope, LinkArgs};
use failure::Of as _;
use master::Master;

/// How long a network may take between two parts of a packet.
const CUT: Duration = Duration::from_millis(500);

/// As long as a buffer of a link can be. The largest packet is a block of 65,520 bytes, 65,528 in
/// all.
const LARGEST: usize = 65_535;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if cli.link.json {
                println!("{}", json!({ "error": error.to_string() }));
            }
            eprintln!("error: {error}");
            failure::code(&*error).into()
        }
    }
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    if let Command::Demo = cli.command {
        return demo::run(cli.link.json);
    }
    let mut message = vec![0; LARGEST];
    let link = &cli.link;
    let (port, packets): (Port, bool) = match link {
        LinkArgs { tcp: Some(address), .. } => {
            (Box::new(Tcp::connect(address, Duration::from_secs(3))?), link.packets || link.bridge.is_some())
        }
        LinkArgs { udp: Some(address), .. } => (Box::new(Udp::connect(address)?), false),
        LinkArgs { serial: Some(path), .. } => (Box::new(Serial::open(path, link.baud)?), true),
        _ => {
            let advice = "no node given: name one with --tcp, --udp or --serial, or try `demo`";
            Cli::command().error(ErrorKind::MissingRequiredArgument, advice).exit()
        }
    };
    let client = if packets { Client::new().with_address(address(link.node)?) } else { Client::new() };
    let mut client = client.with_timeout(Duration::from_millis(link.timeout)).with_retries(link.retries);
    if let Some(drain) = link.drain {
        client = client.with_drain(Duration::from_millis(drain));
    }
    if let Some(envelope) = link.bridge {
        // The bridge gives up before we do.
        let time = client.timeout() / 2;
        match envelope {
            Envelope::WithId => perform(port, Bridge::<WithId>::new(&mut message, time), client, cli),
            Envelope::WithoutId => perform(port, Bridge::<WithoutId>::new(&mut message, time), client, cli),
        }
    } else if packets {
        let framing = if link.serial.is_some() {
            // A host sees too little of the silence between two packets.
            Packet::new(&mut message, gap(link.baud)).with_early_delivery()
        } else {
            Packet::new(&mut message, CUT).with_stream_carrier()
        };
        perform(port, framing.with_echo(Echo::Master), client, cli)
    } else if link.udp.is_some() {
        perform(port, Datagram::new(&mut message), client, cli)
    } else {
        perform(port, Counted::<Head3>::new(&mut message), client, cli)
    }
}

fn perform(port: Port, framing: impl Framing, client: Client, cli: &Cli) -> Result<(), Box<dyn Error>> {
    let mut memory = vec![0; framing.sizes().memory()];
    let link = Link::new(port, framing, Buffers::split(&mut memory))?;
    let about = match &cli.link.describe {
        Some(path) => std::fs::read_to_string(path).of(path)?.parse()?,
        None => Description::default(),
    };
    Master::new(link, client, cli.link.json).with_description(about).perform(&cli.command)
}

fn address(value: u8) -> Result<Address, Box<dyn Error>> {
    let all = (value == Address::BROADCAST.value()).then_some(Address::BROADCAST);
    let address = Address::node_or_32(value).or_else(|| Address::multicast(value)).or(all);
    address.ok_or_else(|| format!("{value} is not the address of a node or a group").into())
}
