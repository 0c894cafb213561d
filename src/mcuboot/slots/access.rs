//! What a job asks of the flash before buffers are put in: small values that borrow nothing.

use super::layout::{Geometry, Writable, down, up};
use crate::mcuboot::flash::Operation;

/// An operation without its buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    pub(super) kind: Kind,
    address: u32,
    pub(super) len: u32,
}

/// What is done, and where the bytes of a write come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody has asked yet.
    Unknown,
    /// Nothing: the stage is over.
    Nothing,
    /// Something outside of its region. The job ends here, without an outcome.
    Outside,
    /// Fill the work slice.
    Read,
    /// Write the carry: one write unit.
    Carry,
    /// Write the front of what is left of the chunk.
    Chunk,
    /// Write the front of the work slice: a trailer field or a record of the checkpoint log.
    Work,
    /// Erase a page of a slot.
    Erase,
    /// Erase a page of the checkpoint log.
    EraseLog,
}

/// The scratch slice: a carry of one write unit, and the rest to work in.
pub(super) fn halves<'a>(scratch: &'a mut [u8], geometry: &Geometry) -> (&'a mut [u8], &'a mut [u8]) {
    scratch.split_at_mut_checked(size(geometry.write)).unwrap_or((&mut [], &mut []))
}

/// The largest read that always fits what is left of a scratch slice of this length beside the
/// carry.
pub(super) fn fill(scratch: usize, geometry: &Geometry) -> u32 {
    let work = u32::try_from(scratch).unwrap_or(u32::MAX).saturating_sub(geometry.write);
    down(work, geometry.read).saturating_sub(geometry.read)
}

/// A length in memory. All of them are far below the limits of either type.
pub(super) fn size(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

impl Access {
    pub(super) const UNKNOWN: Self = Self { kind: Kind::Unknown, address: 0, len: 0 };
    pub(super) const OUTSIDE: Self = Self { kind: Kind::Outside, address: 0, len: 0 };
    pub(super) const NOTHING: Self = Self { kind: Kind::Nothing, address: 0, len: 0 };

    /// So many bytes from this address.
    pub(super) const fn read(address: u32, len: u32) -> Self {
        Self { kind: Kind::Read, address, len }
    }

    /// A write or an erase of so many bytes; no operation if it would leave its region, which no
    /// job asks for.
    pub(super) fn change(kind: Kind, to: Writable, len: u32) -> Self {
        match to.address(len) {
            Some(address) => Self { kind, address, len },
            None => Self::OUTSIDE,
        }
    }

    /// The operation; `None` if the job is over, or if it does not fit the scratch slice, which no
    /// job asks for.
    pub(super) fn operation<'a>(
        self,
        geometry: &Geometry,
        scratch: &'a mut [u8],
        chunk: &'a [u8],
    ) -> Option<Operation<'a>> {
        let (carry, work) = halves(scratch, geometry);
        let from: &[u8] = match self.kind {
            Kind::Unknown | Kind::Nothing | Kind::Outside => return None,
            Kind::Read => {
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

    /// The bytes that a completed read was for.
    pub(super) fn bytes<'a>(&self, geometry: &Geometry, work: &'a [u8]) -> &'a [u8] {
        let skip = size(self.address.wrapping_sub(self.window(geometry).0));
        work.get(skip..).and_then(|rest| rest.get(..size(self.len))).unwrap_or(&[])
    }

    /// The aligned read that covers the wanted bytes: its address and length.
    const fn window(&self, geometry: &Geometry) -> (u32, u32) {
        let start = down(self.address, geometry.read);
        (start, up(self.address.wrapping_add(self.len), geometry.read).wrapping_sub(start))
    }
}
