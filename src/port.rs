//! Ports: bytes with a clock.
//!
//! A port implements three traits: `Read` and `Write` of `embedded-io` (or `embedded-io-async`),
//! and [`Clock`].
//!
//! | you have | use |
//! |---|---|
//! | a port whose `read` gives up after a while, and a clock (SysTick, a timer, `embassy_time`) | [`Clocked`]: every limit is kept to within two ticks |
//! | a port whose `read` gives up after a tick, and no clock | [`Ticking`] |
//! | a port whose `read` waits forever, and a delay | `Timed` (feature `hal`), in a [`Clocked`] if there is a clock, too |
//! | a reader and a writer, for example USB CDC | [`Join`], inside one of these |
//! | a host: serial port, TCP, UDP, pipe | feature `std`: `Io`, `Tcp`, `Udp` |
//!
//! # Requirements
//!
//! * `read` waits for the first byte, then returns all bytes that are there. If none comes for a
//!   while, the *tick*, it fails with an error of kind `TimedOut`. That is not a failure, only a
//!   chance to look at the time. 1 to 10 ms suit most ports. A longer tick wakes a sleeping
//!   processor less often and makes limits coarser: a timeout is noticed up to two ticks late, and
//!   a message that only silence ends (BSMP on RS-485) is delivered that much later. Where each
//!   byte wakes the processor, 100 ms do no harm.
//! * `Ok(0)` from `read` means the end of the connection. A datagram port must not return it for an
//!   empty datagram.
//! * Any other error means that bytes may be lost (an overrun, a parity error, a pulled cable). The
//!   link drops a half-received frame, counts the failure and returns the error; the next call
//!   continues, as every loop in this crate's examples does.
//! * `write` accepts at least one byte or fails. `flush` returns when all bytes are sent, ideally
//!   when the last stop bit has left: timeouts start there.
//! * In async, `read` and `write` must not have moved any byte if their future is dropped before it
//!   is ready.
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
//! The driver calls `flush` after each frame, and a half-duplex port releases the line there.
//! `write` sets DE (driver enable); `flush` waits until the *last stop bit* has left (the
//! transmit-complete flag, not the empty buffer) and clears DE. A transceiver whose receiver stays
//! on receives its own bytes: `Packet::with_echo` drops them. When DE switches, a receiver may see
//! a byte of zeros in front of an answer; keep the line biased, or switch off the receiver while
//! you send.
//!
//! # USB CDC
//!
//! A host reads until a packet is shorter than the endpoint's packet size. If the last packet of a
//! frame is full, send an empty one after it, or the host waits: [`Join::with_flush`] does that.
//!
//! # embedded-io 0.6
//!
//! Some HALs (stm32f4xx-hal 0.23, atsamd-hal 0.23, usbd-serial 0.2) have the traits of 0.6. A
//! newtype bridges them, here with `embedded-io` 0.6 as `old`. Their `read` usually waits forever,
//! as that of usbd-serial does, so that the port needs `ReadReady` too, and goes into a `Timed`:
//!
//! ```ignore
//! struct New<P>(P);
//! impl<P: old::ErrorType> embedded_io::ErrorType for New<P> {
//!     type Error = embedded_io::ErrorKind;
//! }
//! fn new<E: old::Error>(error: E) -> embedded_io::ErrorKind {
//!     match error.kind() {
//!         old::ErrorKind::TimedOut => embedded_io::ErrorKind::TimedOut,
//!         old::ErrorKind::Interrupted => embedded_io::ErrorKind::Interrupted,
//!         _ => embedded_io::ErrorKind::Other,
//!     }
//! }
//! impl<P: old::Read> embedded_io::Read for New<P> {
//!     fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
//!         self.0.read(buf).map_err(new)
//!     }
//! }
//! impl<P: old::ReadReady> embedded_io::ReadReady for New<P> {
//!     fn read_ready(&mut self) -> Result<bool, Self::Error> { self.0.read_ready().map_err(new) }
//! }
//! impl<P: old::Write> embedded_io::Write for New<P> {
//!     fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
//!         self.0.write(buf).map_err(new)
//!     }
//!     fn flush(&mut self) -> Result<(), Self::Error> { self.0.flush().map_err(new) }
//! }
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

/// The clock of a port, and the sender of the bytes that it read.
///
/// No method waits, so both drivers use the same trait.
pub trait Clock {
    /// Returns the time since the last call, or since the port was made. It is never more than the
    /// real time, and less only by a bound that the port documents.
    fn elapsed(&mut self) -> Duration;

    /// The sender of the bytes that `read` returned last; `Peer(0)` on a port with one peer.
    fn peer(&self) -> Peer {
        Peer(0)
    }

    /// Returns `Some(true)` if `read` would return bytes at once, and `None` if the port cannot
    /// find out.
    ///
    /// A port that can find out saves a tick for each request of a protocol whose frames need
    /// silence in front of them (BSMP): the driver then polls the clock instead of reading. So only
    /// a port whose clock advances without reads may return `Some`.
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
    /// Time: one tick has passed without a byte.
    Tick,
    /// The port: it failed with this error.
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

impl<E: core::error::Error> core::error::Error for TimedError<E> {
    // It prints as the port's error, so it has the same source.
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Tick => None,
            Self::Port(error) => error.source(),
        }
    }
}

impl<E: embedded_io::Error> embedded_io::Error for TimedError<E> {
    fn kind(&self) -> embedded_io::ErrorKind {
        match self {
            Self::Tick => embedded_io::ErrorKind::TimedOut,
            Self::Port(error) => error.kind(),
        }
    }
}

/// Converts an error of a read to the result that a line handles.
pub(crate) fn unread<E: embedded_io::Error>(error: E) -> Moved<E> {
    match error.kind() {
        // A tick, not a failure.
        embedded_io::ErrorKind::TimedOut => Moved::Silence,
        embedded_io::ErrorKind::Interrupted => Moved::Interrupted(error),
        _ => Moved::Unread(error),
    }
}

/// Converts an error of a write or a flush to the result that a line handles.
pub(crate) fn unsent<E: embedded_io::Error>(error: E) -> Moved<E> {
    match error.kind() {
        embedded_io::ErrorKind::Interrupted => Moved::Interrupted(error),
        // A timeout too: `write` accepts a byte or fails, and has no ticks.
        _ => Moved::Unsent(error),
    }
}

/// Lets other tasks run once.
///
/// # Cancellation
///
/// Nothing is lost.
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
