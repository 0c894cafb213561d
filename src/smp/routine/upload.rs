//! Uploads an image file, piece by piece, several requests at a time.
//!
//! ```text
//!              first piece, alone             window open: pieces that follow one another
//!   client  ── off 0, len, sha, data ──▶   ── off a ──▶ ── off b ──▶ ── off c ──▶
//!   server             ◀── off a ──            ◀── off b ── ◀── off c ── … ◀── off len (match) ──
//! ```
//!
//! Every response contains the offset that the device expects next, and is authoritative: it may be
//! past what was sent (the device had the file already, or a part of it), before it (a piece was
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
//! less what the framing stores with it ([`Limits::overhead`]); all but one of the buffers may be
//! filled at a time, since the response needs one. Without a report a message has at most
//! [`FALLBACK`] bytes, which every known server can hold, and one request is in flight at a time.
//! `tx` and [`with_max_message`](Upload::with_max_message) lower the size further. Each piece fills
//! its message, until the device accepts only the front of one, as MCUboot does, which writes whole
//! units of its flash: from then on pieces end where a unit does.
//!
//! # Cost
//!
//! 392 bytes of state on a 64-bit machine, fewer on a Cortex-M; no copy of the data but from the
//! source to `tx`.
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
//!   are given up. Its response, late or not, says where to continue, whatever else was lost.
//! * Limits, all set by [`with_retries`](Upload::with_retries), 5 by default: consecutive timeouts;
//!   consecutive responses that expect the same offset as before; steps back to before an offset
//!   that the device had confirmed.
//! * `rc` 2 (out of buffers) and `rc` 10 (busy) to a later piece make the upload pause for one
//!   timeout and continue with one request at a time; each counts as a response without progress.
//!   To the first piece they are final, as every other error is.
//! * When the response to the last piece is lost, a server that closes its session at the end
//!   expects offset 0 at the repeat. The first piece is sent again then; servers that check what
//!   they have answer that the file is complete, others receive it once more.

use core::cmp::Ordering;
use core::time::Duration;

use super::piece::{Keys, What};
pub use super::report::{UploadEvent, UploadOutcome, UploadReport};
use super::sizes::{MAX_REQUESTS, Sizes};
use super::transfer::{Awaited, Counts, Transfer};
use super::{Call, Error, Heard};
use crate::line::Limits;
use crate::routine::{Routine, Step};
use crate::smp::Request;
use crate::smp::client::{self, Client};
use crate::smp::image::{self, ERASE_TIME, UploadResponse};
use crate::smp::os::{Parameters, ParametersResponse};
use crate::source::Source;

pub use super::sizes::{FALLBACK, MAX_WINDOW};

/// The time that a device may take to check the image after the last piece: 20 s.
pub const CHECK_TIME: Duration = Duration::from_secs(20);

/// Uploads an image file. Build it, then have a driver `run` it.
pub struct Upload<S> {
    source: S,
    len: u64,
    keys: Keys,
    settings: Settings,
    state: State,
    counts: Counts,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    sizes: Sizes,
    retries: u8,
    first: Duration,
    last: Duration,
}

#[derive(Debug)]
enum State {
    /// Not begun. Exits: `Sizing`; `Sending` if the sizes are known; `Ended` if there is nothing to
    /// upload.
    Idle,
    /// Asks for the sizes. Exits: `Sending`, with them or without; `Ended` if `tx` is too short.
    Sizing(Call<Parameters>),
    /// Sends pieces. Exits: `Ended`; `Idle`, by `restart`.
    Sending(Transfer),
    /// Ended at this offset. Exits: `Idle`, by `restart`.
    Ended { outcome: UploadOutcome, off: u64 },
}

impl Settings {
    const fn time(&self, awaited: Awaited) -> Duration {
        match awaited {
            Awaited::First => self.first,
            Awaited::Last => self.last,
            Awaited::Other => Duration::ZERO,
        }
    }
}

impl<S: Source> Upload<S> {
    /// An upload of all of `source`, with the settings for a serial console: 4 bytes of overhead,
    /// and as many requests at a time as the device has buffers, less one.
    ///
    /// No setting depends on the order in which they are made.
    #[must_use]
    pub fn new(source: S) -> Self {
        let settings =
            Settings { sizes: Sizes::console(MAX_REQUESTS), retries: 5, first: ERASE_TIME, last: CHECK_TIME };
        let len = source.len();
        Self { source, len, keys: Keys::default(), settings, state: State::Idle, counts: Counts::default() }
    }

    /// Adapts to the link that the upload will run on, given its `limits()`: the overhead of its
    /// framing, and one request at a time for datagrams, whose order nobody keeps.
    /// [`with_overhead`](Self::with_overhead) and [`with_window`](Self::with_window) take
    /// precedence.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.settings.sizes.suggest(limits, MAX_REQUESTS);
        self
    }

    /// Sets the number of bytes that the framing stores with each message in the device's buffer:
    /// [`Limits::overhead`].
    #[must_use]
    pub fn with_overhead(mut self, bytes: usize) -> Self {
        self.settings.sizes.set_overhead(bytes);
        self
    }

    /// Sets the largest number of requests in flight, 1 to 8, over datagrams too; the device's
    /// number of buffers may lower it.
    #[must_use]
    pub fn with_window(mut self, requests: usize) -> Self {
        self.settings.sizes.set_window(requests);
        self
    }

    /// Sets the longest message in bytes, for example that of the path of a datagram; at least 62.
    /// Also the length of the messages to a device that does not report its sizes.
    #[must_use]
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.settings.sizes.max_message = Some(bytes);
        self
    }

    /// Sets the sizes of the device, which is not asked for them then.
    #[must_use]
    pub fn with_parameters(mut self, parameters: ParametersResponse) -> Self {
        self.settings.sizes.parameters = Some(parameters);
        self
    }

    /// Sets the image, or with direct upload the slot, that the file is for. By default the key is
    /// left out, which means 0.
    #[must_use]
    pub fn with_image(mut self, image: u32) -> Self {
        self.keys.image = Some(image);
        self
    }

    /// Asks the device to refuse the image unless it is newer than the running one.
    #[must_use]
    pub fn with_upgrade_only(mut self, only: bool) -> Self {
        self.keys.upgrade = only;
        self
    }

    /// Sets the SHA-256 of the bytes that are uploaded, by which the device recognises an
    /// interrupted upload; the function `sha256` of this module computes it. It is left out of a
    /// message that is too short for it.
    #[must_use]
    pub fn with_sha(mut self, digest: [u8; 32]) -> Self {
        self.keys.sha = Some(digest);
        self
    }

    /// Uploads only the first `len` bytes of the source, for example to leave out padding.
    #[must_use]
    pub fn with_len(mut self, len: u64) -> Self {
        self.len = len.min(self.source.len());
        self
    }

    /// Leaves out what is after the first `len` bytes, and a `sha` that was set for more.
    pub(super) fn trimmed(mut self, len: u64) -> Self {
        if len < self.len {
            self.len = len;
            self.keys.sha = None;
        }
        self
    }

    /// Sets the number of consecutive timeouts, or of consecutive responses without progress, that
    /// end the upload; at least 1, by default 5.
    #[must_use]
    pub fn with_retries(mut self, retries: u8) -> Self {
        self.settings.retries = retries.max(1);
        self
    }

    /// Sets the time that the device may take for the first piece, for which it erases a slot, and
    /// for the last one, after which it checks the image: by default [`ERASE_TIME`] and
    /// [`CHECK_TIME`]. The pieces in between, and these two at least, get the client's own timeout.
    #[must_use]
    pub fn with_timeouts(mut self, first: Duration, last: Duration) -> Self {
        (self.settings.first, self.settings.last) = (first, last);
        self
    }

    /// The source of the bytes.
    pub const fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Starts again from scratch.
    pub(super) fn restart(&mut self) {
        self.state = State::Idle;
    }

    fn begin(&mut self, parameters: Option<ParametersResponse>) {
        self.state = State::Sending(Transfer::new::<image::Upload<'_>>(self.settings.sizes.settle(parameters), 0));
    }

    fn step(&mut self, client: &mut Client, tx: &mut [u8]) -> Result<Step, Error> {
        loop {
            match &mut self.state {
                State::Idle if self.len == 0 => return Err(Error::Empty),
                State::Idle => match self.settings.sizes.parameters {
                    Some(parameters) => self.begin(Some(parameters)),
                    None => self.state = State::Sizing(Call::new(client.retries())),
                },
                State::Sizing(call) => match call.poll(client, &Parameters {}, client.timeout(), tx) {
                    Err(Error::TimedOut) => self.begin(None),
                    step => return step,
                },
                State::Sending(transfer) => match transfer.due(self.len) {
                    Ok(due) => {
                        let piece = (&mut self.source, self.len, What::Image(self.keys));
                        return transfer.send(due, piece, &mut self.counts, client, tx).map(Step::Send);
                    }
                    Err(awaited) => return Ok(Step::Wait(self.settings.time(awaited).max(client.timeout()))),
                },
                State::Ended { .. } => return Ok(Step::Done),
            }
        }
    }

    fn hear(&mut self, client: &mut Client, message: &[u8]) -> Result<(), Error> {
        match &mut self.state {
            State::Sizing(call) => match call.receive(client, message) {
                Heard::Foreign => self.counts.foreign(),
                Heard::Again => {}
                Heard::Response(parameters) => self.begin(parameters.ok()),
            },
            State::Sending(transfer) => {
                let Some(index) = transfer.index(message) else {
                    self.counts.foreign();
                    return Ok(());
                };
                let outcome = answered(transfer, index, message, client, self.len, self.settings.retries)?;
                if let Some(outcome) = outcome {
                    self.state = State::Ended { outcome, off: self.len };
                }
            }
            State::Idle | State::Ended { .. } => self.counts.foreign(),
        }
        Ok(())
    }

    fn fail(&mut self, error: Error) {
        self.state = State::Ended { outcome: UploadOutcome::Failed(error), off: self.progress().off };
    }
}

/// Reads the response to the request at `index`; returns the outcome if it was the last one.
fn answered(
    transfer: &mut Transfer,
    index: usize,
    message: &[u8],
    client: &mut Client,
    len: u64,
    limit: u8,
) -> Result<Option<UploadOutcome>, Error> {
    let Some(flight) = transfer.take(index, message, client) else { return Ok(None) };
    let response = client::payload(message).map_err(client::Error::from).and_then(image::Upload::response);
    let UploadResponse { off, matches } = match response {
        Ok(response) => response,
        Err(error) => return transfer.refused(&flight, error, limit).map(|()| None),
    };
    if matches == Some(false) {
        return Err(Error::Mismatch);
    }
    match off.cmp(&len) {
        Ordering::Greater => Err(Error::Offset),
        Ordering::Equal => {
            let already_present = transfer.is_first(&flight) && flight.end() < len;
            Ok(Some(UploadOutcome::Done { already_present, verified: matches == Some(true) }))
        }
        Ordering::Less => {
            transfer.cut(&flight, off);
            transfer.wanted(off, limit).map(|()| None)
        }
    }
}

impl<S> Upload<S> {
    /// The progress so far.
    #[must_use]
    pub fn progress(&self) -> UploadEvent {
        let off = match &self.state {
            State::Idle | State::Sizing(_) => 0,
            State::Sending(transfer) => transfer.confirmed(),
            State::Ended { off, .. } => *off,
        };
        UploadEvent { off, len: self.len, repeats: self.counts.repeats }
    }
}

impl<S: Source> Routine for Upload<S> {
    type Client = Client;
    type Event<'m> = UploadEvent;
    type Report = UploadReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        self.step(client, tx).unwrap_or_else(|error| {
            self.fail(error);
            Step::Done
        })
    }

    fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<UploadEvent> {
        let foreign = self.counts.foreign;
        if let Err(error) = self.hear(client, message) {
            self.fail(error);
        }
        (self.counts.foreign == foreign).then(|| self.progress())
    }

    fn timed_out(&mut self) {
        match &mut self.state {
            State::Sizing(call) => call.timed_out(),
            State::Sending(transfer) => {
                if let Err(error) = transfer.timed_out(self.settings.retries) {
                    self.fail(error);
                }
            }
            State::Idle | State::Ended { .. } => {}
        }
    }

    fn report(&self) -> UploadReport {
        let UploadEvent { off, len, repeats } = self.progress();
        let outcome = match self.state {
            State::Ended { outcome, .. } => outcome,
            _ => UploadOutcome::Unfinished,
        };
        UploadReport { outcome, off, len, sent: self.counts.sent, repeats, foreign: self.counts.foreign }
    }
}

impl<S> core::fmt::Debug for Upload<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { len, settings, state, counts, .. } = self;
        f.debug_struct("Upload")
            .field("len", len)
            .field("settings", settings)
            .field("state", state)
            .field("counts", counts)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<S> defmt::Format for Upload<S> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Upload({})", self.progress());
    }
}
