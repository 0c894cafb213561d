//! Resources that are watched by comparing their encoded values.

use core::time::Duration;

use super::{Refusal, Resources};
use crate::bytes::copy;
use crate::s3mp::value::Value;
use crate::s3mp::{Address, Command};
use crate::shown::shown;

/// Room for the last reported value of one address: at most `N` bytes as encoded. A double takes 9.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reported<const N: usize = 16> {
    bytes: [u8; N],
    len: usize,
}

shown!([const N: usize] Reported<N>, |it| "Reported({} bytes)", it.len);

impl<const N: usize> Reported<N> {
    /// Nothing has been reported yet.
    pub const NONE: Self = Self { bytes: [0; N], len: 0 };

    fn value(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// [`Resources`] whose addresses can all be subscribed to: a value has changed when its encoded
/// bytes are no longer those that were reported last. So the application does not have to record
/// changes, at the price of encoding each subscribed value in every round.
///
/// ```
/// use anysmp::s3mp::slave::{Compared, Reported};
/// use anysmp::s3mp::{Address, Refusal, Resources, Slave, value};
///
/// struct Probe { temperature: f32 }
///
/// impl Resources for Probe {
///     fn names(&self) -> &[&str] { &["temperature"] }
///     fn get(&mut self, _: Address, out: &mut [u8]) -> Result<usize, Refusal> {
///         Ok(value::encode(self.temperature, out)?)
///     }
/// }
///
/// let mut reported = [Reported::<16>::NONE; 1];
/// let mut slave = Slave::new(Compared::new(Probe { temperature: 21.5 }, &mut reported))?;
/// let mut tx = [0; 64];
/// let _ = slave.receive(&[0xA0, 1, 7], &mut tx); // SUBSCRIBE
/// assert_eq!(slave.poll(&mut tx), 0);
/// slave.resources().resources().temperature = f32::NAN;
/// assert_eq!(slave.poll(&mut tx), 8); // PUSH, once
/// assert_eq!(slave.poll(&mut tx), 0);
/// # Ok::<(), anysmp::s3mp::slave::NameError>(())
/// ```
///
/// Addresses for which there is no room in `reported` cannot be subscribed to. A value of any other
/// address must not be longer than `N` bytes: otherwise, reading it is an ERROR.
pub struct Compared<'m, R, const N: usize = 16> {
    resources: R,
    reported: &'m mut [Reported<N>],
}

shown!([R, const N: usize] Compared<'_, R, N>, |it| "Compared({} addresses)", it.reported.len());

/// A value that is longer than its room.
const TOO_LONG: Refusal = Refusal::Failed("too long to be compared");

impl<'m, R: Resources, const N: usize> Compared<'m, R, N> {
    /// Watches the addresses from 01 on, as many as there is room for.
    #[must_use]
    pub const fn new(resources: R, reported: &'m mut [Reported<N>]) -> Self {
        Self { resources, reported }
    }

    /// The application's resources.
    pub const fn resources(&mut self) -> &mut R {
        &mut self.resources
    }

    /// Stores the value that is sent to the master.
    fn report(&mut self, address: Address, value: &[u8]) -> Result<usize, Refusal> {
        let place = address.index().and_then(|place| self.reported.get_mut(place));
        if let Some(reported) = place {
            let bytes = reported.bytes.get_mut(..value.len()).ok_or(TOO_LONG)?;
            copy(value, bytes);
            reported.len = value.len();
        }
        Ok(value.len())
    }
}

impl<R: Resources, const N: usize> Resources for Compared<'_, R, N> {
    fn names(&self) -> &[&str] {
        self.resources.names()
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let len = self.resources.get(address, out)?;
        self.report(address, out.get(..len).ok_or(super::resources::TOO_LONG)?)
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        self.resources.set(address, value)
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let len = self.resources.invert(address, out)?;
        self.report(address, out.get(..len).ok_or(super::resources::TOO_LONG)?)
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        let reported = self.reported.get(address.index()?)?;
        let mut now = [0; N];
        // A value that cannot be read now counts as unchanged: a GET reports the reason.
        let now = self.resources.get(address, &mut now).ok().and_then(|len| now.get(..len));
        Some(now.is_some_and(|now| now != reported.value()))
    }

    fn is_watched(&mut self, address: Address) -> bool {
        // Does not read the value: SUBSCRIBE does so by itself.
        address.index().is_some_and(|place| place < self.reported.len())
    }

    fn status(&mut self, out: &mut [u8]) -> Result<usize, Refusal> {
        self.resources.status(out)
    }

    fn explain(&mut self, address: Address, out: &mut [u8]) -> usize {
        self.resources.explain(address, out)
    }

    fn tick(&mut self, elapsed: Duration) {
        self.resources.tick(elapsed);
    }

    fn reset(&mut self, address: Address) {
        self.resources.reset(address);
    }

    fn debug(&mut self, out: &mut [u8]) -> usize {
        self.resources.debug(out)
    }

    fn serves_all(&self, command: Command) -> bool {
        self.resources.serves_all(command)
    }
}
