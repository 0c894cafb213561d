//! Serves a simulated node over BSMP: the entities of the setup `main` in
//! `tests/vectors/bsmp/bsmp.json`, or a power supply of Sirius' type FBP.
//!
//! ```text
//! cargo run --release -p anysmp-tools --bin bsmp-node -- --tcp 127.0.0.1:5000
//! ready: 127.0.0.1:5000
//! ```
//!
//! `pydrs.EthDRS("127.0.0.1", 5000)` finds it with `--fbp --framing bridge-without-id`.

use anysmp_tools::{errln as eprintln, outln as println};
use std::io::Write as _;
use std::process::ExitCode;

use anysmp::bsmp::Address;
use anysmp_tools::bsmp::device::Setup;
use anysmp_tools::bsmp::fbp::{self, Fbp};
use anysmp_tools::bsmp::serve::{Carrier, Framing, serve};
use anysmp_tools::port::Listener;
use clap::Parser;

/// Serves a simulated node over BSMP 2.30: nine variables, eight curves, six functions; or a power
/// supply.
///
/// The first line on stdout is `ready: ` and the endpoint that a master opens.
#[derive(Parser)]
#[command(name = "bsmp-node", version)]
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
    /// Framing of the messages; UDP needs none. Default is packet on a pseudo-terminal, and raw
    /// over TCP
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "udp")]
    framing: Option<Framing>,
    /// A power supply of Sirius' type FBP
    #[arg(long)]
    fbp: bool,
    /// Address in packets, 1 to 32
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=32))]
    address: u8,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Box<dyn std::error::Error>> {
    let (mut listener, carrier) = match (&cli.tcp, &cli.udp) {
        (Some(address), _) => (Listener::tcp(address)?, Carrier::Stream),
        (_, Some(address)) => (Listener::udp(address)?, Carrier::Datagrams),
        #[cfg(unix)]
        _ => (Listener::pty()?, Carrier::Serial),
        #[cfg(not(unix))]
        _ => return Err("this system has no pseudo-terminals".into()),
    };
    let usual = if carrier == Carrier::Serial { Framing::Packet } else { Framing::Raw };
    let framing = cli.framing.unwrap_or(usual);
    let address = Address::node_or_32(cli.address).ok_or("not the address of a node")?;
    println!("ready: {}", listener.address()?);
    std::io::stdout().flush()?;
    if cli.fbp {
        serve(&mut listener, framing, carrier, address, &fbp::table(), Fbp::default())?;
    } else {
        let (setup, device) = Setup::main();
        serve(&mut listener, framing, carrier, address, &setup.table(), device)?;
    }
    Ok(())
}
