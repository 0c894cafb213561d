//! The upload as a routine.

use core::time::Duration;

use super::super::UploadEvent;
use super::super::course::Counts;
use super::super::report::FileUploadReport;
use super::{FileOutcome, FileUpload, State, Stored};
use crate::routine::{Routine, Step};
use crate::smp::client::Client;
use crate::source::Source;

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
        let foreign = self.course.counts.foreign;
        if let Err(error) = self.hear(client, message) {
            self.fail(error);
        }
        (self.course.counts.foreign == foreign).then(|| self.progress())
    }

    fn tick(&mut self, elapsed: Duration) {
        self.course.pace.tick(elapsed);
    }

    fn timed_out(&mut self) {
        match &mut self.state {
            State::Sizing(sizing) => sizing.timed_out(&mut self.course),
            State::Looking(call) => call.timed_out(),
            State::Comparing { call, .. } | State::Hashing(call) | State::Checking(call) => call.timed_out(),
            State::Closing(call) => call.timed_out(),
            State::Sending { transfer, .. } => {
                self.stored = Stored::Unknown;
                if let Err(error) = transfer.timed_out(&mut self.course) {
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
        let counts = self.course.counts;
        let Counts { foreign, window, .. } = counts;
        FileUploadReport { outcome, off, len, sent: counts.sent(), repeats, foreign, window }
    }
}
