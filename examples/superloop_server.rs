//! An SMP server in a superloop: no driver, no interrupt, no executor, and the loop never waits.
//!
//! Its whole state is one struct, which may also be in a static or be a resource of RTIC. One turn
//! of the loop looks once at everything: bytes, time, messages, bytes; a page of flash, for a slot
//! that is erased ahead of an upload; the watchdog. The longest turn is one page, or the longest
//! command.
//!
//! ```sh
//! cargo run --example superloop_server
//! ```

use std::error::Error as StdError;
use std::ops::Range;

use anysmp::framing::console::Console;
use anysmp::line::{Event, Line, Peer};
use anysmp::smp::server::{AllowAll, Answer, Handler, Incoming, Reply};
use anysmp::smp::{Error, Group, Server, os};

#[path = "common/uart.rs"]
pub(crate) mod uart;

use uart::{Board, Fake, Uart as _};

// ---- the device ----

/// The commands that a client may use: echo, which needs nothing.
struct Commands;

impl os::Commands for Commands {}

impl Handler for Commands {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        let Group::OS = incoming.group() else { return reply.error(Error::NOT_SUPPORTED) };
        os::dispatch(self, incoming, reply)
    }
}

pub(crate) struct Device<'b> {
    line: Line<'b, Console<'b>>,
    server: Server<Commands, AllowAll>,
    /// The pages that are not yet erased.
    spare: Range<u32>,
}

impl Device<'_> {
    /// One turn of the loop.
    pub(crate) fn turn(&mut self, board: &mut impl Board) {
        while !self.line.room().is_empty() {
            let Some(byte) = board.get() else { break };
            let _ = self.line.received(&[byte], Peer(0)); // there is room
        }
        if let Some(time) = board.passed() {
            self.line.elapsed(time.into());
        }
        while let Some(event) = self.line.next(&mut ()) {
            let (message, tx) = self.line.exchange();
            let len = match event {
                Event::Message => self.server.receive(message, Peer(0), tx).0,
                event => self.line.report(event, &mut self.server),
            };
            if len > 0 {
                let _ = self.line.transmit(len); // a response that cannot be framed is not sent
            }
        }
        while self.line.pending().first().is_some_and(|byte| board.put(*byte)) {
            self.line.sent(1);
        }
        self.spare.next().into_iter().for_each(|page| board.erase(page));
        board.feed_watchdog();
    }
}

// ---- a recorded client, and a fake board ----

impl<'b> Device<'b> {
    pub(crate) fn new(message: &'b mut [u8], memory: &'b mut [u8]) -> Result<Self, Box<dyn StdError>> {
        let line = Line::new(Console::new(message), memory)?;
        Ok(Self { line, server: Server::new(Commands, AllowAll), spare: 0..16 })
    }
}

/// Echo of "hi" twice without a pause, and a command that this server does not have.
const REQUESTS: &[u8] =
    b"\x06\x09ABAKAAAGAAAAAKFhZGJoaeJ8\n\x06\x09ABAKAAAGAAABAKFhZGJoaaWv\n\x06\x09AAsIAAABAAECAKDBYQ==\n";

/// Runs the device until it has served them; returns its output, the number of pages it erased, and
/// true if its watchdog was fed in time.
pub(crate) fn talk() -> Result<(String, u32, bool), Box<dyn StdError>> {
    let (mut near, mut far) = Fake::pair();
    let (mut message, mut memory) = ([0; 256], [0; Console::sizes_of(256).memory()]);
    let mut device = Device::new(&mut message, &mut memory)?;
    let (mut requests, mut printed) = (REQUESTS.iter().peekable(), Vec::new());
    while far.ms() < 100 {
        if requests.peek().is_some_and(|byte| far.put(**byte)) {
            requests.next();
        }
        printed.extend(far.get());
        device.turn(&mut near);
    }
    Ok((String::from_utf8(printed)?, near.erased, near.resets == 0))
}

fn main() -> Result<(), Box<dyn StdError>> {
    let (printed, erased, content) = talk()?;
    print!("{printed}");
    println!("{erased} pages were erased meanwhile, and the watchdog {}", if content { "slept" } else { "BARKED" });
    Ok(())
}
