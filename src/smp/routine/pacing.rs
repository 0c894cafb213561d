//! The pace of a transfer: the length of a message, the number of requests in flight, the time of a
//! repeat, and the limits that end the job.

use core::num::{NonZeroU8, NonZeroU32};
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

/// A setting that the caller may choose, with its bit in [`Chosen`].
#[derive(Debug, Clone, Copy)]
enum Setting {
    Overhead = 1,
    Window = 2,
    MaxMessage = 4,
    Timeouts = 8,
}

/// The settings that the caller has chosen. A chosen value takes precedence over a suggestion of
/// the link, and a suggestion over the default, whichever was set first.
#[derive(Clone, Copy)]
struct Chosen(u8);

impl Chosen {
    const NONE: Self = Self(0);

    const fn with(self, setting: Setting) -> Self {
        Self(self.0 | setting as u8)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, setting: Setting) -> bool {
        self.0 & setting as u8 != 0
    }
}

impl core::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let all = [Setting::Overhead, Setting::Window, Setting::MaxMessage, Setting::Timeouts];
        f.debug_set().entries(all.into_iter().filter(|setting| self.has(*setting))).finish()
    }
}

/// The number of the device's buffers, at most 255, in the highest 8 bits, and their size below.
/// In a word, since an upload would take 8 more bytes of RAM for two numbers and their tag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffers(NonZeroU32);

impl Buffers {
    /// The bits of a size. No message and its overhead take more than 17.
    const SIZE: u32 = 0xFF_FFFF;

    /// None and one are the same to a transfer: it needs one.
    pub(super) const fn new(parameters: ParametersResponse) -> Option<Self> {
        let ParametersResponse { buf_size, buf_count } = parameters;
        let size = if buf_size < Self::SIZE { buf_size } else { Self::SIZE };
        let count = if let 1..=0xFF = buf_count {
            buf_count
        } else if buf_count == 0 {
            1
        } else {
            0xFF
        };
        match NonZeroU32::new(count << 24 | size) {
            Some(buffers) => Some(Self(buffers)),
            None => None,
        }
    }

    fn size(self) -> usize {
        usize::try_from(self.0.get() & Self::SIZE).unwrap_or(usize::MAX)
    }

    const fn count(self) -> u8 {
        let [.., count] = self.0.get().to_le_bytes();
        count
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
    /// The device's, if they are known.
    pub(super) buffers: Option<Buffers>,
    timeouts: Timeouts,
    overhead: u16,
    max_message: u16,
    window: u8,
    retries: Option<NonZeroU8>,
    chosen: Chosen,
    /// True if the values that are not chosen, except the timeouts, suit the link.
    suggested: bool,
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
        defmt::write!(f, "Pacing(window {=u8})", self.window);
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
            buffers: None,
            timeouts: const { Timeouts { first: Span::ceil(ERASE_TIME), last: Span::ceil(CHECK_TIME) } },
            overhead: 4,
            max_message: u16::MAX,
            window: MAX_REQUESTS,
            retries: None,
            chosen: Chosen::NONE,
            suggested: false,
        }
    }

    /// Adapts to the link that the transfer will run on, given its `limits()`: the overhead of its
    /// framing; for datagrams at most 4 requests in flight and 1,232 bytes per message.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        if !self.chosen.has(Setting::Overhead) {
            self.overhead = narrow(limits.overhead);
        }
        if !self.chosen.has(Setting::Window) {
            self.window = if limits.datagram { DATAGRAMS } else { MAX_REQUESTS };
        }
        if !self.chosen.has(Setting::MaxMessage) {
            self.max_message = if limits.datagram { DATAGRAM } else { u16::MAX };
        }
        self.suggested = true;
        self
    }

    /// Sets the number of bytes that the framing stores with each message in the device's buffer:
    /// [`Limits::overhead`].
    pub fn with_overhead(mut self, bytes: usize) -> Self {
        (self.overhead, self.chosen) = (narrow(bytes), self.chosen.with(Setting::Overhead));
        self
    }

    /// Sets the largest number of requests in flight, 1 to 8. A device is never sent more than it
    /// has buffers, less one, and one at a time if it does not report them; the report contains the
    /// number that was used.
    pub fn with_window(mut self, requests: usize) -> Self {
        self.window = u8::try_from(requests).unwrap_or(u8::MAX).clamp(1, MAX_REQUESTS);
        self.chosen = self.chosen.with(Setting::Window);
        self
    }

    /// Sets the longest message in bytes, for example that of the path of a datagram. Also the
    /// length of the messages to a device that does not report its sizes.
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        (self.max_message, self.chosen) = (narrow(bytes), self.chosen.with(Setting::MaxMessage));
        self
    }

    /// Sets the sizes of the device, which is then not asked for them.
    pub const fn with_parameters(mut self, parameters: ParametersResponse) -> Self {
        self.buffers = Buffers::new(parameters);
        self
    }

    /// Sets the number of consecutive repeats of a request, and of consecutive responses without
    /// progress, that end the transfer; at least 1. By default only the [limits](Self#limits) end
    /// it.
    pub fn with_retries(mut self, retries: u8) -> Self {
        self.retries = NonZeroU8::new(retries.max(1));
        self
    }

    /// Sets the time without any response that the device may take for the first piece of an image,
    /// for which it erases a slot, and for the last one, after which it checks the image: by
    /// default [`ERASE_TIME`] and [`CHECK_TIME`].
    pub const fn with_timeouts(mut self, first: Duration, last: Duration) -> Self {
        self.timeouts = Timeouts { first: Span::ceil(first), last: Span::ceil(last) };
        self.chosen = self.chosen.with(Setting::Timeouts);
        self
    }

    /// These settings, and those of `other` that are not set here.
    pub(super) fn over(self, other: Self) -> Self {
        // Not `other`'s choice, and a choice here or a suggestion.
        let here = |setting| self.chosen.has(setting) || self.suggested && !other.chosen.has(setting);
        Self {
            buffers: self.buffers.or(other.buffers),
            timeouts: if here(Setting::Timeouts) { self.timeouts } else { other.timeouts },
            overhead: if here(Setting::Overhead) { self.overhead } else { other.overhead },
            max_message: if here(Setting::MaxMessage) { self.max_message } else { other.max_message },
            window: if here(Setting::Window) { self.window } else { other.window },
            retries: self.retries.or(other.retries),
            chosen: self.chosen.and(other.chosen),
            suggested: self.suggested || other.suggested,
        }
    }

    /// The longest message in bytes and the number of requests at a time, for the parameters of the
    /// device, if they are known.
    pub(super) fn settle(&self) -> (usize, u8) {
        let max_message = usize::from(self.max_message);
        match self.buffers {
            Some(buffers) => {
                let size = buffers.size().saturating_sub(self.overhead.into());
                // One buffer is left for the response.
                (size.min(max_message), self.window.min(buffers.count().saturating_sub(1)).max(1))
            }
            // A device that does not report its buffers may have only one.
            None if self.chosen.has(Setting::MaxMessage) => (max_message, 1),
            None => (FALLBACK, 1),
        }
    }

    /// The number of consecutive repeats that end the transfer, if the caller chose one.
    pub(super) fn retries(&self) -> Option<u8> {
        self.retries.map(NonZeroU8::get)
    }

    /// The number of consecutive responses without progress that end the transfer.
    pub(super) fn rounds(&self) -> u8 {
        self.retries().unwrap_or(MAX_ROUNDS)
    }

    pub(super) const fn first(&self) -> Span {
        self.timeouts.first
    }

    pub(super) const fn last(&self) -> Span {
        self.timeouts.last
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
