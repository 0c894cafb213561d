//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anysmp_tools::options::seconds;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub mod decode;

/// Talks to a device over SMP, the protocol of MCUmgr: Zephyr, MCUboot's serial recovery, Mynewt.
///
/// Name the device with --serial, --usb, --tcp, --udp or -d, then a command. With --simulated a
/// device in this process responds, so that everything can be tried.
#[derive(Parser)]
#[command(name = "smp", version, after_help = EXIT_CODES, args_override_self = true)]
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
  2  the command line is invalid
  3  no response, or a malformed one
  4  the port cannot be opened, or failed
  5  a file or the output cannot be read or written, or a file is not an image or contradicts itself
  6  the upgrade was not confirmed: the old image runs, or the running image is unknown
  128 and more: a signal ended the program, 130 is Ctrl-C; it reports unfinished work

Examples:
  smp --simulated upgrade                              upgrade the simulated device
  smp --serial /dev/ttyACM0 upgrade app.signed.bin     upgrade a real one
  smp --udp 192.0.2.1 image list
  smp --tcp 127.0.0.1:5000 --framing raw echo hello

First steps with a real device:
  smp ports                                            list the serial ports
  smp --serial /dev/ttyACM0 --framing auto enum list   find its framing and its groups of commands
  smp --serial /dev/ttyACM0 terminal                   see its console, use its shell, run `:image list`
  smp device add bench --serial /dev/ttyACM0           from now on: smp -d bench image list
  smp install                                          manual pages and completion, below ~/.local

Environment:
  SMP_DEVICE   the name of the device, where the command line gives no endpoint
  SMP_OPTIONS  or its options, for example --serial /dev/ttyACM0 --framing raw
  SMP_CONFIG   the file with the names; default is ~/.config/anysmp/devices.json
  PATH         is searched for a program smp-NAME, if there is no command NAME

`smp COMMAND --help` describes a command in full.";

/// The endpoint of the device, and the options of the link.
#[derive(Args)]
pub struct Link {
    /// A serial line, for example /dev/ttyACM0 or COM3
    #[arg(long, value_name = "PATH", global = true, conflicts_with_all = ["tcp", "udp"], help_heading = "Endpoint")]
    pub serial: Option<String>,
    /// Bits per second of the serial line
    #[arg(long, value_name = "N", global = true, default_value_t = 115_200, value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["tcp", "udp", "simulated"], help_heading = "Endpoint")]
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
    /// A USB serial port by vendor and product id, or `any` if there is only one
    #[arg(long, value_name = "VID:PID[:INTERFACE]", global = true, conflicts_with_all = ["serial", "tcp", "udp", "simulated"], help_heading = "Endpoint")]
    pub usb: Option<String>,
    /// A Bluetooth device, by its name or, a little faster, its address; `smp ports --ble` lists
    /// them
    #[cfg(feature = "ble")]
    #[arg(long, value_name = "NAME|ADDRESS", global = true, num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["serial", "tcp", "udp", "usb", "simulated", "baud", "pace"], help_heading = "Endpoint")]
    pub ble: Option<String>,
    /// The endpoint and link that `smp device add` gave this name
    #[arg(long, short, value_name = "NAME", global = true, help_heading = "Endpoint")]
    pub device: Option<String>,
    /// Framing of the messages; UDP needs none
    #[arg(long, value_enum, value_name = "KIND", global = true, default_value_t = Framing::Console, conflicts_with = "udp", help_heading = "Link")]
    pub framing: Framing,
    /// Version of SMP to begin with
    #[arg(long, value_name = "1|2", global = true, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2), help_heading = "Link")]
    pub smp_version: u8,
    /// Time to wait for a response; commands that erase flash wait longer by themselves
    #[arg(long, value_name = "MS", global = true, default_value_t = 2500, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Link")]
    pub timeout: u64,
    /// Retries of a request that gets no response. Once the device has answered, a transfer
    /// continues until it has been silent for half a minute
    #[arg(long, value_name = "N", global = true, default_value_t = 2, help_heading = "Link")]
    pub retries: u8,
    /// At most this many requests of a transfer in flight, 1 to 8, and never more than the device's
    /// buffers less one, which is the default (over UDP at most 4)
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u8).range(1..=8), help_heading = "Link")]
    pub window: Option<u8>,
    /// The longest message of a transfer; default is the longest that the device can hold, and over
    /// UDP at most 1232, which crosses every path in one piece
    #[arg(long, value_name = "BYTES", global = true, value_parser = clap::value_parser!(u16).range(62..), help_heading = "Link")]
    pub message: Option<u16>,
    /// Send at most this many bytes in this many milliseconds, for receivers that lose bursts
    #[arg(long, value_name = "BYTES/MS", global = true, help_heading = "Link")]
    pub pace: Option<Pace>,
    /// Print JSON objects, one per line; the last one is the result
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Show each message in words on stderr, the device's other output too, and hashes in full
    #[arg(long, short, global = true, help_heading = "Output")]
    pub verbose: bool,
    /// Show results and failures only: no progress, no messages in between
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// Add each message in words, with the time, to this file
    #[arg(long, value_name = "FILE", global = true, help_heading = "Output")]
    pub log_file: Option<PathBuf>,
    /// Repeat a command that only reads, until Ctrl-C
    #[arg(long, global = true, help_heading = "Output")]
    pub watch: bool,
    /// Time from one reading of a value to the next, with --watch
    #[arg(long, value_name = "MS", global = true, default_value_t = 1000, requires = "watch", help_heading = "Output")]
    pub interval: u64,
}

impl Link {
    /// The Bluetooth device, in a program that was built with the feature `ble`.
    pub const fn ble(&self) -> Option<&String> {
        #[cfg(feature = "ble")]
        return self.ble.as_ref();
        #[cfg(not(feature = "ble"))]
        None
    }
}

/// The SHA-256 of a file.
pub type Checksum = [u8; 32];

fn checksum(digits: &str) -> Result<Checksum, &'static str> {
    let bytes = crate::json::from_hex(digits).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or("not 64 hex digits, as `sha256sum` prints them")
}

/// The framing of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Framing {
    /// Lines of base64 between console text
    Console,
    /// Bare messages, back to back
    Raw,
    /// COBS with a CRC-16
    Cobs,
    /// Try all of them, with version 2 of SMP and then with version 1, and use the first that gets
    /// a response
    Auto,
}

/// A number of bytes per time.
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
            _ => Err("not of the form BYTES/MS, for example 64/10"),
        }
    }
}

#[derive(Subcommand)]
pub enum Command {
    /// Upload an image, start it on trial, and confirm it once it runs
    Upgrade(Upgrade),
    /// List, upload, test, confirm and erase images
    #[command(subcommand)]
    Image(Image),
    /// Make the device return a text
    Echo {
        /// The text
        text: String,
    },
    /// Show the sizes of the device's buffers
    Params,
    /// Show the firmware of the device
    Info {
        /// Any of: s kernel name, n node name, r release, v version, b build time, m machine, p
        /// processor, i platform, o operating system, a all; their values in one line. Default is
        /// all of them, with their names
        format: Option<String>,
    },
    /// Show name and mode of the boot loader
    Bootloader,
    /// List the tasks of the device and their stacks
    Taskstat,
    /// List the memory pools of the device
    Mpstat,
    /// Show or set date and time
    Datetime {
        /// YYYY-MM-DDTHH:MM:SS, or `now`. The device gets UTC: a zone such as +01:00 after it is
        /// taken into account
        set: Option<String>,
    },
    /// Reset the device
    Reset {
        /// Reset the device even if it is busy
        #[arg(long)]
        force: bool,
        /// Stay in the boot loader
        #[arg(long)]
        bootloader: bool,
    },
    /// List and show counters of the device
    #[command(subcommand)]
    Stat(Stat),
    /// Read and write named values on the device
    #[command(subcommand)]
    Settings(Settings),
    /// Transfer and examine files on the device
    #[command(subcommand)]
    Fs(Fs),
    /// Run a shell command on the device, or, without one, line after line from the input
    Shell {
        /// The command and its arguments: whatever comes after the first word, options too
        #[arg(value_name = "ARGV", trailing_var_arg = true, allow_hyphen_values = true)]
        argv: Vec<String>,
    },
    /// List the groups of commands that the device serves
    #[command(subcommand)]
    Enum(Enum),
    /// Erase the storage partition of the device
    #[command(subcommand)]
    Storage(Storage),
    /// Send any request and print the response, both in CBOR's diagnostic notation
    Raw(Raw),
    /// Show and clear the logs of a Mynewt device
    #[command(subcommand)]
    Log(Log),
    /// Make a Mynewt device crash, to test its recovery
    Crash {
        /// The kind of crash: div0, jump0, ref0, assert or wdog
        how: String,
    },
    /// List and start the run-time tests of a Mynewt device
    #[command(subcommand)]
    Run(Run),
    /// Give names to devices, so that `-d NAME` or the variable SMP_DEVICE reaches them
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Show captured bytes of SMP, BSMP or S3MP as messages in words; needs no device
    Decode(decode::Decode),
    /// Pass bytes on between two ports, and show the messages in words as they come
    Sniff(decode::Sniff),
    /// List the serial ports of this computer, and open each for a moment to see whether that works
    /// (some boards restart when their port is opened)
    Ports,
    /// Compute the time of an upload from buffers, baud rate, window and framing; needs no device
    Plan(crate::plan::Plan),
    /// Show the device's console and pass every key on; Ctrl-] followed by a command of this
    /// program runs it on the same wire. Without a terminal, lines are sent, and lines such as
    /// `:image list` are run as commands
    Terminal {
        /// End after this many seconds; by default at the end of the input
        #[arg(long, value_name = "S", value_parser = seconds)]
        duration: Option<Duration>,
    },
    /// Install the manual pages, and the completion of bash, zsh and fish
    Install {
        /// The directory for `share/man` and the like
        #[arg(long, value_name = "DIR")]
        prefix: Option<PathBuf>,
    },
    /// Print the script that completes commands in a shell
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Names of devices.
#[derive(Subcommand)]
pub enum DeviceCommand {
    /// Name the endpoint and the link that the other options give
    Add {
        /// The name
        name: String,
    },
    /// List the names
    List,
    /// Forget a name
    Remove {
        /// The name
        name: String,
    },
}

/// Logs of Mynewt.
#[derive(Subcommand)]
pub enum Log {
    /// List the logs
    List,
    /// List the modules that write logs, with their numbers
    Modules,
    /// List the levels, with their numbers
    Levels,
    /// Show the entries of a log
    Show {
        /// The name of the log, as `log list` shows it; default is all
        name: Option<String>,
        /// The index of the first entry
        #[arg(long, value_name = "INDEX", default_value_t = 0)]
        from: u32,
    },
    /// Empty a log
    Clear {
        /// Its name; default is all
        name: Option<String>,
    },
}

/// Run-time tests of Mynewt.
#[derive(Subcommand)]
pub enum Run {
    /// List the tests
    List,
    /// Start a test
    Test {
        /// Its name; default is all
        name: Option<String>,
        /// A word for the log of the device
        #[arg(long)]
        token: Option<String>,
    },
}

/// Statistics.
#[derive(Subcommand)]
pub enum Stat {
    /// List the groups of counters
    List,
    /// Show the counters of a group
    Read {
        /// The name of the group, as `stat list` shows it
        #[arg(required_unless_present = "all")]
        group: Option<String>,
        /// Show the counters of every group
        #[arg(long, conflicts_with = "group")]
        all: bool,
    },
}

/// Settings.
#[derive(Subcommand)]
pub enum Settings {
    /// Show a value in hex and, if it is text, as text
    Read {
        /// The name, for example net/port
        name: String,
        /// The longest value to return, in bytes
        #[arg(long, value_name = "BYTES")]
        max_size: Option<u32>,
    },
    /// Set a value until the next restart; `settings save` keeps it
    Write {
        /// The name, for example net/port
        name: String,
        /// The value
        #[arg(allow_negative_numbers = true)]
        value: String,
        /// The kind of the value; numbers, also in hex after 0x, are sent in little-endian order
        #[arg(long = "as", value_enum, value_name = "KIND", default_value_t = ValueKind::Text)]
        kind: ValueKind,
    },
    /// Delete a setting
    Delete {
        /// The name
        name: String,
    },
    /// Apply the values that were set
    Commit,
    /// Load all settings from storage
    Load,
    /// Save settings to storage
    Save {
        /// One setting, or one subtree; default is all. Older devices always save all
        name: Option<String>,
    },
}

/// The kind of a value on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValueKind {
    /// Text, sent as bytes without a zero at the end
    Text,
    /// Bytes in hex, also after 0x
    Hex,
    /// An 8-bit number
    U8,
    /// A 16-bit number
    U16,
    /// A 32-bit number
    U32,
    /// A 64-bit number
    U64,
    /// A signed 8-bit number
    I8,
    /// A signed 16-bit number
    I16,
    /// A signed 32-bit number
    I32,
    /// A signed 64-bit number
    I64,
    /// `true` or `false`, as 1 byte
    Bool,
    /// Text, sent as text: for Mynewt
    Mynewt,
}

/// Files.
#[derive(Subcommand)]
pub enum Fs {
    /// Send a file to the device
    Upload {
        /// The local file
        file: PathBuf,
        /// Path on the device, for example /lfs1/config.bin
        path: String,
        /// Continue where an earlier transfer of the file ended, if a hash proves that
        #[arg(long)]
        resume: bool,
    },
    /// Fetch a file from the device
    Download {
        /// Path on the device, for example /lfs1/hello.txt
        path: String,
        /// The local file, a directory for it, or `-` for the output, with all messages on stderr;
        /// default is the last part of the path, in this directory
        file: Option<PathBuf>,
        /// Continue where an earlier transfer of the file ended
        #[arg(long)]
        resume: bool,
    },
    /// Show the length of a file
    Status {
        /// Path on the device, for example /lfs1/hello.txt
        path: String,
    },
    /// Show a hash or checksum of a file
    Hash {
        /// Path on the device
        path: String,
        /// The kind, as `fs types` lists them; default is the device's
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// First byte
        #[arg(long, value_name = "N")]
        off: Option<u64>,
        /// Number of bytes
        #[arg(long, value_name = "N")]
        len: Option<u64>,
    },
    /// List the hashes and checksums that the device can compute
    Types,
    /// Make the device close a file that it may hold open
    Close,
}

/// Enumeration.
#[derive(Subcommand)]
pub enum Enum {
    /// List numbers and names of the groups
    List,
    /// Show the number of groups
    Count,
    /// Show one group, for devices whose list does not fit a response
    Single {
        /// The index in the list, from 0
        index: u16,
    },
    /// Show details of groups
    Details {
        /// Numbers of groups; default is all
        groups: Vec<u16>,
    },
}

/// Storage.
#[derive(Subcommand)]
pub enum Storage {
    /// Erase the partition: all settings are lost
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
    /// Read or write
    #[arg(long, value_enum)]
    pub op: RawOp,
    /// The payload, for example {"d": "hello"}: maps, arrays, "text", h'00 ff', integers, true,
    /// false, null, undefined, simple(5), tags such as 1(0), numbers of 64 bits such as 1.5, of 32
    /// such as 1.5_2, of 16 such as 1.5_1
    #[arg(value_name = "CBOR", default_value = "{}")]
    pub payload: String,
}

/// Operation of any request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RawOp {
    /// A request that changes nothing
    Read,
    /// A request that changes or does something
    Write,
}

/// Images.
#[derive(Subcommand)]
pub enum Image {
    /// List the images on the device, and their states
    List,
    /// Show the sizes of the slots
    Slots,
    /// Upload an image into a slot, without starting it
    Upload {
        /// The image from imgtool or the build, for example app.signed.bin; also .hex, a package
        /// with one image, and `-` for the standard input
        file: PathBuf,
        /// Upload the file as it is, whatever it is
        #[arg(long)]
        raw: bool,
        /// Only if the SHA-256 of the file is this one, in hex
        #[arg(long, value_name = "SHA256", value_parser = checksum)]
        checksum: Option<Checksum>,
        /// Number of the image, on devices with several
        #[arg(long, value_name = "N", conflicts_with = "slot")]
        image: Option<u32>,
        /// Global number of the slot (image x 2 + slot), on devices where it can be chosen
        #[arg(long, value_name = "G")]
        slot: Option<u32>,
        /// Only if it is newer than the running image
        #[arg(long)]
        upgrade_only: bool,
    },
    /// Start an image once, at the next reset
    Test {
        /// Its hash, or the first digits of it
        hash: String,
    },
    /// Keep the running image, or start another one permanently at the next reset
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
    /// Show what an image file says about itself, and whether its hash is true; needs no device
    Info(crate::info::Info),
}

#[derive(Args)]
pub struct Upgrade {
    /// The image from imgtool or the build, for example app.signed.bin; also .hex, `-` for the
    /// standard input, and dfu_application.zip, of which all images are started by one reset, and
    /// of two files for the slots of one image that for the free slot. For the simulated device,
    /// one is made if none is given
    pub file: Option<PathBuf>,
    /// Only if the SHA-256 of the file is this one, in hex
    #[arg(long, value_name = "SHA256", value_parser = checksum, requires = "file")]
    pub checksum: Option<Checksum>,
    /// Number of the image, on devices with several; a package has it inside
    #[arg(long, value_name = "N")]
    pub image: Option<u32>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Only if it is newer than the running image
    #[arg(long, conflicts_with = "allow_downgrade")]
    pub upgrade_only: bool,
    /// An older image than the running one is wanted: do not warn
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Never reset the device to end the trial of another image; fail instead
    #[arg(long)]
    pub no_settle: bool,
    /// Leave the new image on trial: the next reset brings the old one back
    #[arg(long)]
    pub no_confirm: bool,
    /// Reset the device even if it is busy
    #[arg(long)]
    pub force: bool,
    /// Time that the device may take to come back after a reset
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub boot_time: u64,
    /// Silence after a reset, so that a boot loader does not wait for more; default 2000
    #[arg(long, value_name = "MS")]
    pub rest: Option<u64>,
}
