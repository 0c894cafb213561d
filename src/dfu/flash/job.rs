//! A job of flash operations, and its blocking executor.

use super::devices::{Device, Flash};
use super::{Failed, Operation};

/// Work that consists of flash operations.
pub trait Job {
    /// True for work on two flash devices, which an executor for one refuses at compile time.
    const ARE_TWO: bool = false;

    /// Returns the device of the operation that [`next`](Self::next) returns now.
    fn flash_device(&mut self) -> Device {
        Device::Active
    }

    /// Returns the operation to do now; `None` when the job has ended. It is the same operation
    /// until [`completed`](Self::completed) is called.
    fn next(&mut self) -> Option<Operation<'_>>;

    /// Reports the result of the operation.
    fn completed(&mut self, result: Result<(), Failed>);
}

impl<J: Job + ?Sized> Job for &mut J {
    const ARE_TWO: bool = J::ARE_TWO;

    fn flash_device(&mut self) -> Device {
        (**self).flash_device()
    }

    fn next(&mut self) -> Option<Operation<'_>> {
        (**self).next()
    }

    fn completed(&mut self, result: Result<(), Failed>) {
        (**self).completed(result);
    }
}

/// Runs a job to its end on a blocking flash, or on [`Two`](super::Two) of them, and returns
/// it, for its outcome.
///
/// `&mut job` is a job as well, which saves a copy of the outcome on the stack.
#[must_use = "the job has the outcome"]
pub fn run<J: Job, F: Flash>(mut job: J, flash: &mut F) -> J {
    // The addresses of one device mean something else in another.
    const { assert!(J::ARE_TWO == F::ARE_TWO, "the slots and the executor need the same number of flash devices") };
    loop {
        let device = if F::ARE_TWO { job.flash_device() } else { Device::Active };
        let Some(operation) = job.next() else { break };
        let result = flash.perform(device, operation);
        job.completed(result);
    }
    job
}
