//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use anysmp::bsmp::variable::Op;
use anysmp_tools::bsmp::serve::Framing;
use anysmp_tools::options::{Endpoint, Output, Watching};
use clap::{Args, Parser, Subcommand};

/// Talks to nodes over BSMP: discovers, reads, writes, watches, moves curves, executes functions.
///
/// Name the endpoint with --serial, --usb, --tcp or --udp, then a command. With --simulated a power
/// supply in this process answers, so that everything can be tried.
#[derive(Parser)]
#[command(name = "bsmp", version, after_help = AFTER, args_override_self = true)]
pub struct Cli {
    #[command(flatten)]
    pub link: Link,
    #[command(flatten)]
    pub output: Output,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER: &str = "\
Examples:
  bsmp --simulated watch 1 33                              a table that follows two values
  bsmp --serial /dev/ttyUSB0 scan                          find the nodes on the bus
  bsmp --serial /dev/ttyUSB0 --address 5 discover          list the entities of node 5
  bsmp --serial /dev/ttyUSB0 --address 1-8 --describe supply.txt watch setpoint current
  bsmp --tcp 192.0.2.7:5000 --framing bridge --address 5 curve get 0 wave.csv

A description is a file whose lines are an id, a name, a type and perhaps a unit:
  0 status u16
  1 setpoint f32 A
Types are u8 to u64, i8 to i64, f32, f64 and bool; followed by `be` they are big-endian, by [N]
arrays of N; char[N] is text.

Exit codes:
  0  done
  1  the node refused
  2  the command line is invalid
  3  no answer, or a malformed one; of several readings, at least one
  4  the port cannot be opened, or failed
  5  a file or the output cannot be read or written

`bsmp COMMAND --help` describes a command in full.";

#[derive(Args)]
pub struct Link {
    #[command(flatten)]
    pub endpoint: Endpoint,
    /// A UDP server
    #[arg(long, value_name = "HOST:PORT", global = true, conflicts_with_all = ["tcp", "serial", "usb", "simulated", "framing"], help_heading = "Endpoint")]
    pub udp: Option<String>,
    /// Framing of the messages; UDP needs none. Default is packet on a serial line, else raw
    #[arg(long, value_enum, value_name = "KIND", global = true, help_heading = "Link")]
    pub framing: Option<Framing>,
    /// Address in packets: a node 1 to 32, a multicast group 248 to 254, or 255 for all; `watch`
    /// and `poll` accept several nodes, such as 1-8,12. Default is 1
    #[arg(long, value_name = "N", global = true, value_delimiter = ',', help_heading = "Link")]
    pub address: Vec<Range>,
    /// Time to wait for an answer
    #[arg(long, value_name = "MS", global = true, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Link")]
    pub timeout: u64,
    /// Retries of a request that gets no answer, if it may run twice. `watch` and `poll` need none:
    /// they read again anyway
    #[arg(long, value_name = "N", global = true, default_value_t = 2, help_heading = "Link")]
    pub retries: u8,
    /// Silence of the line after a request without an answer; default is 1000, or twice the timeout
    #[arg(long, value_name = "MS", global = true, help_heading = "Link")]
    pub drain: Option<u64>,
    /// The description of the values: a file with lines of id, name, type and unit
    #[arg(long, value_name = "FILE", global = true, help_heading = "Link")]
    pub describe: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Show everything that this tool does, on a simulated bus with a simulated power supply
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
    /// Find the nodes on the bus
    Scan,
    /// Follow variables or a group of one or many nodes, live: a table on a terminal, else lines.
    /// A node that does not answer does not end it
    Watch(PollArgs),
    /// Do the same as `watch`, but print lines, even on a terminal
    Poll(PollArgs),
    /// Read variables
    Read {
        /// The variables: ids, or names of the description
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Write a variable
    Write {
        /// The variable: its id, or its name in the description
        id: String,
        /// The new value: in the form of its type, or in hex if it is not described
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Also read this variable in the same exchange: its id, or its name
        #[arg(long, value_name = "ID")]
        read: Option<String>,
    },
    /// Combine a variable with a mask
    Combine {
        /// The variable: its id, or its name in the description
        id: String,
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
        /// The id of the function
        id: u8,
        /// Its input in hex
        #[arg(default_value = "")]
        input: Hex,
        /// Do not wait for an answer
        #[arg(long)]
        no_answer: bool,
    },
    /// Print the script that completes commands in a shell
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
pub enum Group {
    /// Show the ids of its members
    Members {
        /// The id of the group: 0 has all variables, 1 the read-only ones, 2 the writable ones
        id: u8,
    },
    /// Show the values of its members
    Read {
        /// The id of the group
        id: u8,
    },
    /// Write all of its members, or none
    Write {
        /// The id of the group
        id: u8,
        /// The values: in hex, one after the other; or, if the members are described, one word for
        /// each, as `setpoint=3.5`
        #[arg(required = true, allow_hyphen_values = true)]
        values: Vec<String>,
    },
    /// Combine all of its members with masks
    Combine {
        /// The id of the group
        id: u8,
        /// The operation: and, or, xor, set, clear, toggle
        #[arg(value_parser = operation)]
        op: Op,
        /// The masks in hex, one after the other
        masks: Hex,
    },
    /// Create a group
    Create {
        /// Its members: ids, or names of the description
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Remove all created groups
    Remove,
}

#[derive(Subcommand)]
pub enum Curve {
    /// Read a curve into a file: floats in .csv and .npy, else its bytes
    Get {
        /// The id of the curve
        id: u8,
        /// The local file
        file: PathBuf,
        /// The block to begin with
        #[arg(long, value_name = "N", default_value_t = 0)]
        first: u16,
        /// The number of blocks
        #[arg(long, value_name = "N")]
        blocks: Option<u32>,
    },
    /// Write a file into a curve: floats from .csv and .npy, else bytes
    Put {
        /// The id of the curve
        id: u8,
        /// The local file
        file: PathBuf,
        /// The block to begin with
        #[arg(long, value_name = "N", default_value_t = 0)]
        first: u16,
    },
    /// Show its checksum, as the node last calculated it
    Checksum {
        /// The id of the curve
        id: u8,
        /// Have the node calculate it now
        #[arg(long)]
        now: bool,
    },
}

/// The values that `watch` and `poll` read.
#[derive(Args)]
pub struct PollArgs {
    /// Variables: ids, or names of the description; default is all that are described
    pub ids: Vec<String>,
    /// A group instead of variables
    #[arg(long, value_name = "ID", conflicts_with = "ids")]
    pub group: Option<u8>,
    /// Time from one reading of a value to the next; 0 is as often as the line allows
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub interval: u64,
    #[command(flatten)]
    pub watching: Watching,
}

/// Numbers from one to another.
#[derive(Debug, Clone)]
pub struct Range(pub std::ops::RangeInclusive<u8>);

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<u8>().or(Err(format!("{text:?} is not a number")));
        let range = number(first)?..=number(last)?;
        if range.is_empty() { Err(format!("the end of {text:?} is below its start")) } else { Ok(Self(range)) }
    }
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
