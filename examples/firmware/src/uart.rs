//! A serial port for `anysmp`: interrupts fill and empty two queues, and `read` sleeps until there
//! is a byte or a tick has passed.
//!
//! After a byte, `read` gives up only at the end of a whole tick, because the current one began
//! before the byte. Elapsed time comes from the timer of the board in microseconds: in ticks, the
//! silence after a byte would seem longer than it is by up to one tick. A peer that never stops
//! sending cannot stop the clock.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Waker;
use core::time::Duration;

use anysmp::port::Clock;
use critical_section::{CriticalSection, Mutex};
use embedded_io::{ErrorKind, ErrorType, Read, Write};
use heapless::Deque;

use crate::clock;

/// The speed of all ports, in bits per second.
pub const BAUD: u32 = 115_200;

/// The bytes between the interrupts and the port.
pub struct Queues<const RX: usize, const TX: usize> {
    /// Received bytes that are not read yet.
    pub rx: Deque<u8, RX>,
    /// Written bytes that are not sent yet.
    pub tx: Deque<u8, TX>,
    /// The task that waits for bytes, if any.
    pub(crate) reader: Option<Waker>,
    /// The task that waits for room, if any.
    pub(crate) writer: Option<Waker>,
}

/// The bytes received on all ports.
static RECEIVED: AtomicU32 = AtomicU32::new(0);

/// Returns the bytes received on all ports since the start. Wraps.
pub fn received() -> u32 {
    RECEIVED.load(Ordering::Relaxed)
}

impl<const RX: usize, const TX: usize> Queues<RX, TX> {
    /// Two empty queues.
    pub const fn new() -> Self {
        Self { rx: Deque::new(), tx: Deque::new(), reader: None, writer: None }
    }

    /// Stores a received byte. The interrupt has checked that there is room.
    pub(crate) fn receive(&mut self, byte: u8) {
        let _ = self.rx.push_back(byte);
        RECEIVED.store(received().wrapping_add(1), Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Returns the next byte for an interrupt that can send one.
    pub(crate) fn next(&mut self) -> Option<u8> {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        self.tx.pop_front()
    }
}

impl<const RX: usize, const TX: usize> Default for Queues<RX, TX> {
    fn default() -> Self {
        Self::new()
    }
}

/// The queues of one UART, for its interrupts and its port.
pub type Shared<const RX: usize, const TX: usize> = Mutex<RefCell<Queues<RX, TX>>>;

/// The interface of a board to one of its UARTs.
pub trait Hardware<const RX: usize, const TX: usize> {
    /// Returns the queues of its interrupts.
    fn shared(&self) -> &'static Shared<RX, TX>;

    /// Resumes sending if it has stopped. Called after bytes were put into `tx`.
    fn send(&self, cs: CriticalSection<'_>);

    /// Resumes receiving if the queue was full. Called after bytes were taken out of `rx`.
    fn receive(&self, cs: CriticalSection<'_>);
}

/// The port. Its `read` gives up after one tick of the clock; the clock reports elapsed time.
pub struct Uart<H, const RX: usize, const TX: usize> {
    pub(crate) hardware: H,
    /// The tick at which a `read` without bytes ends.
    due: u32,
    /// The end of the time reported so far, in microseconds.
    reported: u32,
}

impl<H: Hardware<RX, TX>, const RX: usize, const TX: usize> Uart<H, RX, TX> {
    /// Wraps a UART that is set up and whose interrupts are on.
    pub(crate) const fn new(hardware: H) -> Self {
        Self { hardware, due: 0, reported: 0 }
    }

    /// Reads the bytes that are there; `None` if there are none and the tick has not ended.
    pub(crate) fn take(&mut self, cs: CriticalSection<'_>, into: &mut [u8]) -> Option<Result<usize, Tick>> {
        if into.is_empty() {
            return Some(Ok(0));
        }
        let mut queues = self.hardware.shared().borrow_ref_mut(cs);
        let mut read = 0;
        for (to, from) in into.iter_mut().zip(core::iter::from_fn(|| queues.rx.pop_front())) {
            *to = from;
            read += 1;
        }
        drop(queues);
        let now = clock::ticks();
        if read > 0 {
            self.hardware.receive(cs);
            self.due = now.wrapping_add(2);
            Some(Ok(read))
        } else if (now.wrapping_sub(self.due) as i32) < 0 {
            None
        } else {
            self.due = now.wrapping_add(1);
            Some(Err(Tick))
        }
    }

    /// Writes as many bytes as there is room for.
    pub(crate) fn put(&mut self, cs: CriticalSection<'_>, from: &[u8]) -> usize {
        let mut queues = self.hardware.shared().borrow_ref_mut(cs);
        let written = from.iter().take_while(|byte| queues.tx.push_back(**byte).is_ok()).count();
        drop(queues);
        self.hardware.send(cs);
        written
    }

    /// Returns true if bytes are waiting to be sent.
    pub(crate) fn is_sending(&self, cs: CriticalSection<'_>) -> bool {
        !self.hardware.shared().borrow_ref(cs).tx.is_empty()
    }
}

impl<H, const RX: usize, const TX: usize> Clock for Uart<H, RX, TX> {
    fn elapsed(&mut self) -> Duration {
        let now = clock::micros();
        Duration::from_micros(now.wrapping_sub(core::mem::replace(&mut self.reported, now)).into())
    }
}

/// No byte has arrived for one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tick;

impl core::fmt::Display for Tick {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("no byte within one tick")
    }
}

impl core::error::Error for Tick {}

impl embedded_io::Error for Tick {
    fn kind(&self) -> ErrorKind {
        ErrorKind::TimedOut
    }
}

impl<H, const RX: usize, const TX: usize> ErrorType for Uart<H, RX, TX> {
    type Error = Tick;
}

// With interrupts masked, nothing can happen between the check and the sleep; a pending interrupt
// ends the sleep.

impl<H: Hardware<RX, TX>, const RX: usize, const TX: usize> Read for Uart<H, RX, TX> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Tick> {
        loop {
            let taken = critical_section::with(|cs| {
                let taken = self.take(cs, into);
                if taken.is_none() {
                    cortex_m::asm::wfi();
                }
                taken
            });
            if let Some(taken) = taken {
                return taken;
            }
        }
    }
}

impl<H: Hardware<RX, TX>, const RX: usize, const TX: usize> Write for Uart<H, RX, TX> {
    fn write(&mut self, from: &[u8]) -> Result<usize, Tick> {
        loop {
            let written = critical_section::with(|cs| {
                let written = self.put(cs, from);
                if written == 0 && !from.is_empty() {
                    cortex_m::asm::wfi();
                }
                written
            });
            if written > 0 || from.is_empty() {
                return Ok(written);
            }
        }
    }

    fn flush(&mut self) -> Result<(), Tick> {
        while critical_section::with(|cs| {
            let sending = self.is_sending(cs);
            if sending {
                cortex_m::asm::wfi();
            }
            sending
        }) {}
        Ok(())
    }
}
