//! What can be written on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Talks to a device over SMP, the protocol of MCUmgr: Zephyr, MCUboot's serial recovery, Mynewt.
///
/// Say where the device is with --serial, --tcp or --udp, and what is wanted of it. With
/// --simulated a device in this process answers, so that everything can be tried.
#[derive(Parser)]
#[command(name = "smp", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub link: Link,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the device refused, or a shell command on it failed
  2  the command line makes no sense
  3  no answer, or one that makes no sense
  4  the port cannot be opened, or failed
  5  a file cannot be read or written, or is no image
  6  the upgrade was not confirmed: the old image runs, or which one runs is not known

Examples:
  smp --simulated upgrade                              upgrade the simulated device
  smp --serial /dev/ttyACM0 upgrade app.signed.bin     upgrade a real one
  smp --udp 192.0.2.1 image list
  smp --tcp 127.0.0.1:5000 --framing raw echo hello

First steps with a real device:
  smp ports                                            which serial ports there are
  smp --serial /dev/ttyACM0 --framing auto enum list   find out how it talks, and what it serves
  smp --serial /dev/ttyACM0 terminal                   see its console, type to its shell, run `:image list` beside it
  smp completion bash > ~/.local/share/bash-completion/completions/smp

`smp COMMAND --help` tells more about each command.";

/// Where the device is, and how to talk to it.
#[derive(Args)]
pub struct Link {
    /// A serial line, as /dev/ttyACM0 or COM3
    #[arg(long, value_name = "PATH", global = true, conflicts_with_all = ["tcp", "udp"], help_heading = "Endpoint")]
    pub serial: Option<String>,
    /// Bits per second of the serial line
    #[arg(long, value_name = "N", global = true, default_value_t = 115_200, help_heading = "Endpoint")]
    pub baud: u32,
    /// A TCP server
    #[arg(long, value_name = "HOST:PORT", global = true, conflicts_with = "udp", help_heading = "Endpoint")]
    pub tcp: Option<String>,
    /// A UDP server; its port is 1337 unless another is given
    #[arg(long, value_name = "HOST[:PORT]", global = true, conflicts_with = "pace", help_heading = "Endpoint")]
    pub udp: Option<String>,
    /// A simulated device in this process; it forgets everything when the command ends
    #[arg(long, global = true, conflicts_with_all = ["serial", "tcp", "udp"], help_heading = "Endpoint")]
    pub simulated: bool,
    /// How messages are framed; UDP needs no framing
    #[arg(long, value_enum, value_name = "KIND", global = true, default_value_t = Framing::Console, help_heading = "Link")]
    pub framing: Framing,
    /// Version of SMP to begin with
    #[arg(long, value_name = "1|2", global = true, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2), help_heading = "Link")]
    pub smp_version: u8,
    /// How long to wait for an answer; commands that erase flash wait longer by themselves
    #[arg(long, value_name = "MS", global = true, default_value_t = 2500, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Link")]
    pub timeout: u64,
    /// How often to repeat a request that is not answered
    #[arg(long, value_name = "N", global = true, default_value_t = 2, help_heading = "Link")]
    pub retries: u8,
    /// Most requests of a transfer to have under way; the device may allow fewer
    #[arg(long, value_name = "N", global = true, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..), help_heading = "Link")]
    pub window: u8,
    /// Send no more than so many bytes in so many milliseconds, for receivers that lose bursts
    #[arg(long, value_name = "BYTES/MS", global = true, help_heading = "Link")]
    pub pace: Option<Pace>,
    /// Print JSON objects, one on a line, the last one the result
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Show each message in hex, and what else the device prints, on stderr; and hashes in full
    #[arg(long, short, global = true, help_heading = "Output")]
    pub verbose: bool,
}

/// How messages are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Framing {
    /// Lines of base64 between console text
    Console,
    /// Bare messages, back to back
    Raw,
    /// COBS with a CRC-16
    Cobs,
    /// Try them all, with version 2 of SMP and then with version 1, and go on with the first that
    /// is answered
    Auto,
}

/// So many bytes in so much time.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub bytes: usize,
    pub pause: Duration,
}

impl std::str::FromStr for Pace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(bytes, ms)| Some((bytes.parse().ok()?, ms.parse().ok()?)));
        match parts {
            Some((bytes @ 1.., ms)) => Ok(Self { bytes, pause: Duration::from_millis(ms) }),
            _ => Err("not of the form BYTES/MS, as 64/10"),
        }
    }
}

#[derive(Subcommand)]
pub enum Command {
    /// Upload an image, start it on trial, and confirm it once it has come up
    Upgrade(Upgrade),
    /// List, upload, test, confirm and erase images
    #[command(subcommand)]
    Image(Image),
    /// Have the device send a text back
    Echo {
        /// The text
        text: String,
    },
    /// Sizes of the device's buffers
    Params,
    /// What firmware the device runs
    Info {
        /// Any of: s kernel name, n node name, r release, v version, b build time, m machine, p
        /// processor, i platform, o operating system, a all
        #[arg(default_value = "a")]
        format: String,
    },
    /// Name and mode of the boot loader
    Bootloader,
    /// Tasks of the device and their stacks
    Taskstat,
    /// Memory pools of the device
    Mpstat,
    /// Show or set date and time
    Datetime {
        /// YYYY-MM-DDTHH:MM:SS, or `now` for what this computer takes for UTC
        set: Option<String>,
    },
    /// Reset the device
    Reset {
        /// Even if the device would rather not
        #[arg(long)]
        force: bool,
        /// Stay in the boot loader
        #[arg(long)]
        bootloader: bool,
    },
    /// Counters of the device
    #[command(subcommand)]
    Stat(Stat),
    /// Named values that the device keeps
    #[command(subcommand)]
    Settings(Settings),
    /// Files on the device
    #[command(subcommand)]
    Fs(Fs),
    /// Run a shell command on the device, or, without one, line after line from the input
    Shell {
        /// The command and its arguments, after `--` if they begin with a dash
        #[arg(value_name = "ARGV")]
        argv: Vec<String>,
    },
    /// Which groups of commands the device serves
    #[command(subcommand)]
    Enum(Enum),
    /// The storage partition of the device
    #[command(subcommand)]
    Storage(Storage),
    /// Send any request and print the answer, both in CBOR's diagnostic notation
    Raw(Raw),
    /// List the serial ports of this computer, and open each for a moment to see whether that works
    /// (some boards restart when their port is opened)
    Ports,
    /// Show what the device prints and send what is typed; `:image list` and the like run SMP on
    /// the same wire
    Terminal {
        /// End after so many seconds; default is when the input ends
        #[arg(long, value_name = "S")]
        seconds: Option<u64>,
    },
    /// Print a script that lets a shell complete the commands of this program
    Completion {
        /// For which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Statistics.
#[derive(Subcommand)]
pub enum Stat {
    /// The groups of counters
    List,
    /// The counters of a group
    Read {
        /// Its name, as `stat list` shows it
        group: String,
    },
}

/// Settings.
#[derive(Subcommand)]
pub enum Settings {
    /// Show a value, in hex and, if it is some, as text
    Read {
        /// The name, as net/port
        name: String,
        /// The longest value that is wanted, in bytes
        #[arg(long, value_name = "BYTES")]
        max_size: Option<u32>,
    },
    /// Set a value until the next restart; `settings save` keeps it
    Write {
        /// The name, as net/port
        name: String,
        /// The value
        #[arg(allow_negative_numbers = true)]
        value: String,
        /// What the value is; numbers are sent in little-endian order
        #[arg(long = "as", value_enum, value_name = "KIND", default_value_t = ValueKind::Text)]
        kind: ValueKind,
    },
    /// Delete a setting
    Delete {
        /// The name
        name: String,
    },
    /// Let the values that were set take effect
    Commit,
    /// Load all settings from storage
    Load,
    /// Save settings to storage
    Save {
        /// One setting, or one subtree; default is all. Older devices always save all
        name: Option<String>,
    },
}

/// What a value on the command line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValueKind {
    /// Text, sent as bytes without a zero at the end
    Text,
    /// Bytes in hex
    Hex,
    /// A number of 1 byte
    U8,
    /// A number of 2 bytes
    U16,
    /// A number of 4 bytes
    U32,
    /// A number of 4 bytes with a sign
    I32,
    /// Text, sent as text: for Mynewt
    Mynewt,
}

/// Files.
#[derive(Subcommand)]
pub enum Fs {
    /// Send a file to the device
    Upload {
        /// The file here
        file: PathBuf,
        /// Path on the device, as /lfs/config.bin
        path: String,
        /// Go on where an earlier upload of the same file ended, if a hash proves that
        #[arg(long)]
        resume: bool,
    },
    /// Fetch a file from the device
    Download {
        /// Path on the device, as /lfs/hello.txt
        path: String,
        /// The file here, or `-` for the output; default is the last part of the path, in this
        /// directory
        file: Option<PathBuf>,
    },
    /// Length of a file
    Status {
        /// Path on the device, as /lfs/hello.txt
        path: String,
    },
    /// Hash or checksum of a file
    Hash {
        /// Path on the device
        path: String,
        /// Which one, as `fs types` lists them; default is the device's
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// First byte
        #[arg(long, value_name = "N")]
        off: Option<u64>,
        /// Number of bytes
        #[arg(long, value_name = "N")]
        len: Option<u64>,
    },
    /// Hashes and checksums that the device can compute
    Types,
    /// Have the device close the file that it may hold open
    Close,
}

/// Enumeration.
#[derive(Subcommand)]
pub enum Enum {
    /// Numbers and names of the groups
    List,
    /// How many groups there are
    Count,
    /// One group, for devices whose list does not fit an answer
    Single {
        /// Which one, from 0 on
        index: u16,
    },
    /// What the device says about its groups
    Details {
        /// Numbers of groups; default is all
        groups: Vec<u16>,
    },
}

/// Storage.
#[derive(Subcommand)]
pub enum Storage {
    /// Erase it: all settings are gone
    Erase,
}

/// Any request.
#[derive(Args)]
pub struct Raw {
    /// Number of the group; from 64 on they belong to the application
    #[arg(long, value_name = "G")]
    pub group: u16,
    /// Number of the command within the group
    #[arg(long, value_name = "N")]
    pub id: u8,
    /// Whether it reads or writes
    #[arg(long, value_enum)]
    pub op: RawOp,
    /// The payload: maps, arrays, "text", h'hex', integers, true, false and null, as {"d": "hello"}
    #[arg(value_name = "CBOR", default_value = "{}")]
    pub payload: String,
}

/// Operation of any request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RawOp {
    /// Changes nothing
    Read,
    /// Changes or does something
    Write,
}

/// Images.
#[derive(Subcommand)]
pub enum Image {
    /// The images on the device, and what will become of them
    List,
    /// Sizes of the slots
    Slots,
    /// Upload an image into a slot, and leave it at that
    Upload {
        /// The image, as imgtool or the build makes it: app.signed.bin
        file: PathBuf,
        /// Number of the image, on devices with several
        #[arg(long, value_name = "N", conflicts_with = "slot")]
        image: Option<u32>,
        /// Global number of the slot (image x 2 + slot), on devices that let one choose
        #[arg(long, value_name = "G")]
        slot: Option<u32>,
        /// Only if it is newer than what runs
        #[arg(long)]
        upgrade: bool,
    },
    /// Start an image once, at the next reset
    Test {
        /// Its hash, or the first digits of it
        hash: String,
    },
    /// Keep the running image, or start another one for good at the next reset
    Confirm {
        /// The hash of the other one, or the first digits of it
        hash: Option<String>,
    },
    /// Erase a slot that is not in use
    Erase {
        /// Global number of the slot (image x 2 + slot); default is the one that does not run
        #[arg(long, value_name = "G")]
        slot: Option<u32>,
    },
    /// Make an image of a program, with a hash and without a signature; needs no device
    Make(crate::make::Make),
}

#[derive(Args)]
pub struct Upgrade {
    /// The image, as imgtool or the build makes it: app.signed.bin. The simulated device gets one
    /// that is made here
    pub file: Option<PathBuf>,
    /// Number of the image, on devices with several
    #[arg(long, value_name = "N")]
    pub image: Option<u32>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leave the new image on trial: the next reset brings the old one back
    #[arg(long)]
    pub no_confirm: bool,
    /// Reset the device even if it would rather not
    #[arg(long)]
    pub force: bool,
    /// How long the device may take to come back after a reset
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub boot_time: u64,
    /// How long to stay silent after a reset, so that a boot loader does not wait for more; default
    /// 2000
    #[arg(long, value_name = "MS")]
    pub rest: Option<u64>,
}
