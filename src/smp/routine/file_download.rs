//! Downloads a file, piece by piece.
//!
//! ```text
//!          first piece, alone           window open: offsets that the last piece's length suggests
//!   client  ── name, off 0 ──▶          ── off a ──▶ ── off 2a ──▶ ── off 3a ──▶
//!   server  ◀── off 0, data, len ──     ◀── off a, data ── ◀── off 2a, data ── …
//!                                                                    until off + data = len
//!
//!   Idle ▶ Sizing ─┬─────────────────────▶ Receiving ─┬─▶ Checking: asks for the crc32 ─▶ Ended
//!                  └─ begun before ▶ Looking ─┘        └──────────────────────────────────────┘
//! ```
//!
//! Each message that continues the file is returned to the caller in the [`FileDownloadEvent`]:
//! pieces come in order, each once, without gaps. The routine stores none of them.
//!
//! Specification: Zephyr Project, *File management*, file download.
//!
//! The device is asked for the number of its buffers first: one request more than it has room for
//! costs a response, and has crashed servers. Window, repeats and limits are those of [`Pacing`].
//!
//! # Cost
//!
//! At most 304 bytes of state on a 64-bit machine; the link's buffer holds the largest message.
//!
//! # Interpretation
//!
//! * The server chooses the length of a piece. The first one is requested alone; then up to
//!   [`with_window`](FileDownload::with_window) requests go out at offsets as if all pieces were as
//!   long as the last one. A piece of another length moves the window back to its own end.
//! * Pieces are accepted in order only. A piece that comes too early means that another one was
//!   lost or overtaken: it is dropped, and the download continues at the gap with new numbers. That
//!   counts as a response without progress.
//! * A piece without data before the end is [`Error::CutShort`]; one at another offset than asked
//!   for, one that goes beyond the length, and a first piece without a length are
//!   [`Error::Malformed`].
//! * The length comes with the piece at offset 0 only, so a download that begins elsewhere asks for
//!   it first.
//! * The checksum is requested in the round trip of the last pieces if the window has room. A
//!   response that overtakes them is dropped, and the query is repeated after them.
//! * A change of the file during the download is noticed only if its length no longer fits, or by
//!   the check at the end.

use core::time::Duration;

use super::course::{Counts, Course, Sizing};
use super::hash::{self, Crc32};
use super::pace::Awaited;
use super::pacing::paced;
use super::transfer::{Flight, Kind, Sent, Transfer};
use super::{Call, Error, FileOutcome, Heard, Pacing};
use crate::cbor::Bytes;
use crate::line::Limits;
use crate::routine::{Routine, Step};
use crate::smp::client::{self, Client};
use crate::smp::fs::{Download, DownloadResponse, Hash, Status};
use crate::smp::os::ParametersResponse;
use crate::smp::{Encode, Request};

pub use super::pacing::MAX_WINDOW;
pub use super::report::{FileDownloadEvent, FileDownloadReport};

const KIND: Kind = Kind::of::<Download<'_>>();

/// Downloads a file. Build it, then have a driver `run` it.
pub struct FileDownload<'n> {
    name: &'n str,
    /// The number of bytes that the caller has and has not shown.
    start: u64,
    verify: bool,
    state: State,
    /// The offset of the next byte for the caller.
    off: u64,
    /// The length of the file, once it is known.
    len: Option<u64>,
    /// Length of the last piece.
    piece: u16,
    /// The CRC of the bytes from the beginning of the file to `off`; `None` if some of them are
    /// unknown.
    crc: Option<Crc32>,
    course: Course,
}

#[derive(Debug)]
enum State {
    /// Not begun. Exits: `Sizing`; if the sizes are known, `Looking` or `Receiving`.
    Idle,
    /// Asks for the number of the device's buffers. Exits: `Looking`, `Receiving`, `Ended`.
    Sizing(Sizing),
    /// Asks for the length. Exits: `Receiving`, `Checking`, `Ended`.
    Looking(Call<Status<'static>>),
    /// Asks for pieces, and with the last of them for the checksum, unless nothing is compared or
    /// the response has overtaken them. Exits: `Checking`, `Ended`.
    Receiving { transfer: Transfer, start: u64, early: Option<Call<Hash<'static>>> },
    /// Asks for the checksum. Exits: `Ended`.
    Checking(Call<Hash<'static>>),
    /// The download has ended, with this outcome. No exit.
    Ended(FileOutcome),
}

impl<'n> FileDownload<'n> {
    /// A download of the file `name`, with as many requests at a time as the device has buffers,
    /// less one.
    ///
    /// The settings may be made in any order.
    #[must_use]
    pub fn new(name: &'n str) -> Self {
        Self {
            name,
            start: 0,
            verify: false,
            state: State::Idle,
            off: 0,
            len: None,
            piece: 0,
            crc: Some(Crc32::new()),
            course: Course::new(),
        }
    }

    /// Continues a file of which the caller already has the first `off` bytes, in front of those of
    /// [`with_beginning`](Self::with_beginning). They are not compared with the device's.
    #[must_use]
    pub const fn with_offset(mut self, off: u64) -> Self {
        // Replaces an earlier `start`: the order of the calls does not count.
        self.off = self.off.saturating_sub(self.start).saturating_add(off);
        self.start = off;
        if off > 0 {
            self.crc = None;
        }
        self
    }

    /// Continues a file that begins with these bytes, which the caller already has. Several calls
    /// have the same effect as one with all bytes. The bytes are part of the check of
    /// [`with_verify`](Self::with_verify), unless unknown bytes come before them.
    #[must_use]
    pub fn with_beginning(mut self, bytes: &[u8]) -> Self {
        self.off = self.off.saturating_add(bytes.len() as u64);
        self.count(bytes);
        self
    }

    paced!(course.pacing);

    /// Sets whether to compare the `crc32` of the device's file with that of the received bytes at
    /// the end; by default it is not compared. After [`with_offset`](Self::with_offset), and for an
    /// empty file, it never is.
    #[must_use]
    pub const fn with_verify(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    fn step(&mut self, client: &mut Client, tx: &mut [u8]) -> Result<Step, Error> {
        let name = self.name.into();
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
                State::Receiving { transfer, start, early } => {
                    // The length is unknown until the first piece has come.
                    let len = self.len.unwrap_or(u64::MAX);
                    let due = match transfer.due(*start, len) {
                        Ok(due) => due,
                        Err(awaited) => {
                            if let Awaited::Last = awaited
                                && transfer.has_room()
                                && let Some(step) = hash::ask_early(early, &checksum(self.name), timeout, client, tx)
                            {
                                return Ok(step);
                            }
                            return Ok(Step::Wait(self.course.wait(awaited.of_a_file(), client)));
                        }
                    };
                    let rest = u16::try_from(len.saturating_sub(due.off)).unwrap_or(u16::MAX).min(self.piece);
                    let piece = due.again.map_or(rest, Sent::len);
                    let request = Download { name, off: due.off };
                    let header = due.header(KIND, client);
                    let (bytes, _) = client.emit_as(header, tx, |writer| request.encode(writer))?;
                    transfer.sent(&due, *start, piece, &header, &mut self.course);
                    return Ok(Step::Send(bytes));
                }
                State::Checking(call) => match call.poll(client, &checksum(self.name), timeout, tx) {
                    // All bytes have arrived: only the proof is missing.
                    Err(Error::TimedOut | Error::BufferFull) => self.done(false),
                    step => return step,
                },
                State::Ended(_) => return Ok(Step::Done),
            }
        }
    }

    fn sized(&mut self, client: &Client) {
        if self.off == 0 {
            self.receive_from(client, 0);
        } else {
            self.state = State::Looking(Call::new(client.retries()));
        }
    }

    fn receive_from(&mut self, client: &Client, start: u64) {
        let early = (self.verify && self.crc.is_some()).then(|| Call::new(client.retries()));
        let (_, window) = self.course.pacing.settle();
        self.state = State::Receiving { transfer: Transfer::new(window, start), start, early };
    }

    fn count(&mut self, bytes: &[u8]) {
        if let Some(crc) = &mut self.crc {
            crc.update(bytes);
        }
    }

    fn complete(&mut self, client: &Client) {
        if self.verify && self.crc.is_some() && self.len > Some(0) {
            self.state = State::Checking(match self.state {
                State::Receiving { early: Some(asked), .. } => asked,
                _ => Call::new(client.retries()),
            });
        } else {
            self.done(false);
        }
    }

    fn done(&mut self, verified: bool) {
        self.state = State::Ended(FileOutcome::Done { verified });
    }

    fn hear<'m>(&mut self, client: &mut Client, message: &'m [u8]) -> Result<Option<Bytes<'m>>, Error> {
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
                    let len = status?.len;
                    self.len = Some(len);
                    match len.checked_sub(self.off) {
                        Some(0) => self.complete(client),
                        Some(_) => self.receive_from(client, self.off),
                        // Shorter than the part that the caller has: another file.
                        None => return Err(Error::Offset),
                    }
                }
            },
            State::Receiving { transfer, start, early } => {
                let Some(index) = transfer.index(KIND, message) else {
                    match early.as_mut().map_or(Heard::Foreign, |call| call.receive(client, message)) {
                        Heard::Foreign => self.course.counts.foreign(),
                        // It has overtaken the last pieces, whose bytes are not counted yet.
                        Heard::Again | Heard::Response(_) => *early = None,
                    }
                    return Ok(None);
                };
                let Some(flight) = transfer.take(index, message, &mut self.course, client) else { return Ok(None) };
                if index > 0 {
                    transfer.wanted(&flight, self.off, &mut self.course)?;
                    return Ok(None);
                }
                let response = client::payload(message).map_err(client::Error::from).and_then(Download::response);
                return match response {
                    Ok(response) => self.accept(client, &flight, response).map(Some),
                    Err(error) => transfer.refused(&flight, *start, error, &mut self.course).map(|()| None),
                };
            }
            State::Checking(call) => match call.receive(client, message) {
                Heard::Foreign => self.course.counts.foreign(),
                Heard::Again => {}
                Heard::Response(hash) => match self.crc.take().and_then(|crc| crc.compare(self.off, hash)) {
                    Some(false) => return Err(Error::Mismatch),
                    same => self.done(same.is_some()),
                },
            },
            State::Idle | State::Ended(_) => self.course.counts.foreign(),
        }
        Ok(None)
    }

    /// Accepts the piece that is next in the file.
    fn accept<'m>(
        &mut self,
        client: &Client,
        flight: &Flight,
        response: DownloadResponse<'m>,
    ) -> Result<Bytes<'m>, Error> {
        let DownloadResponse { off, data, len } = response;
        if off != flight.off {
            return Err(Error::Malformed);
        }
        if off == 0 {
            self.len = len;
        }
        let len = self.len.ok_or(Error::Malformed)?;
        let end = off.checked_add(data.len() as u64).filter(|end| *end <= len).ok_or(Error::Malformed)?;
        if end == off && end < len {
            return Err(Error::CutShort);
        }
        data.chunks().iter().for_each(|bytes| self.count(bytes));
        self.off = end;
        if end < len {
            self.piece = u16::try_from(data.len()).unwrap_or(u16::MAX);
            if let State::Receiving { transfer, .. } = &mut self.state {
                transfer.wanted(flight, end, &mut self.course)?;
            }
        } else {
            self.complete(client);
        }
        Ok(data)
    }

    fn fail(&mut self, error: Error) {
        self.state = State::Ended(FileOutcome::Failed(error));
    }
}

fn checksum(name: &str) -> Hash<'_> {
    Hash { name: name.into(), kind: Some("crc32".into()), off: None, len: None }
}

impl Routine for FileDownload<'_> {
    type Client = Client;
    type Event<'m> = FileDownloadEvent<'m>;
    type Report = FileDownloadReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        self.step(client, tx).unwrap_or_else(|error| {
            self.fail(error);
            Step::Done
        })
    }

    fn receive<'m>(&mut self, client: &mut Client, message: &'m [u8]) -> Option<FileDownloadEvent<'m>> {
        let (off, foreign) = (self.off, self.course.counts.foreign);
        let data = self.hear(client, message).unwrap_or_else(|error| {
            self.fail(error);
            None
        });
        let data = data.unwrap_or_else(|| Bytes::from(&[][..]));
        (self.course.counts.foreign == foreign).then_some(FileDownloadEvent { off, data, len: self.len })
    }

    fn tick(&mut self, elapsed: Duration) {
        self.course.pace.tick(elapsed);
    }

    fn timed_out(&mut self) {
        match &mut self.state {
            State::Sizing(sizing) => sizing.timed_out(&mut self.course),
            State::Looking(call) => call.timed_out(),
            State::Checking(call) => call.timed_out(),
            State::Receiving { transfer, .. } => {
                if let Err(error) = transfer.timed_out(&mut self.course) {
                    self.fail(error);
                }
            }
            State::Idle | State::Ended(_) => {}
        }
    }

    fn report(&self) -> FileDownloadReport {
        let outcome = match self.state {
            State::Ended(outcome) => outcome,
            _ => FileOutcome::Unfinished,
        };
        let Counts { repeats, foreign, window, .. } = self.course.counts;
        FileDownloadReport { outcome, off: self.off, len: self.len, repeats, foreign, window }
    }
}

/// Prints only the length of the name, which may be private.
impl core::fmt::Debug for FileDownload<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { name, off, len, state, course, .. } = self;
        f.debug_struct("FileDownload")
            .field("name", &name.len())
            .field("off", off)
            .field("len", len)
            .field("state", state)
            .field("course", course)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for FileDownload<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "FileDownload({=u64} of {})", self.off, self.len);
    }
}
