//! A port that counts the ticks of its reads instead of asking a clock.

use core::time::Duration;

use embedded_io::{ErrorKind, ErrorType};

use super::Clock;
use crate::shown::shown;
use crate::time::Passed;

/// A port whose `read` gives up after a tick, with a clock made of the ticks, and of the bytes if
/// their time is given.
///
/// # Lateness
///
/// A limit is never early. It is late by the time that this clock misses: ticks that were cut short
/// by a byte, and the application's time between two reads. Without a
/// [byte time](Self::with_byte_time), a peer that sends a byte just before each tick ends stops the
/// clock. With it, a limit is late by at most the factor `tick / byte time` as long as such a peer
/// continues, and exact while the peer is silent or sends at full rate. If that is too late, use a
/// [`Clocked`](super::Clocked).
pub struct Ticking<P> {
    port: P,
    tick: Duration,
    byte_time: Duration,
    passed: Passed,
}

shown!([P] Ticking<P>, |ticking| "Ticking({} us)", ticking.tick.as_micros());

impl<P> Ticking<P> {
    /// Wraps a port whose `read` fails with an error of kind `TimedOut` after `tick` without a
    /// byte. A tick below 1 µs counts as 1 µs.
    #[must_use]
    pub fn new(port: P, tick: Duration) -> Self {
        Self { port, tick: tick.max(Duration::from_micros(1)), byte_time: Duration::ZERO, passed: Passed::ZERO }
    }

    /// Sets the time of one byte on the line: ten bit times, for example 86 µs at 115,200 baud.
    /// Round it down, or limits are early. The default is zero: bytes do not count.
    #[must_use]
    pub fn with_byte_time(self, byte_time: Duration) -> Self {
        Self { byte_time, ..self }
    }

    /// The port inside, for example to change its baud rate.
    pub const fn port(&mut self) -> &mut P {
        &mut self.port
    }

    /// Adds the time of a read to the clock.
    fn note<E: embedded_io::Error>(&mut self, read: &Result<usize, E>) {
        match read {
            Ok(count) if !self.byte_time.is_zero() => {
                let count = u32::try_from(*count).unwrap_or(u32::MAX);
                self.passed.add(self.byte_time.saturating_mul(count));
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => self.passed.add(self.tick),
            // Of unknown duration. Not counted, it makes limits late, never early.
            Ok(_) | Err(_) => {}
        }
    }
}

impl<P> Clock for Ticking<P> {
    fn elapsed(&mut self) -> Duration {
        self.passed.take()
    }
}

impl<P: ErrorType> ErrorType for Ticking<P> {
    type Error = P::Error;
}

impl<P: embedded_io::Read> embedded_io::Read for Ticking<P> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        let read = self.port.read(buf);
        self.note(&read);
        read
    }
}

impl<P: embedded_io::Write> embedded_io::Write for Ticking<P> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.port.write(buf)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.port.flush()
    }
}

#[cfg(feature = "async")]
impl<P: embedded_io_async::Read> embedded_io_async::Read for Ticking<P> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        let read = self.port.read(buf).await;
        self.note(&read);
        read
    }
}

#[cfg(feature = "async")]
impl<P: embedded_io_async::Write> embedded_io_async::Write for Ticking<P> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.port.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.port.flush().await
    }
}
