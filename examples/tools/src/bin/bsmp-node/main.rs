//! Serves a simulated node over BSMP: the entities of the setup `main` in
//! `tests/vectors/bsmp/bsmp.json`, or a power supply of Sirius' type FBP.
//!
//! ```text
//! cargo run --release -p anysmp-tools --bin bsmp-node -- --tcp 127.0.0.1:5000
//! ready: 127.0.0.1:5000
//! ```
//!
//! `pydrs.EthDRS("127.0.0.1", 5000)` finds it with `--fbp --bridge without-id`.

use anysmp_tools::{errln as eprintln, outln as println};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::bsmp::bridge::{Bridge, Form};
use anysmp::bsmp::{Address, Entities, Node, Server, Table};
use anysmp::framing::Framing;
use anysmp::framing::bridge::{WithId, WithoutId};
use anysmp::framing::counted::{Counted, Head3};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp::line::{Buffers, Error, Service, SizeError};
use anysmp_tools::bsmp::device::Setup;
use anysmp_tools::bsmp::fbp::{self, Fbp};
use anysmp_tools::port::{Listener, Port, complain};
use clap::{Parser, ValueEnum};

/// How long a network may take between two parts of a packet.
const CUT: Duration = Duration::from_millis(500);

/// As long as a buffer of a link can be. The largest packet is a block of 65,520 bytes, 65,528 in
/// all.
const LARGEST: usize = 65_535;

/// Serves a simulated node over BSMP 2.30: nine variables, eight curves, six functions; or a power
/// supply.
///
/// The first line on stdout is `ready: ` and the endpoint that a master opens.
#[derive(Parser)]
#[command(name = "bsmp-node")]
#[command(group = clap::ArgGroup::new("endpoint").required(true))]
struct Cli {
    /// Make a pseudo-terminal, like a serial line: RS-485 packets
    #[arg(long, group = "endpoint")]
    pty: bool,
    /// Wait for TCP connections; port 0 takes a free one: bare messages
    #[arg(long, value_name = "HOST:PORT", group = "endpoint")]
    tcp: Option<String>,
    /// Wait for datagrams; port 0 takes a free one: one bare message in each
    #[arg(long, value_name = "HOST:PORT", group = "endpoint")]
    udp: Option<String>,
    /// RS-485 packets on TCP as well
    #[arg(long, conflicts_with = "udp")]
    packets: bool,
    /// Packets in the envelope of Sirius' Ethernet bridge; pydrs speaks the form without an id
    #[arg(long, value_name = "FORM", requires = "tcp", conflicts_with = "packets")]
    bridge: Option<Envelope>,
    /// A power supply of Sirius' type FBP
    #[arg(long)]
    fbp: bool,
    /// The node's address in packets, 1 to 31
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=31))]
    address: u8,
}

#[derive(Clone, Copy, ValueEnum)]
enum Envelope {
    WithId,
    WithoutId,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let served = if cli.fbp {
        serve(&cli, &fbp::table(), Fbp::default())
    } else {
        let (setup, device) = Setup::main();
        serve(&cli, &setup.table(), device)
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(cli: &Cli, table: &Table<'_>, device: impl Entities) -> Result<(), Box<dyn std::error::Error>> {
    let mut listener = match (&cli.tcp, &cli.udp) {
        (Some(address), _) => Listener::tcp(address)?,
        (_, Some(address)) => Listener::udp(address)?,
        #[cfg(unix)]
        _ => Listener::pty()?,
        #[cfg(not(unix))]
        _ => return Err("this system has no pseudo-terminals".into()),
    };
    let mut server = Server::new(table, device);
    let mut buffer = vec![0; LARGEST];
    println!("ready: {}", listener.address()?);
    std::io::stdout().flush()?;

    if let Some(envelope) = cli.bridge {
        let address = Address::node(cli.address).ok_or("not the address of a node")?;
        let node = Node::new(server, address).ok_or("not the address of a node")?;
        let mut kept = vec![0; LARGEST];
        let form = if let Envelope::WithId = envelope { Form::WithId } else { Form::WithoutId };
        let mut bridge = Bridge::new(node, form, &mut kept);
        while let Some(port) = listener.accept() {
            match form {
                Form::WithId => session(port, Counted::<WithId>::new(&mut buffer), &mut bridge)?,
                Form::WithoutId => session(port, Counted::<WithoutId>::new(&mut buffer), &mut bridge)?,
            }
        }
    } else if cli.pty || cli.packets {
        let address = Address::node(cli.address).ok_or("not the address of a node")?;
        let mut node = Node::new(server, address).ok_or("not the address of a node")?;
        while let Some(port) = listener.accept() {
            let framing = if cli.pty {
                // A host sees too little of the silence between two packets.
                Packet::new(&mut buffer, gap(115_200)).with_early_delivery()
            } else {
                Packet::new(&mut buffer, CUT).with_stream_carrier()
            };
            session(port, framing.with_echo(Echo::Node), &mut node)?;
        }
    } else if cli.udp.is_some() {
        while let Some(port) = listener.accept() {
            session(port, Datagram::new(&mut buffer), &mut server)?;
        }
    } else {
        while let Some(port) = listener.accept() {
            session(port, Counted::<Head3>::new(&mut buffer), &mut server)?;
        }
    }
    Ok(())
}

/// Serves one master until it leaves.
fn session<F: Framing>(port: Port, framing: F, service: &mut impl Service) -> Result<(), SizeError> {
    let sizes = framing.sizes();
    let (mut read, mut tx) = (vec![0; sizes.read], vec![0; sizes.message]);
    // An answer in one write: pydrs takes what one `recv` returns for all of it.
    let mut out = vec![0; framing.max_encoded_len(sizes.message)];
    let mut link = Link::new(port, framing, Buffers::parts(&mut read, &mut tx, &mut out))?;
    loop {
        match link.serve(service) {
            Ok(_) => {}
            Err(Error::Closed) => return Ok(()),
            Err(error) => complain(&error),
        }
    }
}
