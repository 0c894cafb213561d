//! Unit tests of `src/time.rs`.

use super::super::*;

const NANOS: [u64; 10] =
    [0, 1, 999, 1000, 174_001, 1_000_000, 333_333_333, 999_999_999, 1_000_000_001, 4_000_000_000_999];

#[test]
fn what_has_passed_is_rounded_down_and_limits_are_rounded_up() {
    for nanos in NANOS {
        let time = Duration::from_nanos(nanos);
        assert_eq!(Span::floor(time).to_duration(), Duration::from_micros(nanos / 1000));
        assert_eq!(Span::ceil(time).to_duration(), Duration::from_micros(nanos.div_ceil(1000)));
    }
}

#[test]
fn no_time_is_lost_between_laps() {
    for lap in [1, 300, 999, 1700, 999_999_999].map(Duration::from_nanos) {
        let (mut span, mut time, mut left) = (Span::ZERO, Duration::ZERO, 0);
        for _ in 0..4000 {
            time += lap;
            span = span.saturating_add(Span::lap(lap, &mut left));
            assert_eq!(span, Span::floor(time));
        }
    }
}

#[test]
fn a_sum_of_a_port_is_exact() {
    for part in NANOS.map(Duration::from_nanos) {
        let (mut sum, mut time) = (Passed::ZERO, Duration::ZERO);
        for _ in 0..1000 {
            time += part;
            sum.add(part);
        }
        assert_eq!(sum.take(), time);
        assert_eq!(sum.take(), Duration::ZERO);
    }
}

#[test]
fn a_span_is_compared_and_shortened_as_the_duration_that_it_is() {
    let times = NANOS.map(|nanos| Duration::from_micros(nanos / 1000));
    for one in times {
        for other in times {
            assert_eq!(Span::floor(one) >= Span::floor(other), one >= other, "{one:?} {other:?}");
            assert_eq!(Span::floor(one).saturating_sub(Span::floor(other)).to_duration(), one.saturating_sub(other));
        }
    }
}

#[test]
fn a_limit_is_over_as_soon_as_the_time_rounded_down_reaches_it() {
    let times = [0, 1, 999_999, 1_000_000, 1_000_001, 3_000_000, 4_293_999_999, 4_294_000_000, u64::MAX / 1000];
    for limit in times.map(|micros| Span::ceil(Duration::from_micros(micros))) {
        for nanos in times.map(|micros| micros * 1000).into_iter().chain(NANOS) {
            for time in [nanos.saturating_sub(1), nanos, nanos + 1].map(Duration::from_nanos) {
                assert_eq!(limit.is_over(time), Span::floor(time) >= limit, "{limit:?} {time:?}");
            }
        }
        assert!(limit.is_over(Duration::MAX));
    }
}

#[test]
fn a_span_ends_after_71_minutes() {
    let longest = Span::floor(Duration::MAX);
    assert!(longest.to_duration() >= Duration::from_secs(71 * 60));
    assert_eq!(Span::ceil(Duration::from_secs(4294)), longest);
    assert_eq!(longest.saturating_add(Span::floor(Duration::from_secs(2))), longest);
}
