//! A port with a clock beside it.

use core::time::Duration;

use super::Clock;
use crate::routine::remaining;
use crate::shown::shown;

/// A port whose `read` gives up after a tick, with a clock: every limit is kept to within two
/// ticks, whatever the peer sends.
///
/// ```no_run
/// # fn uart() -> anysmp::port::Ticking<std::io::Empty> { todo!() }
/// use anysmp::port::Clocked;
/// let start = std::time::Instant::now();
/// let port = Clocked::new(uart(), move || start.elapsed());
/// ```
///
/// On a microcontroller the clock is SysTick, DWT or a timer; with embassy, the time since boot of
/// `embassy_time::Instant::now()`. A clock that stops for a while (a debugger, a sleep that stops
/// the timer) makes limits late by that time.
pub struct Clocked<P, N> {
    port: P,
    now: N,
    last: Duration,
}

shown!([P, N] Clocked<P, N>, |_| "Clocked");

impl<P, N: FnMut() -> Duration> Clocked<P, N> {
    /// Wraps `port` with the clock `now`, which returns the time since any fixed moment.
    #[must_use]
    pub fn new(port: P, mut now: N) -> Self {
        let last = now();
        Self { port, now, last }
    }

    /// The port inside, for example to change its baud rate.
    pub const fn port(&mut self) -> &mut P {
        &mut self.port
    }
}

impl<P, N: FnMut() -> Duration> Clock for Clocked<P, N> {
    fn elapsed(&mut self) -> Duration {
        let now = (self.now)();
        // Zero for a clock that was set back: limits must not be early.
        let passed = remaining(now, self.last);
        self.last = now;
        passed
    }
}

impl<P: embedded_io::ErrorType, N> embedded_io::ErrorType for Clocked<P, N> {
    type Error = P::Error;
}

impl<P: embedded_io::Read, N> embedded_io::Read for Clocked<P, N> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        self.port.read(buf)
    }
}

impl<P: embedded_io::Write, N> embedded_io::Write for Clocked<P, N> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.port.write(buf)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.port.flush()
    }
}

#[cfg(feature = "async")]
impl<P: embedded_io_async::Read, N> embedded_io_async::Read for Clocked<P, N> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        self.port.read(buf).await
    }
}

#[cfg(feature = "async")]
impl<P: embedded_io_async::Write, N> embedded_io_async::Write for Clocked<P, N> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.port.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.port.flush().await
    }
}
