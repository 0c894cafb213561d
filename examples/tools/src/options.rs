//! Options that `bsmp` and `s3mp` share, in the words of `smp`: see `tests/options.rs`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anysmp::port::{Tcp, Udp};
use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::port::{Pipe, Port, Serial, usb};
use crate::{errln as eprintln, outln as println};

/// The endpoint of the device.
#[derive(Args)]
pub struct Endpoint {
    /// A serial line, for example /dev/ttyACM0 or COM3
    #[arg(long, value_name = "PATH", global = true, conflicts_with = "tcp", help_heading = "Endpoint")]
    pub serial: Option<String>,
    /// Bits per second of the serial line
    #[arg(long, value_name = "N", global = true, default_value_t = 115_200, value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["tcp", "simulated"], help_heading = "Endpoint")]
    pub baud: u32,
    /// A TCP server
    #[arg(long, value_name = "HOST:PORT", global = true, help_heading = "Endpoint")]
    pub tcp: Option<String>,
    /// A simulated device in this process; it forgets everything when the command ends
    #[arg(long, global = true, conflicts_with_all = ["serial", "tcp"], help_heading = "Endpoint")]
    pub simulated: bool,
    /// A USB serial port by vendor and product id, or `any` if there is only one
    #[arg(long, value_name = "VID:PID[:INTERFACE]", global = true, conflicts_with_all = ["serial", "tcp", "simulated"], help_heading = "Endpoint")]
    pub usb: Option<String>,
}

/// Results and messages.
#[derive(Args)]
pub struct Output {
    /// Print JSON objects, one per line; the last one is the result
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Show each message in words on stderr
    #[arg(long, short, global = true, help_heading = "Output")]
    pub verbose: bool,
    /// Show results and failures only: no progress, no messages in between
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub quiet: bool,
    /// Add each message in words, with the time, to this file
    #[arg(long, value_name = "FILE", global = true, help_heading = "Output")]
    pub log_file: Option<PathBuf>,
}

/// The options for the end and the form of something that goes on.
#[derive(Args)]
pub struct Watching {
    /// End after this many seconds
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub duration: Option<Duration>,
    /// End after this many readings in all, with or without a value; 0 continues until Ctrl-C
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub count: u64,
    /// Print comma-separated values, with a heading
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print lines, also on a terminal, where there would be a table; --verbose does that, too
    #[arg(long)]
    pub lines: bool,
}

/// Parses a time in seconds, such as 0.5.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().or(Err("not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// The place that a command line names.
#[derive(Clone)]
pub enum Place {
    /// A serial line.
    Serial(String, u32),
    /// A serial line of USB.
    Usb(String, u32),
    /// A TCP server.
    Tcp(String),
    /// A UDP server.
    Udp(String),
    /// A device in this process, which waits for pipes.
    Simulated(Sender<Pipe>),
}

impl Endpoint {
    /// Returns the place that the options name; `simulate` starts the simulated device. `udp` is
    /// for the tool that has this option, `advice` is for a user who names no place.
    pub fn place(
        &self,
        udp: Option<&str>,
        advice: &'static str,
        simulate: impl FnOnce() -> Sender<Pipe>,
    ) -> Result<Place, Failure> {
        Ok(if let Some(path) = &self.serial {
            if std::path::Path::new(path).is_dir() {
                return Err(Failure::usage(format!("{path} is a directory"), "`smp ports` lists the serial ports."));
            }
            Place::Serial(path.clone(), self.baud)
        } else if let Some(wanted) = &self.usb {
            if let Err(error) = usb(wanted, &[])
                && error.kind() == io::ErrorKind::InvalidInput
            {
                return Err(Failure::usage(error.to_string(), "`smp ports` shows the numbers of each."));
            }
            Place::Usb(wanted.clone(), self.baud)
        } else if let Some(text) = &self.tcp {
            Place::Tcp(address(text).map_err(|(text, remedy)| Failure::usage(text, remedy))?)
        } else if let Some(text) = udp {
            Place::Udp(address(text).map_err(|(text, remedy)| Failure::usage(text, remedy))?)
        } else if self.simulated {
            Place::Simulated(simulate())
        } else {
            return Err(Failure::usage("no device given", advice));
        })
    }
}

impl Place {
    /// Opens the port.
    pub fn open(&self) -> Result<Port, Failure> {
        let opened = || -> io::Result<Port> {
            Ok(match self {
                Self::Serial(path, baud) => Box::new(Serial::open(path, *baud)?),
                Self::Usb(wanted, baud) => {
                    Box::new(Serial::open(&usb(wanted, &serialport::available_ports()?)?, *baud)?)
                }
                Self::Tcp(address) => Box::new(Tcp::connect(address, Duration::from_secs(5))?),
                Self::Udp(address) => Box::new(Udp::connect(address)?),
                Self::Simulated(dial) => {
                    let (ours, its) = Pipe::pair();
                    dial.send(its).or(Err(io::ErrorKind::BrokenPipe))?;
                    Box::new(ours)
                }
            })
        };
        opened().map_err(|error| Failure::unopened(self.name(), &error))
    }

    /// The name that the user gave the place.
    pub fn name(&self) -> &str {
        match self {
            Self::Serial(name, _) | Self::Usb(name, _) | Self::Tcp(name) | Self::Udp(name) => name,
            Self::Simulated(_) => "the simulated device",
        }
    }

    /// Returns true if bytes take time on it, and nothing marks the end of a packet.
    pub const fn is_serial(&self) -> bool {
        matches!(self, Self::Serial(..) | Self::Usb(..))
    }
}

/// Returns a usable address: with a port, and with the number of an interface instead of its name.
/// Otherwise returns the reason, and the remedy.
pub fn address(address: &str) -> Result<String, (String, &'static str)> {
    let wrong = || (format!("{address} is not an address"), "Give HOST:PORT, for example 192.0.2.7:1337.");
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    if host.is_empty() || !is_port {
        return Err(wrong());
    }
    // The resolver of the standard library accepts numbers only.
    let named = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).and_then(|host| host.split_once('%'));
    match named {
        Some((host, name)) if name.parse::<u32>().is_err() => {
            let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex"));
            let index = index.or(Err((format!("there is no network interface {name}"), "`ip link` lists them.")))?;
            Ok(format!("[{host}%{}]:{port}", index.trim()))
        }
        _ => Ok(address.to_owned()),
    }
}

/// Reports an invalid command line, or a request for help; to programs, as an object as well.
pub fn usage(error: &clap::Error) -> ExitCode {
    usage_with(error, None)
}

/// Does the same, with a remedy.
#[must_use]
pub fn usage_with(error: &clap::Error, remedy: Option<&str>) -> ExitCode {
    let is_fault = error.use_stderr();
    let remedy = remedy.filter(|_| is_fault);
    if is_fault && std::env::args_os().any(|word| word == "--json") {
        let text = error.to_string();
        let text = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        println!("{}", json!({ "error": text, "exit": 2, "remedy": remedy }));
    }
    let _ = error.print();
    if let Some(remedy) = remedy {
        eprintln!("  {remedy}");
    }
    if is_fault { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// Ends `bsmp` or `s3mp`: shows the outcome; a full disk is detected last.
pub fn finish(output: &Output, done: Result<(), Failure>) -> ExitCode {
    let written = || crate::out::check().map_err(|error| Failure::file("the standard output".as_ref(), error));
    match done.and_then(|()| written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.show(output.json);
            ExitCode::from(failure.code)
        }
    }
}

/// Opens the file of `--log-file`.
pub fn begin(program: &str, output: &Output) -> Result<(), Failure> {
    let path = output.log_file.as_deref();
    crate::journal::begin(program, output.quiet, path)
        .map_err(|error| Failure::file(path.unwrap_or("".as_ref()), error))
}

/// Prints a script that lets a shell complete the commands of this program.
pub fn completion(shell: clap_complete::Shell, program: &str, command: &mut clap::Command) {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, program, &mut script);
    crate::out!("{}", String::from_utf8_lossy(&script));
}
