//! SMP over Bluetooth Low Energy, without a radio: how to put the pieces of `anysmp::framing::gatt` onto a GATT stack.
//!
//! A GATT stack calls the device when the characteristic is written, and the phone when a notification has come; each
//! call brings one piece of at most MTU - 3 bytes. Here two queues stand for the radio.
//!
//! ```sh
//! cargo run --example gatt
//! ```
#![allow(clippy::indexing_slicing, reason = "a demonstration: a length that is wrong may end it")]
#![expect(clippy::indexing_slicing, reason = "lengths that the library has just returned")]

use std::collections::VecDeque;
use std::error::Error;

use anysmp::framing::gatt::{self, Reassembly};
use anysmp::framing::{Framing, Progress};
use anysmp::line::{Peer, Service};
use anysmp::smp::client::Client;
use anysmp::smp::server::{AllowAll, Answer, Handler, Incoming, Reply, Server};
use anysmp::smp::{Group, os};

/// What is between the two, and how many bytes a piece may have.
struct Radio {
    mtu: u16,
    writes: VecDeque<Vec<u8>>,
    notifications: VecDeque<Vec<u8>>,
}

/// The device: registers the service, then lives from callbacks.
struct Peripheral<'b, S> {
    server: S,
    requests: Reassembly<'b>,
    tx: &'b mut [u8],
}

impl<S: Service> Peripheral<'_, S> {
    /// The stack calls this with the value of each write. An error is the ATT error to answer it with.
    fn on_write(&mut self, mut value: &[u8], radio: &mut Radio) -> Result<(), u8> {
        match self.requests.push(&mut value) {
            Ok(Progress::Message) => {
                let (len, _after) = self.server.receive(self.requests.message(), Peer(0), self.tx);
                for piece in gatt::fragments(&self.tx[..len], radio.mtu) {
                    radio.notifications.push_back(piece.to_vec());
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(_) => Err(gatt::VALUE_NOT_ALLOWED),
        }
    }

    /// The stack calls this when the connection ends, and when notifications are switched off.
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

/// One connection at this MTU; returns what the device echoed.
pub(crate) fn talk(mtu: u16, text: &str) -> Result<String, Box<dyn Error>> {
    let mut radio = Radio { mtu, writes: VecDeque::new(), notifications: VecDeque::new() };
    let (mut request, mut tx) = ([0; 512], [0; 512]);
    let mut device = Peripheral {
        server: Server::new(Device, AllowAll).with_parameters(1, 512),
        requests: Reassembly::server(&mut request),
        tx: &mut tx,
    };

    // The phone: write the pieces of a request, wait for notifications until a message is whole.
    let (mut answer, mut tx) = ([0; 512], [0; 512]);
    let mut answers = Reassembly::client(&mut answer);
    let (len, pending) = Client::new(0).request(&os::Echo::new(text), &mut tx)?;
    radio.writes.extend(gatt::fragments(&tx[..len], mtu).map(<[u8]>::to_vec));
    println!("MTU {mtu}: a request of {len} bytes in {} writes", radio.writes.len());
    while let Some(value) = radio.writes.pop_front() {
        device.on_write(&value, &mut radio).map_err(|code| format!("ATT error {code:#04x}"))?;
    }
    println!("MTU {mtu}: an answer in {} notifications", radio.notifications.len());
    let mut echoed = None;
    while let Some(value) = radio.notifications.pop_front() {
        if answers.push(&mut &value[..])? == Progress::Message && pending.accepts(answers.message()) {
            echoed = Some(pending.decode(answers.message())?.text.to_string());
        }
    }
    device.on_disconnect();
    answers.reset();
    echoed.ok_or_else(|| "no answer".into())
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("service {:032x}, characteristic {:032x}", gatt::SERVICE, gatt::CHARACTERISTIC);
    let text = "more than one piece, whatever the MTU; ".repeat(8);
    for mtu in [23, 247] {
        println!("MTU {mtu}: {} bytes came back", talk(mtu, &text)?.len());
    }
    Ok(())
}
