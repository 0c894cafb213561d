//! The device at the other end: how to reach it, and one exchange with it.

use anysmp_tools::{err as eprint, errln as eprintln, out as print, outln as println};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::ops::ControlFlow;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use anysmp::blocking::Link;
use anysmp::cbor::{BufferFull, Malformed, Text, Writer};
use anysmp::framing::Framing;
use anysmp::line::{self, Buffers, Damage, Sink};
use anysmp::port::{Tcp, Udp};
use anysmp::routine::{Ended, Routine};
use anysmp::smp::client;
use anysmp::smp::routine::Pacing;
use anysmp::smp::routine::upload::FALLBACK;
use anysmp::smp::{Client, Decode, Dynamic, Encode, Group, Op, Request, Version, error, os};
#[cfg(feature = "ble")]
use anysmp_tools::ble::{Trouble, central::Ble};
use anysmp_tools::options;
use anysmp_tools::port::{DATAGRAM, Listener, Paced, Pipe, Port, Serial, usb};
use anysmp_tools::smp::sim;
use embedded_io::Write as _;
use serde_json::{Value, json};

use crate::cli;
use crate::failure::Failure;
use crate::journal;
use crate::json;
use crate::output::Output;
use crate::words;

/// The time that a probe waits for a response.
const PROBE: Duration = Duration::from_millis(500);

/// The place of the device.
pub enum Endpoint {
    /// A serial line, and its bits per second.
    Serial(String, u32),
    /// A serial line of USB, by its product; its path may change with a reset.
    Usb(String, u32),
    /// A TCP address.
    Tcp(String),
    /// A UDP address.
    Udp(String),
    /// Over Bluetooth, by its name or address.
    #[cfg(feature = "ble")]
    Ble(String),
    /// A simulated device in this process.
    Simulated(Sender<Pipe>),
}

impl Endpoint {
    /// The endpoint that the command line names; the simulated device is started here.
    ///
    /// If none is named, there is no default: a script that forgets its port must not "upgrade" a
    /// device that does not exist.
    pub fn new(link: &cli::Link, log: sim::Log) -> Result<Self, Failure> {
        #[cfg(feature = "ble")]
        if let Some(wanted) = link.ble() {
            if wanted.is_empty() {
                let remedy = "For example --ble Zephyr; `smp ports --ble` lists what is near.";
                return Err(Failure::Usage("--ble needs the name or the address of a device".to_owned(), remedy));
            }
            return Ok(Self::Ble(wanted.clone()));
        }
        Ok(if let Some(path) = &link.serial {
            if std::path::Path::new(path).is_dir() {
                return Err(Failure::Usage(format!("{path} is a directory"), "`smp ports` lists the serial ports."));
            }
            Self::Serial(path.clone(), link.baud)
        } else if let Some(wanted) = &link.usb {
            if let Err(error) = usb(wanted, &[])
                && error.kind() == io::ErrorKind::InvalidInput
            {
                return Err(Failure::Usage(error.to_string(), "`smp ports` shows the numbers of each."));
            }
            Self::Usb(wanted.clone(), link.baud)
        } else if let Some(address) = &link.tcp {
            Self::Tcp(checked(address)?)
        } else if let Some(host) = &link.udp {
            Self::Udp(checked(&if has_port(host) { host.clone() } else { format!("{host}:1337") })?)
        } else if link.simulated {
            let wire = match link.framing {
                cli::Framing::Console => sim::Wire::Console,
                cli::Framing::Raw => sim::Wire::Raw,
                cli::Framing::Cobs => sim::Wire::Cobs,
                cli::Framing::Auto => sim::Wire::Auto,
            };
            let options = sim::Options { wire, log, ..sim::Options::default() };
            let device = sim::Device::new(options).map_err(|error| Failure::Port(io::Error::other(error)))?;
            let (mut listener, dial) = Listener::pipes();
            thread::spawn(move || device.run(&mut listener));
            Self::Simulated(dial)
        } else {
            let advice = if cfg!(feature = "ble") {
                "Name one with --serial, --usb, --tcp, --udp or --ble, or with -d NAME, or try --simulated: a device in this process."
            } else {
                "Name one with --serial, --usb, --tcp or --udp, or with -d NAME, or try --simulated: a device in this process."
            };
            return Err(Failure::Usage("no device given".to_owned(), advice));
        })
    }

    /// Returns true if the carrier is a single stream of bytes, which may have text between the
    /// messages.
    pub const fn is_stream(&self) -> bool {
        matches!(self, Self::Serial(..) | Self::Usb(..) | Self::Tcp(_) | Self::Simulated(_))
    }

    /// Opens the endpoint's port.
    pub fn opened(self, pace: Option<cli::Pace>) -> Result<Opened, Failure> {
        let port = open(&self, pace).map_err(|error| self.unopened(&error))?;
        Ok(Opened { endpoint: self, port })
    }

    /// Reports that the endpoint cannot be opened, under the name that the user gave it.
    fn unopened(&self, error: &io::Error) -> Failure {
        let name = match self {
            Self::Serial(name, _) | Self::Usb(name, _) | Self::Tcp(name) | Self::Udp(name) => name,
            Self::Simulated(_) => "the simulated device",
            #[cfg(feature = "ble")]
            Self::Ble(name) => return Failure::Port(Trouble::during(error, &format!("cannot open {name}"))),
        };
        Failure::Port(io::Error::new(error.kind(), format!("cannot open {name}: {error}")))
    }

    /// Returns true if another user may have left half a line on the device's console: the first
    /// request then gives that line time to end. A TCP server may lead to a serial line, and a
    /// shell on it loses a request that comes right after a line feed; a simulated device has no
    /// other user.
    fn may_be_in_use(&self) -> bool {
        !matches!(self, Self::Simulated(_))
    }

    /// Opens the port.
    pub fn open(&self) -> io::Result<Port> {
        Ok(match self {
            Self::Serial(path, baud) => Box::new(Serial::open(path, *baud)?),
            Self::Usb(wanted, baud) => {
                let path = usb(wanted, &serialport::available_ports()?)?;
                Box::new(Serial::open(&path, *baud)?)
            }
            Self::Tcp(address) => Box::new(Tcp::connect(address, Duration::from_secs(5))?),
            Self::Udp(address) => Box::new(Udp::connect(address)?),
            #[cfg(feature = "ble")]
            Self::Ble(wanted) => Box::new(Ble::open(wanted)?),
            Self::Simulated(dial) => {
                let (ours, its) = Pipe::pair();
                dial.send(its).or(Err(io::ErrorKind::BrokenPipe))?;
                // About as fast as USB to a small device, so that there is something to see.
                Box::new(Paced::new(ours, 2048, Duration::from_millis(10)))
            }
        })
    }
}

fn checked(address: &str) -> Result<String, Failure> {
    options::address(address).map_err(|(text, remedy)| Failure::Usage(text, remedy))
}

/// Returns true if there is a port after the host; an IPv6 address itself contains colons.
fn has_port(host: &str) -> bool {
    match host.rsplit_once(':') {
        Some((front, _)) => !front.contains(':') || front.ends_with(']'),
        None => false,
    }
}

/// An endpoint and its open port.
pub struct Opened {
    endpoint: Endpoint,
    port: Port,
}

/// The result of trying a framing.
pub enum Found<F: Framing> {
    /// The right framing: this device responded.
    Device(Box<Device<F>>),
    /// No device responded.
    Nothing(Opened),
}

/// A device, with the link to it.
pub struct Device<F: Framing> {
    /// The way in which results are shown.
    pub output: Output,
    /// The pause between the repetitions of a command, if the user requested them.
    pub watch: Option<Duration>,
    /// The number of requests of a transfer that the user wants in flight, if it was given.
    pub window: Option<u8>,
    /// The longest message of a transfer, if it was given.
    message: Option<u16>,
    endpoint: Endpoint,
    pace: Option<cli::Pace>,
    framing: fn(&'static mut [u8]) -> F,
    link: Link<'static, Port, F, Trace>,
    client: Client,
}

/// The longest datagram that crosses every IPv6 path in one piece: 1,280 bytes less the headers of
/// IPv6 and UDP.
const PATH: u16 = 1232;

impl<F: Framing> Device<F> {
    /// Opens the port and prepares the link.
    pub fn open(cli: &cli::Link, endpoint: Endpoint, framing: fn(&'static mut [u8]) -> F) -> Result<Self, Failure> {
        Self::over(cli, endpoint.opened(cli.pace)?, framing)
    }

    /// Prepares the link over an open port.
    pub fn over(cli: &cli::Link, opened: Opened, framing: fn(&'static mut [u8]) -> F) -> Result<Self, Failure> {
        let Opened { endpoint, port } = opened;
        let pause = endpoint.may_be_in_use();
        let [sequence, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
        let version = if cli.smp_version == 1 { Version::V1 } else { Version::V2 };
        Ok(Self {
            output: Output { json: cli.json, verbose: cli.verbose, aside: false },
            watch: cli.watch.then(|| Duration::from_millis(cli.interval)),
            window: cli.window,
            message: cli.message,
            endpoint,
            pace: cli.pace,
            framing,
            link: connect(port, framing, Output { json: cli.json, verbose: cli.verbose, aside: false })?
                .with_preamble_pause(pause),
            client: Client::new(sequence)
                .with_version(version)
                .with_timeout(Duration::from_millis(cli.timeout))
                .with_retries(cli.retries),
        })
    }

    /// Sends a harmless request in version 2, then in version 1. Any response proves the framing,
    /// even a refusal.
    pub fn probe(mut self, cli: &cli::Link, name: &str) -> Result<Found<F>, Failure> {
        let versions = if cli.smp_version == 1 { &[Version::V1][..] } else { &[Version::V2, Version::V1] };
        let asking = self.client.clone().with_timeout(PROBE.min(self.client.timeout())).with_retries(0);
        for version in versions {
            let mut client = asking.clone().with_version(*version);
            let answer = self.link.call(&mut client, &os::Parameters {}).map(|_| ());
            match answer.map_err(Failure::of::<os::Parameters>) {
                Ok(()) | Err(Failure::Refused { .. }) => {
                    // The server may have requested the other version.
                    let version = client.version();
                    if !journal::is_quiet() {
                        eprintln!("found: {name} framing, SMP version {}", if version == Version::V1 { 1 } else { 2 });
                    }
                    self.client = self.client.with_version(version);
                    return Ok(Found::Device(Box::new(self)));
                }
                Err(Failure::TimedOut | Failure::Nonsense(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(Found::Nothing(Opened { endpoint: self.endpoint, port: self.link.into_port() }))
    }

    /// Returns the settings of transfers, from the command line and the link.
    pub fn pacing(&self) -> Pacing {
        let mut pacing = Pacing::new().with_limits(self.link.limits());
        if let Some(window) = self.window {
            pacing = pacing.with_window(window.into());
        }
        if let Some(bytes) = self.message {
            pacing = pacing.with_max_message(bytes.into());
            if self.link.limits().datagram && bytes > PATH {
                let text =
                    format!("--message {bytes}: datagrams of more than {PATH} bytes are cut in two on some paths");
                self.output.warning(&format!("{text}, and many devices drop what is cut"));
            }
        }
        pacing
    }

    /// Reports if the device did not allow the requested window.
    pub fn note_window(&self, used: u8, len: u64) {
        // A short file needs no window.
        if let Some(wanted) = self.window
            && used < wanted
            && len > 16 * 1024
        {
            let text = format!("--window {wanted}: the device has buffers for {used} at a time");
            self.output.warning(&text);
        }
    }

    /// Adds the device's own words to a failure, if it sent any.
    pub fn explained(&mut self, failure: Failure) -> Failure {
        match failure {
            Failure::Refused { group, command, refusal, reason: None } => {
                let reason = self.link.sink().reason.take();
                Failure::Refused { group, command, refusal, reason }
            }
            failure => failure,
        }
    }

    /// Returns true if this is the simulated device of this process.
    pub const fn is_simulated(&self) -> bool {
        matches!(self.endpoint, Endpoint::Simulated(_))
    }

    /// Makes one request; returns its response.
    pub fn call<R: Request>(&mut self, request: &R) -> Result<Answer<'_, R::Response<'_>>, Failure> {
        self.fits(request)?;
        self.link.call(&mut self.client, &WithPayload(request)).map_err(Failure::of::<R>)
    }

    /// Refuses a request that is longer than the device can hold: the device would drop it, and its
    /// silence would have no explanation.
    fn fits<R: Request>(&mut self, request: &R) -> Result<(), Failure> {
        let mut scratch = vec![0; DATAGRAM];
        let mut writer = Writer::new(&mut scratch);
        let len = 8 + request.encode(&mut writer).map_or(0, |()| writer.len());
        if len <= FALLBACK {
            return Ok(());
        }
        if let Ok(parameters) = self.link.call(&mut self.client, &os::Parameters {}) {
            let room = parameters.buf_size as usize - self.link.limits().overhead.min(parameters.buf_size as usize);
            if len > room {
                let text = format!("the request has {len} bytes, and the device can hold {room}");
                return Err(Failure::Usage(text, "Send less at a time."));
            }
        }
        Ok(())
    }

    /// Makes one request of any kind; returns the payload of its response.
    pub fn call_raw(&mut self, request: &Dynamic<'_>) -> Result<&[u8], Failure> {
        let response = self.link.call(&mut self.client, request);
        response.map_err(|error| Failure::of_request(request.group, request.command, error))
    }

    /// Sets whether the text that the device prints is shown on stdout.
    pub const fn show_text(&mut self, shown: bool) {
        self.link.sink().shown = shown;
    }

    /// Types a line on the console of the device.
    pub fn type_line(&mut self, line: &str) -> Result<(), Failure> {
        self.type_keys(&[line.as_bytes(), b"\r\n"].concat())
    }

    /// Passes keys on to the console of the device.
    pub fn type_keys(&mut self, keys: &[u8]) -> Result<(), Failure> {
        let port = self.link.port();
        let mut rest = keys.to_vec();
        while !rest.is_empty() {
            let written = port.write(&rest).map_err(Failure::Port)?;
            rest.drain(..written.min(rest.len()));
        }
        port.flush().map_err(Failure::Port)
    }

    /// Receives the text that the device prints, for this long.
    pub fn listen(&mut self, limit: Duration) -> Result<(), Failure> {
        match self.link.recv(limit) {
            // A response to a request that was abandoned.
            Ok(_) | Err(line::Error::TimedOut) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs a job of many exchanges until it ends or this port fails.
    pub fn run<R: Routine<Client = Client>>(
        &mut self,
        routine: &mut R,
        on_event: impl FnMut(R::Event<'_>) -> ControlFlow<()>,
    ) -> Result<Ended<R::Report>, Failure> {
        Ok(self.link.run(&mut self.client, routine, on_event)?)
    }

    /// Closes the port and opens it again, which may take until the device has come up.
    pub fn reopen(&mut self, until: Instant) -> Result<(), Failure> {
        // A USB port has to be closed before it can come back.
        *self.link.port() = Box::new(Pipe::pair().0);
        loop {
            match open(&self.endpoint, self.pace) {
                Ok(port) => {
                    let shown = self.link.sink().shown;
                    self.link =
                        connect(port, self.framing, self.output)?.with_preamble_pause(self.endpoint.may_be_in_use());
                    self.show_text(shown);
                    return Ok(());
                }
                Err(error) if Instant::now() >= until => return Err(self.endpoint.unopened(&error)),
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}

fn open(endpoint: &Endpoint, pace: Option<cli::Pace>) -> io::Result<Port> {
    let port = endpoint.open()?;
    Ok(match pace {
        Some(cli::Pace { bytes, pause }) => Box::new(Paced::new(port, bytes, pause)),
        None => port,
    })
}

/// Joins port and framing. The buffers are leaked: a program that opens its port only a few times
/// can afford it, and needs no lifetime for them anywhere.
fn connect<F: Framing>(
    port: Port,
    framing: fn(&'static mut [u8]) -> F,
    Output { json, verbose, .. }: Output,
) -> Result<Link<'static, Port, F, Trace>, Failure> {
    let buffer = |len| vec![0; len].leak();
    // Whole frames in one write: each costs a call of the operating system, and a pause where the
    // port is paced.
    let memory = Buffers::split(buffer(3 * DATAGRAM)).with_tx(DATAGRAM).with_out(DATAGRAM);
    let link = Link::new(port, framing(buffer(DATAGRAM)), memory).map_err(line::Error::Size)?;
    Ok(link.with_sink(Trace { verbose, shown: false, json, reason: None }))
}

/// Shows the messages on the wire.
struct Trace {
    verbose: bool,
    /// True if text goes to stdout.
    shown: bool,
    json: bool,
    /// The reason in the last response that had one.
    reason: Option<String>,
}

impl Sink for Trace {
    fn text(&mut self, text: &[u8]) {
        let lossy = String::from_utf8_lossy(text);
        if self.shown && self.json {
            println!("{}", json!({ "text": lossy }));
        } else if self.shown {
            print!("{lossy}");
        } else if self.verbose {
            eprint!("{lossy}");
        }
    }

    fn dropped(&mut self, damage: Damage) {
        journal::line(&format!("dropped: {damage}"));
        if self.verbose {
            eprintln!("dropped: {damage}");
        }
    }

    fn traced(&mut self, message: &[u8], sent: bool) {
        let reason = client::payload(message).ok().and_then(|payload| error::beside::<Text<'_>>(payload, "rsn"));
        if let Some(reason) = reason.filter(|_| !sent) {
            self.reason = Some(reason.to_string());
        }
        let said = words::smp(message).text;
        journal::line(&said);
        if self.verbose {
            eprintln!("{said}");
        }
    }
}

/// A request whose response keeps its payload, so that it can be shown as it arrived.
struct WithPayload<'r, R>(&'r R);

/// A response, decoded and as it arrived.
pub struct Answer<'m, T> {
    /// The decoded response.
    pub response: T,
    payload: &'m [u8],
}

impl<T> Answer<'_, T> {
    /// Returns the whole payload as JSON.
    pub fn json(&self) -> Value {
        json::from_cbor(self.payload)
    }
}

impl<R: Encode> Encode for WithPayload<'_, R> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        self.0.encode(writer)
    }
}

impl<'m, T: Decode<'m>> Decode<'m> for Answer<'m, T> {
    fn decode(payload: &'m [u8]) -> Result<Self, Malformed> {
        Ok(Self { response: T::decode(payload)?, payload })
    }
}

impl<R: Request> Request for WithPayload<'_, R> {
    const OP: Op = R::OP;
    const GROUP: Group = R::GROUP;
    const COMMAND: u8 = R::COMMAND;
    const TIMEOUT: Duration = R::TIMEOUT;
    type Kind = WithPayload<'static, R::Kind>;
    type Response<'m> = Answer<'m, R::Response<'m>>;

    fn is_idempotent(&self) -> bool {
        self.0.is_idempotent()
    }

    fn response(payload: &[u8]) -> Result<Self::Response<'_>, client::Error> {
        Ok(Answer { response: R::response(payload)?, payload })
    }
}
