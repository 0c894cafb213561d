//! The pace of a transfer: the length of a message, the number of requests in flight, the time of a
//! repeat, and the limits that end the job.

use core::time::Duration;

use crate::line::Limits;
use crate::smp::image::ERASE_TIME;
use crate::smp::os::ParametersResponse;
use crate::time::Span;

/// The largest window: the number of requests in flight.
pub const MAX_WINDOW: usize = 8;
/// [`MAX_WINDOW`] in the type that holds a window.
const MAX_REQUESTS: u8 = 8;
/// The usual number over datagrams, which may overtake each other.
const DATAGRAMS: u8 = 4;
/// The longest message that crosses every IPv6 path in one piece: 1,280 bytes less the headers of
/// IPv6 and UDP. Thread and Zephyr devices drop fragmented packets.
const DATAGRAM: u16 = 1232;

/// The longest message in bytes to a device that does not report its sizes: every known server can
/// hold it.
pub const FALLBACK: usize = 169;

/// The time without any response after which a transfer is given up: 30 s.
pub const SILENCE: Duration = Duration::from_secs(30);

/// The time that a device may take to check the image after the last piece: 30 s.
pub const CHECK_TIME: Duration = SILENCE;

/// The number of consecutive responses without progress that end a transfer.
pub const MAX_ROUNDS: u8 = 16;

/// A setting that the caller may choose. A chosen value takes precedence over a suggestion of the
/// link, and a suggestion over the default, whichever was set first.
#[derive(Clone, Copy)]
pub(super) enum Wish<T> {
    /// The default.
    Usual(T),
    /// The value that suits the link.
    Suggested(T),
    /// The value that the caller chose.
    Chosen(T),
}

impl<T: core::fmt::Debug> core::fmt::Debug for Wish<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Usual(value) => write!(f, "Usual({value:?})"),
            Self::Suggested(value) => write!(f, "Suggested({value:?})"),
            Self::Chosen(value) => write!(f, "Chosen({value:?})"),
        }
    }
}

impl<T: Copy> Wish<T> {
    const fn suggest(&mut self, value: T) {
        if let Self::Usual(_) | Self::Suggested(_) = self {
            *self = Self::Suggested(value);
        }
    }

    /// This setting, or `other` if that is a choice and this is not, or if this is the default.
    const fn over(self, other: Self) -> Self {
        match (self, other) {
            (Self::Usual(_), _) | (Self::Suggested(_), Self::Chosen(_)) => other,
            (Self::Suggested(_) | Self::Chosen(_), _) => self,
        }
    }

    const fn value(self) -> T {
        match self {
            Self::Usual(value) | Self::Suggested(value) | Self::Chosen(value) => value,
        }
    }
}

/// The settings that all transfers share: sizes, window, repeats and limits.
///
/// Nothing has to be set: a transfer asks the device for its buffers and measures its response
/// time. The settings may be made in any order.
///
/// ```
/// use anysmp::smp::routine::{FileDownload, Pacing, Upload};
///
/// let pacing = Pacing::new().with_window(2).with_max_message(512);
/// let upload = Upload::new(&[0; 4096][..]).with_pacing(pacing);
/// let download = FileDownload::new("/lfs/log").with_pacing(pacing);
/// # drop((upload, download));
/// ```
///
/// # Repeats
///
/// A request without a response is repeated with the same number, after four times the measured
/// response time, at least 250 ms. As long as nothing was measured, and for the first and the last
/// piece of an image, during which the device erases or checks, the wait is the client's timeout.
/// Each further repeat waits twice as long, up to one second; up to 10 s for a first piece without
/// a `sha`, which a device treats as another upload.
///
/// # Limits
///
/// | the device | the transfer ends after |
/// |---|---|
/// | has never responded | the client's timeout, times one more than its retries (at least two) |
/// | has responded before | [`SILENCE`] without any response |
/// | may be erasing or checking an image | [`with_timeouts`](Self::with_timeouts) without any response |
/// | answers without progress | [`MAX_ROUNDS`] responses |
///
/// If the parameters were set, the device counts as one that has responded.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Pacing {
    overhead: Wish<u16>,
    window: Wish<u8>,
    max_message: Wish<u16>,
    pub(super) parameters: Option<ParametersResponse>,
    retries: Option<u8>,
    timeouts: Wish<Timeouts>,
}

/// The limits for the first and the last piece of an image.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    first: Span,
    last: Span,
}

#[cfg(feature = "defmt")]
impl defmt::Format for Pacing {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Pacing(window {=u8})", self.window.value());
    }
}

impl Default for Pacing {
    fn default() -> Self {
        Self::new()
    }
}

impl Pacing {
    /// The settings for a serial console: 4 bytes of overhead, and as many requests in flight as
    /// the device has buffers, less one.
    pub const fn new() -> Self {
        Self {
            overhead: Wish::Usual(4),
            window: Wish::Usual(MAX_REQUESTS),
            max_message: Wish::Usual(u16::MAX),
            parameters: None,
            retries: None,
            timeouts: const { Wish::Usual(Timeouts { first: Span::ceil(ERASE_TIME), last: Span::ceil(CHECK_TIME) }) },
        }
    }

    /// Adapts to the link that the transfer will run on, given its `limits()`: the overhead of its
    /// framing; for datagrams at most 4 requests in flight and 1,232 bytes per message.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.overhead.suggest(narrow(limits.overhead));
        self.window.suggest(if limits.datagram { DATAGRAMS } else { MAX_REQUESTS });
        self.max_message.suggest(if limits.datagram { DATAGRAM } else { u16::MAX });
        self
    }

    /// Sets the number of bytes that the framing stores with each message in the device's buffer:
    /// [`Limits::overhead`].
    pub fn with_overhead(mut self, bytes: usize) -> Self {
        self.overhead = Wish::Chosen(narrow(bytes));
        self
    }

    /// Sets the largest number of requests in flight, 1 to 8. A device is never sent more than it
    /// has buffers, less one, and one at a time if it does not report them; the report contains the
    /// number that was used.
    pub fn with_window(mut self, requests: usize) -> Self {
        self.window = Wish::Chosen(u8::try_from(requests).unwrap_or(u8::MAX).clamp(1, MAX_REQUESTS));
        self
    }

    /// Sets the longest message in bytes, for example that of the path of a datagram. Also the
    /// length of the messages to a device that does not report its sizes.
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = Wish::Chosen(narrow(bytes));
        self
    }

    /// Sets the sizes of the device, which is then not asked for them.
    pub const fn with_parameters(mut self, parameters: ParametersResponse) -> Self {
        self.parameters = Some(parameters);
        self
    }

    /// Sets the number of consecutive repeats of a request, and of consecutive responses without
    /// progress, that end the transfer; at least 1. By default only the [limits](Self#limits) end
    /// it.
    pub fn with_retries(mut self, retries: u8) -> Self {
        self.retries = Some(retries.max(1));
        self
    }

    /// Sets the time without any response that the device may take for the first piece of an image,
    /// for which it erases a slot, and for the last one, after which it checks the image: by
    /// default [`ERASE_TIME`] and [`CHECK_TIME`].
    pub const fn with_timeouts(mut self, first: Duration, last: Duration) -> Self {
        self.timeouts = Wish::Chosen(Timeouts { first: Span::ceil(first), last: Span::ceil(last) });
        self
    }

    /// These settings, and those of `other` that are not set here.
    pub(super) fn over(self, other: Self) -> Self {
        Self {
            overhead: self.overhead.over(other.overhead),
            window: self.window.over(other.window),
            max_message: self.max_message.over(other.max_message),
            parameters: self.parameters.or(other.parameters),
            retries: self.retries.or(other.retries),
            timeouts: self.timeouts.over(other.timeouts),
        }
    }

    /// The longest message in bytes and the number of requests at a time, for the parameters of the
    /// device, if they are known.
    pub(super) fn settle(&self) -> (usize, usize) {
        let max_message = usize::from(self.max_message.value());
        match self.parameters {
            Some(ParametersResponse { buf_size, buf_count }) => {
                let overhead = usize::from(self.overhead.value());
                let size = usize::try_from(buf_size).unwrap_or(usize::MAX).saturating_sub(overhead);
                let buffers = usize::try_from(buf_count).unwrap_or(usize::MAX);
                // One buffer is left for the response.
                (size.min(max_message), usize::from(self.window.value()).min(buffers.saturating_sub(1)).max(1))
            }
            // A device that does not report its buffers may have only one.
            None => match self.max_message {
                Wish::Chosen(bytes) => (bytes.into(), 1),
                Wish::Usual(_) | Wish::Suggested(_) => (FALLBACK, 1),
            },
        }
    }

    /// The number of consecutive repeats that end the transfer, if the caller chose one.
    pub(super) const fn retries(&self) -> Option<u8> {
        self.retries
    }

    /// The number of consecutive responses without progress that end the transfer.
    pub(super) fn rounds(&self) -> u8 {
        self.retries.unwrap_or(MAX_ROUNDS)
    }

    pub(super) const fn first(&self) -> Span {
        self.timeouts.value().first
    }

    pub(super) const fn last(&self) -> Span {
        self.timeouts.value().last
    }
}

/// Saturates a number of bytes to 16 bits; no message is longer.
fn narrow(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

/// Makes the settings of [`Pacing`] available on a transfer that keeps one in `$field`.
macro_rules! paced {
    ($($field:ident).+) => {
        /// Makes all settings that were made in `pacing`. The others stay as they are. If a
        /// setting is made twice, the later call counts.
        #[must_use]
        pub fn with_pacing(mut self, pacing: Pacing) -> Self {
            self.$($field).+ = pacing.over(self.$($field).+);
            self
        }

        /// See [`Pacing::with_limits`].
        #[must_use]
        pub fn with_limits(mut self, limits: Limits) -> Self {
            self.$($field).+ = self.$($field).+.with_limits(limits);
            self
        }

        /// See [`Pacing::with_overhead`].
        #[must_use]
        pub fn with_overhead(mut self, bytes: usize) -> Self {
            self.$($field).+ = self.$($field).+.with_overhead(bytes);
            self
        }

        /// See [`Pacing::with_window`].
        #[must_use]
        pub fn with_window(mut self, requests: usize) -> Self {
            self.$($field).+ = self.$($field).+.with_window(requests);
            self
        }

        /// See [`Pacing::with_max_message`].
        #[must_use]
        pub fn with_max_message(mut self, bytes: usize) -> Self {
            self.$($field).+ = self.$($field).+.with_max_message(bytes);
            self
        }

        /// See [`Pacing::with_parameters`].
        #[must_use]
        pub fn with_parameters(mut self, parameters: ParametersResponse) -> Self {
            self.$($field).+ = self.$($field).+.with_parameters(parameters);
            self
        }

        /// See [`Pacing::with_retries`].
        #[must_use]
        pub fn with_retries(mut self, retries: u8) -> Self {
            self.$($field).+ = self.$($field).+.with_retries(retries);
            self
        }
    };
}

pub(super) use paced;
