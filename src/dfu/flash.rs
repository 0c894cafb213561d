//! Flash work as a list of operations, with a blocking executor.
//!
//! A [`Job`] decides what to read, erase and write; an executor performs it, one operation at a
//! time:
//!
//! ```text
//!          ┌──────────────────────────────────────────────────────────┐
//!   next() ┴─▶ Some(Read | Write | Erase) ─▶ the flash ─▶ completed(result)
//!          └─▶ None: the job has ended
//! ```
//!
//! Each operation is bounded: one erase page, or at most the bytes of the caller's buffers. Between
//! two operations an executor may feed a watchdog, serve other tasks or lose power.

#[cfg(feature = "async")]
pub mod asynch;
mod devices;
mod job;

use embedded_storage::nor_flash::NorFlash;

pub use devices::{Device, Flash, Geometries, Two, TwoGeometries};
pub use job::{Job, run};

/// One operation on the flash. Addresses and lengths are aligned as the flash requires.
#[expect(clippy::exhaustive_enums, reason = "an executor has to handle each")]
pub enum Operation<'a> {
    /// Fill `into` from `address` on.
    Read {
        /// The address of the bytes.
        address: u32,
        /// The destination of the bytes.
        into: &'a mut [u8],
    },
    /// Write `bytes` from `address` on. The place is erased.
    Write {
        /// The destination address.
        address: u32,
        /// The bytes to write.
        bytes: &'a [u8],
    },
    /// Erase one page.
    Erase {
        /// The first address of the page.
        from: u32,
        /// The first address after the page.
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

/// The flash: an operation failed. The job turns this into its own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "executors outside of the crate return it")]
pub struct Failed;

impl core::fmt::Display for Failed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a flash operation failed")
    }
}

impl core::error::Error for Failed {}

/// The sizes and limits of a flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Geometry {
    pub(crate) read: u32,
    pub(crate) write: u32,
    pub(crate) erase: u32,
    pub(crate) capacity: u32,
    pub(crate) erased: u8,
}

impl Geometry {
    /// A flash of `capacity` bytes with these smallest sizes of read, write and erase, each a power
    /// of two, whose erased bytes are FF.
    #[must_use]
    pub const fn new(read: u32, write: u32, erase: u32, capacity: u32) -> Self {
        Self { read, write, erase, capacity, erased: 0xFF }
    }

    /// Sets the value of erased bytes.
    #[must_use]
    pub const fn with_erased(self, erased: u8) -> Self {
        Self { erased, ..self }
    }

    /// The geometry of a flash of this type with `capacity` bytes, whose erased bytes are FF. It
    /// can be a constant, while [`geometry`] needs the flash.
    #[must_use]
    pub const fn of_type<F: NorFlash>(capacity: usize) -> Self {
        Self::from_sizes(F::READ_SIZE, F::WRITE_SIZE, F::ERASE_SIZE, capacity)
    }

    /// The geometry with these sizes.
    pub(crate) const fn from_sizes(read: usize, write: usize, erase: usize, capacity: usize) -> Self {
        Self::new(narrow(read), narrow(write), narrow(erase), narrow(capacity))
    }

    /// Returns true if the sizes are supported: powers of two, at most 512 to read and write, and
    /// at most one erase page.
    pub(crate) const fn is_valid(&self) -> bool {
        let powers = self.read.is_power_of_two() && self.write.is_power_of_two() && self.erase.is_power_of_two();
        // At most one erase page, or a job could not keep its progress in whole pages.
        powers && self.read <= 512 && self.write <= 512 && self.read <= self.erase && self.write <= self.erase
    }
}

/// Returns the geometry of a flash whose erased bytes are FF; see [`Geometry::with_erased`].
#[must_use]
pub fn geometry<F: NorFlash>(flash: &F) -> Geometry {
    Geometry::of_type::<F>(flash.capacity())
}

/// Narrows a size to 32 bits. A larger one is not supported: it becomes 0, which the constructors
/// of slots refuse.
#[expect(clippy::cast_possible_truncation, reason = "compared before")]
const fn narrow(size: usize) -> u32 {
    if size as u64 > u32::MAX as u64 { 0 } else { size as u32 }
}
