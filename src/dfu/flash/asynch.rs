//! The async executor of flash jobs: [`flash`](super) with `.await`.

use embedded_storage_async::nor_flash::NorFlash;

use super::{Failed, Geometry, Job, Operation};

/// Runs a job to its end on an async flash and returns it, for its outcome.
///
/// # Cancellation
/// A dropped call drops the job, and leaves a running operation to the driver of the flash. While a
/// chunk is written this has the effect of a flash error: the session ends, and the client starts
/// again.
#[must_use = "the job has the outcome"]
pub async fn run<J: Job, F: NorFlash>(mut job: J, flash: &mut F) -> J {
    while let Some(operation) = job.next() {
        let result = match operation {
            Operation::Read { address, into } => flash.read(address, into).await,
            Operation::Write { address, bytes } => flash.write(address, bytes).await,
            Operation::Erase { from, to } => flash.erase(from, to).await,
        };
        job.completed(result.or(Err(Failed)));
    }
    job
}

/// Returns the geometry of a flash whose erased bytes are FF; see [`Geometry::with_erased`].
#[must_use]
pub fn geometry<F: NorFlash>(flash: &F) -> Geometry {
    Geometry::from_sizes([F::READ_SIZE, F::WRITE_SIZE, F::ERASE_SIZE, flash.capacity()])
}
