//! Uploads a file, piece by piece.
//!
//! ```text
//!              first piece, alone                 pieces that follow one another
//!   client  ── name, off 0, len, data ──▶     ── name, off a, data ──▶
//!   server             ◀── off a ──              ◀── off b ── or ◀── err 11, len: what it has ──
//!
//!   Idle ▶ Sizing ┬ resume ▶ Looking ▶ Comparing ┬▶ Sending ┬ verify ▶ Closing ▶ Checking ▶ Ended
//!                 └──────────────────────────────┘          │            ▲ another       ▲
//!                                                           ├ asked ▶ Hashing ─ the same ┤
//!                                                           └────────────────────────────┘
//! ```
//!
//! The sizes are found as for the [upload of an image](super::upload); window, repeats and limits
//! are those of [`Pacing`].
//!
//! Specification: Zephyr Project, *File management*, file upload, file hash/checksum, file close.
//!
//! # Window
//!
//! As many requests at a time as the device has buffers, less one. A server that finds a gap closes
//! the file, which may cost a write to flash, and refuses all requests in flight after the gap. On
//! lines with heavy losses, a [`with_window`](FileUpload::with_window) of 1 avoids that.
//!
//! # Resume
//!
//! With [`with_resume`](FileUpload::with_resume) the routine asks for the length of the device's
//! file, then for the hash of that part. If our file begins with the same bytes, the upload
//! continues after them, otherwise it starts at 0. If the server can only begin at 0, it reports
//! that, and the upload begins there.
//!
//! # Interpretation
//!
//! * A response with an offset beyond the bytes sent is [`Error::Malformed`]: a file, unlike an
//!   image, has no `sha` by which a device could recognise it.
//! * Error 11 with `len`, and MCUmgr's older `rc` 3 with `off`, report the number of bytes that the
//!   device has. If that many were sent, the upload continues there; if they are the whole file, it
//!   has succeeded. If the device has more than was sent, reports nothing, or refuses the very
//!   offset that it reports, the upload starts again at 0. Each restart counts as a step back, or
//!   as a response without progress.
//! * In version 1 such a refusal is `rc` 1, which may also be anything else, and servers leave out
//!   `len`. If a piece before the refused one has not been confirmed, the upload continues there.
//!   If the response to an earlier copy of the refused piece may be lost, the device is asked for
//!   the length of its file, as for a resume.
//! * `rc` 3 without `off`, "busy" and "out of buffers" are as for an image; other errors are final.
//! * The hash is the device's default one, `crc32` or (feature `sha2`) `sha256`, so that one query
//!   is enough. If it answers with another kind, refuses or is silent, nothing is compared. Our
//!   part is read from the source when the response has come. Empty files are not compared, since
//!   servers have no hash for them.
//! * The hash of the whole file is requested in the round trip of the last pieces if the window has
//!   room. A hash that equals ours proves that they have arrived. A different one does not prove
//!   the opposite: a piece may be lost, or the file may still be open.
//! * So the device is asked to close the file before the hash is requested again. A device that
//!   paused between two pieces has opened the file again, does not notice its end and keeps it
//!   open, and the hash need not cover all bytes of an open file. A device that refuses does not
//!   have this command, and is asked for the hash all the same; after silence nothing is compared.

mod offset;
mod run;

use core::time::Duration;

use offset::{Lookups, next};

use super::course::{Course, Sizing};
use super::pace::Awaited;
use super::pacing::paced;
use super::piece::What;
pub use super::report::FileUploadReport;
use super::transfer::{Kind, Transfer};
use super::{Call, Error, FileOutcome, Heard, Pacing, UploadEvent, hash};
use crate::line::Limits;
use crate::routine::Step;
use crate::smp::client::{self, Client};
use crate::smp::fs::{Close, Hash, Status, Upload};
use crate::smp::os::ParametersResponse;
use crate::smp::{self, Request};
use crate::source::Source;

pub use super::pacing::{FALLBACK, MAX_WINDOW};

const KIND: Kind = Kind::of::<Upload<'_>>();

/// Uploads a file. Build it, then have a driver `run` it.
pub struct FileUpload<'n, S> {
    name: &'n str,
    source: S,
    len: u64,
    settings: Settings,
    state: State,
    stored: Stored,
    lookups: Lookups,
    course: Course,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    resume: bool,
    verify: bool,
}

/// The part of the file that the device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    /// What it has confirmed. Exit: a timeout, or a refusal that names no offset, to `Unknown`.
    Confirmed,
    /// That or more: a response may be lost. Exit: any response to a piece, to `Confirmed`.
    Unknown,
}

/// The progress of an upload. Every state but `Idle` also exits to `Ended` by an error.
#[derive(Debug)]
enum State {
    /// Not begun. Exits: `Sizing`; if the sizes are known, `Looking` or `Sending`.
    Idle,
    /// Asks for the sizes. Exits: `Looking`, `Sending`.
    Sizing(Sizing),
    /// Asks for the length of the device's file. Exits: `Comparing`, `Sending`.
    Looking(Call<Status<'static>>),
    /// Asks for the hash of the device's part. Exits: `Sending`, `Ended`.
    Comparing { call: Call<Hash<'static>>, len: u64 },
    /// Sends pieces, and with the last of them the query for the hash of the whole file, unless
    /// nothing is compared or the response came too early. Exits: `Hashing`, `Closing`, `Ended`;
    /// `Idle`, if the device may have more of the file than it has confirmed.
    Sending { transfer: Transfer, start: u64, early: Option<Call<Hash<'static>>> },
    /// Waits for the hash that was requested with the last pieces. Exits: `Ended` if it equals
    /// ours; else `Closing`.
    Hashing(Call<Hash<'static>>),
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
    /// The settings may be made in any order.
    #[must_use]
    pub fn new(name: &'n str, source: S) -> Self {
        let settings = Settings { resume: false, verify: false };
        let len = source.len();
        Self {
            name,
            source,
            len,
            settings,
            state: State::Idle,
            stored: Stored::Confirmed,
            lookups: Lookups::None,
            course: Course::new(),
        }
    }

    paced!(course.pacing);

    /// Sets whether to continue after the part of the file that the device has, if a hash proves
    /// that it is the same; by default the upload starts at 0.
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

    fn sized(&mut self, client: &Client) {
        let retries = match self.lookups {
            // In the middle of an upload the device has responded before.
            Lookups::Some { .. } => self.course.pacing.rounds(),
            Lookups::None if self.settings.resume => client.retries(),
            Lookups::None => return self.send_from(0),
        };
        self.state = State::Looking(Call::new(retries));
    }

    fn send_from(&mut self, start: u64) {
        // Never repeated: without a response, the hash is asked for again after the close.
        let early = (self.settings.verify && self.len > 0).then(|| Call::new(0));
        let (_, window) = self.course.pacing.settle();
        self.state = State::Sending { transfer: Transfer::new(window, start), start, early };
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
                State::Idle => match self.course.begin() {
                    None => self.sized(client),
                    Some(sizing) => self.state = State::Sizing(sizing),
                },
                State::Sizing(sizing) => match sizing.poll(&mut self.course, client, tx)? {
                    Some(step) => return Ok(step),
                    None => self.sized(client),
                },
                State::Looking(call) => return call.poll(client, &Status { name }, client.timeout(), tx),
                State::Comparing { call, len } => match call.poll(client, &hash(Some(*len)), timeout, tx) {
                    // Without a proof that the part is the same, nothing of it is kept.
                    Err(Error::TimedOut) => self.send_from(0),
                    step => return step,
                },
                State::Sending { transfer, start, early } => match transfer.due(*start, self.len) {
                    Ok(due) => {
                        let piece = (&mut self.source, self.len, What::File(self.name));
                        return transfer.send(due, (KIND, *start), piece, &mut self.course, client, tx).map(Step::Send);
                    }
                    Err(awaited) => {
                        if let Awaited::Last = awaited
                            && transfer.has_room()
                            && let Some(step) = hash::ask_early(early, &hash(None), timeout, client, tx)
                        {
                            return Ok(step);
                        }
                        return Ok(Step::Wait(self.course.wait(awaited.of_a_file(), client)));
                    }
                },
                State::Hashing(call) => match call.poll(client, &hash(None), timeout, tx) {
                    // As if it differed: a device may not have stored all of an open file.
                    Err(Error::TimedOut) => self.state = State::Closing(Call::new(client.retries())),
                    step => return step,
                },
                State::Closing(call) => match call.poll(client, &Close {}, timeout, tx) {
                    // All pieces were confirmed: the file is there, and unverified.
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
            State::Sizing(sizing) => match sizing.receive(&mut self.course, client, message) {
                Heard::Foreign => self.course.counts.foreign(),
                Heard::Again => {}
                Heard::Response(_) => self.sized(client),
            },
            State::Looking(call) => match call.receive(client, message) {
                Heard::Foreign => self.course.counts.foreign(),
                Heard::Again => {}
                Heard::Response(status) => {
                    // A refusal means that there is no such file; a longer one is another file.
                    let theirs = status.map_or(0, |status| status.len);
                    if (1..=self.len).contains(&theirs) {
                        self.state = State::Comparing { call: Call::new(client.retries()), len: theirs };
                    } else {
                        self.send_from(0);
                    }
                }
            },
            State::Comparing { call, len } => match call.receive(client, message) {
                Heard::Foreign => self.course.counts.foreign(),
                Heard::Again => {}
                Heard::Response(answer) => {
                    let len = *len;
                    match hash::compare(&mut self.source, len, answer)? {
                        Some(true) if len == self.len => self.done(true),
                        Some(true) => self.send_from(len),
                        _ => self.send_from(0),
                    }
                }
            },
            State::Sending { transfer, start, early } => {
                let Some(index) = transfer.index(KIND, message) else {
                    match early.as_mut().map_or(Heard::Foreign, |call| call.receive(client, message)) {
                        Heard::Foreign => self.course.counts.foreign(),
                        Heard::Again => *early = None,
                        Heard::Response(answer) => {
                            *early = None;
                            // Any other hash may be that of the file before its last pieces.
                            if hash::compare(&mut self.source, self.len, answer)? == Some(true) {
                                self.done(true);
                            }
                        }
                    }
                    return Ok(());
                };
                let Some(flight) = transfer.take(index, message, &mut self.course, client) else { return Ok(()) };
                let course = &mut self.course;
                let next = next(message, &flight, course.counts.reached);
                let stored = core::mem::replace(&mut self.stored, Stored::Confirmed);
                match next {
                    // More than was ever sent.
                    Ok(off) if off > course.counts.reached => return Err(Error::Malformed),
                    Ok(off) if off < self.len => transfer.wanted(&flight, off, course)?,
                    Ok(_) if self.settings.verify && self.len > 0 => {
                        self.state = match *early {
                            // It is in flight, and may save the close.
                            Some(call) if !call.is_new() => State::Hashing(call),
                            _ => State::Closing(Call::new(client.retries())),
                        };
                    }
                    Ok(_) => self.done(false),
                    // Another offset, in version 1: a piece before this one is missing.
                    Err(client::Error::Remote(smp::Error::UNKNOWN)) if flight.off > transfer.confirmed() => {
                        self.stored = Stored::Unknown;
                        transfer.wanted(&flight, transfer.confirmed(), course)?;
                    }
                    // The device may have this piece already, without reporting the length of its
                    // file.
                    Err(client::Error::Remote(smp::Error::UNKNOWN)) if stored == Stored::Unknown && flight.off > 0 => {
                        self.lookups.again(course.counts.reached, course.pacing.rounds())?;
                        self.state = State::Idle;
                    }
                    Err(error) => transfer.refused(&flight, *start, error, course)?,
                }
            }
            State::Hashing(call) => match call.receive(client, message) {
                Heard::Foreign => self.course.counts.foreign(),
                Heard::Again => {}
                Heard::Response(answer) => match hash::compare(&mut self.source, self.len, answer)? {
                    Some(true) => self.done(true),
                    _ => self.state = State::Closing(Call::new(client.retries())),
                },
            },
            State::Closing(call) => match call.receive(client, message) {
                Heard::Foreign => self.course.counts.foreign(),
                Heard::Again => {}
                // Even refused: a device without this command can have the hash.
                Heard::Response(_) => self.state = State::Checking(Call::new(client.retries())),
            },
            State::Checking(call) => match call.receive(client, message) {
                Heard::Foreign => self.course.counts.foreign(),
                Heard::Again => {}
                Heard::Response(answer) => match hash::compare(&mut self.source, self.len, answer)? {
                    Some(false) => return Err(Error::Mismatch),
                    same => self.done(same.is_some()),
                },
            },
            State::Idle | State::Ended { .. } => self.course.counts.foreign(),
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
            State::Idle | State::Sizing(_) | State::Looking(_) | State::Comparing { .. } => 0,
            State::Sending { transfer, .. } => transfer.confirmed(),
            State::Hashing(_) | State::Closing(_) | State::Checking(_) => self.len,
            State::Ended { off, .. } => *off,
        };
        UploadEvent { off, len: self.len, repeats: self.course.counts.repeats }
    }
}

/// Prints only the length of the name, which may be private.
impl<S> core::fmt::Debug for FileUpload<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { name, len, settings, state, course, .. } = self;
        f.debug_struct("FileUpload")
            .field("name", &name.len())
            .field("len", len)
            .field("settings", settings)
            .field("state", state)
            .field("course", course)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<S> defmt::Format for FileUpload<'_, S> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "FileUpload({})", self.progress());
    }
}
