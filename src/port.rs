//! Ports: bytes with a clock.
//!
//! A driver asks three things of a port: `Read` and `Write` of `embedded-io` (or `embedded-io-async`), and a [`Clock`].
//!
//! | you have | use |
//! |---|---|
//! | a port whose `read` gives up after a while, and a clock (SysTick, a timer, `embassy_time`) | [`Clocked`]: every limit holds to two ticks |
//! | a port whose `read` gives up after a tick, and no clock | [`Ticking`] |
//! | a port whose `read` waits forever, and a delay | `Timed` (feature `hal`), in a [`Clocked`] if there is a clock, too |
//! | a reader and a writer, for example USB CDC | [`Join`], inside one of these |
//! | a host: serial port, TCP, UDP, pipe | feature `std`: `Io`, `Tcp`, `Udp` |
//!
//! # What a port has to do
//!
//! * `read` returns what is there, and waits for the first byte. When none comes for a while, the *tick*, it fails with an error of
//!   kind `TimedOut`; that is no verdict, only a chance to look at the time. 1 to 10 ms suit most ports. A longer tick wakes a
//!   sleeping processor less often, and makes limits coarser: a timeout is noticed up to two ticks late, and a message that only
//!   silence ends (BSMP on RS-485) is delivered that much later. Where the byte itself is the wake-up, 100 ms do no harm.
//! * `Ok(0)` from `read` means the end of the connection. A port of datagrams must not return it for an empty one.
//! * Any other error means that bytes may be lost (an overrun, a parity error, a cable that was pulled). The link drops what was
//!   half received, counts, and returns the error; it goes on when it is called again. So does every loop in this crate's
//!   examples.
//! * `write` accepts at least one byte or fails. `flush` returns when everything is on its way, at best when the last stop bit
//!   has left: timeouts start there.
//! * In async, `read` and `write` must not have moved bytes when their future is dropped before it is ready.
//!
//! # A port from scratch
//!
//! A UART with two registers, polled; most HALs have the two `impl`s already.
//!
//! ```
//! use anysmp::port::Ticking;
//! use core::time::Duration;
//! use embedded_io::{ErrorKind, ErrorType, Read, Write};
//!
//! # struct Registers;
//! # impl Registers {
//! #     fn received(&mut self) -> Option<u8> { None }
//! #     fn is_free(&self) -> bool { true }
//! #     fn send(&mut self, _: u8) {}
//! #     fn is_idle(&self) -> bool { true }
//! # }
//! struct Uart(Registers);
//!
//! impl ErrorType for Uart {
//!     type Error = ErrorKind;
//! }
//!
//! impl Read for Uart {
//!     fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
//!         for _ in 0..10_000 { // about one tick of 10 ms
//!             if let (Some(byte), Some(place)) = (self.0.received(), buf.first_mut()) {
//!                 *place = byte;
//!                 return Ok(1);
//!             }
//!         }
//!         Err(ErrorKind::TimedOut) // never `Ok(0)`, which means that the connection has ended
//!     }
//! }
//!
//! impl Write for Uart {
//!     fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
//!         let Some(byte) = buf.first() else { return Ok(0) };
//!         while !self.0.is_free() {}
//!         self.0.send(*byte);
//!         Ok(1)
//!     }
//!
//!     fn flush(&mut self) -> Result<(), ErrorKind> {
//!         while !self.0.is_idle() {} // until the last stop bit has left
//!         Ok(())
//!     }
//! }
//!
//! let (tick, byte) = (Duration::from_millis(10), Duration::from_micros(86));
//! let port = Ticking::new(Uart(Registers), tick).with_byte_time(byte);
//! # let _ = port;
//! ```
//!
//! # RS-485
//!
//! The driver calls `flush` after each frame, and nothing before the next one: that is where a half-duplex port releases the
//! line. `write` sets DE (driver enable), `flush` waits until the *last stop bit* has left (the transmit-complete flag, not the
//! empty buffer) and clears DE. A transceiver whose receiver stays on hears what it sends: `Packet::with_echo` drops it. When
//! DE switches, a receiver may see a byte of zeros in front of an answer; keep the line biased, or switch off the receiver while
//! you send.
//!
//! # USB CDC
//!
//! A host reads until a packet is shorter than the endpoint's. A frame whose last packet is full needs an empty one behind it,
//! or the host waits: [`Join::with_flush`] is the place to send it.
//!
//! # embedded-io 0.6
//!
//! Some HALs (stm32f4xx-hal 0.23, atsamd-hal 0.23, usbd-serial 0.2) have the traits of 0.6. A newtype bridges them:
//!
//! ```ignore
//! struct New<P>(P);
//! impl<P: old::ErrorType> embedded_io::ErrorType for New<P> {
//!     type Error = embedded_io::ErrorKind;
//! }
//! impl<P: old::Read> embedded_io::Read for New<P> {
//!     fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
//!         self.0.read(buf).map_err(|error| match old::Error::kind(&error) {
//!             old::ErrorKind::TimedOut => embedded_io::ErrorKind::TimedOut,
//!             _ => embedded_io::ErrorKind::Other,
//!         })
//!     }
//! }
//! // Write likewise; here `old` is embedded-io 0.6.
//! ```

use core::time::Duration;

mod clocked;
mod join;
#[cfg(feature = "std")]
mod std;
mod ticking;
#[cfg(feature = "hal")]
mod timed;

pub use self::clocked::Clocked;
pub use self::join::{Flush, Join};
#[cfg(feature = "std")]
pub use self::std::{Io, TICK, Tcp, Udp};
pub use self::ticking::Ticking;
#[cfg(feature = "hal")]
pub use self::timed::Timed;

use crate::line::Moved;
pub use crate::line::Peer;

/// How a port tells the time, and who is at its other end.
///
/// No method waits, so it is the same trait for both colours.
pub trait Clock {
    /// How much time has passed since this was last called, or since the port was made. Never more than has really passed; less only
    /// by a bound that the port documents.
    fn elapsed(&mut self) -> Duration;

    /// Who sent what `read` returned last.
    fn peer(&self) -> Peer {
        Peer(0)
    }

    /// Whether `read` would return bytes at once; `None` where the port cannot say.
    ///
    /// A port that can saves a protocol whose frames need silence in front of them (BSMP) a tick for each request: the driver then
    /// looks at the clock, again and again, instead of reading. So only a port whose clock goes on by itself may answer.
    fn ready(&mut self) -> Option<bool> {
        None
    }
}

impl<P: Clock + ?Sized> Clock for &mut P {
    fn elapsed(&mut self) -> Duration {
        (**self).elapsed()
    }

    fn peer(&self) -> Peer {
        (**self).peer()
    }

    fn ready(&mut self) -> Option<bool> {
        (**self).ready()
    }
}

/// The error of a port that ticks: the port's own, or a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a tick, or an error of the port")]
pub enum TimedError<E> {
    /// One tick has passed without a byte.
    Tick,
    /// The port failed.
    Port(E),
}

impl<E: core::fmt::Display> core::fmt::Display for TimedError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Tick => f.write_str("no byte within one tick"),
            Self::Port(error) => write!(f, "{error}"),
        }
    }
}

impl<E: core::fmt::Debug + core::fmt::Display> core::error::Error for TimedError<E> {}

impl<E: embedded_io::Error> embedded_io::Error for TimedError<E> {
    fn kind(&self) -> embedded_io::ErrorKind {
        match self {
            Self::Tick => embedded_io::ErrorKind::TimedOut,
            Self::Port(error) => error.kind(),
        }
    }
}

/// What an error of a read means for a line.
pub(crate) fn unread<E: embedded_io::Error>(error: E) -> Moved<E> {
    match error.kind() {
        embedded_io::ErrorKind::TimedOut => Moved::Silence,
        embedded_io::ErrorKind::Interrupted => Moved::Interrupted(error),
        _ => Moved::Unread(error),
    }
}

/// What an error of a write or a flush means for a line.
pub(crate) fn unsent<E: embedded_io::Error>(error: E) -> Moved<E> {
    match error.kind() {
        embedded_io::ErrorKind::Interrupted => Moved::Interrupted(error),
        _ => Moved::Unsent(error),
    }
}

/// Lets other tasks run once.
#[cfg(feature = "async")]
pub(crate) async fn yield_now() {
    let mut is_first = true;
    core::future::poll_fn(|context| {
        if core::mem::replace(&mut is_first, false) {
            context.waker().wake_by_ref();
            return core::task::Poll::Pending;
        }
        core::task::Poll::Ready(())
    })
    .await;
}
