//! The async driver of all three protocols, polled at unknown times over a port about which nothing
//! is known.
//!
//! The compiler puts one panic into every future: that of a poll after its end. It does not depend
//! on any bytes, and no executor does this, so this module is checked by `offenders.py --but`,
//! which permits that panic.

use crate::device::Device;
use crate::link::Keep;
use crate::mcuboot::{Flash, on_two, with_slots};
use crate::{Operation, bsmp, drop_in_box, flag, s3mp, size, smp, time};
use anysmp::asynch::{Link, Service};
use anysmp::bsmp::Node;
use anysmp::bsmp::routine::ReadCurve;
use anysmp::bsmp::variable;
use anysmp::framing::Framing;
use anysmp::framing::console::Console;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::packet::Packet;
use anysmp::line::{Buffers, Caller};
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::Command;
use anysmp::port::{Clock, Clocked, Join, Ticking, Timed};
use anysmp::routine::Routine;
use anysmp::s3mp::master::Status;
use anysmp::s3mp::routine::{Connect, Watch};
use anysmp::smp::os;
use anysmp::smp::routine::Upload;
use anysmp::smp::server::{AllowAll, Answer, AsyncHandler, Handler, Incoming, Reply, Server};
use core::hint::black_box;
use core::ops::ControlFlow;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use embedded_hal_async::delay::DelayNs;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use embedded_storage_async::nor_flash::{NorFlash, NorFlashErrorKind, ReadNorFlash};

pub const ALL: &[Operation] = &[
    |bytes, room| link(Console::new, bytes, room, |link, bytes| wait(smp_both(link, bytes))),
    |bytes, room| link(|room| Packet::new(room, time()), bytes, room, |link, bytes| wait(bsmp_both(link, bytes))),
    |bytes, room| link(Lrc::new, bytes, room, |link, _| wait(s3mp_both(link))),
    |bytes, room| wait(port(Ticking::new(Port, time()).with_byte_time(time()), bytes, room)),
    |bytes, room| wait(port(Timed::new(Port, Pause, time()).with_byte_time(time()), bytes, room)),
    |bytes, room| wait(port(Clocked::new(Port, time), bytes, room)),
    |bytes, room| wait(port(Clocked::new(Join::new(Port, Port), time), bytes, room)),
    |bytes, room| {
        let hook = async |tx: &mut Port| tx.write(black_box(&[])).await.map(drop_in_box);
        wait(port(Clocked::new(Join::new(Port, Port).with_flush(size(), hook), time), bytes, room));
    },
    |_, room| {
        with_slots(room, |slots, flash| {
            drop_in_box(flash::asynch::geometry(flash));
            wait(async { drop_in_box(flash::asynch::run(slots.begin(Command::List), flash).await.finish()) });
        });
    },
    |_, room| {
        on_two(room, |slots, two| {
            let list = Command::List;
            wait(async { drop_in_box(flash::asynch::run(slots.begin(list), two).await.finish()) });
            let erase = flash::Operation::Erase { from: 0, to: 1 };
            wait(async { drop_in_box(flash::asynch::Flash::perform(two, flash::Device::Spare, erase).await) });
        });
    },
];

/// An executor, and a future that may be dropped at any time.
fn wait(future: impl Future<Output = ()>) {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    while flag() && future.as_mut().poll(&mut context).is_pending() {}
}

/// Pending any number of times.
async fn later() {
    core::future::poll_fn(|_| if flag() { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// All that a driver does with a port.
async fn port<P: Read + Write + Clock>(mut port: P, bytes: &[u8], room: &mut [u8]) {
    drop_in_box(port.read(room).await);
    drop_in_box(port.write(bytes).await);
    drop_in_box(port.flush().await);
    drop_in_box((port.elapsed(), port.peer(), port.ready()));
}

struct Port;

impl Clock for Port {
    fn elapsed(&mut self) -> Duration {
        time()
    }
}

struct Pause;

impl DelayNs for Pause {
    async fn delay_ns(&mut self, time: u32) {
        later().await;
        drop_in_box(time);
    }
}

impl ErrorType for Port {
    type Error = ErrorKind;
}

impl Read for Port {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        later().await;
        drop_in_box(buf);
        black_box(Ok(0))
    }
}

impl Write for Port {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        later().await;
        drop_in_box(buf);
        black_box(Ok(0))
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        later().await;
        black_box(Ok(()))
    }
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    async fn read(&mut self, _: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        later().await;
        drop_in_box(bytes);
        black_box(Ok(()))
    }

    fn capacity(&self) -> usize {
        size()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 8;
    const ERASE_SIZE: usize = 4096;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        later().await;
        drop_in_box((from, to));
        black_box(Ok(()))
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        later().await;
        drop_in_box((offset, bytes));
        black_box(Ok(()))
    }
}

type Use<F> = fn(&mut Link<'_, Port, F, Keep>, &[u8]);

fn link<'r, F: Framing>(new: impl FnOnce(&'r mut [u8]) -> F, bytes: &[u8], room: &'r mut [u8], with: Use<F>) {
    let Some((buffer, room)) = room.split_at_mut_checked(size()) else { return };
    let memory = Buffers::split(room).with_tx(size()).with_out(size());
    let Ok(link) = Link::new(Port, new(buffer), memory) else { return };
    let mut link = link.with_sink(Keep);
    wait(async {
        drop_in_box(link.send(bytes).await);
        drop_in_box(link.recv(time()).await);
    });
    with(&mut link, bytes);
}

/// The three things that a driver does.
async fn all<F: Framing, Q, C: Caller<Q>, R: Routine<Client = C>, S: Service>(
    link: &mut Link<'_, Port, F, Keep>,
    (client, request, routine, service): (&mut C, &Q, &mut R, &mut S),
) {
    let event = |event: R::Event<'_>| {
        drop_in_box(event);
        if flag() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    drop_in_box(link.call(client, request).await);
    drop_in_box(link.run(client, routine, event).await);
    drop_in_box(link.serve(service).await);
}

async fn smp_both<F: Framing>(link: &mut Link<'_, Port, F, Keep>, bytes: &[u8]) {
    let mut upload = Upload::new(smp::File(bytes));
    let mut server = Server::new(Slow(Device(bytes)), AllowAll);
    let echo = os::Echo::new(smp::text(bytes));
    all(link, (&mut smp::client(), &echo, &mut upload, &mut server)).await;
}

async fn bsmp_both<F: Framing>(link: &mut Link<'_, Port, F, Keep>, bytes: &[u8]) {
    let Some(table) = bsmp::table() else { return };
    let Some(mut node) = Node::new(bsmp::server(&table), bsmp::address()) else { return };
    let write = variable::Write { id: black_box(0), value: bytes };
    let mut routine = ReadCurve::new(black_box(0), bsmp::curve(), ());
    all(link, (&mut bsmp::client(), &write, &mut routine, &mut node)).await;
}

async fn s3mp_both<F: Framing>(link: &mut Link<'_, Port, F, Keep>) {
    let Some(mut slave) = s3mp::plant() else { return };
    let mut watched = [Watch::NONE; 4];
    all(link, (&mut s3mp::master(), &Status, &mut Connect::from_names(&mut watched), &mut slave)).await;
}

/// A handler that takes its time.
struct Slow<H>(H);

impl<H: Handler> AsyncHandler for Slow<H> {
    async fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        later().await;
        self.0.handle(incoming, reply)
    }
}
