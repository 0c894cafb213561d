//! A device that exists only in memory: an SMP server with slots in flash, and a boot loader that
//! starts new images in any of MCUboot's modes.
//!
//! ```text
//!   boot ─▶ life: accept a client, serve it, until a reset ─▶ 400 ms of deafness ─▶ boot ─▶ …
//! ```
//!
//! The state on the stack of the loop in [`Device::run`] is the device's RAM, which is lost at a
//! reset; its fields are the flash and the battery-backed clock. The connection outlives a reset,
//! as a UART does.

mod board;
mod groups;

use crate::err as eprint;
use std::cell::RefCell;
use std::time::{Duration, Instant};

use anysmp::blocking::Link;
use anysmp::cbor::Text;
use anysmp::framing::Framing;
use anysmp::framing::auto::Auto;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::gatt::Reassembly;
use anysmp::line::{Buffers, Error as LinkError, Sink};
use anysmp::mcuboot::slots::ConfigError;
use anysmp::mcuboot::{Error as ImageError, Version};
use anysmp::port::TICK;
use anysmp::smp::os::{self, Pool, Task};
use anysmp::smp::server::{After, AllowAll, Answer, Answers, Handler, Incoming, Reply};
use anysmp::smp::{Empty, Error, Group, Header, Server, error};
use embedded_io::{Read as _, Write as _};

use super::clock::Clock;
use crate::port::{DATAGRAM, Listener, Port, complain};
use board::{Images, Runs};
use groups::{Groups, Storage};

pub use board::{Board, Hash, Mode};

/// The time from the response to a reset until the device listens again.
const DEAF: Duration = Duration::from_millis(400);

/// The framing of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Wire {
    /// Lines of base64 between console text.
    Console,
    /// Bare messages, back to back.
    Raw,
    /// COBS with a CRC-16.
    Cobs,
    /// All framings; each response is framed as its request was.
    Auto,
    /// One message per datagram. Always, and only, over UDP.
    #[value(skip)]
    Datagram,
    /// Pieces of messages. Always, and only, over Bluetooth.
    #[value(skip)]
    Gatt,
}

/// The properties of the simulated device.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The framing of messages.
    pub wire: Wire,
    /// Bytes of one buffer.
    pub buf_size: u32,
    /// Number of buffers.
    pub buf_count: u32,
    /// The destination of log text.
    pub log: Log,
    /// True if resets are refused unless they are forced.
    pub busy: bool,
    /// True if each new image crashes when it is started for the first time, so that the boot
    /// loader takes the old one back.
    pub crashing: bool,
    /// Its boot loader and its slots.
    pub board: Board,
}

impl Default for Options {
    fn default() -> Self {
        let (wire, log, board) = (Wire::Console, Log::Off, Board::default());
        Self { wire, buf_size: 1024, buf_count: 4, log, busy: false, crashing: false, board }
    }
}

/// The destination of the device's log text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// No log text.
    Off,
    /// Log text goes to stderr.
    Stderr,
    /// Log text goes to stderr, with a line for each request.
    Requests,
    /// Log text goes to the client, between the frames, with a line for each request.
    Wire,
}

/// The reason why the simulation ended.
#[derive(Debug)]
pub enum Failure {
    /// The simulation itself is wrong.
    Config(ConfigError),
}

impl std::error::Error for Failure {}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(error) => write!(f, "the simulated slots: {error}"),
        }
    }
}

/// The part of the device that outlives a reset.
pub struct Device {
    options: Options,
    memory: Vec<u8>,
    /// The programs that were started last.
    runs: Runs,
    storage: Storage,
    clock: Clock,
    log: Journal,
}

impl Device {
    /// A new device, which runs version 1.0.0.
    pub fn new(options: Options) -> Result<Self, ImageError> {
        let (memory, runs) = (options.board.factory()?, options.board.before());
        let log = Journal::new(options.log);
        Ok(Self { options, memory, runs, storage: Storage::new(), clock: Clock::of_host(), log })
    }

    /// Runs until the listener has no more clients.
    pub fn run(mut self, listener: &mut Listener) -> Result<(), Failure> {
        let mut port = None;
        // If a loader owns the slots, assume that it was requested.
        let mut is_loader_wanted = true;
        loop {
            let Options { board, crashing, .. } = self.options;
            let (runs, outcome) = board.boot(&mut self.memory, self.runs, is_loader_wanted, crashing);
            self.runs = runs;
            self.log.add(|| format!("boot: {outcome}"));
            self.storage.boots = self.storage.boots.wrapping_add(1);
            if runs == Runs::Nothing {
                silence(&mut port, listener);
                return Ok(());
            }
            let Some(mode) = self.live(&mut port, listener)? else { return Ok(()) };
            self.log.add(|| format!("os: reset, boot mode {mode}"));
            is_loader_wanted = mode == 1;
            let deaf = Instant::now() + DEAF;
            if self.options.wire == Wire::Gatt {
                // A radio has no connection that outlives its device.
                port = None;
                std::thread::sleep(DEAF);
            }
            while let (Some(port), true) = (&mut port, Instant::now() < deaf) {
                // The end of the connection is noticed later.
                if let Ok(0) = port.read(&mut [0; 256]) {
                    std::thread::sleep(TICK);
                }
            }
        }
    }

    /// Runs one life, from a boot to the next reset. Returns the boot mode of that reset, or `None`
    /// when there are no more clients.
    fn live(&mut self, port: &mut Option<Port>, listener: &mut Listener) -> Result<Option<u8>, Failure> {
        let options = self.options;
        let (mut pairs, mut work) = (options.board.pairs(self.runs), [0; board::WORK]);
        let images =
            options.board.serve(self.runs, &mut self.memory, &mut pairs, &mut work).map_err(Failure::Config)?;
        let os = Os::new(options, &mut self.clock);
        let mut memory = [0; 512];
        let len = options.buf_size as usize;
        let mut piece = vec![0; len];
        let groups = Groups::new(&mut self.storage, &mut piece);
        let firmware = Firmware { os, images, groups, log: &mut self.log };
        // The application serves the parameters like any other command, so that each request is in
        // its log.
        let mut server = Server::new(firmware, AllowAll).with_memory(&mut memory);
        let mut buffer = vec![
            0;
            match options.wire {
                Wire::Cobs => Cobs::buffer_len(len),
                Wire::Auto => Auto::buffer_len(len),
                Wire::Console | Wire::Raw | Wire::Datagram | Wire::Gatt => len,
            }
        ];
        loop {
            if port.is_none() {
                *port = listener.accept();
            }
            let Some(line) = port else { return Ok(None) };
            let reset = match options.wire {
                Wire::Console => talk(line, Console::new(&mut buffer), &mut server, options),
                Wire::Raw => talk(line, Counted::<Head8>::new(&mut buffer), &mut server, options),
                Wire::Cobs => talk(line, Cobs::new(&mut buffer), &mut server, options),
                Wire::Auto => talk(line, Auto::new(&mut buffer), &mut server, options),
                Wire::Datagram => talk(line, Datagram::new(&mut buffer), &mut server, options),
                Wire::Gatt => talk(line, Reassembly::server(&mut buffer), &mut server, options),
            };
            if reset.is_some() {
                return Ok(reset);
            }
            *port = None;
        }
    }
}

/// Plays a device without an image that can be started: it never responds.
fn silence(port: &mut Option<Port>, listener: &mut Listener) {
    if port.is_none() {
        *port = listener.accept();
    }
    while let Some(port) = port {
        if !matches!(port.read(&mut [0; 256]), Ok(1..)) {
            std::thread::sleep(TICK);
        }
    }
}

/// Serves one client; returns the boot mode when it requests a reset, `None` when it leaves.
fn talk<F: Framing>(
    port: &mut Port,
    framing: F,
    server: &mut Server<Firmware<'_>, AllowAll, Answers<'_>>,
    options: Options,
) -> Option<u8> {
    // A response has to fit a buffer just as a request does. If any framing is accepted, the limit
    // is a request from a raw client, which fills the buffer.
    let overhead = if options.wire == Wire::Auto { 0 } else { F::OVERHEAD };
    let tx = (options.buf_size as usize).saturating_sub(overhead);
    let mut memory = vec![0; tx + DATAGRAM + DATAGRAM];
    let beside = Beside::default();
    let mut link = match Link::new(port, framing, Buffers::split(&mut memory).with_tx(tx).with_out(DATAGRAM)) {
        Ok(link) => link.with_sink(&beside),
        Err(error) => {
            complain(&error);
            return None;
        }
    };
    loop {
        server.handler().groups.link = link.counters();
        for refusal in beside.refusals.take() {
            server.handler().log.detail(|| format!("smp: refused, {refusal:?}"));
        }
        for line in lines(&mut beside.typed.borrow_mut()) {
            let seen = server.handler().groups.console(&line);
            let _ = link.port().write(seen.as_bytes());
        }
        for line in server.handler().log.for_the_wire() {
            // A failure to print text must not end the connection.
            let _ = link.port().write(line.as_bytes());
        }
        match link.serve(server) {
            Ok(After::Nothing) => {}
            Ok(After::Reset { mode, .. }) => return Some(mode),
            Err(LinkError::Closed) => return None,
            // The response cannot be framed, so its client receives none.
            Err(LinkError::Framing(_) | LinkError::BufferFull) => {}
            Err(error) => complain(&error),
        }
    }
}

/// The output of a link besides the exchange.
#[derive(Default)]
struct Beside {
    /// Keys that were typed on the console between the frames.
    typed: RefCell<Vec<u8>>,
    refusals: RefCell<Vec<Error>>,
}

impl Sink for &Beside {
    fn text(&mut self, text: &[u8]) {
        self.typed.borrow_mut().extend_from_slice(text);
    }

    fn traced(&mut self, message: &[u8], sent: bool) {
        if let (true, Ok((_, payload))) = (sent, Header::parse(message)) {
            self.refusals.borrow_mut().extend(Error::find(payload).ok().flatten());
        }
    }
}

/// Removes the whole lines from the keys that were typed; a line that grows too long is dropped.
fn lines(typed: &mut Vec<u8>) -> Vec<String> {
    const LONGEST: usize = 256;
    let mut lines = Vec::new();
    while let Some(end) = typed.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let line: Vec<u8> = typed.drain(..=end).collect();
        lines.push(String::from_utf8_lossy(&line).trim().to_owned());
    }
    if typed.len() > LONGEST {
        typed.clear();
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// The application on the device: its own match.
struct Firmware<'d> {
    os: Os<'d>,
    images: Box<dyn Images + 'd>,
    groups: Groups<'d>,
    log: &'d mut Journal,
}

impl Handler for Firmware<'_> {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        let header = incoming.header();
        self.log.detail(|| format!("smp: {:?} {:?} {}", header.op, header.group, header.command));
        self.groups.count(header.op);
        match incoming.group() {
            Group::STATISTICS => self.groups.stat(incoming, reply),
            Group::SETTINGS => self.groups.settings(incoming, reply),
            Group::FS => self.groups.fs(incoming, reply),
            Group::SHELL => self.groups.shell(incoming, reply),
            Group::ENUMERATION => Groups::enumeration(incoming, reply),
            Group::ZEPHYR => self.groups.zephyr(incoming, reply),
            Group::OS => os::dispatch(&mut self.os, incoming, reply),
            Group::IMAGE => self.images.answer(incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

/// The OS group.
struct Os<'d> {
    options: Options,
    clock: &'d mut Clock,
    tasks: [(Text<'static>, Task); 3],
    pools: [(Text<'static>, Pool); 1],
    /// The text that the response borrows.
    text: String,
}

impl<'d> Os<'d> {
    fn new(options: Options, clock: &'d mut Clock) -> Self {
        let task = |priority, id, state, stack_use, stack_size| {
            let mut task = Task::new(priority, id, state);
            (task.stack_use, task.stack_size) = (Some(stack_use), Some(stack_size));
            task
        };
        let (blocks, free) = (options.buf_count.into(), options.buf_count.saturating_sub(1).into());
        let mut pool = Pool::new(blocks, free);
        (pool.block_size, pool.min) = (Some(options.buf_size.into()), Some(free));
        Self {
            options,
            clock,
            tasks: [
                ("main".into(), task(0, 0, 4, 180, 512)),
                ("smp".into(), task(3, 1, 128, 412, 640)),
                ("idle".into(), task(15, 2, 128, 40, 80)),
            ],
            pools: [("0".into(), pool)],
            text: String::new(),
        }
    }
}

impl os::Commands for Os<'_> {
    fn parameters(&mut self) -> Result<os::ParametersResponse, Error> {
        Ok(os::ParametersResponse::new(self.options.buf_size, self.options.buf_count))
    }

    fn console_echo(&mut self, _: os::ConsoleEcho) -> Result<Empty, Error> {
        Ok(Empty {})
    }

    fn task_statistics(&mut self) -> Result<os::TaskStatisticsResponse<'_>, Error> {
        Ok(os::TaskStatisticsResponse::new(self.tasks.as_slice().into()))
    }

    fn pool_statistics(&mut self) -> Result<os::PoolStatisticsResponse<'_>, Error> {
        Ok(os::PoolStatisticsResponse::new(&self.pools))
    }

    fn read_datetime(&mut self) -> Result<os::DateTimeResponse<'_>, Error> {
        self.text = self.clock.show();
        Ok(os::DateTimeResponse::new(self.text.as_str().into()))
    }

    fn write_datetime(&mut self, request: os::WriteDateTime<'_>) -> Result<Empty, Error> {
        if self.clock.set(&request.datetime.to_string()) { Ok(Empty {}) } else { Err(Error::INVALID) }
    }

    fn reset(&mut self, request: os::Reset) -> Result<Empty, Error> {
        let forced = request.force.is_some_and(|os::Force(force)| force);
        if self.options.busy && !forced { Err(Error::BUSY) } else { Ok(Empty {}) }
    }

    fn info<'r>(&'r mut self, request: os::Info<'r>) -> Result<os::InfoResponse<'r>, Error> {
        const FIELDS: [(char, &str); 9] = [
            ('s', "anysmp"),
            ('n', "simulator"),
            ('r', env!("CARGO_PKG_VERSION")),
            ('v', concat!("v", env!("CARGO_PKG_VERSION"))),
            ('b', "Thu_Jan__1_00:00:00_1970"),
            ('m', std::env::consts::ARCH),
            ('p', std::env::consts::ARCH),
            ('i', "simulated"),
            ('o', std::env::consts::OS),
        ];
        let format = request.format.map_or_else(|| "s".to_owned(), |format| format.to_string());
        if format.chars().any(|asked| asked != 'a' && !FIELDS.iter().any(|(known, _)| *known == asked)) {
            return Err(error::os::INVALID_FORMAT);
        }
        let wanted = |(name, _): &&(char, &str)| format.contains('a') || format.contains(*name);
        self.text = FIELDS.iter().filter(wanted).map(|(_, value)| *value).collect::<Vec<_>>().join(" ");
        Ok(os::InfoResponse::new(self.text.as_str().into()))
    }

    fn boot_loader<'r>(&'r mut self, request: os::BootLoader<'r>) -> Result<os::BootLoaderResponse<'r>, Error> {
        match request.query {
            None => Ok(os::BootLoaderResponse::of_name("MCUboot")),
            Some(query) if query == "mode" => Ok(os::BootLoaderResponse::of_mode(self.options.board.mode.number())),
            Some(_) => Err(error::os::QUERY_YIELDS_NO_ANSWER),
        }
    }
}

/// The output of the device.
struct Journal {
    to: Log,
    since: Instant,
    lines: Vec<String>,
}

impl Journal {
    fn new(to: Log) -> Self {
        Self { to, since: Instant::now(), lines: Vec::new() }
    }

    /// Prints a line, with the time since the start of the device's simulation.
    fn add(&mut self, line: impl FnOnce() -> String) {
        if self.to == Log::Off {
            return;
        }
        let since = self.since.elapsed();
        let line = format!("[{:05}.{:03}] {}\r\n", since.as_secs(), since.subsec_millis(), line());
        match self.to {
            Log::Off => {}
            Log::Stderr | Log::Requests => eprint!("{line}"),
            Log::Wire => self.lines.push(line),
        }
    }

    /// Prints a line that only some users want.
    fn detail(&mut self, line: impl FnOnce() -> String) {
        if matches!(self.to, Log::Requests | Log::Wire) {
            self.add(line);
        }
    }

    /// Returns the lines that have to go over the wire.
    fn for_the_wire(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}

/// An image of this version with a body of 200 KB that a boot loader would accept, though no
/// processor would run it.
pub fn firmware(version: Version) -> Result<Vec<u8>, ImageError> {
    Board::default().firmware(0, version)
}
