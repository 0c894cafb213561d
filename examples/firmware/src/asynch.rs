//! Port, clock and flash for tasks. The interrupts are the same, but wake a task instead of a loop.

use core::future::poll_fn;
use core::task::Poll;

use embedded_io_async::{Read, Write};
use embedded_storage::nor_flash as blocking;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

use crate::clock;
use crate::uart::{self, Hardware, Tick, Uart};

/// Sleeps for at least `ticks` ticks.
///
/// # Cancellation
///
/// A dropped call has no effect.
pub async fn sleep(ticks: u32) {
    let began = clock::ticks();
    poll_fn(|context| {
        critical_section::with(|cs| {
            if clock::ticks().wrapping_sub(began) > ticks {
                return Poll::Ready(());
            }
            clock::wake_at_tick(cs, context.waker());
            Poll::Pending
        })
    })
    .await;
}

impl<H: Hardware<RX, TX>, const RX: usize, const TX: usize> Read for Uart<H, RX, TX> {
    /// # Cancellation
    ///
    /// A dropped call leaves all bytes in the queue.
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, Tick> {
        poll_fn(|context| {
            critical_section::with(|cs| match self.take(cs, into) {
                Some(taken) => Poll::Ready(taken),
                None => {
                    self.hardware.shared().borrow_ref_mut(cs).reader = Some(context.waker().clone());
                    clock::wake_at_tick(cs, context.waker());
                    Poll::Pending
                }
            })
        })
        .await
    }
}

impl<H: Hardware<RX, TX>, const RX: usize, const TX: usize> Write for Uart<H, RX, TX> {
    /// # Cancellation
    ///
    /// A dropped call has queued nothing.
    async fn write(&mut self, from: &[u8]) -> Result<usize, Tick> {
        poll_fn(|context| {
            critical_section::with(|cs| {
                let written = self.put(cs, from);
                if written > 0 || from.is_empty() {
                    return Poll::Ready(Ok(written));
                }
                self.hardware.shared().borrow_ref_mut(cs).writer = Some(context.waker().clone());
                Poll::Pending
            })
        })
        .await
    }

    /// # Cancellation
    ///
    /// Queued bytes are sent even if the call is dropped.
    async fn flush(&mut self) -> Result<(), Tick> {
        poll_fn(|context| {
            critical_section::with(|cs| {
                if !self.is_sending(cs) {
                    return Poll::Ready(Ok(()));
                }
                self.hardware.shared().borrow_ref_mut(cs).writer = Some(context.waker().clone());
                Poll::Pending
            })
        })
        .await
    }
}

/// The operations of a [`SlowFlash`], and the bytes received meanwhile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// Pages erased.
    pub erases: u32,
    /// Pieces written.
    pub writes: u32,
    /// Bytes that ports have received while the flash was busy.
    pub received: u32,
}

/// A flash with the timing of one on a serial bus, which works while the core does something else.
/// Emulated flash takes no time.
pub struct SlowFlash<'f, F> {
    /// The flash.
    pub flash: &'f mut F,
    /// The operations so far.
    pub work: &'f mut Work,
}

impl<F> SlowFlash<'_, F> {
    /// Ticks to erase a page.
    const ERASE: u32 = 4;
    /// Ticks to write up to 256 bytes.
    const WRITE: u32 = 1;

    /// Waits while the flash is busy.
    async fn busy(&mut self, ticks: u32) {
        let before = uart::received();
        sleep(ticks).await;
        self.work.received = self.work.received.wrapping_add(uart::received().wrapping_sub(before));
    }
}

impl<F: blocking::ErrorType> ErrorType for SlowFlash<'_, F> {
    type Error = F::Error;
}

impl<F: blocking::ReadNorFlash> ReadNorFlash for SlowFlash<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.flash.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl<F: blocking::NorFlash> NorFlash for SlowFlash<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.flash.erase(from, to)?;
        for _ in (from..to).step_by(Self::ERASE_SIZE) {
            self.work.erases = self.work.erases.wrapping_add(1);
            self.busy(Self::ERASE).await;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.flash.write(offset, bytes)?;
        for _ in bytes.chunks(256) {
            self.work.writes = self.work.writes.wrapping_add(1);
            self.busy(Self::WRITE).await;
        }
        Ok(())
    }
}
