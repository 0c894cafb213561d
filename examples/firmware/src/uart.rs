//! A serial port for `anysmp`: interrupts fill and empty two queues, `read` sleeps until there is something or a tick has
//! passed.

use core::cell::RefCell;

use critical_section::{CriticalSection, Mutex};
use embedded_io::{ErrorKind, ErrorType, Read, Write};
use heapless::Deque;

use crate::clock;

/// Bytes on their way between the interrupts and the port.
pub struct Queues<const RX: usize, const TX: usize> {
    /// Received and not yet read.
    pub rx: Deque<u8, RX>,
    /// Written and not yet sent.
    pub tx: Deque<u8, TX>,
}

impl<const RX: usize, const TX: usize> Queues<RX, TX> {
    /// Two empty queues.
    pub const fn new() -> Self {
        Self { rx: Deque::new(), tx: Deque::new() }
    }
}

impl<const RX: usize, const TX: usize> Default for Queues<RX, TX> {
    fn default() -> Self {
        Self::new()
    }
}

/// The queues of one UART, for its interrupts and its port.
pub type Shared<const RX: usize, const TX: usize> = Mutex<RefCell<Queues<RX, TX>>>;

/// What a board says about one of its UARTs.
pub trait Hardware<const RX: usize, const TX: usize> {
    /// Where its interrupts leave and find bytes.
    fn shared(&self) -> &'static Shared<RX, TX>;

    /// Called after bytes were put into `tx`: sending goes on, if it has stopped.
    fn send(&self, cs: CriticalSection<'_>);

    /// Called after bytes were taken out of `rx`: receiving goes on, if it had to stop because the queue was full.
    fn receive(&self, cs: CriticalSection<'_>);
}

/// The port. It gives up reading after one [`clock::TICK`], as `anysmp` wants it.
pub struct Uart<H, const RX: usize, const TX: usize> {
    hardware: H,
}

impl<H: Hardware<RX, TX>, const RX: usize, const TX: usize> Uart<H, RX, TX> {
    /// Wraps a UART that is set up and whose interrupts are on.
    pub(crate) const fn new(hardware: H) -> Self {
        Self { hardware }
    }
}

/// No byte has come for one tick.
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

impl<H: Hardware<RX, TX>, const RX: usize, const TX: usize> Read for Uart<H, RX, TX> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Tick> {
        if into.is_empty() {
            return Ok(0);
        }
        let began = clock::ticks();
        loop {
            let read = critical_section::with(|cs| {
                let mut queues = self.hardware.shared().borrow_ref_mut(cs);
                let mut read = 0;
                for (to, from) in into.iter_mut().zip(core::iter::from_fn(|| queues.rx.pop_front())) {
                    *to = from;
                    read += 1;
                }
                drop(queues);
                if read > 0 {
                    self.hardware.receive(cs);
                } else if clock::ticks() == began {
                    // With interrupts masked nothing can come between the look and the sleep; a pending one ends it.
                    cortex_m::asm::wfi();
                }
                read
            });
            if read > 0 {
                return Ok(read);
            }
            if clock::ticks() != began {
                return Err(Tick);
            }
        }
    }
}

impl<H: Hardware<RX, TX>, const RX: usize, const TX: usize> Write for Uart<H, RX, TX> {
    fn write(&mut self, from: &[u8]) -> Result<usize, Tick> {
        loop {
            let written = critical_section::with(|cs| {
                let mut queues = self.hardware.shared().borrow_ref_mut(cs);
                let written = from.iter().take_while(|byte| queues.tx.push_back(**byte).is_ok()).count();
                drop(queues);
                self.hardware.send(cs);
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
            let waiting = !self.hardware.shared().borrow_ref(cs).tx.is_empty();
            if waiting {
                cortex_m::asm::wfi();
            }
            waiting
        }) {}
        Ok(())
    }
}
