//! The sizes of a transfer: how long a message may be, and how many requests are in flight.

use crate::line::Limits;
use crate::smp::os::ParametersResponse;

/// The largest number of requests in flight.
pub const MAX_WINDOW: usize = 8;
/// The same in the width in which it is kept.
pub(super) const MAX_REQUESTS: u8 = 8;

/// The longest message in bytes to a device that does not report its sizes: every known server can
/// hold it.
pub const FALLBACK: usize = 169;

/// A setting that the caller may choose. What was chosen holds, whether it was set before or after
/// what the link suggests.
#[derive(Clone, Copy)]
pub(super) enum Wish<T> {
    /// The default, or what suits the link.
    Usual(T),
    /// The wishes of the caller.
    Chosen(T),
}

impl<T: core::fmt::Debug> core::fmt::Debug for Wish<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Usual(value) => write!(f, "Usual({value:?})"),
            Self::Chosen(value) => write!(f, "Chosen({value:?})"),
        }
    }
}

impl<T: Copy> Wish<T> {
    const fn suggest(&mut self, value: T) {
        if let Self::Usual(usual) = self {
            *usual = value;
        }
    }

    const fn value(self) -> T {
        match self {
            Self::Usual(value) | Self::Chosen(value) => value,
        }
    }
}

/// The sizes that are known before the device reports its sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    overhead: Wish<u16>,
    window: Wish<u8>,
    pub(super) max_message: Option<usize>,
    pub(super) parameters: Option<ParametersResponse>,
}

impl Sizes {
    /// The sizes for a serial console, with this window.
    pub(super) const fn console(window: u8) -> Self {
        Self { overhead: Wish::Usual(4), window: Wish::Usual(window), max_message: None, parameters: None }
    }

    /// Adapts to a link, on which `window` is usual unless it is one of datagrams.
    pub(super) fn suggest(&mut self, limits: Limits, window: u8) {
        self.overhead.suggest(narrow(limits.overhead));
        // Nobody keeps the order of datagrams, and a piece that overtakes another one costs a round
        // trip.
        self.window.suggest(if limits.datagram { 1 } else { window });
    }

    pub(super) fn set_overhead(&mut self, bytes: usize) {
        self.overhead = Wish::Chosen(narrow(bytes));
    }

    pub(super) fn set_window(&mut self, requests: usize) {
        self.window = Wish::Chosen(u8::try_from(requests).unwrap_or(u8::MAX).clamp(1, MAX_REQUESTS));
    }

    /// The longest message in bytes and the number of requests at a time, for a device that
    /// reported `parameters`.
    pub(super) fn settle(&self, parameters: Option<ParametersResponse>) -> (usize, usize) {
        match parameters {
            Some(ParametersResponse { buf_size, buf_count }) => {
                let overhead = usize::from(self.overhead.value());
                let size = usize::try_from(buf_size).unwrap_or(usize::MAX).saturating_sub(overhead);
                let buffers = usize::try_from(buf_count).unwrap_or(usize::MAX);
                let limit = size.min(self.max_message.unwrap_or(usize::MAX));
                // One buffer is left for the response.
                (limit, usize::from(self.window.value()).min(buffers.saturating_sub(1)).max(1))
            }
            // A device that reports no buffers may have one only.
            None => (self.max_message.unwrap_or(FALLBACK), 1),
        }
    }
}

/// An overhead in its own width; no message is longer.
fn narrow(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}
