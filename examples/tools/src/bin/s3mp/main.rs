//! Asks an S3MP slave, or shows what one is like.
//!
//! ```text
//! cargo run --release -p anysmp-tools --bin s3mp -- demo
//! cargo run --release -p anysmp-tools --bin s3mp -- --serial /dev/ttyACM0 describe
//! cargo run --release -p anysmp-tools --bin s3mp -- --tcp 127.0.0.1:4096 set relay true
//! cargo run --release -p anysmp-tools --bin s3mp -- --tcp 127.0.0.1:4096 --json monitor
//! ```
//!
//! Addresses are numbers, names that the slave knows, `host` or `all`. With `--json` each line of
//! the output is one object.

#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a program on a host, not the library")]

mod demo;
mod show;

use anysmp_tools::{errln as eprintln, outln as println};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anysmp::framing::lrc::Lrc;
use anysmp::line::SizeError;
use anysmp::port::Tcp;
use anysmp::routine::Ended;
use anysmp::s3mp::master::{
    Describe, Get, Invert, Master, Request, Response, Set, Status, Subscribe, Unsolicited, Unsubscribe, error_text,
};
use anysmp::s3mp::routine::{Connect, ConnectOutcome, Event, Monitor, MonitorOutcome, Watch};
use anysmp::s3mp::value::Value;
use anysmp::s3mp::{Address, Counter, USUAL_MESSAGE};
use anysmp::{blocking, line, s3mp};
use anysmp_tools::port::{Port, Serial};
use anysmp_tools::s3mp::greenhouse::Trace;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use serde_json::{Value as Json, json};

/// Talks to a slave over S3MP, the Simple Serial Slave-Master Protocol.
///
/// Exit codes: 1 the slave refuses, 2 wrong usage, 3 no response or a wrong one, 4 the port failed.
#[derive(Parser)]
#[command(name = "s3mp", version)]
struct Options {
    #[command(flatten)]
    line: Line,
    /// Baud rate of the serial line
    #[arg(long, global = true, default_value_t = 115_200)]
    baud: u32,
    /// Time to wait for a response, in milliseconds
    #[arg(long, global = true, value_name = "MS", default_value_t = 1000)]
    timeout: u64,
    /// Retries of a command that gets no response (never for INVERT)
    #[arg(long, global = true, value_name = "N", default_value_t = 2)]
    retries: u8,
    /// Print JSON, one object for each line
    #[arg(long, global = true)]
    json: bool,
    /// Print every message on stderr
    #[arg(long, global = true)]
    trace: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Args)]
#[group(multiple = false)]
struct Line {
    /// Serial line or pseudo-terminal
    #[arg(long, global = true, value_name = "PATH")]
    serial: Option<String>,
    /// TCP connection, for example to a serial server
    #[arg(long, global = true, value_name = "HOST:PORT")]
    tcp: Option<String>,
}

#[derive(Subcommand)]
enum Task {
    /// Show whether the slave is up, and since when
    Status,
    /// List the names of all addresses
    Describe,
    /// Show values, of all addresses if none is given
    Get { addresses: Vec<String> },
    /// Gives an actuator a value: true, 12, 1.5, text, "12", null, hex:f5
    #[command(allow_negative_numbers = true)]
    Set { address: String, value: String },
    /// Inverts a boolean
    Invert { address: String },
    /// Prints values whenever they change, of all addresses if none is given
    Subscribe {
        addresses: Vec<String>,
        /// Ends after this many seconds
        #[arg(long = "for", value_name = "SECONDS")]
        limit: Option<f64>,
    },
    /// Ends subscriptions
    Unsubscribe { addresses: Vec<String> },
    /// Resets an address, or the slave itself
    Reset {
        #[arg(default_value = "host")]
        address: String,
    },
    /// Connects, subscribes to everything and watches; finds the slave again when it is lost
    Monitor {
        /// Sends RESET first
        #[arg(long)]
        reset: bool,
        /// Milliseconds from one STATUS to the next
        #[arg(long, value_name = "MS", default_value_t = 5000)]
        interval: u64,
        /// Ends after this many seconds
        #[arg(long = "for", value_name = "SECONDS")]
        limit: Option<f64>,
    },
    /// A simulated greenhouse: connection, values as they change, a relay, a slave that dies and
    /// comes back
    Demo,
}

type Error = Box<dyn std::error::Error>;
type Link = blocking::Link<'static, Port, Lrc<'static>, Trace>;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.task {
        Task::Demo => demo::run(),
        _ => open(&options).and_then(|port| Session::new(port, &options)?.run(&options.task)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if options.json {
                println!("{}", json!({ "error": error.to_string() }));
            }
            eprintln!("s3mp: {error}");
            error.downcast_ref::<Failure>().map_or(2, |failure| failure.1).into()
        }
    }
}

/// A failure of the line or the slave, and its exit code, which is that of `smp`.
#[derive(Debug)]
struct Failure(String, u8);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    fn of<E: std::fmt::Display>(error: &line::Error<io::Error, E>, of: impl FnOnce(&E) -> u8) -> Self {
        let code = match error {
            line::Error::Protocol(error) => of(error),
            line::Error::TimedOut => 3,
            line::Error::Port(_) | line::Error::WriteZero | line::Error::Closed => 4,
            _ => 2,
        };
        Self(error.to_string(), code)
    }
}

fn open(options: &Options) -> Result<Port, Error> {
    Ok(match (&options.line.serial, &options.line.tcp) {
        (Some(path), _) => {
            Box::new(Serial::open(path, options.baud).map_err(|error| Failure(format!("{path}: {error}"), 4))?)
        }
        (_, Some(host)) => Box::new(
            Tcp::connect(host, Duration::from_secs(5)).map_err(|error| Failure(format!("{host}: {error}"), 4))?,
        ),
        _ => {
            let advice = "no slave given: name one with --serial or --tcp, or try `demo`";
            Options::command().error(ErrorKind::MissingRequiredArgument, advice).exit()
        }
    })
}

/// A link for the rest of the program's life.
fn link(port: Port, trace: bool) -> Result<Link, SizeError> {
    let message = vec![0; USUAL_MESSAGE].leak();
    let memory = vec![0; Lrc::sizes_of(USUAL_MESSAGE).memory()].leak();
    Ok(blocking::Link::new(port, Lrc::new(message), memory)?.with_sink(Trace(trace)))
}

/// The first counter differs from run to run, so that answers to an earlier run are none.
fn master() -> Master {
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.subsec_nanos());
    Master::new(Counter((nanos >> 10) as u8))
}

struct Session {
    link: Link,
    master: Master,
    json: bool,
    names: Vec<(Address, String)>,
}

impl Session {
    fn new(port: Port, options: &Options) -> Result<Self, SizeError> {
        Ok(Self {
            link: link(port, options.trace)?,
            master: master().with_timeout(Duration::from_millis(options.timeout)).with_retries(options.retries),
            json: options.json,
            names: Vec::new(),
        })
    }

    fn run(&mut self, task: &Task) -> Result<(), Error> {
        match task {
            Task::Status => {
                let boot = self.call(&Status, show::json)?;
                self.print(&json!({ "status": "up", "start": boot }), &format!("up, start {boot}"));
            }
            Task::Describe => {
                self.describe()?;
                for (address, name) in &self.names {
                    self.print(&json!({ "address": address.0, "name": name }), &format!("{:>3}  {name}", address.0));
                }
            }
            Task::Get { addresses } => {
                for address in self.choose(addresses)? {
                    let value = self.call(&Get(address), |value| value.bytes().to_vec())?;
                    self.value("value", address, Value::new(&value));
                }
            }
            Task::Set { address, value } => {
                let address = self.address(address)?;
                self.call(&Set(address, Value::new(&show::parse(value)?)), |()| ())?;
                self.print(&json!({ "address": address.0, "set": true }), "done");
            }
            Task::Invert { address } => {
                let address = self.address(address)?;
                let value = self.call(&Invert(address), |value| value.bytes().to_vec())?;
                self.value("value", address, Value::new(&value));
            }
            Task::Subscribe { addresses, limit } => {
                for address in self.choose(addresses)? {
                    let value = self.call(&Subscribe(address), |value| value.bytes().to_vec())?;
                    self.value("value", address, Value::new(&value));
                }
                self.listen(&Limit::new(*limit))?;
            }
            Task::Unsubscribe { addresses } => {
                for address in self.choose(addresses)? {
                    self.call(&Unsubscribe(address), |()| ())?;
                }
            }
            Task::Reset { address } => {
                let address = self.address(address)?;
                let mut tx = [0; USUAL_MESSAGE];
                let len = self.master.reset(address, &mut tx)?;
                self.link.send(&tx[..len]).map_err(|error| Failure::of(&error, |never| match *never {}))?;
                self.print(&json!({ "address": address.0, "reset": true }), "sent; no response is expected");
            }
            Task::Monitor { reset, interval, limit } => {
                self.monitor(*reset, Duration::from_millis(*interval), &Limit::new(*limit))?;
            }
            Task::Demo => {}
        }
        Ok(())
    }

    /// One exchange; the reason beside an ERROR joins the error.
    fn call<R: Request, T>(&mut self, request: &R, read: impl FnOnce(Response<'_, R>) -> T) -> Result<T, Error> {
        let error = match self.link.call(&mut self.master, request) {
            Ok(response) => return Ok(read(response)),
            Err(error) => Failure::of(&error, |error| match error {
                s3mp::Error::Remote(_) => 1,
                s3mp::Error::BufferFull => 2,
                _ => 3,
            }),
        };
        match error_text(self.link.message()) {
            [] => Err(error.into()),
            reason => Err(Failure(format!("{error}: {}", String::from_utf8_lossy(reason)), error.1).into()),
        }
    }

    fn describe(&mut self) -> Result<(), Error> {
        self.names = self.call(&Describe, |names| names.iter().map(|(at, name)| (at, name.to_string())).collect())?;
        Ok(())
    }

    /// Reads an address from a command line.
    fn address(&mut self, word: &str) -> Result<Address, Error> {
        let number = word.strip_prefix("0x").map_or_else(|| word.parse(), |digits| u8::from_str_radix(digits, 16));
        match (word, number) {
            ("host", _) => return Ok(Address::HOST),
            ("all", _) => return Ok(Address::ALL),
            (_, Ok(number)) => return Ok(Address(number)),
            _ if self.names.is_empty() => self.describe()?,
            _ => {}
        }
        let found = self.names.iter().find(|(_, name)| name == word);
        found.map(|(address, _)| *address).ok_or_else(|| format!("the slave has no {word:?}").into())
    }

    /// The addresses of a command line, or all that have a name.
    fn choose(&mut self, words: &[String]) -> Result<Vec<Address>, Error> {
        if words.is_empty() {
            self.describe()?;
            return Ok(self.names.iter().map(|(address, _)| *address).collect());
        }
        words.iter().map(|word| self.address(word)).collect()
    }

    /// Prints what the slave says unasked.
    fn listen(&mut self, limit: &Limit) -> Result<(), Error> {
        while !limit.is_over() {
            let message = match self.link.recv(Duration::from_millis(100)) {
                Ok(message) => message.to_vec(),
                Err(line::Error::TimedOut) => continue,
                Err(error) => return Err(Failure::of(&error, |never| match *never {}).into()),
            };
            match Unsolicited::parse(&message) {
                Some(Unsolicited::Push(address, value)) => self.value("push", address, value),
                Some(Unsolicited::Debug(text)) => self.debug(text.to_string()),
                _ => {}
            }
        }
        Ok(())
    }

    fn monitor(&mut self, reset: bool, interval: Duration, limit: &Limit) -> Result<(), Error> {
        let mut watches = [Watch::NONE; 254];
        let mut reset = reset;
        let mut absent = false;
        while !limit.is_over() {
            let mut connect = Connect::from_names(&mut watches).with_retries(0);
            if !std::mem::take(&mut reset) {
                connect = connect.with_reset(false);
            }
            let (boot, watched) = match self.watch(&mut connect, limit)?.map(|report| report.outcome) {
                Some(ConnectOutcome::Up { boot, watched }) => (boot, watched),
                Some(_) => {
                    if !std::mem::replace(&mut absent, true) {
                        self.print(&json!({ "event": "absent" }), "no slave answers");
                    }
                    continue;
                }
                None => break,
            };
            absent = false;
            self.print(&json!({ "event": "up", "watched": watched }), &format!("up, {watched} addresses watched"));
            let mut monitor = Monitor::new(boot, &mut watches[..watched]).with_interval(interval);
            match self.watch(&mut monitor, limit)?.map(|report| report.outcome) {
                Some(MonitorOutcome::Lost) => self.print(&json!({ "event": "lost" }), "lost"),
                Some(MonitorOutcome::Restarted) => self.print(&json!({ "event": "restarted" }), "restarted"),
                _ => break,
            }
        }
        Ok(())
    }

    /// Runs a routine and prints its events; `None` if the time is over.
    fn watch<R>(&mut self, routine: &mut R, limit: &Limit) -> Result<Option<R::Report>, Error>
    where
        R: for<'m> anysmp::routine::Routine<Client = Master, Event<'m> = Event<'m>>,
    {
        let (json, names) = (self.json, &mut self.names);
        let ended = self.link.run(&mut self.master, routine, |event| {
            match event {
                Event::Names(list) => *names = list.iter().map(|(at, name)| (at, name.to_string())).collect(),
                Event::Value(address, value) => print_value(json, names, "value", address, value),
                Event::Push(address, value) => print_value(json, names, "push", address, value),
                // The slave has restarted, or a PUSH was lost.
                Event::Missed(address, value) => print_value(json, names, "missed", address, value),
                Event::Refused(address, code) => {
                    let line = format!("{address}: {code}");
                    print(json, &json!({ "event": "refused", "address": address.0, "code": code.to_string() }), &line);
                }
                Event::Debug(text) => print(json, &json!({ "debug": text.to_string() }), &format!("# {text}")),
                _ => {}
            }
            if limit.is_over() || !anysmp_tools::out::is_open() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        match ended.map_err(|error| Failure::of(&error, |never| match *never {}))? {
            Ended::Done(report) => Ok(Some(report)),
            _ => Ok(None),
        }
    }

    fn value(&self, kind: &str, address: Address, value: Value<'_>) {
        print_value(self.json, &self.names, kind, address, value);
    }

    fn debug(&self, text: String) {
        self.print(&json!({ "debug": text }), &format!("# {text}"));
    }

    fn print(&self, object: &Json, line: &str) {
        print(self.json, object, line);
    }
}

fn print_value(json: bool, names: &[(Address, String)], kind: &str, address: Address, value: Value<'_>) {
    let name = names.iter().find(|(at, _)| *at == address).map(|(_, name)| name.as_str());
    let object = json!({ "event": kind, "address": address.0, "name": name, "value": show::json(value) });
    let plain = show::plain(value);
    let line = name.map_or_else(|| format!("{address}: {plain}"), |name| format!("{name}: {plain}"));
    print(json, &object, &line);
}

/// Prints a line at once, since others may read along.
fn print(json: bool, object: &Json, line: &str) {
    if json {
        println!("{object}");
    } else {
        println!("{line}");
    }
    let _ = io::stdout().flush();
}

/// When a task that would go on forever ends.
struct Limit(Option<Instant>);

impl Limit {
    fn new(seconds: Option<f64>) -> Self {
        Self(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).map(|time| Instant::now() + time))
    }

    fn is_over(&self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}
