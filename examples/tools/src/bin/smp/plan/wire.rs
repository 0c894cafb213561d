//! A UART in virtual time, and an SMP server at its other end: no thread, no real clock.

use std::collections::VecDeque;
use std::time::Duration;

use anysmp::framing::Framing;
use anysmp::line::{Event, Line, Peer};
use anysmp::port::Clock;
use anysmp::smp::os::ParametersResponse;
use anysmp::smp::server::{AllowAll, Answer, Incoming, Reply, Server};
use anysmp::smp::{Error, Group, Op, Request, image, os};
use embedded_io::{ErrorKind, ErrorType, Read, Write};

pub const SECOND: u64 = 1_000_000_000;
pub const MS: u64 = 1_000_000;

/// The time that `read` waits for a byte.
const TICK: u64 = MS;

/// The time that a kind of flash takes, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Flash {
    /// Bytes of a page, and the time of its erase.
    pub page: u64,
    pub erase: u64,
    /// Bytes of one write, and its time.
    pub unit: u64,
    pub write: u64,
}

impl Flash {
    /// The time for the bytes from `offset` to `end` of an image: each page is erased when its
    /// first byte arrives, as progressive erase in MCUboot and Zephyr does.
    fn time(self, offset: u64, end: u64) -> u64 {
        let of = |size: u64, each: u64| (end.div_ceil(size) - offset.div_ceil(size)) * each;
        of(self.page, self.erase) + of(self.unit, self.write)
    }
}

/// The properties of the other end.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Bits per second.
    pub baud: u64,
    /// The sizes of the device's buffers, as it reports them.
    pub parameters: ParametersResponse,
    /// The time between a request and its response, without that of the flash, in nanoseconds.
    pub turnaround: u64,
    pub flash: Option<Flash>,
}

/// Returns the time of this many bytes on the line, of ten bits each.
const fn airtime(bytes: u64, baud: u64) -> u64 {
    bytes * 10 * SECOND / baud
}

/// Bytes in flight, each with the time at which its last bit arrives.
#[derive(Default)]
struct Flight {
    bytes: VecDeque<(u64, u8)>,
    /// The time at which the last of them has arrived.
    free: u64,
}

impl Flight {
    fn send(&mut self, bytes: &[u8], at: u64, baud: u64) {
        let start = self.free.max(at);
        for (count, byte) in (1..).zip(bytes) {
            self.free = start + airtime(count, baud);
            self.bytes.push_back((self.free, *byte));
        }
    }
}

/// The state of the device at the other end.
struct Device {
    terms: Terms,
    /// Bytes of the image that it has.
    received: u64,
    /// The time that its flash needs for the last request.
    working: u64,
    /// The longest piece.
    piece: u64,
}

impl Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match (incoming.group(), incoming.op(), incoming.command()) {
            (Group::OS, Op::Read, os::Parameters::COMMAND) => {
                let parameters = self.terms.parameters;
                incoming.answer(reply, |_: os::Parameters| Ok(parameters))
            }
            (Group::IMAGE, Op::Write, image::Upload::COMMAND) => {
                incoming.answer(reply, |request: image::Upload<'_>| {
                    let (off, len) =
                        (request.off.unwrap_or_default(), request.data.map_or(0, |data| data.len() as u64));
                    self.piece = self.piece.max(len);
                    if off == self.received {
                        self.received += len;
                        self.working = self.terms.flash.map_or(0, |flash| flash.time(off, off + len));
                    }
                    Ok(image::UploadResponse::new(self.received))
                })
            }
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

/// The near end of the line: a port. It accepts all written bytes at once, as the buffer of an
/// operating system does, and the line then takes its time to send them.
pub struct Wire<'b, F: Framing> {
    now: u64,
    asked: u64,
    there: Flight,
    back: Flight,
    line: Line<'b, F>,
    device: Device,
    /// The time at which the device has finished its last request.
    ready: u64,
    /// The time that its flash was busy.
    pub flash: u64,
    /// Bytes that it received.
    pub bytes: u64,
    /// The lengths of the messages in them.
    pub messages: Vec<usize>,
}

impl<'b, F: Framing> Wire<'b, F> {
    pub fn new(line: Line<'b, F>, terms: Terms) -> Self {
        Self {
            now: 0,
            asked: 0,
            there: Flight::default(),
            back: Flight::default(),
            line,
            device: Device { terms, received: 0, working: 0, piece: 0 },
            ready: 0,
            flash: 0,
            bytes: 0,
            messages: Vec::new(),
        }
    }

    /// The time since the beginning.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// The longest piece of the image.
    pub const fn piece(&self) -> u64 {
        self.device.piece
    }

    /// The time for which the line carried the bytes that the device received.
    pub const fn carried(&self) -> u64 {
        airtime(self.bytes, self.device.terms.baud)
    }

    /// Lets the device receive the bytes in flight: its actions depend on nothing that arrives
    /// later.
    fn serve(&mut self) {
        let baud = self.device.terms.baud;
        while let Some((at, byte)) = self.there.bytes.pop_front() {
            self.bytes += 1;
            let _ = self.line.received(&[byte], Peer(0)); // there is room
            while let Some(event) = self.line.next(&mut ()) {
                let Event::Message = event else { continue };
                let (message, tx) = self.line.exchange();
                self.messages.push(message.len());
                let device = &mut self.device;
                let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| device.handle(incoming, reply);
                let len = Server::new(handler, AllowAll).receive(message, Peer(0), tx).0;
                let working = std::mem::take(&mut self.device.working);
                self.flash += working;
                // Requests are handled one after the other.
                self.ready = self.ready.max(at) + self.device.terms.turnaround + working;
                if len > 0 && self.line.transmit(len).is_ok() {
                    while !self.line.pending().is_empty() {
                        let count = self.line.pending().len();
                        self.back.send(self.line.pending(), self.ready, baud);
                        self.line.sent(count);
                    }
                }
            }
        }
    }
}

impl<F: Framing> ErrorType for Wire<'_, F> {
    type Error = ErrorKind;
}

impl<F: Framing> Read for Wire<'_, F> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.serve();
        match self.back.bytes.front() {
            Some((at, _)) if *at <= self.now + TICK => self.now = self.now.max(*at),
            _ => {
                self.now += TICK;
                return Err(ErrorKind::TimedOut);
            }
        }
        let mut count = 0;
        for place in buf {
            let Some((_, byte)) = self.back.bytes.front().filter(|(at, _)| *at <= self.now) else { break };
            *place = *byte;
            self.back.bytes.pop_front();
            count += 1;
        }
        Ok(count)
    }
}

impl<F: Framing> Write for Wire<'_, F> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        let baud = self.device.terms.baud;
        self.there.send(buf, self.now, baud);
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl<F: Framing> Clock for Wire<'_, F> {
    fn elapsed(&mut self) -> Duration {
        Duration::from_nanos(self.now - std::mem::replace(&mut self.asked, self.now))
    }
}
