//! The async executor of flash jobs: [`flash`](super) with `.await`.

use embedded_storage_async::nor_flash::NorFlash;

use super::{Device, Failed, Geometry, Job, Operation, Two};

/// The executor's side of one flash or two: every async `NorFlash`, and [`Two`] of them.
pub trait Flash {
    /// True for two devices.
    const ARE_TWO: bool;

    /// Performs an operation on a device.
    ///
    /// # Errors
    ///
    /// The flash: the operation failed.
    ///
    /// # Cancellation
    /// A dropped call leaves the operation to the driver of the flash.
    fn perform(&mut self, device: Device, operation: Operation<'_>) -> impl Future<Output = Result<(), Failed>>;
}

impl<F: NorFlash> Flash for F {
    const ARE_TWO: bool = false;

    async fn perform(&mut self, _: Device, operation: Operation<'_>) -> Result<(), Failed> {
        match operation {
            Operation::Read { address, into } => self.read(address, into).await,
            Operation::Write { address, bytes } => self.write(address, bytes).await,
            Operation::Erase { from, to } => self.erase(from, to).await,
        }
        .or(Err(Failed))
    }
}

impl<A: Flash, S: Flash> Flash for Two<'_, A, S> {
    const ARE_TWO: bool = true;

    async fn perform(&mut self, device: Device, operation: Operation<'_>) -> Result<(), Failed> {
        match device {
            Device::Active => self.active.perform(device, operation).await,
            Device::Spare => self.spare.perform(device, operation).await,
        }
    }
}

/// Runs a job to its end on an async flash, or on [`Two`] of them, and returns it, for its outcome.
///
/// # Cancellation
/// A dropped call drops the job, and leaves a running operation to the driver of the flash. While a
/// chunk is written this has the effect of a flash error: the session ends, and the client starts
/// again.
#[must_use = "the job has the outcome"]
pub async fn run<J: Job, F: Flash>(mut job: J, flash: &mut F) -> J {
    // The addresses of one device mean something else in another.
    const { assert!(J::ARE_TWO == F::ARE_TWO, "the slots and the executor need the same number of flash devices") };
    loop {
        let device = if F::ARE_TWO { job.flash_device() } else { Device::Active };
        let Some(operation) = job.next() else { break };
        let result = flash.perform(device, operation).await;
        job.completed(result);
    }
    job
}

/// Returns the geometry of a flash whose erased bytes are FF; see [`Geometry::with_erased`].
#[must_use]
pub fn geometry<F: NorFlash>(flash: &F) -> Geometry {
    Geometry::from_sizes(F::READ_SIZE, F::WRITE_SIZE, F::ERASE_SIZE, flash.capacity())
}
