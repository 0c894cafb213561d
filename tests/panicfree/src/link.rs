//! The blocking driver of all three protocols, over a port that reads anything, accepts any number
//! of bytes and may fail.

use crate::device::Device;
use crate::{Operation, bsmp, drop_in_box, flag, peer, s3mp, size, smp, time};
use anysmp::blocking::Link;
use anysmp::bsmp::Node;
use anysmp::bsmp::routine::ReadCurve;
use anysmp::bsmp::variable;
use anysmp::framing::Framing;
use anysmp::framing::auto::Auto;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::packet::Packet;
use anysmp::line::{Buffers, Caller, Damage, Peer, Service, Sink};
use anysmp::port::{Clock, Timed};
use anysmp::routine::Routine;
use anysmp::s3mp::master::Status;
use anysmp::s3mp::routine::{Connect, Watch};
use anysmp::smp::os;
use anysmp::smp::routine::Upload;
use anysmp::smp::server::{AllowAll, Server};
use core::hint::black_box;
use core::ops::ControlFlow;
use core::time::Duration;
use embedded_hal::delay::DelayNs;
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write};

pub const ALL: &[Operation] = &[
    |bytes, room| link(Console::new, bytes, room, smp_client),
    |bytes, room| link(Console::new, bytes, room, smp_server),
    |bytes, room| link(Counted::<Head8>::new, bytes, room, smp_client),
    |bytes, room| link(Cobs::new, bytes, room, smp_client),
    |bytes, room| link(Auto::new, bytes, room, smp_server),
    |bytes, room| link(|room| Packet::new(room, time()), bytes, room, bsmp_master),
    |bytes, room| link(|room| Packet::new(room, time()), bytes, room, bsmp_node),
    |bytes, room| link(Lrc::new, bytes, room, s3mp_master),
    |bytes, room| link(Lrc::new, bytes, room, s3mp_slave),
    |bytes, room| {
        let Some((buffer, memory)) = room.split_at_mut_checked(size()) else { return };
        let Ok(mut link) = Link::serving(Port, Console::new(buffer), memory) else { return };
        let mut server = Server::new(Device(bytes), AllowAll);
        while flag() {
            drop_in_box(link.serve(&mut server));
        }
    },
    |bytes, room| {
        let Some((buffer, memory)) = room.split_at_mut_checked(size()) else { return };
        let Ok(link) = Link::new(Timed::new(Port, Pause, time()), Datagram::new(buffer), memory) else { return };
        let mut link = link.with_sink(Keep);
        drop_in_box(link.recv(time()).map(|_| ()).map_err(anysmp::line::Error::widen::<()>));
        drop_in_box(link.send(bytes));
        link.sink().text(bytes);
        drop_in_box(embedded_io::Write::flush(link.port()));
        drop_in_box(link.into_port());
    },
];

/// A port of which nothing is known but that it keeps the rules of its traits.
pub struct Port;

impl ErrorType for Port {
    type Error = ErrorKind;
}

impl Clock for Port {
    fn elapsed(&mut self) -> Duration {
        time()
    }

    fn peer(&self) -> Peer {
        peer()
    }

    fn ready(&mut self) -> Option<bool> {
        black_box(None)
    }
}

impl Read for Port {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        drop_in_box(buf);
        black_box(Ok(0))
    }
}

impl ReadReady for Port {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        black_box(Ok(false))
    }
}

pub struct Pause;

impl DelayNs for Pause {
    fn delay_ns(&mut self, time: u32) {
        drop_in_box(time);
    }
}

impl Write for Port {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        drop_in_box(buf);
        black_box(Ok(0))
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        black_box(Ok(()))
    }
}

/// Keeps what belongs to no exchange.
pub struct Keep;

impl Sink for Keep {
    fn text(&mut self, text: &[u8]) {
        drop_in_box(text);
    }
    fn unsolicited(&mut self, message: &[u8]) {
        drop_in_box(message);
    }
    fn dropped(&mut self, damage: Damage) {
        drop_in_box(damage);
    }
    fn traced(&mut self, message: &[u8], sent: bool) {
        drop_in_box((message, sent));
    }
}

/// What is done with a link: with unknown bytes.
type Use<F> = fn(&mut Link<'_, Port, F, Keep>, &[u8]);

fn link<'r, F: Framing>(new: impl FnOnce(&'r mut [u8]) -> F, bytes: &[u8], room: &'r mut [u8], with: Use<F>) {
    let Some((buffer, room)) = room.split_at_mut_checked(size()) else { return };
    let memory = Buffers::split(room).with_tx(size()).with_out(size());
    let Ok(link) = Link::new(Port, new(buffer), memory) else { return };
    let mut link = link.with_sink(Keep).with_preamble_pause(flag());
    drop_in_box(link.send(bytes));
    drop_in_box(link.recv(time()));
    drop_in_box((link.message(), link.peer(), link.counters(), link.limits()));
    drop_in_box(link.line().rest());
    with(&mut link, bytes);
}

fn call<F: Framing, R, C: Caller<R>>(link: &mut Link<'_, Port, F, Keep>, client: &mut C, request: &R) {
    while flag() {
        drop_in_box(link.call(client, request));
    }
}

fn run<F: Framing, R: Routine>(link: &mut Link<'_, Port, F, Keep>, client: &mut R::Client, routine: &mut R) {
    let event = |event: R::Event<'_>| {
        drop_in_box(event);
        if flag() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    while flag() {
        drop_in_box(link.run(client, routine, event));
    }
}

fn serve<F: Framing, S: Service>(link: &mut Link<'_, Port, F, Keep>, service: &mut S) {
    while flag() {
        drop_in_box(link.serve(service));
    }
}

fn smp_client<F: Framing>(link: &mut Link<'_, Port, F, Keep>, bytes: &[u8]) {
    let mut client = smp::client();
    call(link, &mut client, &os::Echo::new(smp::text(bytes)));
    run(link, &mut client, &mut Upload::new(smp::File(bytes)));
}

fn smp_server<F: Framing>(link: &mut Link<'_, Port, F, Keep>, bytes: &[u8]) {
    serve(link, &mut Server::new(Device(bytes), AllowAll));
}

fn bsmp_master<F: Framing>(link: &mut Link<'_, Port, F, Keep>, bytes: &[u8]) {
    let mut client = bsmp::client();
    call(link, &mut client, &variable::Write { id: black_box(0), value: bytes });
    run(link, &mut client, &mut ReadCurve::new(black_box(0), bsmp::curve(), ()));
}

fn bsmp_node<F: Framing>(link: &mut Link<'_, Port, F, Keep>, _: &[u8]) {
    let Some(table) = bsmp::table() else { return };
    if let Some(mut node) = Node::new(bsmp::server(&table), bsmp::address()) {
        serve(link, &mut node);
    }
}

fn s3mp_master<F: Framing>(link: &mut Link<'_, Port, F, Keep>, _: &[u8]) {
    let mut master = s3mp::master();
    call(link, &mut master, &Status);
    run(link, &mut master, &mut Connect::from_names(&mut [Watch::NONE; 4]));
}

fn s3mp_slave<F: Framing>(link: &mut Link<'_, Port, F, Keep>, _: &[u8]) {
    if let Some(mut slave) = s3mp::plant() {
        serve(link, &mut slave);
    }
}
