//! What a job asks of the flash before buffers are put in: small values that borrow nothing.

use super::Chunk;
use super::checkpoint::{Position, Record};
use super::layout::{Geometry, Writable, down, up};
use crate::mcuboot::flash::Operation;
use crate::mcuboot::trailer::{Field, Flag, Layout};

/// An operation without its buffer.
#[derive(Debug)]
pub(super) enum Access {
    /// So many bytes from this address; may be given fewer bytes only by [`fill`].
    Read(u32, usize),
    Write(Writable, Source),
    /// The erase page that starts here.
    Erase(Writable),
}

/// Where the bytes of a write come from.
#[derive(Debug)]
pub(super) enum Source {
    /// The carry: one write unit.
    Carry,
    /// The chunk, from this offset on so many bytes.
    Chunk(usize, u32),
    /// A record of the checkpoint log.
    Record(Position, Record),
    /// A field of the trailer.
    Field(Field, Layout),
}

/// The scratch slice: a carry of one write unit, and the rest to work in.
pub(super) fn halves<'a>(scratch: &'a mut [u8], geometry: &Geometry) -> (&'a mut [u8], &'a mut [u8]) {
    let write = usize::try_from(geometry.write).unwrap_or(usize::MAX);
    scratch.split_at_mut_checked(write).unwrap_or((&mut [], &mut []))
}

/// The largest read that always fits a work slice of this length.
pub(super) fn fill(work: usize, geometry: &Geometry) -> u32 {
    down(u32::try_from(work).unwrap_or(u32::MAX), geometry.read).saturating_sub(geometry.read)
}

impl Access {
    /// The operation; `None` if it would leave its region or does not fit the scratch slice, which no job asks for.
    pub(super) fn operation<'a>(
        self,
        geometry: &Geometry,
        scratch: &'a mut [u8],
        chunk: Option<&Chunk<'a>>,
    ) -> Option<Operation<'a>> {
        let (carry, work) = halves(scratch, geometry);
        match self {
            Self::Read(address, len) => {
                let (address, window) = window(address, len, geometry);
                Some(Operation::Read { address, into: work.get_mut(..window)? })
            }
            Self::Write(to, source) => {
                let bytes = match source {
                    Source::Carry => &*carry,
                    Source::Chunk(from, len) => chunk?.data.get(from..)?.get(..usize::try_from(len).ok()?)?,
                    Source::Record(position, record) => position.emit(&record, geometry, work)?,
                    Source::Field(field, layout) => emit(field, layout, geometry, work)?,
                };
                let (address, _) = to.range(bytes.len())?;
                Some(Operation::Write { address, bytes })
            }
            Self::Erase(page) => {
                let (from, to) = page.range(usize::try_from(geometry.erase).ok()?)?;
                Some(Operation::Erase { from, to })
            }
        }
    }

    /// The bytes that a completed read was for; empty for writes and erases.
    pub(super) fn bytes<'a>(&self, geometry: &Geometry, work: &'a [u8]) -> &'a [u8] {
        let Self::Read(address, len) = *self else {
            return &[];
        };
        let (start, _) = window(address, len, geometry);
        let skip = usize::try_from(address.wrapping_sub(start)).unwrap_or(usize::MAX);
        work.get(skip..).and_then(|rest| rest.get(..len)).unwrap_or(&[])
    }
}

/// The aligned read that covers `len` bytes from `address` on: its address and length.
fn window(address: u32, len: usize, geometry: &Geometry) -> (u32, usize) {
    let start = down(address, geometry.read);
    let end = u32::try_from(len).ok().and_then(|len| address.checked_add(len)).unwrap_or(address);
    (start, usize::try_from(up(end, geometry.read).wrapping_sub(start)).unwrap_or(usize::MAX))
}

/// The write units that a trailer field lies in: the magic at their end, anything else at their start.
fn emit<'o>(field: Field, layout: Layout, geometry: &Geometry, out: &'o mut [u8]) -> Option<&'o [u8]> {
    let unit = |len| usize::try_from(up(len, geometry.write)).ok();
    match field {
        Field::Magic => {
            let out = out.get_mut(..unit(Layout::MAGIC_LEN)?)?;
            out.fill(geometry.erased);
            *out.last_chunk_mut()? = layout.magic();
            Some(out)
        }
        Field::ImageOk | Field::CopyDone | Field::SwapInfo(_) => {
            let out = out.get_mut(..unit(1)?)?;
            out.fill(geometry.erased);
            *out.first_mut()? = if let Field::SwapInfo(kind) = field { kind as u8 } else { Flag::SET };
            Some(out)
        }
        Field::SwapSize => None,
    }
}
