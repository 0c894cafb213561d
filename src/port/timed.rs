//! A port that gives up after a tick, made of one that waits forever and a delay.

use core::time::Duration;

use embedded_io::ErrorType;

use super::{Clock, TimedError};
use crate::shown::shown;
use crate::time::Passed;

/// A port whose `read` gives up after a tick, made of one that waits forever and a delay. Its clock
/// counts its own delays or the time of the bytes that it reads, whichever is more.
///
/// **Blocking**: the port must implement `ReadReady`. `Timed` polls it four times per byte time, so
/// that a UART with a receive register for one byte loses none, as long as the application calls
/// `read` again within a byte time after each byte, or the port buffers bytes meanwhile. It never
/// sleeps past a byte.
///
/// **Async**: `read` races with the delay, so it must be cancel-safe. While bytes come, the delay
/// is two byte times, to measure how long a byte took; once the line is silent, it is a whole tick,
/// and the processor sleeps.
///
/// # Lateness
///
/// A limit is never early. In blocking code it is late by the time of the polls between the delays:
/// with steps of 20 µs and polls of 2 µs, by a tenth. In async code it is late by at most a factor
/// of two while bytes come. Both are late by the application's time between two reads. If that is
/// too late, put it in a [`Clocked`](super::Clocked).
pub struct Timed<P, D> {
    port: P,
    delay: D,
    tick: Duration,
    byte_time: Duration,
    passed: Passed,
    #[cfg(feature = "async")]
    line: Line,
}

shown!([P, D] Timed<P, D>, |timed| "Timed({} us)", timed.tick.as_micros());

/// The result of the last read of an async port, which decides how finely the next one measures.
#[cfg(feature = "async")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Bytes, or an error of the port. Exits: `Silent`, by a tick without a byte.
    Busy,
    /// A tick without a byte. Exits: `Busy`, by bytes or an error of the port.
    Silent,
}

impl<P, D> Timed<P, D> {
    /// The default time of one byte: ten bit times at 115,200 baud, rounded down.
    pub const BYTE_TIME: Duration = Duration::from_nanos(86_805);

    /// Wraps `port`; a `read` without a byte gives up after `tick`. A tick below 10 µs counts as
    /// 10 µs.
    #[must_use]
    pub const fn new(port: P, delay: D, tick: Duration) -> Self {
        Self {
            port,
            delay,
            tick,
            byte_time: Self::BYTE_TIME,
            passed: Passed::ZERO,
            #[cfg(feature = "async")]
            line: Line::Silent,
        }
    }

    /// Sets the time of one byte on the line: ten bit times, rounded down. Below 4 µs, `read` polls
    /// and delays as with 4 µs. The default is [`BYTE_TIME`](Self::BYTE_TIME).
    #[must_use]
    pub const fn with_byte_time(mut self, byte_time: Duration) -> Self {
        self.byte_time = byte_time;
        self
    }

    /// The port inside, for example to change its baud rate.
    pub const fn port(&mut self) -> &mut P {
        &mut self.port
    }

    /// Adds the time of a read to the clock: `waited` microseconds of delays, or the time of its
    /// bytes if that is longer.
    fn note<E>(&mut self, waited: u32, read: &Result<usize, E>) {
        let waited = Duration::from_micros(waited.into());
        let carried = match read {
            Ok(count) => self.byte_time.saturating_mul(u32::try_from(*count).unwrap_or(u32::MAX)),
            Err(_) => Duration::ZERO,
        };
        self.passed.add(waited.max(carried));
    }
}

/// Converts a time to whole microseconds, at least `least`.
fn micros(time: Duration, least: u32) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(least)
}

impl<P, D> Clock for Timed<P, D> {
    fn elapsed(&mut self) -> Duration {
        self.passed.take()
    }
}

impl<P: ErrorType, D> ErrorType for Timed<P, D> {
    type Error = TimedError<P::Error>;
}

impl<P, D> embedded_io::Read for Timed<P, D>
where
    P: embedded_io::Read + embedded_io::ReadReady,
    D: embedded_hal::delay::DelayNs,
{
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        let (tick, step) = (micros(self.tick, 10), micros(self.byte_time, 4) >> 2);
        let mut waited = 0u32;
        loop {
            // Before the tick is checked: bytes of the last step are read now, not later.
            if self.port.read_ready().map_err(TimedError::Port)? {
                let read = self.port.read(buf);
                self.note(waited, &read);
                return read.map_err(TimedError::Port);
            }
            if waited >= tick {
                self.note::<()>(waited, &Err(()));
                return Err(TimedError::Tick);
            }
            let step = step.min(tick.wrapping_sub(waited)).max(1);
            self.delay.delay_us(step);
            waited = waited.saturating_add(step);
        }
    }
}

impl<P: embedded_io::Write, D> embedded_io::Write for Timed<P, D> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.port.write(buf).map_err(TimedError::Port)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.port.flush().map_err(TimedError::Port)
    }
}

#[cfg(feature = "async")]
impl<P, D> embedded_io_async::Read for Timed<P, D>
where
    P: embedded_io_async::Read,
    D: embedded_hal_async::delay::DelayNs,
{
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        use core::future::poll_fn;
        use core::pin::pin;
        use core::task::Poll;

        let tick = micros(self.tick, 10);
        let fine = micros(self.byte_time, 4).saturating_mul(2);
        let mut waited = 0u32;
        let ended = {
            let mut read = pin!(self.port.read(buf));
            loop {
                let step = if self.line == Line::Busy { fine } else { tick };
                let step = step.min(tick.wrapping_sub(waited)).max(1);
                let mut delay = pin!(self.delay.delay_us(step));
                let ended = poll_fn(|context| {
                    // The read first: bytes that came as the delay ended are returned now.
                    if let Poll::Ready(result) = read.as_mut().poll(context) {
                        return Poll::Ready(Some(result));
                    }
                    delay.as_mut().poll(context).map(|()| None)
                })
                .await;
                match ended {
                    Some(result) => break Some(result),
                    None => waited = waited.saturating_add(step),
                }
                if waited >= tick {
                    break None;
                }
            }
        };
        match ended {
            Some(result) => {
                self.line = Line::Busy;
                self.note(waited, &result);
                result.map_err(TimedError::Port)
            }
            None => {
                self.line = Line::Silent;
                self.note::<()>(waited, &Err(()));
                Err(TimedError::Tick)
            }
        }
    }
}

#[cfg(feature = "async")]
impl<P: embedded_io_async::Write, D> embedded_io_async::Write for Timed<P, D> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.port.write(buf).await.map_err(TimedError::Port)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.port.flush().await.map_err(TimedError::Port)
    }
}
