//! An SMP client in a superloop: one exchange at a time, with its retries, and the loop never
//! waits.
//!
//! Its whole state is one struct. The application begins an exchange, which ends in some later
//! turn; meanwhile the loop does its other work.
//!
//! ```sh
//! cargo run --example superloop_client
//! ```

use core::convert::Infallible;
use core::time::Duration;

use anysmp::framing::console::Console;
use anysmp::line::{Error, Exchange, Line, Peer, Progress};
use anysmp::smp::Client;
use anysmp::smp::client::{self, Pending};
use anysmp::smp::os::{Echo, EchoResponse};

#[path = "superloop_server.rs"]
#[allow(dead_code, reason = "the other end of the wire, which is a program of its own")]
pub(crate) mod server;

use server::uart::{Fake, Uart};

// ---- the client ----

type Asked = Exchange<Pending<Echo<'static>>>;
type Outcome<'m> = Result<EchoResponse<'m>, Error<Infallible, client::Error>>;

struct Asker<'b> {
    line: Line<'b, Console<'b>>,
    client: Client,
    /// The request in flight.
    asked: Option<Asked>,
}

impl Asker<'_> {
    /// Begins to request an echo.
    fn ask(&mut self, text: &'static str) -> Result<(), Error<Infallible, client::Error>> {
        self.asked = Some(Exchange::begin(&mut self.line, &mut self.client, &Echo::new(text), &mut ())?);
        Ok(())
    }

    /// One turn of the loop; returns the outcome of the exchange, once.
    fn turn(&mut self, uart: &mut impl Uart) -> Option<Outcome<'_>> {
        while !self.line.room().is_empty() {
            let Some(byte) = uart.get() else { break };
            let _ = self.line.received(&[byte], Peer(0)); // there is room
        }
        if let Some(time) = uart.passed() {
            self.line.elapsed(time.into());
        }
        let Some(asked) = &mut self.asked else {
            while self.line.next(&mut ()).is_some() {} // text, and responses that are too late
            return None;
        };
        let progress = asked.poll::<Echo<'_>, _, _, _>(&mut self.line, &mut self.client, &mut ());
        while self.line.pending().first().is_some_and(|byte| uart.put(*byte)) {
            self.line.sent(1);
        }
        if progress == Ok(Progress::Wait) {
            return None;
        }
        let asked = self.asked.take()?;
        Some(match progress {
            Ok(Progress::Done) => asked.response::<Echo<'_>, _, _>(&self.line, &self.client).map_err(Error::Protocol),
            Ok(_) => Err(asked.reason::<Echo<'_>, _, _>(&self.client)),
            Err(error) => Err(Error::from_line(error)),
        })
    }
}

// ---- a device at the other end of a fake wire ----

/// The outcome of a request, and the milliseconds that it took.
type Heard = (Result<String, String>, u32);

/// Asks for an echo while the device is switched off, and then while it is on; returns both
/// outcomes.
pub(crate) fn talk() -> Result<[Heard; 2], Box<dyn std::error::Error>> {
    let (mut near, mut far) = Fake::pair();
    let (mut message, mut memory) = ([0; 256], [0; Console::sizes_of(256).memory()]);
    let mut device = server::Device::new(&mut message, &mut memory)?;
    let (mut message, mut memory) = ([0; 256], [0; Console::sizes_of(256).memory()]);
    let client = Client::new(0).with_timeout(Duration::from_millis(200)).with_retries(1);
    let mut asker = Asker { line: Line::new(Console::new(&mut message), &mut memory[..])?, client, asked: None };
    let mut outcomes = Vec::new();
    for is_on in [false, true] {
        let began = near.ms();
        asker.ask("hi")?;
        let outcome = loop {
            if let Some(outcome) = asker.turn(&mut near) {
                break outcome.map(|echo| echo.text.to_string()).map_err(|error| error.to_string());
            }
            if is_on {
                device.turn(&mut far);
            } else {
                far.get();
            }
        };
        outcomes.push((outcome, near.ms() - began));
    }
    outcomes.try_into().or(Err("two questions, two outcomes".into()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (outcome, ms) in talk()? {
        println!("after {ms} ms: {outcome:?}");
    }
    Ok(())
}
