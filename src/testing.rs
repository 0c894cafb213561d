//! A simulated flash and boot loader, for tests and simulated devices.
//!
//! [`RamNor`] follows the rules of a real NOR flash and fails on request; `bootloader` (with the
//! feature `mcuboot`) acts at a reset as MCUboot does, in any of its modes.
//!
//! ```
//! use anysmp::testing::{Error, Fault, RamNor};
//! use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
//!
//! // Writes of 8 bytes, erase pages of 4 KiB.
//! let mut memory = [0xFF; 8192];
//! let mut flash = RamNor::<8, 4096>::new(&mut memory);
//! flash.write(0, &[1; 8])?;
//! assert_eq!(flash.write(0, &[2; 8]), Err(Error::NotErased));
//! assert_eq!(flash.write(4, &[2; 8]), Err(Error::NotAligned));
//!
//! // The power fails in the middle of the second operation from now on.
//! flash.plan(1, Fault::Tear(42));
//! flash.erase(0, 4096)?;
//! assert_eq!(flash.write(0, &[3; 8]), Err(Error::PowerLoss));
//! flash.power_on();
//! let mut read = [0; 8];
//! flash.read(0, &mut read)?; // some bits are written, some are not
//! # Ok::<(), Error>(())
//! ```
//!
//! `examples/dfu_server.rs` upgrades a device that is made of these two.

#[cfg(feature = "mcuboot")]
pub mod bootloader;
mod random;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

pub use random::Random;

use crate::shown::shown;

/// A NOR flash in RAM.
///
/// Misaligned accesses are refused, and so is a write to bytes that are not erased. Faults can be
/// planned with [`plan`](Self::plan).
pub struct RamNor<'m, const WRITE: usize, const ERASE: usize, const READ: usize = 1> {
    memory: &'m mut [u8],
    erased: u8,
    powered: bool,
    plan: Option<(u32, Fault)>,
    counters: Counters,
    /// Start and end of each place that cannot be read.
    spoiled: heapless::Vec<(u32, u32), SPOILED>,
}

/// The maximum number of unreadable places; further ones stay readable.
const SPOILED: usize = 32;

shown!(
    [const WRITE: usize, const ERASE: usize, const READ: usize] RamNor<'_, WRITE, ERASE, READ>,
    |nor| "RamNor({} bytes, {:?})", nor.memory.len(), nor.counters
);

/// A failure of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Fault {
    /// The operation does nothing and fails. The next one works again.
    Fail,
    /// An erase or write does nothing and reports success. A read works.
    Silent,
    /// Power fails before the operation. Everything fails until [`RamNor::power_on`].
    Cut,
    /// Power fails during the operation. The seed decides the progress: a write has done some units
    /// and part of the next one, an erase leaves random bytes.
    Tear(u32),
    /// As `Tear`, in flash with error correction: the unit or page that is torn cannot be read, nor
    /// written, until it is erased.
    Spoil(u32),
}

/// The operations of a [`RamNor`] so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Counters {
    /// Number of reads.
    pub reads: u32,
    /// Number of writes.
    pub writes: u32,
    /// Number of pages erased.
    pub erases: u32,
    /// Number of reads, writes and erases together, by which a fault is planned.
    pub operations: u32,
}

/// The reason why an operation of a [`RamNor`] failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The caller: the operation is misaligned.
    NotAligned,
    /// The caller: the operation reaches beyond the flash.
    OutOfBounds,
    /// The caller: the bytes to be written are not erased.
    NotErased,
    /// The test: the bytes were spoiled, and have not been erased since.
    Unreadable,
    /// The test: a planned fault.
    Failed,
    /// The test: there is no power after a planned fault.
    PowerLoss,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotAligned => "a misaligned operation",
            Self::OutOfBounds => "an operation beyond the flash",
            Self::NotErased => "a write to bytes that are not erased",
            Self::Unreadable => "a read of bytes that were torn",
            Self::Failed => "a planned fault",
            Self::PowerLoss => "no power",
        })
    }
}

impl core::error::Error for Error {}

impl From<NorFlashErrorKind> for Error {
    fn from(kind: NorFlashErrorKind) -> Self {
        match kind {
            NorFlashErrorKind::NotAligned => Self::NotAligned,
            _ => Self::OutOfBounds,
        }
    }
}

impl NorFlashError for Error {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            _ => NorFlashErrorKind::Other,
        }
    }
}

impl<'m, const WRITE: usize, const ERASE: usize, const READ: usize> RamNor<'m, WRITE, ERASE, READ> {
    /// A flash with this memory as its contents, whose erased bytes are FF. The capacity is the
    /// whole erase pages in the memory.
    #[must_use]
    pub fn new(memory: &'m mut [u8]) -> Self {
        let whole = memory.chunks_exact(ERASE.max(1)).count().saturating_mul(ERASE);
        let memory = memory.get_mut(..whole).unwrap_or(&mut []);
        let spoiled = heapless::Vec::new();
        Self { memory, erased: 0xFF, powered: true, plan: None, counters: Counters::default(), spoiled }
    }

    /// Sets the value of erased bytes.
    #[must_use]
    pub fn with_erased(self, erased: u8) -> Self {
        Self { erased, ..self }
    }

    /// Erases everything, without counting and without faults.
    #[must_use]
    pub fn blank(mut self) -> Self {
        self.memory.fill(self.erased);
        self.spoiled.clear();
        self
    }

    /// Makes `len` bytes at `offset`, within one erase page, unreadable until they are erased.
    pub fn spoil(&mut self, offset: u32, len: u32) {
        // The list has more room than any test needs.
        let _ = self.spoiled.push((offset, offset.saturating_add(len)));
    }

    /// Makes everything readable again.
    pub fn heal(&mut self) {
        self.spoiled.clear();
    }

    /// Returns true if a byte of the place is unreadable.
    fn is_spoiled(&self, offset: u32, len: usize) -> bool {
        let end = offset.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        self.spoiled.iter().any(|(from, to)| *from < end && offset < *to)
    }

    /// Plans a fault of the `nth` operation from now on; 0 is the next one.
    pub fn plan(&mut self, nth: u32, fault: Fault) {
        self.plan = Some((self.counters.operations.wrapping_add(nth), fault));
    }

    /// Turns the power on again, and cancels a planned fault.
    pub fn power_on(&mut self) {
        self.powered = true;
        self.plan = None;
    }

    /// Returns true if a planned fault has not happened yet.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        self.plan.is_some()
    }

    /// Returns the number of operations so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns the contents.
    #[must_use]
    pub fn memory(&self) -> &[u8] {
        self.memory
    }

    /// Returns the contents for changes that bypass the rules of the flash.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        self.memory
    }

    /// Counts an operation; returns the fault that is due, if any.
    fn start(&mut self) -> Result<Option<Fault>, Error> {
        if !self.powered {
            return Err(Error::PowerLoss);
        }
        let number = self.counters.operations;
        self.counters.operations = number.wrapping_add(1);
        let Some((_, fault)) = self.plan.take_if(|(nth, _)| *nth == number) else {
            return Ok(None);
        };
        match fault {
            Fault::Fail => Err(Error::Failed),
            Fault::Silent => Ok(Some(fault)),
            // The power stays off until the test turns it on again.
            Fault::Cut => {
                self.powered = false;
                Err(Error::PowerLoss)
            }
            Fault::Tear(_) | Fault::Spoil(_) => {
                self.powered = false;
                Ok(Some(fault))
            }
        }
    }

    fn bytes(&mut self, offset: u32, len: usize) -> &mut [u8] {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.memory.get_mut(offset..).and_then(|rest| rest.get_mut(..len)).unwrap_or(&mut [])
    }
}

impl<const WRITE: usize, const ERASE: usize, const READ: usize> ErrorType for RamNor<'_, WRITE, ERASE, READ> {
    type Error = Error;
}

impl<const WRITE: usize, const ERASE: usize, const READ: usize> ReadNorFlash for RamNor<'_, WRITE, ERASE, READ> {
    const READ_SIZE: usize = READ;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        let fault = self.start()?;
        self.counters.reads = self.counters.reads.wrapping_add(1);
        check_read(self, offset, bytes.len())?;
        if let Some(Fault::Tear(_) | Fault::Spoil(_)) = fault {
            return Err(Error::PowerLoss);
        }
        if self.is_spoiled(offset, bytes.len()) {
            return Err(Error::Unreadable);
        }
        for (from, to) in self.bytes(offset, bytes.len()).iter().zip(bytes) {
            *to = *from;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.memory.len()
    }
}

impl<const WRITE: usize, const ERASE: usize, const READ: usize> NorFlash for RamNor<'_, WRITE, ERASE, READ> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        let fault = self.start()?;
        check_erase(self, from, to)?;
        let len = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
        let pages = len.checked_div(ERASE).and_then(|pages| u32::try_from(pages).ok()).unwrap_or(0);
        self.counters.erases = self.counters.erases.wrapping_add(pages);
        let erased = self.erased;
        if let Some(Fault::Spoil(_)) = fault {
            self.spoil(from, to.saturating_sub(from));
        } else if fault.is_none() {
            self.spoiled.retain(|(start, end)| *start < from || *end > to);
        }
        let bytes = self.bytes(from, len);
        match fault {
            Some(Fault::Silent) => Ok(()),
            Some(Fault::Tear(seed) | Fault::Spoil(seed)) => {
                // On average, half of the bytes are erased, a quarter are unchanged, and a quarter
                // are random.
                let mut random = Random::new(seed);
                for byte in bytes {
                    match random.next() & 3 {
                        0 => {}
                        1 => *byte = random.byte(),
                        _ => *byte = erased,
                    }
                }
                Err(Error::PowerLoss)
            }
            _ => {
                bytes.fill(erased);
                Ok(())
            }
        }
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        let fault = self.start()?;
        // Refused operations count as well: a fault is planned by the number of calls.
        check_write(self, offset, bytes.len())?;
        self.counters.writes = self.counters.writes.wrapping_add(1);
        let erased = self.erased;
        if self.is_spoiled(offset, bytes.len()) {
            return Err(Error::NotErased);
        }
        let place = self.bytes(offset, bytes.len());
        // Real flash would program the bitwise AND: a bug that a test must see.
        if place.iter().any(|byte| *byte != erased) {
            return Err(Error::NotErased);
        }
        match fault {
            Some(Fault::Silent) => Ok(()),
            Some(Fault::Tear(seed) | Fault::Spoil(seed)) => {
                let mut random = Random::new(seed);
                let whole = random.below(bytes.len().checked_div(WRITE).unwrap_or(0)).saturating_mul(WRITE);
                for (at, (to, from)) in place.iter_mut().zip(bytes).enumerate().take(whole.saturating_add(WRITE)) {
                    // In the torn unit, each bit is programmed or not, at random.
                    let programmed = if at < whole { 0xFF } else { random.byte() };
                    *to = (*from & programmed) | (erased & !programmed);
                }
                if let Some(Fault::Spoil(_)) = fault {
                    let whole = u32::try_from(whole).unwrap_or(0);
                    self.spoil(offset.saturating_add(whole), u32::try_from(WRITE).unwrap_or(0));
                }
                Err(Error::PowerLoss)
            }
            _ => {
                for (to, from) in place.iter_mut().zip(bytes) {
                    *to = *from;
                }
                Ok(())
            }
        }
    }
}

/// The same flash for async drivers. Nothing ever waits.
#[cfg(feature = "async")]
mod asynch {
    use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};

    use super::{Error, RamNor};

    impl<const WRITE: usize, const ERASE: usize, const READ: usize> ReadNorFlash for RamNor<'_, WRITE, ERASE, READ> {
        const READ_SIZE: usize = READ;

        async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
            embedded_storage::nor_flash::ReadNorFlash::read(self, offset, bytes)
        }

        fn capacity(&self) -> usize {
            self.memory.len()
        }
    }

    impl<const WRITE: usize, const ERASE: usize, const READ: usize> NorFlash for RamNor<'_, WRITE, ERASE, READ> {
        const WRITE_SIZE: usize = WRITE;
        const ERASE_SIZE: usize = ERASE;

        async fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
            embedded_storage::nor_flash::NorFlash::erase(self, from, to)
        }

        async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
            embedded_storage::nor_flash::NorFlash::write(self, offset, bytes)
        }
    }
}
