//! Serves a simulated node with any framing of its packets.

use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::bsmp::bridge::Bridge;
use anysmp::bsmp::{Address, Entities, Node, Server, Table};
use anysmp::framing::bridge::{WithId, WithoutId};
use anysmp::framing::counted::{Counted, Head3};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp::line::{Buffers, Service, SizeError};
use clap::ValueEnum;

use super::fbp::{self, Fbp};
use crate::port::{Listener, Pipe, Port, complain, is_over};

/// The time that a network may take between two parts of a packet.
pub const CUT: Duration = Duration::from_millis(500);

/// The longest buffer that a link can use. The largest packet is a block of 65,520 bytes: 65,528
/// bytes in all.
pub const LARGEST: usize = 65_535;

/// The framing of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Framing {
    /// Bare messages, back to back
    Raw,
    /// Packets of RS-485: an address and a checksum
    Packet,
    /// Packets in the envelope of Sirius' Ethernet bridge
    Bridge,
    /// The same without an id, as used by pydrs
    BridgeWithoutId,
}

/// Serves masters at `listener`, one after the other.
///
/// # Errors
///
/// If a buffer is too small, which would be a bug of this program.
pub fn serve(
    listener: &mut Listener,
    framing: Framing,
    carrier: Carrier,
    address: Address,
    table: &Table<'_>,
    device: impl Entities,
) -> Result<(), SizeError> {
    let mut server = Server::new(device, table);
    let mut buffer = vec![0; LARGEST];
    if carrier == Carrier::Datagrams {
        while let Some(port) = listener.accept() {
            session(port, Datagram::new(&mut buffer), &mut server)?;
        }
        return Ok(());
    }
    if framing == Framing::Raw {
        while let Some(port) = listener.accept() {
            session(port, Counted::<Head3>::new(&mut buffer), &mut server)?;
        }
        return Ok(());
    }
    let Some(mut node) = Node::new(server, address) else { return Ok(()) };
    if framing == Framing::Packet {
        while let Some(port) = listener.accept() {
            let framing = if carrier == Carrier::Serial {
                // A host does not see enough of the silence between two packets.
                Packet::new(&mut buffer, gap(115_200)).with_early_delivery()
            } else {
                Packet::new(&mut buffer, CUT).with_stream_carrier()
            };
            session(port, framing.with_echo(Echo::Node), &mut node)?;
        }
        return Ok(());
    }
    let mut kept = vec![0; LARGEST];
    if framing == Framing::Bridge {
        let mut bridge = Bridge::<_, WithId>::new(node, &mut kept);
        while let Some(port) = listener.accept() {
            session(port, Counted::<WithId>::new(&mut buffer), &mut bridge)?;
        }
        return Ok(());
    }
    let mut bridge = Bridge::<_, WithoutId>::new(node, &mut kept);
    while let Some(port) = listener.accept() {
        session(port, Counted::<WithoutId>::new(&mut buffer), &mut bridge)?;
    }
    Ok(())
}

/// The carrier of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// A line on which silence has a meaning.
    Serial,
    /// TCP and pipes.
    Stream,
    /// UDP.
    Datagrams,
}

/// Serves one master until it leaves.
fn session<F: anysmp::framing::Framing>(port: Port, framing: F, service: &mut impl Service) -> Result<(), SizeError> {
    let sizes = framing.sizes();
    // Sends an answer in one write, because pydrs takes the result of one `recv` for the whole
    // answer.
    let out = framing.max_encoded_len(sizes.message);
    let mut memory = vec![0; sizes.message + out + sizes.read];
    let mut link = Link::new(port, framing, Buffers::split(&mut memory).with_out(out))?;
    loop {
        match link.serve(service) {
            Ok(_) => {}
            Err(error) if is_over(&error) => return Ok(()),
            Err(error) => complain(&error),
        }
    }
}

/// Starts a power supply of Sirius' type FBP in this process, switched on, whose current follows a
/// slow wave, so that there is something to see.
pub fn simulate(framing: Framing, address: Address) -> Sender<Pipe> {
    let (mut listener, dial) = Listener::pipes();
    thread::spawn(move || {
        serve(&mut listener, framing, Carrier::Stream, address, &fbp::table(), Fbp::default().with_waves())
    });
    dial
}
