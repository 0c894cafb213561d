//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use anysmp::bsmp::variable::Op;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Talks to a node over BSMP: discovers, reads, writes, moves curves, executes functions.
///
/// Exit codes: 1 the node refuses, 2 wrong usage, 3 no answer or a wrong one, 4 the port failed,
/// 5 a file could not be read or written.
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
    /// Packets in the envelope of Sirius' Ethernet bridge, on TCP
    #[arg(long, value_name = "FORM", global = true, conflicts_with = "packets")]
    pub bridge: Option<Envelope>,
    /// What the variables are: a file with lines of id, name, type (such as f32, u16be, char[16])
    /// and unit
    #[arg(long, value_name = "FILE", global = true)]
    pub describe: Option<PathBuf>,
    /// Address in packets: a node 1..=32, a multicast group 248..=254, or 255 for all
    #[arg(long, default_value_t = 1, global = true)]
    pub node: u8,
    /// Time to wait for an answer, in milliseconds
    #[arg(long, default_value_t = 1000, value_name = "MS", global = true)]
    pub timeout: u64,
    /// Silence of the line after a request without an answer, in milliseconds; by default 1000, or
    /// twice the timeout
    #[arg(long, value_name = "MS", global = true)]
    pub drain: Option<u64>,
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
    /// Look which nodes are on the bus
    Scan,
    /// Read variables or a group of many nodes again and again, with time stamps
    Poll(PollArgs),
    /// Read variables
    Read {
        /// Which ones: ids, or names of the description
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Write a variable
    Write {
        /// Which one: its id, or its name in the description
        id: String,
        /// The new value: as its type says, or in hex if it is not described
        #[arg(allow_hyphen_values = true)]
        value: String,
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
    /// Read a curve into a file: floats in .csv and .npy, else its bytes
    Get {
        id: u8,
        file: PathBuf,
        /// The block to begin with
        #[arg(long, default_value_t = 0)]
        first: u16,
        /// The number of blocks
        #[arg(long)]
        blocks: Option<u32>,
    },
    /// Write a file into a curve: floats from .csv and .npy, else bytes
    Put {
        id: u8,
        file: PathBuf,
        /// The block to begin with
        #[arg(long, default_value_t = 0)]
        first: u16,
    },
    /// Show its checksum, as the node last calculated it
    Checksum {
        id: u8,
        /// Make the node calculate it now
        #[arg(long)]
        now: bool,
    },
}

/// What `poll` reads.
#[derive(Args)]
pub struct PollArgs {
    /// Variables: ids, or names of the description
    pub ids: Vec<String>,
    /// Nodes, such as 1-8,12; by default that of --node
    #[arg(long, value_delimiter = ',')]
    pub nodes: Vec<Range>,
    /// A group instead of variables
    #[arg(long, value_name = "ID", conflicts_with = "ids")]
    pub group: Option<u8>,
    /// Milliseconds from one read of a value to the next; 0 as often as the line allows
    #[arg(long, default_value_t = 200, value_name = "MS")]
    pub interval: u64,
    /// Seconds after which it ends
    #[arg(long, value_name = "S")]
    pub duration: Option<f64>,
    /// Number of answers after which it ends; 0 goes on forever
    #[arg(long, default_value_t = 0)]
    pub count: u32,
    /// Print lines of comma-separated values, with a heading
    #[arg(long)]
    pub csv: bool,
}

/// Numbers from one to another.
#[derive(Debug, Clone)]
pub struct Range(pub std::ops::RangeInclusive<u8>);

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<u8>().or(Err(format!("{text:?} is not a number")));
        Ok(Self(number(first)?..=number(last)?))
    }
}

/// The two forms of the bridge's envelope.
#[derive(Clone, Copy, ValueEnum)]
pub enum Envelope {
    WithId,
    WithoutId,
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
