//! Values, each with the one last reported to the master.

use core::time::Duration;

use crate::shown::shown;

/// A value, and the one that was last reported to the master: a number, a boolean, a text that owns
/// its bytes.
///
/// It is one value: in an array that contains a NaN, a change of the other elements is not
/// detected. Watch each element, or use [`Compared`](super::Compared).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Watched<T> {
    value: T,
    sent: Sent<T>,
}

/// The value that the master has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Sent<T> {
    /// No value has been reported yet. Exit: the first report, to `Last`.
    Nothing,
    /// This value was reported last. Exit: a further report, to itself.
    Last(T),
}

shown!([T] Watched<T>, |watched| "Watched(reported: {})", matches!(watched.sent, Sent::Last(_)));

impl<T: Clone + PartialEq> Watched<T> {
    /// A value that has not been reported yet.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self { value, sent: Sent::Nothing }
    }

    /// The value, for the application itself.
    #[must_use]
    pub fn value(&self) -> T {
        self.value.clone()
    }

    /// Sets the value, without reporting it.
    pub fn set(&mut self, value: T) {
        self.value = value;
    }

    /// The value, for the master: [`Resources::get`](super::Resources::get) and
    /// [`Resources::invert`](super::Resources::invert) encode it.
    pub fn report(&mut self) -> T {
        self.sent = Sent::Last(self.value.clone());
        self.value.clone()
    }

    /// Returns true if the value differs from the one reported last: the result of
    /// [`Resources::changed`](super::Resources::changed). NaN, the value of many failed sensors,
    /// does not differ from NaN: the failure is reported to the master once.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        match &self.sent {
            Sent::Nothing => true,
            Sent::Last(sent) => !is_same(sent, &self.value),
        }
    }
}

/// Returns true if both are the same value, which is also true of two NaNs, unlike `==`.
#[expect(clippy::eq_op, reason = "NaN is what differs from itself")]
fn is_same<T: PartialEq>(a: &T, b: &T) -> bool {
    a == b || (a != a && b != b)
}

/// A number that can be compared with another one: see [`Damped`].
pub trait Number: Copy + PartialEq {
    /// The type of a distance: unsigned for a whole number.
    type Distance: Copy + PartialOrd;
    /// The distance of equal numbers.
    const ZERO: Self::Distance;
    /// Returns the distance between two numbers; it is NaN if one of them is.
    #[must_use]
    fn distance(self, other: Self) -> Self::Distance;
}

macro_rules! whole {
    ($($number:ident $distance:ident),*) => {$(
        impl Number for $number {
            type Distance = $distance;
            const ZERO: $distance = 0;
            fn distance(self, other: Self) -> $distance {
                self.abs_diff(other)
            }
        }
    )*};
}

whole!(u8 u8, u16 u16, u32 u32, u64 u64, i8 u8, i16 u16, i32 u32, i64 u64);

macro_rules! float {
    ($($number:ident),*) => {$(
        impl Number for $number {
            type Distance = $number;
            const ZERO: $number = 0.0;
            fn distance(self, other: Self) -> $number {
                (self - other).abs()
            }
        }
    )*};
}

float!(f32, f64);

/// A [`Watched`] number that jitters: it has changed only if it differs from the one reported last
/// by more than a dead band, and not sooner than a pause after that one was reported.
///
/// ```
/// use anysmp::s3mp::slave::Damped;
/// use core::time::Duration;
///
/// // In degrees; pushed when it has moved by more than half of one, at most once in 10 s.
/// let mut temperature = Damped::new(21.0_f32).with_band(0.5).with_pause(Duration::from_secs(10));
/// temperature.report();
/// temperature.tick(Duration::from_secs(10)); // from `Resources::tick`
/// temperature.set(21.4);
/// assert!(!temperature.is_changed());
/// temperature.set(21.6);
/// assert!(temperature.is_changed());
/// temperature.report();
/// temperature.set(30.0);
/// assert!(!temperature.is_changed()); // it was reported just now
/// ```
#[derive(Clone, Copy, PartialEq)]
pub struct Damped<T: Number> {
    watched: Watched<T>,
    band: T::Distance,
    pause: Duration,
    /// The time since the number was reported last.
    since: Duration,
}

shown!([T: Number] Damped<T>, |damped| "Damped({:?})", damped.watched);

impl<T: Number> Damped<T> {
    /// A number that has not been reported yet, without a dead band and without a pause.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self { watched: Watched::new(value), band: T::ZERO, pause: Duration::ZERO, since: Duration::ZERO }
    }

    /// Sets the dead band: the largest difference from the number reported last that does not count
    /// as a change.
    #[must_use]
    pub const fn with_band(mut self, band: T::Distance) -> Self {
        self.band = band;
        self
    }

    /// Sets the least time from one report to the next change.
    #[must_use]
    pub const fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// The number, for the application itself.
    #[must_use]
    pub fn value(&self) -> T {
        self.watched.value()
    }

    /// Sets the number, without reporting it.
    pub fn set(&mut self, value: T) {
        self.watched.set(value);
    }

    /// The number, for the master: as [`Watched::report`].
    pub fn report(&mut self) -> T {
        self.since = Duration::ZERO;
        self.watched.report()
    }

    /// Adds elapsed time to the pause: call it in [`Resources::tick`](super::Resources::tick).
    pub fn tick(&mut self, elapsed: Duration) {
        self.since = self.since.saturating_add(elapsed);
    }

    /// Returns true if the number has left the dead band and the pause has ended: the result of
    /// [`Resources::changed`](super::Resources::changed). NaN and numbers differ by more than any
    /// band.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        let Sent::Last(reported) = self.watched.sent else { return true };
        let value = self.watched.value;
        // No distance to or from NaN is within a band.
        let is_within = reported.distance(value) <= self.band;
        self.since >= self.pause && !is_within && !is_same(&reported, &value)
    }
}
