//! Lengths of time.
//!
//! The core never reads a clock: a port reports how much time has passed, and the core adds it up
//! in a [`Span`]. With a wrapper of [`Duration`] instead, a server for a boot loader on a Cortex-M0
//! would take 136 more bytes of flash and 32 more of RAM.

use core::time::Duration;

/// A length of time in whole microseconds, up to 71 minutes. Longer times and sums are limited to
/// that; they never wrap.
///
/// With seconds and nanoseconds instead, a line would take 24 more bytes of RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Span(u32);

impl Span {
    /// No time.
    pub const ZERO: Self = Self(0);
    const SECOND: u32 = 1_000_000;

    /// Converts `time`, rounded down: for time that has passed. A caller that adds up many short
    /// times must keep the remainder of each.
    #[must_use]
    pub const fn floor(time: Duration) -> Self {
        let (micros, _) = divided(time.subsec_nanos(), 1000, 10);
        Self::sum(time.as_secs(), micros)
    }

    /// Converts `time`, rounded up: for limits, which are never early.
    #[must_use]
    pub const fn ceil(time: Duration) -> Self {
        let (micros, left) = divided(time.subsec_nanos(), 1000, 10);
        Self::sum(time.as_secs(), if left > 0 { micros.wrapping_add(1) } else { micros })
    }

    /// Converts `time` and the remainder `nanos` of earlier times, rounded down; leaves the new
    /// remainder in `nanos`.
    pub(crate) const fn lap(time: Duration, nanos: &mut u16) -> Self {
        let (micros, left) = divided(time.subsec_nanos().wrapping_add(*nanos as u32), 1000, 10);
        #[expect(clippy::cast_possible_truncation, reason = "less than 1000")]
        let left = left as u16;
        *nanos = left;
        Self::sum(time.as_secs(), micros)
    }

    /// Adds whole seconds and `micros`, at most one second of them.
    const fn sum(secs: u64, micros: u32) -> Self {
        // One second less than the range, so that the sum below cannot overflow.
        if secs >= (u32::MAX / Self::SECOND) as u64 {
            return Self(u32::MAX);
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked")]
        Self((secs as u32).wrapping_mul(Self::SECOND).wrapping_add(micros))
    }

    /// Returns true if `time`, rounded down, is at least this span: for limits.
    // Not `floor`, whose division takes 36 bytes more in an image that needs no other one.
    pub(crate) const fn is_over(self, time: Duration) -> bool {
        let whole = Self::sum(time.as_secs(), 0);
        let left = self.saturating_sub(whole).0;
        left <= Self::SECOND && time.subsec_nanos() >= left.wrapping_mul(1000)
    }

    /// Converts the span to a `Duration`.
    #[must_use]
    pub const fn to_duration(self) -> Duration {
        let (secs, micros) = divided(self.0, Self::SECOND, 20);
        let nanos = micros.wrapping_mul(1000);
        // Always less than a second; where the compiler does not see that, it keeps a division and
        // a panic.
        Duration::new(secs as u64, if nanos < 1_000_000_000 { nanos } else { 999_999_999 })
    }

    /// Returns true for a length of zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns the sum, or the longest span if that is less.
    #[must_use]
    pub const fn saturating_add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// Returns the difference, or zero if `less` is longer.
    #[must_use]
    pub const fn saturating_sub(self, less: Self) -> Self {
        Self(self.0.saturating_sub(less.0))
    }

    /// Returns the span in microseconds.
    #[must_use]
    pub const fn as_micros(self) -> u32 {
        self.0
    }

    /// Returns an eighth of the span.
    #[must_use]
    pub const fn eighth(self) -> Self {
        Self(self.0 >> 3)
    }
}

/// A time that is kept, or one that is always zero and takes no memory.
pub(crate) trait Time: Copy + Default + PartialEq {
    fn keep(time: Span) -> Self;

    fn span(self) -> Span;
}

impl Time for Span {
    fn keep(time: Span) -> Self {
        time
    }

    fn span(self) -> Span {
        self
    }
}

impl Time for () {
    fn keep(_: Span) -> Self {}

    fn span(self) -> Span {
        Span::ZERO
    }
}

/// Returns quotient and remainder of a division by a number above 2^(`bits` - 1), at most
/// 2^`bits`. A Cortex-M0 has no instruction for it, and the function that it would call takes 180
/// bytes. One copy saves 230 bytes in a client.
#[inline(never)]
const fn divided(mut left: u32, by: u32, bits: u32) -> (u32, u32) {
    let mut quotient: u32 = 0;
    // Each part is at most the missing quotient, so that nothing becomes negative, and about half
    // of it or more, so that the loop is short.
    while left >> bits > 0 {
        let part = left >> bits;
        quotient = quotient.wrapping_add(part);
        left = left.wrapping_sub(part.wrapping_mul(by));
    }
    if left < by { (quotient, left) } else { (quotient.wrapping_add(1), left.wrapping_sub(by)) }
}

impl From<Duration> for Span {
    fn from(time: Duration) -> Self {
        Self::floor(time)
    }
}

/// A sum of times in nanoseconds, for ports: a byte at 6 Mbaud takes 1.67 µs. It is limited to 584
/// years.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed(u64);

impl Passed {
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn add(&mut self, time: Duration) {
        let nanos = time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos() as u64);
        self.0 = self.0.saturating_add(nanos);
    }

    /// Returns the sum, and starts again from zero.
    pub(crate) const fn take(&mut self) -> Duration {
        Duration::from_nanos(core::mem::replace(&mut self.0, 0))
    }
}

// Only in a checkout.
#[path = "../tests/unit"]
#[cfg(test)]
mod tests {
    #[cfg(anysmp_checkout)]
    mod time;
}
