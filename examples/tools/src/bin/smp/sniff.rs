//! Two ports, and the messages that pass between them.

use std::path::Path;
use std::time::{Duration, Instant};

use anysmp_tools::port::{Port, Pty, Serial};
use embedded_io::{Read as _, Write as _};

use crate::cli::decode::{Framing, Protocol, Sniff};
use crate::decode::frames::{self, Found, Frames};
use crate::decode::{Place, Report};
use crate::failure::Failure;
use crate::output::Output;
use crate::words::Sender;

/// One end of the connection.
struct End {
    port: Port,
    sender: Sender,
    frames: Box<dyn Frames>,
    /// The time at which the last byte arrived.
    heard: Instant,
}

/// Passes bytes on until Ctrl-C, an error of a port, or the end of the time.
pub fn perform(output: Output, baud: u32, options: &Sniff) -> Result<(), Failure> {
    let open = |path: &str| -> Result<Port, Failure> {
        let opened = Serial::open(path, baud);
        let named = |error: std::io::Error| {
            Failure::Port(std::io::Error::new(error.kind(), format!("cannot open {path}: {error}")))
        };
        Ok(Box::new(opened.map_err(named)?))
    };
    let device = open(&options.device)?;
    let client: Port = if options.client == "pty" {
        let mut pty = Pty::open().map_err(Failure::Port)?;
        output.note(&format!("ready: {}", pty.path()));
        Box::new(pty)
    } else {
        open(&options.client)?
    };
    let protocol = options.what.protocol;
    let framing = match (options.what.frames, protocol) {
        // A live stream cannot be read to its end before its framing is chosen.
        (Framing::Auto, Protocol::Smp) => Framing::Console,
        (Framing::Auto, Protocol::Bsmp) => Framing::Packet,
        (Framing::Auto, Protocol::S3mp) => Framing::Lrc,
        (framing, _) => framing,
    };
    let began = Instant::now();
    let end = |port, sender| End { port, sender, frames: frames::decoder(framing, protocol, false), heard: began };
    let mut ends = [end(client, Sender::Client), end(device, Sender::Server)];
    let mut report = Report::new(output, protocol);
    let until = options.duration.map(|duration| began + duration);
    // A connection through this program continues even if its output is no longer read.
    let wanted = || !options.listen || anysmp_tools::out::is_open();
    while wanted() && until.is_none_or(|until| Instant::now() < until) {
        let [client, device] = &mut ends;
        let passed = pass(client, (!options.listen).then_some(&mut *device), began, &mut report)
            .and_then(|()| pass(device, (!options.listen).then_some(client), began, &mut report));
        passed.map_err(Failure::Port)?;
        // Neither end can predict how long the silence will last.
        std::thread::sleep(Duration::from_micros(500));
    }
    for end in &mut ends {
        let mut all = Vec::new();
        end.frames.end(&mut all);
        all.iter().for_each(|found| show(&mut report, found, end.sender, began.elapsed()));
    }
    report.end(Path::new(&options.device))
}

/// Reads from one end and forwards to the other.
fn pass(end: &mut End, other: Option<&mut End>, began: Instant, report: &mut Report) -> std::io::Result<()> {
    let mut all = Vec::new();
    if end.port.ready() == Some(false) {
        end.frames.idle(end.heard.elapsed(), &mut all);
    } else {
        let mut bytes = [0; 4096];
        let count = match end.port.read(&mut bytes) {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock) => 0,
            result => result?,
        };
        let mut bytes = bytes.get(..count).unwrap_or_default();
        end.heard = Instant::now();
        end.frames.push(bytes, &mut all);
        if let Some(other) = other {
            while !bytes.is_empty() {
                let written = other.port.write(bytes)?;
                bytes = bytes.get(written..).unwrap_or_default();
            }
            other.port.flush()?;
        }
    }
    all.iter().for_each(|found| show(report, found, end.sender, began.elapsed()));
    Ok(())
}

fn show(report: &mut Report, found: &Found, sender: Sender, at: Duration) {
    let time = format!("{}.{:03}", at.as_secs(), at.subsec_millis());
    report.found(found, Some(sender), |_| Place { time: Some(time.clone()), ..Place::default() });
}
