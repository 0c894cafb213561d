//! Flash work as a list of operations, and the blocking executor.
//!
//! A [`Job`] decides what to read, erase and write; an executor does it, one operation at a time:
//!
//! ```text
//!          ┌──────────────────────────────────────────────────────────┐
//!   next() ┴─▶ Some(Read | Write | Erase) ─▶ the flash ─▶ completed(result)
//!          └─▶ None: the job is over
//! ```
//!
//! Each operation is bounded: one erase page, or no more bytes than the caller's buffers hold. An
//! executor may feed a watchdog, serve other tasks or lose power between any two of them.

use embedded_storage::nor_flash::NorFlash;

/// One thing to be done to the flash. Addresses and lengths are aligned as the flash demands.
pub enum Operation<'a> {
    /// Fill `into` from `address` on.
    Read {
        /// Where the bytes are.
        address: u32,
        /// Where they go.
        into: &'a mut [u8],
    },
    /// Write `bytes` to `address` on. The place is erased.
    Write {
        /// Where the bytes go.
        address: u32,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Erase one page.
    Erase {
        /// The first address of the page.
        from: u32,
        /// The first address behind it.
        to: u32,
    },
}

impl core::fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Read { address, into } => write!(f, "Read({address:#x}, {} bytes)", into.len()),
            Self::Write { address, bytes } => write!(f, "Write({address:#x}, {} bytes)", bytes.len()),
            Self::Erase { from, to } => write!(f, "Erase({from:#x}..{to:#x})"),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Operation<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Read { address, into } => defmt::write!(f, "Read({=u32:#x}, {=usize} bytes)", address, into.len()),
            Self::Write { address, bytes } => {
                defmt::write!(f, "Write({=u32:#x}, {=usize} bytes)", address, bytes.len())
            }
            Self::Erase { from, to } => defmt::write!(f, "Erase({=u32:#x}..{=u32:#x})", from, to),
        }
    }
}

/// The flash could not do an operation. Which one and how, the job knows: it had asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Failed;

impl core::fmt::Display for Failed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a flash operation failed")
    }
}

impl core::error::Error for Failed {}

/// Work that takes flash operations.
pub trait Job {
    /// The operation to do now; `None` when the job is over. Gives the same operation again until
    /// [`completed`](Self::completed) is called.
    fn next(&mut self) -> Option<Operation<'_>>;

    /// Says how the operation went.
    fn completed(&mut self, result: Result<(), Failed>);
}

/// Runs a job to its end on a blocking flash and gives it back, to be asked for its outcome.
pub fn run<J: Job, F: NorFlash>(mut job: J, flash: &mut F) -> J {
    drive(&mut job, flash);
    job
}

/// Runs a job to its end on a blocking flash.
pub(crate) fn drive<J: Job, F: NorFlash>(job: &mut J, flash: &mut F) {
    while let Some(operation) = job.next() {
        let result = match operation {
            Operation::Read { address, into } => flash.read(address, into),
            Operation::Write { address, bytes } => flash.write(address, bytes),
            Operation::Erase { from, to } => flash.erase(from, to),
        };
        job.completed(result.or(Err(Failed)));
    }
}
