//! An upload without its source, so that an upgrade of several images needs only one.

use core::cmp::Ordering;
use core::time::Duration;

use super::super::course::{Counts, Course, Sizing};
use super::super::pace::Awaited;
use super::super::piece::Keys;
use super::super::report::{UploadEvent, UploadOutcome, UploadReport};
use super::super::transfer::{Kind, Transfer, is_first};
use super::super::{Error, Heard};
use crate::routine::Step;
use crate::smp::Request;
use crate::smp::client::{self, Client};
use crate::smp::image::{self, UploadResponse};
use crate::source::Source;

const KIND: Kind = Kind::of::<image::Upload<'_>>();
/// The upload of an image always begins here; the device reports what it has already.
const START: u64 = 0;

/// An upload without its source.
pub(in super::super) struct Job {
    pub(in super::super) len: u64,
    pub(in super::super) keys: Keys,
    pub(in super::super) course: Course,
    pub(super) state: State,
}

/// 128 bytes beside a digest of 32, on each machine.
const _: () = assert!(size_of::<Job>() <= 128 + 32);

/// A restart leads from every state to `Idle`.
#[derive(Debug)]
pub(super) enum State {
    /// Not begun. Exits: `Sizing`; `Sending` if the sizes are known; `Ended` if there is nothing to
    /// upload.
    Idle,
    /// Asks for the sizes. Exits: `Sending`, with them or without; `Ended` if `tx` is too short.
    Sizing(Sizing),
    /// Sends pieces. Exit: `Ended`.
    Sending(Transfer),
    /// Ended at this offset. No exit but a restart.
    Ended { outcome: UploadOutcome, off: u64 },
}

impl Job {
    pub(in super::super) fn new(len: u64) -> Self {
        Self { len, keys: Keys::default(), course: Course::new(), state: State::Idle }
    }

    pub(in super::super) fn restart(&mut self) {
        self.state = State::Idle;
    }

    pub(in super::super) fn restart_with(&mut self, len: u64, keys: Keys) {
        (self.len, self.keys, self.state) = (len, keys, State::Idle);
        self.course.counts = Counts::default();
    }

    fn begin(&mut self) {
        let (_, window) = self.course.pacing.settle();
        self.state = State::Sending(Transfer::new(window, START));
    }

    #[inline(never)] // A stack frame of its own: 168 bytes, and 172 of flash.
    fn step<S: Source>(&mut self, source: &mut S, client: &mut Client, tx: &mut [u8]) -> Result<Step, Error> {
        loop {
            match &mut self.state {
                // No device accepts an image without a header.
                State::Idle if self.len == 0 => return Err(Error::Empty),
                State::Idle => match self.course.begin() {
                    None => self.begin(),
                    Some(sizing) => self.state = State::Sizing(sizing),
                },
                State::Sizing(sizing) => match sizing.poll(&mut self.course, client, tx)? {
                    Some(step) => return Ok(step),
                    None => self.begin(),
                },
                State::Sending(transfer) => match transfer.due(START, self.len) {
                    Ok(due) => {
                        let keys = self.keys.of(self.len >= source.len());
                        let piece = (source, self.len, keys);
                        return transfer.send(due, (KIND, START), piece, &mut self.course, client, tx).map(Step::Send);
                    }
                    Err(awaited) => {
                        // Without the hash of the whole file each repeat begins another upload, so
                        // the device needs time to erase before it answers.
                        let is_fresh = self.keys.sha.is_none() || self.len < source.len();
                        let awaited = match awaited {
                            Awaited::First if is_fresh => Awaited::Fresh,
                            awaited => awaited,
                        };
                        return Ok(Step::Wait(self.course.wait(awaited, client)));
                    }
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
                Heard::Response(_) => self.begin(),
            },
            State::Sending(transfer) => {
                let Some(index) = transfer.index(KIND, message) else {
                    self.course.counts.foreign();
                    return Ok(());
                };
                let outcome = answered(transfer, index, message, client, self.len, &mut self.course)?;
                if let Some(outcome) = outcome {
                    self.state = State::Ended { outcome, off: self.len };
                }
            }
            State::Idle | State::Ended { .. } => self.course.counts.foreign(),
        }
        Ok(())
    }

    fn fail(&mut self, error: Error) {
        self.state = State::Ended { outcome: UploadOutcome::Failed(error), off: self.progress().off };
    }

    pub(in super::super) const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    pub(in super::super) fn progress(&self) -> UploadEvent {
        let off = match &self.state {
            State::Idle | State::Sizing(_) => 0,
            State::Sending(transfer) => transfer.confirmed(),
            State::Ended { off, .. } => *off,
        };
        UploadEvent { off, len: self.len, repeats: self.course.counts.repeats }
    }

    pub(in super::super) fn poll<S: Source>(&mut self, source: &mut S, client: &mut Client, tx: &mut [u8]) -> Step {
        self.step(source, client, tx).unwrap_or_else(|error| {
            self.fail(error);
            Step::Done
        })
    }

    pub(in super::super) fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<UploadEvent> {
        let foreign = self.course.counts.foreign;
        if let Err(error) = self.hear(client, message) {
            self.fail(error);
        }
        (self.course.counts.foreign == foreign).then(|| self.progress())
    }

    pub(in super::super) fn tick(&mut self, elapsed: Duration) {
        self.course.pace.tick(elapsed);
    }

    pub(in super::super) fn timed_out(&mut self) {
        match &mut self.state {
            State::Sizing(sizing) => sizing.timed_out(&mut self.course),
            State::Sending(transfer) => {
                if let Err(error) = transfer.timed_out(&mut self.course) {
                    self.fail(error);
                }
            }
            State::Idle | State::Ended { .. } => {}
        }
    }

    pub(in super::super) fn report(&self) -> UploadReport {
        let UploadEvent { off, len, repeats } = self.progress();
        let outcome = match self.state {
            State::Ended { outcome, .. } => outcome,
            _ => UploadOutcome::Unfinished,
        };
        let counts = self.course.counts;
        let Counts { foreign, window, .. } = counts;
        UploadReport { outcome, off, len, sent: counts.sent(), repeats, foreign, window }
    }
}

/// Reads the response to the request at `index`; returns the outcome if it was the last one.
fn answered(
    transfer: &mut Transfer,
    index: usize,
    message: &[u8],
    client: &mut Client,
    len: u64,
    course: &mut Course,
) -> Result<Option<UploadOutcome>, Error> {
    let Some(flight) = transfer.take(index, message, course, client) else { return Ok(None) };
    let response = client::payload(message).map_err(client::Error::from).and_then(image::Upload::response);
    let UploadResponse { off, matches } = match response {
        Ok(response) => response,
        Err(error) => return transfer.refused(&flight, START, error, course).map(|()| None),
    };
    // Even if pieces are missing: what the device has is not what was sent.
    if matches == Some(false) {
        return Err(Error::Mismatch);
    }
    match off.cmp(&len) {
        // The device counts bytes that the file does not have: another upload, or another file.
        Ordering::Greater => Err(Error::Offset),
        Ordering::Equal => {
            // One piece that is not the whole file cannot complete it: the device had the rest.
            let already_present = is_first(flight.off, START) && flight.end() < len;
            Ok(Some(UploadOutcome::Done { already_present, verified: matches == Some(true) }))
        }
        Ordering::Less => {
            transfer.cut(&flight, off);
            transfer.wanted(&flight, off, course).map(|()| None)
        }
    }
}
