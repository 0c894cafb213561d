//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use anysmp::bsmp::variable::Op;
use clap::{Args, Parser, Subcommand};

/// Talks to a node over BSMP: discovers, reads, writes, moves curves, executes functions.
#[derive(Parser)]
#[command(name = "bsmp", version)]
pub struct Cli {
    #[command(flatten)]
    pub link: LinkArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args)]
pub struct LinkArgs {
    /// Connect to a server: bare messages, or packets with --packets
    #[arg(long, value_name = "HOST:PORT", global = true, conflicts_with_all = ["udp", "serial"])]
    pub tcp: Option<String>,
    /// Send datagrams to a server: one bare message in each
    #[arg(long, value_name = "HOST:PORT", global = true, conflicts_with_all = ["serial", "packets"])]
    pub udp: Option<String>,
    /// Open a serial line: RS-485 packets
    #[arg(long, value_name = "PATH", global = true)]
    pub serial: Option<String>,
    /// Speed of the serial line
    #[arg(long, default_value_t = 115_200, global = true)]
    pub baud: u32,
    /// RS-485 packets on TCP as well, for servers that want an address and a checksum
    #[arg(long, global = true)]
    pub packets: bool,
    /// Address in packets: a node 1..=32, a multicast group 248..=254, or 255 for all
    #[arg(long, default_value_t = 1, global = true)]
    pub node: u8,
    /// Time to wait for an answer, in milliseconds
    #[arg(long, default_value_t = 1000, value_name = "MS", global = true)]
    pub timeout: u64,
    /// Retries of an idempotent request that gets no answer
    #[arg(long, default_value_t = 2, global = true)]
    pub retries: u8,
    /// Print results as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum Command {
    /// A simulated power supply on a simulated bus: everything that this tool does
    Demo,
    /// Show the version of the protocol
    Version,
    /// List everything that the node has
    Discover,
    /// List the variables and their values
    Vars,
    /// List the groups and their members
    Groups,
    /// List the curves and their checksums
    Curves,
    /// List the functions
    Functions,
    /// Read variables
    Read {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<u8>,
    },
    /// Write a variable
    Write {
        /// Which one
        id: u8,
        /// The new value in hex
        value: Hex,
        /// Read this variable in the same exchange
        #[arg(long, value_name = "ID")]
        read: Option<u8>,
    },
    /// Combine a variable with a mask
    Combine {
        /// Which one
        id: u8,
        /// The operation: and, or, xor, set, clear, toggle
        #[arg(value_parser = operation)]
        op: Op,
        /// The mask in hex
        mask: Hex,
    },
    /// Work with a group
    #[command(subcommand)]
    Group(Group),
    /// Work with a curve
    #[command(subcommand)]
    Curve(Curve),
    /// Execute a function
    Call {
        /// Which one
        id: u8,
        /// Its input in hex
        #[arg(default_value = "")]
        input: Hex,
        /// Do not wait for an answer
        #[arg(long)]
        no_answer: bool,
    },
    /// Read variables again and again
    Watch {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<u8>,
        /// Milliseconds between two rounds
        #[arg(long, default_value_t = 500, value_name = "MS")]
        interval: u64,
        /// Number of rounds; 0 goes on forever
        #[arg(long, default_value_t = 0)]
        count: u32,
    },
}

#[derive(Subcommand)]
pub enum Group {
    /// Show the ids of its members
    Members { id: u8 },
    /// Show the values of its members
    Read { id: u8 },
    /// Write all of its members, or none
    Write { id: u8, values: Hex },
    /// Combine all of its members with masks
    Combine {
        id: u8,
        /// The operation: and, or, xor, set, clear, toggle
        #[arg(value_parser = operation)]
        op: Op,
        masks: Hex,
    },
    /// Create one
    Create {
        #[arg(required = true)]
        ids: Vec<u8>,
    },
    /// Remove all that were created
    Remove,
}

#[derive(Subcommand)]
pub enum Curve {
    /// Read a whole curve into a file
    Get { id: u8, file: PathBuf },
    /// Write a file into a curve
    Put { id: u8, file: PathBuf },
    /// Show its checksum, as the node last calculated it
    Checksum {
        id: u8,
        /// Make the node calculate it now
        #[arg(long)]
        now: bool,
    },
}

/// Reads the name of a binary operation.
fn operation(name: &str) -> Result<Op, String> {
    Ok(match name {
        "and" => Op::And,
        "or" => Op::Or,
        "xor" => Op::Xor,
        "set" => Op::Set,
        "clear" => Op::Clear,
        "toggle" => Op::Toggle,
        _ => return Err("one of and, or, xor, set, clear, toggle".to_owned()),
    })
}

/// Bytes in hex.
#[derive(Debug, Clone)]
pub struct Hex(pub Vec<u8>);

impl FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: Vec<u32> = text
            .trim_start_matches("0x")
            .chars()
            .filter(|char| !matches!(char, ' ' | ':' | '_'))
            .map(|char| char.to_digit(16).ok_or_else(|| format!("{char:?} is not a hexadecimal digit")))
            .collect::<Result<_, _>>()?;
        let (pairs, rest) = (digits.chunks_exact(2), digits.chunks_exact(2).remainder());
        if !rest.is_empty() {
            return Err("two digits for each byte".to_owned());
        }
        Ok(Self(
            pairs.filter_map(|pair| u8::try_from(pair.iter().fold(0, |byte, digit| byte * 16 + digit)).ok()).collect(),
        ))
    }
}
