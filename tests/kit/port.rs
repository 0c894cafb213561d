//! The client's port: the bytes in the air, a clock, and faults of its own.

use std::time::Duration;

use anysmp::line::Peer;
use anysmp::port::Clock;
use embedded_io::ErrorKind;

use super::air::Kind;
use super::world::{Call, MS, Shared};

/// The behaviour of a port, apart from its faults.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// The time for which `read` waits for the first byte.
    pub tick: u64,
    /// The time for which it gathers more bytes.
    pub gather: u64,
    /// `write` and `flush` return at once, and the line takes its time afterwards.
    pub buffers: bool,
    /// `flush` returns when the line has carried all, although `write` does not wait for it.
    pub flushes: bool,
    /// The most that one read, and one write, moves.
    pub longest_read: usize,
    pub longest_write: usize,
    /// How long it takes to report whether a byte is there; `None` if the port cannot.
    pub look: Option<u64>,
    /// In async, whether a call is not ready at first, of 100.
    pub pends: u64,
}

impl Style {
    /// A port without a quirk that waits 1 ms.
    pub const PLAIN: Self = Self {
        tick: MS,
        gather: 0,
        buffers: true,
        flushes: false,
        longest_read: usize::MAX,
        longest_write: usize::MAX,
        look: None,
        pends: 0,
    };
}

pub struct Port<'w> {
    world: Shared<'w>,
    style: Style,
    asked: u64,
    peer: Peer,
    /// The fate of the frame that is being written.
    frame: Option<Frame>,
}

/// The fate of the bytes that are written until the next flush.
struct Frame {
    is_lost: bool,
    /// The bytes written so far, write by write, if they are to arrive twice.
    copy: Option<Vec<Vec<u8>>>,
    delay: u64,
}

impl<'w> Port<'w> {
    pub fn new(world: Shared<'w>, style: Style) -> Self {
        let asked = world.borrow().air.now;
        Self { world, style, asked, peer: Peer(0), frame: None }
    }

    /// Returns the error with which this call fails instead of doing its work, if any.
    fn odd(&mut self) -> Option<ErrorKind> {
        let error = self.draw_odd();
        if error == Some(ErrorKind::Other) {
            // The rest of this frame will not be written.
            self.frame = None;
        }
        error
    }

    fn draw_odd(&mut self) -> Option<ErrorKind> {
        let mut world = self.world.borrow_mut();
        world.call();
        let air = &mut world.air;
        let (interrupted, broken) = (air.faults.interrupted, air.faults.broken);
        if air.random.hits(interrupted) {
            air.count("interrupted calls");
            return Some(ErrorKind::Interrupted);
        }
        if air.random.hits(broken) {
            air.count("broken calls");
            if air.random.percent(50) {
                // An overrun: bytes that were not read are lost.
                air.overrun(0);
            }
            return Some(ErrorKind::Other);
        }
        None
    }

    fn take(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        if let Some(error) = self.odd() {
            return Err(error);
        }
        assert!(!buf.is_empty(), "a driver reads into nothing");
        let Style { tick, gather, longest_read, .. } = self.style;
        let mut world = self.world.borrow_mut();
        world.record(|_| Call::Read);
        let until = world.air.now + tick;
        world.pass(until, true);
        // If one read takes all that has arrived, it does not wait for more.
        let is_datagram = world.air.kind == Kind::Datagrams;
        if gather > 0 && !is_datagram && world.air.peek(0).is_some_and(|(bytes, _)| bytes.len() < longest_read) {
            let until = (world.air.now + gather).min(until);
            world.pass(until, false);
        }
        let Some((bytes, peer)) = world.air.peek(0) else { return Err(ErrorKind::TimedOut) };
        let count = bytes.len().min(buf.len()).min(if is_datagram { usize::MAX } else { longest_read });
        buf[..count].copy_from_slice(&bytes[..count]);
        let all = if is_datagram { bytes.len() } else { count };
        world.air.take(0, all);
        self.peer = peer;
        Ok(count)
    }

    fn put(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        if let Some(error) = self.odd() {
            return Err(error);
        }
        let mut world = self.world.borrow_mut();
        world.record(Call::Write);
        let air = &mut world.air;
        if air.random.hits(air.faults.zero_writes) {
            air.count("zero writes");
            self.frame = None;
            return Ok(0);
        }
        let is_datagram = air.kind == Kind::Datagrams;
        let count = buf.len().min(if is_datagram { usize::MAX } else { self.style.longest_write });
        let (lost, double, delayed) = (air.faults.frame_losses, air.faults.frame_doubles, air.faults.delays);
        if self.frame.is_none() {
            let is_lost = air.random.percent(lost);
            let copy = air.random.percent(double).then(Vec::new);
            let delay = if air.random.percent(delayed) { air.random.below(air.faults.longest_delay.max(1)) } else { 0 };
            if is_lost {
                air.count("lost requests");
            }
            if copy.is_some() {
                air.count("doubled requests");
            }
            if delay > 0 {
                air.count("delayed requests");
                if !is_datagram {
                    air.hold(0, delay);
                }
            }
            self.frame = Some(Frame { is_lost, copy, delay });
        }
        if let Some(frame) = &mut self.frame {
            if let Some(copy) = &mut frame.copy {
                copy.push(buf[..count].to_vec());
            }
            if frame.is_lost {
                // The transmitter is busy all the same.
                air.hold(0, air.byte_time * count as u64);
            } else {
                air.send(0, &buf[..count], frame.delay);
            }
        }
        if !self.style.buffers {
            let until = world.air.free_at(0);
            world.pass(until, false);
        }
        Ok(count)
    }

    fn push(&mut self) -> Result<(), ErrorKind> {
        if let Some(error) = self.odd() {
            return Err(error);
        }
        let mut world = self.world.borrow_mut();
        if let Some(Frame { copy: Some(copy), .. }) = self.frame.take() {
            let air = &mut world.air;
            let delay = air.random.below(3 * MS) + air.byte_time * 8;
            if air.kind != Kind::Datagrams {
                air.hold(0, delay);
            }
            let late = air.random.below(air.faults.longest_delay.max(10 * MS));
            for bytes in &copy {
                air.send(0, bytes, late);
            }
        }
        if !self.style.buffers || self.style.flushes {
            let until = world.air.free_at(0);
            world.pass(until, false);
        }
        world.record(Call::Flush);
        Ok(())
    }

    /// In async, other tasks run before a call moves anything.
    #[cfg(feature = "async")]
    async fn pend(&self) {
        let pends = self.world.borrow_mut().air.random.percent(self.style.pends);
        let mut is_first = pends;
        std::future::poll_fn(|context| {
            if std::mem::take(&mut is_first) {
                context.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(())
        })
        .await;
    }
}

impl embedded_io::ErrorType for Port<'_> {
    type Error = ErrorKind;
}

impl embedded_io::Read for Port<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.take(buf)
    }
}

impl embedded_io::Write for Port<'_> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.put(buf)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        self.push()
    }
}

#[cfg(feature = "async")]
impl embedded_io_async::Read for Port<'_> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.pend().await;
        self.take(buf)
    }
}

#[cfg(feature = "async")]
impl embedded_io_async::Write for Port<'_> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        self.pend().await;
        self.put(buf)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.pend().await;
        self.push()
    }
}

impl Clock for Port<'_> {
    fn elapsed(&mut self) -> Duration {
        let now = self.world.borrow().air.now;
        Duration::from_nanos(now - std::mem::replace(&mut self.asked, now))
    }

    fn peer(&self) -> Peer {
        self.peer
    }

    fn ready(&mut self) -> Option<bool> {
        let mut world = self.world.borrow_mut();
        // A loop that only asks takes time, too.
        let look = self.style.look?;
        world.call();
        let until = world.air.now + look;
        world.pass(until, true);
        Some(world.air.peek(0).is_some())
    }
}
