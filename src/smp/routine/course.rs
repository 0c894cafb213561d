//! The course of a transfer: its settings, its times and its counters, and the query with which it
//! begins.

use core::time::Duration;

use super::pace::{Awaited, Pace};
use super::pacing::Buffers;
use super::{Call, Error, Heard, Pacing};
use crate::routine::Step;
use crate::smp::client::Client;
use crate::smp::os::Parameters;

/// The counters of a transfer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// The end of the part that was sent, or requested, at least once.
    pub(super) reached: u64,
    /// The number of bytes that were sent, modulo 4 GiB.
    sent: u32,
    /// The number of times that `sent` has wrapped. With 64 bits an upload would take 8 more bytes
    /// of RAM; at a gigabyte a second these 48 last for three days.
    wraps: u16,
    pub(super) repeats: u32,
    pub(super) foreign: u32,
    /// The largest number of requests that were in flight at a time.
    pub(super) window: u8,
}

impl Counts {
    pub(super) const fn foreign(&mut self) {
        self.foreign = self.foreign.wrapping_add(1);
    }

    pub(super) fn sends(&mut self, bytes: u16) {
        let (sent, wrapped) = self.sent.overflowing_add(bytes.into());
        (self.sent, self.wraps) = (sent, self.wraps.wrapping_add(wrapped.into()));
    }

    /// The number of bytes that were sent, repeats included.
    pub(super) fn sent(&self) -> u64 {
        u64::from(self.wraps) << 32 | u64::from(self.sent)
    }
}

/// The part of a transfer that outlives its states: no state carries it to the next one.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) pacing: Pacing,
    pub(super) pace: Pace,
    pub(super) counts: Counts,
}

impl Course {
    pub(super) fn new() -> Self {
        Self { pacing: Pacing::new(), pace: Pace::new(), counts: Counts::default() }
    }

    /// Begins a transfer; returns the query for the sizes of the device unless they are known.
    pub(super) const fn begin(&mut self) -> Option<Sizing> {
        if self.pacing.buffers.is_some() {
            self.pace = Pace::known();
            return None;
        }
        self.pace = Pace::new();
        Some(Sizing(Call::new(u8::MAX)))
    }

    pub(super) fn wait(&mut self, awaited: Awaited, client: &Client) -> Duration {
        self.pace.wait(awaited, client, &self.pacing)
    }

    /// Called when the wait has passed: the request is repeated unless this fails.
    pub(super) fn timed_out(&mut self) -> Result<(), Error> {
        self.pace.timed_out()
    }
}

/// The query for the buffers of the device.
#[derive(Debug)]
pub(super) struct Sizing(Call<Parameters>);

impl Sizing {
    /// Returns the next step; `None` if the device has not answered within all retries.
    pub(super) fn poll(
        &mut self,
        course: &mut Course,
        client: &mut Client,
        tx: &mut [u8],
    ) -> Result<Option<Step>, Error> {
        let timeout = course.pace.wait_for_sizes(client);
        match self.0.poll(client, &Parameters {}, timeout, tx) {
            Err(Error::TimedOut) => {
                course.pace.without_sizes();
                Ok(None)
            }
            Ok(Step::Send(len)) => {
                course.pace.asks_for_sizes();
                Ok(Some(Step::Send(len)))
            }
            step => step.map(Some),
        }
    }

    /// Stores the sizes in the settings, so that further files need no query.
    pub(super) fn receive(&mut self, course: &mut Course, client: &mut Client, message: &[u8]) -> Heard<()> {
        match self.0.receive(client, message) {
            Heard::Foreign => Heard::Foreign,
            Heard::Again => Heard::Again,
            Heard::Response(parameters) => {
                course.pace.heard_sizes();
                course.pacing.buffers = parameters.ok().and_then(Buffers::new);
                Heard::Response(Ok(()))
            }
        }
    }

    pub(super) fn timed_out(&mut self, course: &mut Course) {
        match course.pace.timed_out() {
            Ok(()) => self.0.timed_out(),
            Err(_) => self.0.give_up(),
        }
    }
}
