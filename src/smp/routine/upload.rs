//! Uploads an image file, piece by piece, several requests at a time.
//!
//! ```text
//!              first piece, alone             window open: pieces that follow one another
//!   client  ── off 0, len, sha, data ──▶   ── off a ──▶ ── off b ──▶ ── off c ──▶
//!   server             ◀── off a ──            ◀── off b ── ◀── off c ── … ◀── off len (match) ──
//! ```
//!
//! Every response contains the offset that the device expects next, and is authoritative: it may be
//! past the bytes sent (the device had the file already, or a part of it), before it (a piece was
//! lost, or the device accepted only a part), or at 0 again (the device forgot), and then the first
//! piece is sent again with all its keys.
//!
//! ```text
//!   Idle ──▶ Sizing: asks for the device's buffers ──▶ Sending ──▶ Ended
//!                                                       │  ▲
//!                     Open ─ timeout ──▶ Repeat ─▶ Probing ┘ response
//!                      └─ "busy" ─▶ Pause ─ timeout ─▶ Open
//! ```
//!
//! # Sizes
//!
//! The device reports the size and the number of its buffers. A message may be as long as a buffer,
//! less the bytes that the framing stores with it ([`Limits::overhead`]); all but one of the
//! buffers may be filled at a time, since the response needs one. Without a report a message has at
//! most [`FALLBACK`] bytes, which every known server can hold, and one request is in flight at a
//! time. `tx` and [`with_max_message`](Upload::with_max_message) lower the size further. Each piece
//! fills its message, until the device accepts only the front of one, as MCUboot does, which writes
//! whole units of its flash: from then on pieces end where a unit does.
//!
//! # Repeats and limits
//!
//! Those of [`Pacing`]: a request is repeated when its response is late by the measured response
//! time, and silence, not a number of repeats, ends the upload.
//!
//! # Cost
//!
//! 160 bytes of state beside the source, 33 of them for the SHA-256 of the file; the data is copied
//! only from the source to `tx`.
//!
//! # Interpretation
//!
//! * At most 8 requests are in flight. A piece at offset 0 travels alone: the device erases flash
//!   for it.
//! * A response to one of several requests covers those that were sent before it; their own
//!   responses come too late and count as foreign. Requests sent after it stay valid if they
//!   continue at the offset that the device expects; otherwise all are given up, and the upload
//!   continues at that offset with new numbers.
//! * After a timeout only the oldest request is sent again, with its number and alone; the others
//!   are given up. Its response, late or not, shows where to continue, whatever else was lost.
//! * Progress is an offset that the device had not reported before. Steps back count as responses
//!   without progress until there is progress.
//! * `rc` 2 (out of buffers) and `rc` 10 (busy) to a later piece make the upload pause for one
//!   timeout and continue with one request at a time; each counts as a response without progress.
//!   In response to the first piece they are final.
//! * After `rc` 3 to a repeat the piece is sent once more, as a new request: without a checksum, a
//!   repeat may complete a copy that lost bytes, and the device refuses the mixture. Every other
//!   error is final.
//! * When the response to the last piece is lost, a server that closes its session at the end
//!   expects offset 0 at the repeat. The first piece is sent again then; servers that check their
//!   copy answer that the file is complete; others receive it once more.

use core::time::Duration;

use super::Pacing;
use super::pacing::paced;
pub use super::report::{UploadEvent, UploadOutcome, UploadReport};
use crate::line::Limits;
use crate::routine::{Routine, Step};
use crate::smp::client::Client;
use crate::smp::os::ParametersResponse;
use crate::source::Source;

mod job;

pub(super) use job::Job;

pub use super::pacing::{CHECK_TIME, FALLBACK, MAX_WINDOW};

/// Uploads an image file. Build it, then have a driver `run` it.
pub struct Upload<S> {
    source: S,
    job: Job,
}

impl<S: Source> Upload<S> {
    /// An upload of all of `source`, with the settings for a serial console: 4 bytes of overhead,
    /// and as many requests at a time as the device has buffers, less one.
    ///
    /// The settings may be made in any order.
    #[must_use]
    pub fn new(source: S) -> Self {
        let job = Job::new(source.len());
        Self { source, job }
    }

    paced!(job.course.pacing);

    /// Sets the image, or with direct upload the slot, that the file is for. By default the key is
    /// left out, which means 0. Every other number is sent with each piece.
    #[must_use]
    pub fn with_image(mut self, image: u32) -> Self {
        self.job.keys.set_image(image);
        self
    }

    /// Asks the device to refuse the image unless it is newer than the running one.
    #[must_use]
    pub fn with_upgrade_only(mut self, only: bool) -> Self {
        self.job.keys.upgrade = only;
        self
    }

    /// Sets the SHA-256 of all bytes of the source, by which the device recognises an interrupted
    /// upload; the function `sha256` of this module computes it. It is left out of a message that
    /// is too short for it, and if [`with_len`](Self::with_len) uploads fewer bytes, whose hash it
    /// is not.
    #[must_use]
    pub fn with_sha(mut self, digest: [u8; 32]) -> Self {
        self.job.keys.sha = Some(digest);
        self
    }

    /// Uploads only the first `len` bytes of the source, for example to leave out padding. To
    /// upload them with a [`sha`](Self::with_sha), use a source that ends there.
    #[must_use]
    pub fn with_len(mut self, len: u64) -> Self {
        self.job.len = len.min(self.source.len());
        self
    }

    /// See [`Pacing::with_timeouts`].
    #[must_use]
    pub fn with_timeouts(mut self, first: Duration, last: Duration) -> Self {
        self.job.course.pacing = self.job.course.pacing.with_timeouts(first, last);
        self
    }

    /// The source of the bytes.
    pub const fn source(&mut self) -> &mut S {
        &mut self.source
    }

    pub(super) fn into_parts(self) -> (S, Job) {
        (self.source, self.job)
    }
}

impl<S> Upload<S> {
    /// The progress so far.
    #[must_use]
    pub fn progress(&self) -> UploadEvent {
        self.job.progress()
    }
}

impl<S: Source> Routine for Upload<S> {
    type Client = Client;
    type Event<'m> = UploadEvent;
    type Report = UploadReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        self.job.poll(&mut self.source, client, tx)
    }

    fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<UploadEvent> {
        self.job.receive(client, message)
    }

    fn tick(&mut self, elapsed: Duration) {
        self.job.tick(elapsed);
    }

    fn timed_out(&mut self) {
        self.job.timed_out();
    }

    fn report(&self) -> UploadReport {
        self.job.report()
    }
}

impl<S> core::fmt::Debug for Upload<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Job { len, course, state, .. } = &self.job;
        f.debug_struct("Upload").field("len", len).field("state", state).field("course", course).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<S> defmt::Format for Upload<S> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Upload({})", self.progress());
    }
}
