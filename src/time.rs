//! Time that has passed.
//!
//! The core never reads a clock: a port says how much time has passed, and the core adds it up. [`Span`] is what it adds up
//! in, since a [`Duration`] is twice as long and its checked sums take three times the code on 32-bit targets.

use core::time::Duration;

/// A length of time, up to 136 years; longer ones become that. Sums end there too, they never wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Span {
    secs: u32,
    nanos: u32,
}

impl Span {
    /// No time.
    pub const ZERO: Self = Self { secs: 0, nanos: 0 };
    const SECOND: u32 = 1_000_000_000;

    /// As long as `time`.
    #[must_use]
    pub const fn of(time: Duration) -> Self {
        let secs = time.as_secs();
        #[expect(clippy::cast_possible_truncation, reason = "checked")]
        let secs = if secs > u32::MAX as u64 { u32::MAX } else { secs as u32 };
        Self { secs, nanos: time.subsec_nanos() }
    }

    /// The same as a `Duration`.
    #[must_use]
    pub fn time(self) -> Duration {
        // Always less than a second; where the compiler does not see that, it keeps a division and a panic.
        Duration::new(self.secs.into(), self.nanos.min(Self::SECOND - 1))
    }

    /// Whether this is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.secs == 0 && self.nanos == 0
    }

    /// Adds `more`.
    #[inline(never)] // Called from several places of a driver: 100 bytes on a Cortex-M0.
    pub const fn lengthen(&mut self, more: Self) {
        let (mut secs, mut nanos) = (self.secs.saturating_add(more.secs), self.nanos.wrapping_add(more.nanos));
        if nanos >= Self::SECOND {
            nanos -= Self::SECOND;
            secs = secs.saturating_add(1);
        }
        *self = Self { secs, nanos };
    }

    /// What is left when `less` is taken away: nothing, if that is as long or longer.
    #[must_use]
    pub const fn shortened(self, less: Self) -> Self {
        if less.reaches(self) {
            return Self::ZERO;
        }
        if self.nanos >= less.nanos {
            Self { secs: self.secs.wrapping_sub(less.secs), nanos: self.nanos.wrapping_sub(less.nanos) }
        } else {
            Self {
                secs: self.secs.wrapping_sub(less.secs).wrapping_sub(1),
                nanos: self.nanos.wrapping_add(Self::SECOND).wrapping_sub(less.nanos),
            }
        }
    }

    /// Whether this is as long as `limit`, or longer.
    #[must_use]
    pub const fn reaches(self, limit: Self) -> bool {
        self.number() >= limit.number()
    }

    /// Both fields in one number, by which times are compared in two instructions.
    const fn number(self) -> u64 {
        (self.secs as u64) << 32 | self.nanos as u64
    }
}

impl From<Duration> for Span {
    fn from(time: Duration) -> Self {
        Self::of(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_grows_as_the_sum_of_its_parts() {
        for part in [1, 999_999_999, 1_000_000_000, 1_000_000_001, 174_000, 333_333_333].map(Duration::from_nanos) {
            let (mut span, mut time) = (Span::ZERO, Duration::ZERO);
            for _ in 0..10_000 {
                time += part;
                span.lengthen(Span::of(part));
                assert_eq!(span.time(), time);
            }
        }
    }

    #[test]
    fn a_span_is_compared_and_shortened_as_the_duration_that_it_is() {
        let times = [0, 1, 999_999_999, 1_000_000_000, 1_000_000_001, 1_999_999_999, 2_000_000_000];
        let times = times.map(Duration::from_nanos);
        for one in times {
            for other in times {
                assert_eq!(Span::of(one).reaches(Span::of(other)), one >= other, "{one:?} {other:?}");
                assert_eq!(Span::of(one).shortened(Span::of(other)).time(), one.saturating_sub(other));
            }
        }
    }

    #[test]
    fn a_span_ends_where_its_seconds_do() {
        let longest = Span::of(Duration::MAX);
        assert!(longest.time() >= Duration::from_secs(u32::MAX.into()));
        let mut span = longest;
        span.lengthen(Span::of(Duration::from_secs(2)));
        assert!(span.reaches(Span::of(Duration::from_secs(u32::MAX.into()))));
    }
}
