//! SMP over Bluetooth Low Energy, without a radio: how to connect `anysmp::framing::gatt` to a GATT
//! stack.
//!
//! A GATT stack calls the device when the characteristic is written, and the phone when a
//! notification has come; each call brings one piece of at most MTU - 3 bytes. Here two queues take
//! the place of the radio.
//!
//! ```sh
//! cargo run --example gatt
//! ```

use std::collections::VecDeque;
use std::error::Error;

use anysmp::framing::gatt::{self, Reassembly};
use anysmp::framing::{Framing, Progress};
use anysmp::line::{Peer, Service};
use anysmp::smp::server::{AllowAll, Answer, Handler, Incoming, Reply};
use anysmp::smp::{Client, Server};
use anysmp::smp::{Group, os};

// ---- the device ----

/// The application: registers `gatt::SERVICE` with `gatt::CHARACTERISTIC`, then runs in callbacks.
struct Peripheral<'b, S> {
    server: S,
    requests: Reassembly<'b>,
    tx: &'b mut [u8],
}

impl<S: Service> Peripheral<'_, S> {
    /// The stack calls this with the value of each write. An error is the ATT error of the
    /// response.
    fn on_write(&mut self, mut value: &[u8], mtu: u16, mut notify: impl FnMut(&[u8])) -> Result<(), u8> {
        // A message may take several writes: until the last one there is nothing to do.
        if self.requests.push(&mut value).or(Err(gatt::VALUE_NOT_ALLOWED))? == Progress::Message {
            // `Peer` is the connection, if the device has several; `after` is a reset that was
            // requested.
            let (len, _after) = self.server.receive(self.requests.message(), Peer(0), self.tx);
            gatt::fragments(self.tx.get(..len).unwrap_or_default(), mtu).for_each(&mut notify);
        }
        Ok(())
    }

    /// The stack calls this when the connection ends, and when notifications are switched off: the
    /// rest of half a message will not come.
    fn on_disconnect(&mut self) {
        self.requests.reset();
    }
}

struct Device;

impl os::Commands for Device {}

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(self, incoming, reply),
            _ => reply.error(anysmp::smp::Error::NOT_SUPPORTED),
        }
    }
}

// ---- a phone, and the connection between the two ----

/// Opens a connection at this MTU; returns the echo of the device.
pub(crate) fn talk(mtu: u16, text: &str) -> Result<String, Box<dyn Error>> {
    let (mut writes, mut notifications) = (VecDeque::new(), VecDeque::new());
    let (mut request, mut tx) = ([0; 512], [0; 512]);
    let mut device = Peripheral {
        server: Server::new(Device, AllowAll).with_parameters(1, 512),
        requests: Reassembly::server(&mut request),
        tx: &mut tx,
    };

    // The phone: write the pieces of a request, wait for notifications until a message is whole.
    let (mut response, mut tx) = ([0; 512], [0; 512]);
    let mut responses = Reassembly::client(&mut response);
    let (len, pending) = Client::new(0).request(&os::Echo::new(text), &mut tx)?;
    writes.extend(gatt::fragments(tx.get(..len).unwrap_or_default(), mtu));
    println!("MTU {mtu}: a request of {len} bytes in {} writes", writes.len());
    while let Some(value) = writes.pop_front() {
        device
            .on_write(value, mtu, |piece| notifications.push_back(piece.to_vec()))
            .map_err(|code| format!("ATT error {code:#04x}"))?;
    }
    println!("MTU {mtu}: a response in {} notifications", notifications.len());
    let mut echoed = None;
    while let Some(value) = notifications.pop_front() {
        if responses.push(&mut &value[..])? == Progress::Message && pending.accepts(responses.message()) {
            echoed = Some(pending.decode(responses.message())?.text.to_string());
        }
    }
    device.on_disconnect();
    responses.reset();
    echoed.ok_or_else(|| "no response".into())
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("service {:032x}, characteristic {:032x}", gatt::SERVICE, gatt::CHARACTERISTIC);
    let text = "more than one piece, whatever the MTU; ".repeat(8);
    for mtu in [23, 247] {
        println!("MTU {mtu}: {} bytes came back", talk(mtu, &text)?.len());
    }
    Ok(())
}
