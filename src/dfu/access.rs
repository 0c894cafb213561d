//! Flash operations without their buffers: small values that borrow nothing.

use super::flash::{Geometry, Operation};
use super::region::{Writable, down, up};

/// An operation without its buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    pub(crate) kind: Kind,
    address: u32,
    pub(crate) len: u32,
}

/// The kind of operation, and the source of the bytes of a write. Every kind but `Nothing` and
/// `Outside` exits to that of the next operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The stage has not been asked yet.
    Unknown,
    /// None: the stage has ended.
    Nothing,
    /// An operation outside its region, which is refused. The job ends here, without an outcome.
    Outside,
    /// Fill the work slice.
    Read,
    /// Write the carry: one write unit.
    Carry,
    /// Write the front of the rest of the chunk.
    Chunk,
    /// Write the front of the work slice: a trailer field or a record of the checkpoint log.
    Work,
    /// Erase a page of a slot.
    Erase,
    /// Erase a page of the checkpoint log.
    EraseLog,
}

/// Splits the scratch slice into a carry of one write unit, the largest of all flash devices, and
/// the work slice.
pub(crate) fn halves(scratch: &mut [u8], unit: u32) -> (&mut [u8], &mut [u8]) {
    scratch.split_at_mut_checked(size(unit)).unwrap_or((&mut [], &mut []))
}

/// Returns the largest read that always fits the work slice of a scratch slice of this length.
pub(crate) fn fill(scratch: usize, unit: u32, geometry: &Geometry) -> u32 {
    let work = u32::try_from(scratch).unwrap_or(u32::MAX).saturating_sub(unit);
    down(work, geometry.read).saturating_sub(geometry.read)
}

/// Converts a length. All lengths are far below the limits of either type.
pub(crate) fn size(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

impl Access {
    pub(crate) const UNKNOWN: Self = Self { kind: Kind::Unknown, address: 0, len: 0 };
    pub(crate) const OUTSIDE: Self = Self { kind: Kind::Outside, address: 0, len: 0 };
    pub(crate) const NOTHING: Self = Self { kind: Kind::Nothing, address: 0, len: 0 };

    /// A read of `len` bytes from this address.
    pub(crate) const fn read(address: u32, len: u32) -> Self {
        Self { kind: Kind::Read, address, len }
    }

    /// A write or an erase of `len` bytes; refused if it would leave its region, which no job
    /// requests.
    pub(crate) fn change(kind: Kind, to: Writable, len: u32) -> Self {
        match to.address(len) {
            Some(address) => Self { kind, address, len },
            None => Self::OUTSIDE,
        }
    }

    /// Returns the operation; `None` if the job has ended, or if it does not fit the scratch slice,
    /// which no job requests.
    pub(crate) fn operation<'a>(
        self,
        unit: u32,
        geometry: &Geometry,
        scratch: &'a mut [u8],
        chunk: &'a [u8],
    ) -> Option<Operation<'a>> {
        let (carry, work) = halves(scratch, unit);
        let from: &[u8] = match self.kind {
            // An operation outside its region is never performed: the job ends with an error
            // instead.
            Kind::Unknown | Kind::Nothing | Kind::Outside => return None,
            Kind::Read => {
                // The flash may require larger or aligned reads than were requested.
                let (address, window) = self.window(geometry);
                return Some(Operation::Read { address, into: work.get_mut(..size(window))? });
            }
            Kind::Erase | Kind::EraseLog => {
                return Some(Operation::Erase { from: self.address, to: self.address.wrapping_add(self.len) });
            }
            Kind::Carry => carry,
            Kind::Work => work,
            Kind::Chunk => chunk,
        };
        Some(Operation::Write { address: self.address, bytes: from.get(..size(self.len))? })
    }

    /// Returns the requested bytes of a completed read.
    pub(crate) fn bytes<'a>(&self, geometry: &Geometry, work: &'a [u8]) -> &'a [u8] {
        let skip = size(self.address.wrapping_sub(self.window(geometry).0));
        work.get(skip..).and_then(|rest| rest.get(..size(self.len))).unwrap_or(&[])
    }

    /// Returns address and length of the aligned read that covers the requested bytes.
    const fn window(&self, geometry: &Geometry) -> (u32, u32) {
        let start = down(self.address, geometry.read);
        (start, up(self.address.wrapping_add(self.len), geometry.read).wrapping_sub(start))
    }
}
