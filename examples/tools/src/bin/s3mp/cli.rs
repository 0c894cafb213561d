//! The command line.

use std::path::PathBuf;

use anysmp_tools::options::{Endpoint, Output, Watching};
use clap::{Args, Parser, Subcommand};

/// Talks to a slave over S3MP, the Simple Serial Slave-Master Protocol.
///
/// Name the slave with --serial, --usb or --tcp, then a command. With --simulated a greenhouse in
/// this process answers, so that everything can be tried.
#[derive(Parser)]
#[command(name = "s3mp", version, after_help = AFTER, args_override_self = true)]
pub struct Cli {
    #[command(flatten)]
    pub link: Link,
    #[command(flatten)]
    pub output: Output,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER: &str = "\
Addresses are numbers, names of the slave or of the description, `host` or `all`.

Examples:
  s3mp --simulated watch                                 a table that follows all values
  s3mp --serial /dev/ttyACM0 describe                    the names of the slave
  s3mp --serial /dev/ttyACM0 set relay true
  s3mp --serial /dev/ttyACM0 --describe greenhouse.txt watch --csv > log.csv

A description is a file whose lines are an address, a name, a type and perhaps a unit:
  1 temperature f32 °C
  3 relay bool
Types are u8 to u64, i8 to i64, f32, f64, bool, text and any; with [N] arrays of N; char[N] is text
of at most N bytes.

Exit codes:
  0  done
  1  the slave refused
  2  the command line is invalid
  3  no response, or a malformed one; of several readings, at least one
  4  the port cannot be opened, or failed
  5  a file or the output cannot be read or written

`s3mp COMMAND --help` describes a command in full.";

#[derive(Args)]
pub struct Link {
    #[command(flatten)]
    pub endpoint: Endpoint,
    /// Time to wait for a response
    #[arg(long, value_name = "MS", global = true, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Link")]
    pub timeout: u64,
    /// Retries of a request that gets no response, if it may run twice: never for INVERT
    #[arg(long, value_name = "N", global = true, default_value_t = 2, help_heading = "Link")]
    pub retries: u8,
    /// The description of the values: a file with lines of address, name, type and unit
    #[arg(long, value_name = "FILE", global = true, help_heading = "Link")]
    pub describe: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum Command {
    /// A simulated greenhouse: connection, values as they change, a relay, a slave that dies and
    /// comes back
    Demo,
    /// Show whether the slave is up, and since when
    Status,
    /// List the names of all addresses
    Describe,
    /// Show values
    Get {
        /// The addresses, or their names; default is all that have a name
        addresses: Vec<String>,
    },
    /// Set the value of an actuator
    #[command(allow_negative_numbers = true)]
    Set {
        /// The address, or its name
        address: String,
        /// The value in the form of its type; without a description true, 12, 1.5, text, "12",
        /// null, or hex:f5
        value: String,
    },
    /// Invert a boolean
    Invert {
        /// The address, or its name
        address: String,
    },
    /// Show values, and then each change that the slave pushes; sends no further requests
    Subscribe {
        /// The addresses, or their names; default is all that have a name
        addresses: Vec<String>,
        #[command(flatten)]
        watching: Watching,
    },
    /// End subscriptions
    Unsubscribe {
        /// The addresses, or their names; default is all that have a name
        addresses: Vec<String>,
    },
    /// Reset an address, or the slave itself
    Reset {
        /// The address, or its name
        #[arg(default_value = "host")]
        address: String,
    },
    /// Follow values, live: a table on a terminal, else lines. A slave that is lost or restarts is
    /// found again
    Watch {
        /// The addresses, or their names; default is all that have a name
        addresses: Vec<String>,
        /// Send RESET first
        #[arg(long)]
        reset: bool,
        /// Time from one STATUS to the next, which checks that the slave is still there
        #[arg(long, value_name = "MS", default_value_t = 5000)]
        status: u64,
        #[command(flatten)]
        watching: Watching,
    },
    /// Print the script that completes commands in a shell
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}
