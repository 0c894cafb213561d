//! An upload without its source, so that an upgrade of several images needs one.

use core::cmp::Ordering;
use core::time::Duration;

use super::super::pace::{Awaited, Found, Pace, Sizing};
use super::super::piece::Keys;
use super::super::report::{UploadEvent, UploadOutcome, UploadReport};
use super::super::transfer::{Counts, Transfer};
use super::super::{Error, Heard, Pacing};
use crate::routine::Step;
use crate::smp::Request;
use crate::smp::client::{self, Client};
use crate::smp::image::{self, UploadResponse};
use crate::source::Source;

/// An upload without its source.
pub(in super::super) struct Job {
    pub(in super::super) len: u64,
    pub(in super::super) keys: Keys,
    pub(in super::super) pacing: Pacing,
    pub(super) state: State,
    pub(super) counts: Counts,
}

#[derive(Debug)]
pub(super) enum State {
    /// Not begun. Exits: `Sizing`; `Sending` if the sizes are known; `Ended` if there is nothing to
    /// upload.
    Idle,
    /// Asks for the sizes. Exits: `Sending`, with them or without; `Ended` if `tx` is too short.
    Sizing(Sizing),
    /// Sends pieces. Exits: `Ended`; `Idle`, by `restart`.
    Sending(Transfer),
    /// Ended at this offset. Exits: `Idle`, by `restart`.
    Ended { outcome: UploadOutcome, off: u64 },
}

impl Job {
    pub(in super::super) fn new(len: u64) -> Self {
        let (keys, pacing, state, counts) = (Keys::default(), Pacing::new(), State::Idle, Counts::default());
        Self { len, keys, pacing, state, counts }
    }

    /// Starts again from scratch.
    pub(in super::super) fn restart(&mut self) {
        self.state = State::Idle;
    }

    /// Starts again with another file.
    pub(in super::super) fn restart_with(&mut self, len: u64, keys: Keys) {
        (self.len, self.keys, self.state) = (len, keys, State::Idle);
        self.counts = Counts::default();
    }

    fn begin(&mut self, found: Found) {
        // Asked once, also for further files and after a restart.
        self.pacing.parameters = self.pacing.parameters.or(found.parameters);
        let sizes = self.pacing.settle(found.parameters);
        self.state = State::Sending(Transfer::new::<image::Upload<'_>>(sizes, 0, found.pace));
    }

    #[inline(never)] // A stack frame of its own: see *Stack* in `smp::server`.
    fn step<S: Source>(&mut self, source: &mut S, client: &mut Client, tx: &mut [u8]) -> Result<Step, Error> {
        loop {
            match &mut self.state {
                State::Idle if self.len == 0 => return Err(Error::Empty),
                State::Idle => match self.pacing.parameters {
                    Some(parameters) => self.begin(Found { parameters: Some(parameters), pace: Pace::known() }),
                    None => self.state = State::Sizing(Sizing::new()),
                },
                State::Sizing(sizing) => match sizing.poll(client, tx)? {
                    Ok(step) => return Ok(step),
                    Err(found) => self.begin(found),
                },
                State::Sending(transfer) => match transfer.due(self.len) {
                    Ok(due) => {
                        let keys = self.keys.of(self.len >= source.len());
                        let piece = (source, self.len, keys);
                        return transfer.send(due, piece, &mut self.counts, client, tx).map(Step::Send);
                    }
                    Err(awaited) => {
                        let is_fresh = self.keys.sha.is_none() || self.len < source.len();
                        let awaited = match awaited {
                            Awaited::First if is_fresh => Awaited::Fresh,
                            awaited => awaited,
                        };
                        return Ok(Step::Wait(transfer.wait(awaited, client, &self.pacing)));
                    }
                },
                State::Ended { .. } => return Ok(Step::Done),
            }
        }
    }

    #[inline(never)] // As `step`: the two never run at once.
    fn hear(&mut self, client: &mut Client, message: &[u8]) -> Result<(), Error> {
        match &mut self.state {
            State::Sizing(sizing) => match sizing.receive(client, message) {
                Heard::Foreign => self.counts.foreign(),
                Heard::Again => {}
                Heard::Response(found) => self.begin(found?),
            },
            State::Sending(transfer) => {
                let Some(index) = transfer.index(message) else {
                    self.counts.foreign();
                    return Ok(());
                };
                let outcome = answered(transfer, index, message, client, self.len, &self.pacing)?;
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

    pub(in super::super) const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// The progress so far.
    pub(in super::super) fn progress(&self) -> UploadEvent {
        let off = match &self.state {
            State::Idle | State::Sizing(_) => 0,
            State::Sending(transfer) => transfer.confirmed(),
            State::Ended { off, .. } => *off,
        };
        UploadEvent { off, len: self.len, repeats: self.counts.repeats }
    }

    pub(in super::super) fn poll<S: Source>(&mut self, source: &mut S, client: &mut Client, tx: &mut [u8]) -> Step {
        self.step(source, client, tx).unwrap_or_else(|error| {
            self.fail(error);
            Step::Done
        })
    }

    pub(in super::super) fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<UploadEvent> {
        let foreign = self.counts.foreign;
        if let Err(error) = self.hear(client, message) {
            self.fail(error);
        }
        (self.counts.foreign == foreign).then(|| self.progress())
    }

    pub(in super::super) fn tick(&mut self, elapsed: Duration) {
        match &mut self.state {
            State::Sizing(sizing) => sizing.tick(elapsed),
            State::Sending(transfer) => transfer.tick(elapsed),
            State::Idle | State::Ended { .. } => {}
        }
    }

    pub(in super::super) fn timed_out(&mut self) {
        match &mut self.state {
            State::Sizing(sizing) => sizing.timed_out(),
            State::Sending(transfer) => {
                if let Err(error) = transfer.timed_out(&self.pacing) {
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
        let Counts { sent, foreign, window, .. } = self.counts;
        UploadReport { outcome, off, len, sent, repeats, foreign, window }
    }
}

/// Reads the response to the request at `index`; returns the outcome if it was the last one.
fn answered(
    transfer: &mut Transfer,
    index: usize,
    message: &[u8],
    client: &mut Client,
    len: u64,
    pacing: &Pacing,
) -> Result<Option<UploadOutcome>, Error> {
    let Some(flight) = transfer.take(index, message, client) else { return Ok(None) };
    let response = client::payload(message).map_err(client::Error::from).and_then(image::Upload::response);
    let UploadResponse { off, matches } = match response {
        Ok(response) => response,
        Err(error) => return transfer.refused(&flight, error, pacing).map(|()| None),
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
            transfer.wanted(off, pacing).map(|()| None)
        }
    }
}
