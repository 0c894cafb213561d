//! The async executor of flash jobs: [`flash::run`](super::flash::run) with `.await`.

use embedded_storage_async::nor_flash::NorFlash;

use super::flash::{Failed, Job, Operation};

/// Runs a job to its end on an async flash and gives it back, to be asked for its outcome.
///
/// # Cancellation
///
/// A dropped call drops the job, and leaves an operation of the flash that was under way to the
/// flash's driver. While a chunk is written this is what a flash error is: the session is over, and
/// the client starts again.
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
