//! Uploads a file, piece by piece.
//!
//! ```text
//!              first piece, alone                 pieces that follow one another
//!   client  ── name, off 0, len, data ──▶     ── name, off a, data ──▶
//!   server             ◀── off a ──              ◀── off b ── or ◀── err 11, len: what it has ──
//!
//!   Idle ▶ Sizing ┬ resume ▶ Looking ▶ Comparing ┬▶ Sending ┬ verify ▶ Closing ▶ Checking ▶ Ended
//!                 └──────────────────────────────┘          └──────────────────────────────┘
//! ```
//!
//! The sizes are found as for the [upload of an image](super::upload); window, repeats and limits
//! are those of [`Pacing`].
//!
//! Specification: Zephyr Project, *File management*, file upload, file hash/checksum, file close.
//!
//! # Window
//!
//! As many requests at a time as the device has buffers, less one. A server that sees a gap closes
//! the file, which may cost it a write to flash, and refuses everything that was on its way after
//! the gap: on lines that lose much, [`with_window`](FileUpload::with_window) of 1 saves it that.
//!
//! # Resume
//!
//! With [`with_resume`](FileUpload::with_resume) the length of the device's file is asked for, then
//! the hash of that part. If our file begins with the same bytes, the upload continues after them,
//! otherwise it starts at 0. A server that can only begin at 0 answers so, and the upload begins
//! there.
//!
//! # Interpretation
//!
//! * A response with an offset beyond what was sent is [`Error::Malformed`]: a file, unlike an
//!   image, has no `sha` by which a device could recognise it.
//! * Error 11 with `len`, and MCUmgr's older `rc` 3 with `off`, report the number of bytes that the
//!   device has. If those were sent, the upload continues there, and all of them are success. If it
//!   has more than was sent, reports nothing, or refuses the very offset that it reports, the
//!   upload starts again at 0; each time is a step back, or a response without progress.
//! * In version 1 such a refusal is `rc` 1, which may also be anything else, and servers leave out
//!   `len`. If a piece before the refused one has not been confirmed, the upload continues there.
//!   If the response to an earlier sending of the refused one may be lost, the device is asked what
//!   it has, as for a resume.
//! * `rc` 3 without `off`, and every other error but "busy" and "out of buffers", is final.
//! * The hash is the device's default one, `crc32` or (feature `sha2`) `sha256`, so that one
//!   question is enough; another kind, a refusal and silence mean that nothing was compared. Our
//!   part is read from the source when the response has come. Empty files are not compared, since
//!   servers have no hash for them.
//! * Before the hash of the whole the device is asked to close the file: one that paused between
//!   two pieces has opened it again, cannot see its end and keeps it open, and the hash need not
//!   cover all bytes of an open file. A refusal is that of a device without this command, which is
//!   asked for the hash all the same; after silence nothing is compared.

mod offset;

use core::time::Duration;

use offset::{Lookups, next};

use super::pace::{Awaited, Found, Pace, Sizing};
use super::pacing::paced;
use super::piece::What;
pub use super::report::FileUploadReport;
use super::transfer::{Counts, Transfer};
use super::{Call, Error, FileOutcome, Heard, Pacing, UploadEvent, hash};
use crate::line::Limits;
use crate::routine::{Routine, Step};
use crate::smp::client::{self, Client};
use crate::smp::fs::{Close, Hash, Status, Upload};
use crate::smp::os::ParametersResponse;
use crate::smp::{self, Request};
use crate::source::Source;

pub use super::pacing::{FALLBACK, MAX_WINDOW};

/// Uploads a file. Build it, then have a driver `run` it.
pub struct FileUpload<'n, S> {
    name: &'n str,
    source: S,
    len: u64,
    settings: Settings,
    state: State,
    /// The device may have more than it has confirmed: a response may be lost.
    doubt: bool,
    lookups: Lookups,
    counts: Counts,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    pacing: Pacing,
    resume: bool,
    verify: bool,
}

/// The progress of an upload. `found` are the buffers of the device, and how fast it answers.
#[derive(Debug)]
enum State {
    /// Not begun. Exits: `Sizing`; if the sizes are known, `Looking` or `Sending`.
    Idle,
    /// Asks for the sizes. Exits: `Looking`, `Sending`, `Ended`.
    Sizing(Sizing),
    /// Asks for the length of the device's file. Exits: `Comparing`, `Sending`, `Ended`.
    Looking { call: Call<Status<'static>>, found: Found },
    /// Asks for the hash of the device's part. Exits: `Sending`, `Ended`.
    Comparing { call: Call<Hash<'static>>, found: Found, len: u64 },
    /// Sends pieces. Exits: `Closing`, `Ended`.
    Sending(Transfer),
    /// Asks the device to close the file. Exits: `Checking`, `Ended`.
    Closing(Call<Close>),
    /// Asks for the hash of the whole file. Exits: `Ended`.
    Checking(Call<Hash<'static>>),
    /// Ended at this offset. No exit.
    Ended { outcome: FileOutcome, off: u64 },
}

impl<'n, S: Source> FileUpload<'n, S> {
    /// An upload of all of `source` to the path `name`, with the settings for a serial console: 4
    /// bytes of overhead, and as many requests at a time as the device has buffers, less one.
    ///
    /// No setting depends on the order in which they are made.
    #[must_use]
    pub fn new(name: &'n str, source: S) -> Self {
        let settings = Settings { pacing: Pacing::new(), resume: false, verify: false };
        let len = source.len();
        Self {
            name,
            source,
            len,
            settings,
            state: State::Idle,
            doubt: false,
            lookups: Lookups::default(),
            counts: Counts::default(),
        }
    }

    paced!(settings.pacing);

    /// Sets whether to continue after what the device has of this file, if a hash proves that it is
    /// the same; by default the upload starts at 0.
    #[must_use]
    pub fn with_resume(mut self, resume: bool) -> Self {
        self.settings.resume = resume;
        self
    }

    /// Sets whether to ask for a hash of the file at the end and to compare it; by default nothing
    /// is compared.
    #[must_use]
    pub fn with_verify(mut self, verify: bool) -> Self {
        self.settings.verify = verify;
        self
    }

    /// The source of the bytes.
    pub const fn source(&mut self) -> &mut S {
        &mut self.source
    }

    fn sized(&mut self, client: &Client, found: Found) {
        if self.settings.resume {
            // In the middle of an upload the device has been heard before.
            let retries = if self.lookups.any() { self.settings.pacing.rounds() } else { client.retries() };
            self.state = State::Looking { call: Call::new(retries), found };
        } else {
            self.send_from(0, found);
        }
    }

    fn send_from(&mut self, off: u64, found: Found) {
        let sizes = self.settings.pacing.settle(found.parameters);
        self.state = State::Sending(Transfer::new::<Upload<'_>>(sizes, off, found.pace));
    }

    fn done(&mut self, verified: bool) {
        self.state = State::Ended { outcome: FileOutcome::Done { verified }, off: self.len };
    }

    fn step(&mut self, client: &mut Client, tx: &mut [u8]) -> Result<Step, Error> {
        let name = self.name.into();
        let hash = |len| Hash { name, kind: None, off: None, len };
        let timeout: Duration = Hash::TIMEOUT.max(client.timeout());
        loop {
            match &mut self.state {
                State::Idle => match self.settings.pacing.parameters {
                    Some(parameters) => {
                        self.sized(client, Found { parameters: Some(parameters), pace: Pace::known() });
                    }
                    None => self.state = State::Sizing(Sizing::new()),
                },
                State::Sizing(sizing) => match sizing.poll(client, tx)? {
                    Ok(step) => return Ok(step),
                    Err(found) => self.sized(client, found),
                },
                State::Looking { call, .. } => return call.poll(client, &Status { name }, client.timeout(), tx),
                State::Comparing { call, len, found } => {
                    let found = *found;
                    match call.poll(client, &hash(Some(*len)), timeout, tx) {
                        Err(Error::TimedOut) => self.send_from(0, found),
                        step => return step,
                    }
                }
                State::Sending(transfer) => match transfer.due(self.len) {
                    Ok(due) => {
                        let piece = (&mut self.source, self.len, What::File(self.name));
                        return transfer.send(due, piece, &mut self.counts, client, tx).map(Step::Send);
                    }
                    Err(awaited) => {
                        // No device erases or checks anything for a piece of a file.
                        let awaited = if let Awaited::None = awaited { awaited } else { Awaited::Other };
                        return Ok(Step::Wait(transfer.wait(awaited, client, &self.settings.pacing)));
                    }
                },
                State::Closing(call) => match call.poll(client, &Close {}, timeout, tx) {
                    Err(Error::TimedOut) => self.done(false),
                    step => return step,
                },
                State::Checking(call) => match call.poll(client, &hash(None), timeout, tx) {
                    Err(Error::TimedOut) => self.done(false),
                    step => return step,
                },
                State::Ended { .. } => return Ok(Step::Done),
            }
        }
    }

    fn hear(&mut self, client: &mut Client, message: &[u8]) -> Result<(), Error> {
        match &mut self.state {
            State::Sizing(sizing) => match sizing.receive(client, message) {
                Heard::Foreign => self.counts.foreign(),
                Heard::Again => {}
                Heard::Response(found) => self.sized(client, found?),
            },
            State::Looking { call, found } => match call.receive(client, message) {
                Heard::Foreign => self.counts.foreign(),
                Heard::Again => {}
                Heard::Response(status) => {
                    let (found, theirs) = (*found, status.map_or(0, |status| status.len));
                    if (1..=self.len).contains(&theirs) {
                        self.state = State::Comparing { call: Call::new(client.retries()), found, len: theirs };
                    } else {
                        self.send_from(0, found);
                    }
                }
            },
            State::Comparing { call, found, len } => match call.receive(client, message) {
                Heard::Foreign => self.counts.foreign(),
                Heard::Again => {}
                Heard::Response(answer) => {
                    let (found, len) = (*found, *len);
                    match hash::compare(&mut self.source, len, answer)? {
                        Some(true) if len == self.len => self.done(true),
                        Some(true) => self.send_from(len, found),
                        _ => self.send_from(0, found),
                    }
                }
            },
            State::Sending(transfer) => {
                let Some(index) = transfer.index(message) else {
                    self.counts.foreign();
                    return Ok(());
                };
                let Some(flight) = transfer.take(index, message, client) else { return Ok(()) };
                let pacing = &self.settings.pacing;
                let next = next(message, &flight, self.counts.reached);
                let doubt = core::mem::replace(&mut self.doubt, false);
                match next {
                    Ok(off) if off > self.counts.reached => return Err(Error::Malformed),
                    Ok(off) if off < self.len => transfer.wanted(off, pacing)?,
                    Ok(_) if self.settings.verify && self.len > 0 => {
                        self.state = State::Closing(Call::new(client.retries()));
                    }
                    Ok(_) => self.done(false),
                    // Another offset, in version 1: a piece before this one is missing.
                    Err(client::Error::Remote(smp::Error::UNKNOWN)) if flight.off > transfer.confirmed() => {
                        self.doubt = true;
                        transfer.wanted(transfer.confirmed(), pacing)?;
                    }
                    // Or the device has this piece already, and does not report how much it has.
                    Err(client::Error::Remote(smp::Error::UNKNOWN)) if doubt && flight.off > 0 => {
                        self.lookups.again(self.counts.reached, pacing.rounds())?;
                        (self.settings.resume, self.state) = (true, State::Idle);
                    }
                    Err(error) => transfer.refused(&flight, error, pacing)?,
                }
            }
            State::Closing(call) => match call.receive(client, message) {
                Heard::Foreign => self.counts.foreign(),
                Heard::Again => {}
                Heard::Response(_) => self.state = State::Checking(Call::new(client.retries())),
            },
            State::Checking(call) => match call.receive(client, message) {
                Heard::Foreign => self.counts.foreign(),
                Heard::Again => {}
                Heard::Response(answer) => match hash::compare(&mut self.source, self.len, answer)? {
                    Some(false) => return Err(Error::Mismatch),
                    same => self.done(same.is_some()),
                },
            },
            State::Idle | State::Ended { .. } => self.counts.foreign(),
        }
        Ok(())
    }

    fn fail(&mut self, error: Error) {
        self.state = State::Ended { outcome: FileOutcome::Failed(error), off: self.progress().off };
    }
}

impl<S> FileUpload<'_, S> {
    /// The progress so far.
    #[must_use]
    pub fn progress(&self) -> UploadEvent {
        let off = match &self.state {
            State::Idle | State::Sizing(_) | State::Looking { .. } | State::Comparing { .. } => 0,
            State::Sending(transfer) => transfer.confirmed(),
            State::Closing(_) | State::Checking(_) => self.len,
            State::Ended { off, .. } => *off,
        };
        UploadEvent { off, len: self.len, repeats: self.counts.repeats }
    }
}

impl<S: Source> Routine for FileUpload<'_, S> {
    type Client = Client;
    type Event<'m> = UploadEvent;
    type Report = FileUploadReport;

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

    fn tick(&mut self, elapsed: Duration) {
        match &mut self.state {
            State::Sizing(sizing) => sizing.tick(elapsed),
            State::Sending(transfer) => transfer.tick(elapsed),
            _ => {}
        }
    }

    fn timed_out(&mut self) {
        match &mut self.state {
            State::Sizing(sizing) => sizing.timed_out(),
            State::Looking { call, .. } => call.timed_out(),
            State::Comparing { call, .. } | State::Checking(call) => call.timed_out(),
            State::Closing(call) => call.timed_out(),
            State::Sending(transfer) => {
                self.doubt = true;
                if let Err(error) = transfer.timed_out(&self.settings.pacing) {
                    self.fail(error);
                }
            }
            State::Idle | State::Ended { .. } => {}
        }
    }

    fn report(&self) -> FileUploadReport {
        let UploadEvent { off, len, repeats } = self.progress();
        let outcome = match self.state {
            State::Ended { outcome, .. } => outcome,
            _ => FileOutcome::Unfinished,
        };
        let Counts { sent, foreign, window, .. } = self.counts;
        FileUploadReport { outcome, off, len, sent, repeats, foreign, window }
    }
}

/// Prints the length of the name only: it may reveal what should stay private.
impl<S> core::fmt::Debug for FileUpload<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { name, len, settings, state, counts, .. } = self;
        f.debug_struct("FileUpload")
            .field("name", &name.len())
            .field("len", len)
            .field("settings", settings)
            .field("state", state)
            .field("counts", counts)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<S> defmt::Format for FileUpload<'_, S> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "FileUpload({})", self.progress());
    }
}
