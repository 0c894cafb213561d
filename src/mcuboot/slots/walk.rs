//! A walk over the TLVs of an image in flash, for the gate.

use super::gate::{Gate, TlvPiece};
use crate::dfu::Error;
use crate::dfu::access::Access;
use crate::mcuboot::Header;
use crate::mcuboot::tlv::{Entry, Info, Kind};

/// The state of a walk. A look has checked the areas before, so their ends are inside the slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// The address of the image.
    start: u32,
    /// The offsets of both areas, and the announced length of the protected one.
    protected: (u32, u16),
    normal: u32,
    /// The offset of the next read.
    offset: u32,
    /// The end of the current area.
    end: u32,
    at: At,
}

/// The next part to read.
#[derive(Debug, Clone, Copy)]
enum At {
    /// The header of an area; true for the protected one. Exits: `Entry`, or `Info` of the next
    /// one, after an empty one; `End`; `Broken`.
    Info(bool),
    /// Type and length of an entry. Exits: `Value`; `Broken`.
    Entry(bool),
    /// A piece of a value. Exits: itself; `Entry`; `Info` of the next area; `End`.
    Value { protected: bool, kind: Kind, len: u16, done: u16 },
    /// All entries were seen. No exit.
    End,
    /// The areas cannot be read. No exit.
    Broken(Error),
}

impl Walk {
    /// A walk over the image at this address.
    pub(super) const fn new(start: u32, header: &Header) -> Self {
        let protected = (header.body_end(), header.protected_len());
        let (normal, has) = (header.hashed_len(), header.protected_len() > 0);
        let offset = if has { protected.0 } else { normal };
        Self { start, protected, normal, offset, end: offset, at: At::Info(has) }
    }

    /// Returns the next read, of at most `piece` bytes; nothing at the end.
    pub(super) fn access(&self, piece: u32) -> Access {
        let len = match self.at {
            At::Info(_) => Info::LEN.into(),
            At::Entry(_) => Entry::LEN.into(),
            At::Value { len, done, .. } => u32::from(len.saturating_sub(done)).min(piece),
            At::End | At::Broken(_) => return Access::NOTHING,
        };
        Access::read(self.start.wrapping_add(self.offset), len)
    }

    /// Handles the bytes of the read.
    pub(super) fn advance<G: Gate>(&mut self, bytes: &[u8], gate: &mut G) {
        if let Err(error) = self.step(bytes, gate) {
            self.at = At::Broken(error);
        }
    }

    fn step<G: Gate>(&mut self, bytes: &[u8], gate: &mut G) -> Result<(), Error> {
        let head = || bytes.first_chunk().copied().ok_or(Error::InvalidTlv);
        match self.at {
            At::Info(protected) => {
                let info = Info::parse(head()?);
                let total = if protected { info.protected(self.protected.1)? } else { info.normal()? };
                self.end = self.offset.saturating_add(total.into());
                self.offset = self.offset.saturating_add(Info::LEN.into());
                self.next(protected);
            }
            At::Entry(protected) => {
                let Entry { kind, len } = Entry::parse(head()?);
                self.offset = self.offset.saturating_add(Entry::LEN.into());
                if self.offset.saturating_add(len.into()) > self.end {
                    return Err(Error::InvalidTlv);
                }
                self.at = At::Value { protected, kind, len, done: 0 };
                if len == 0 {
                    return self.step(&[], gate);
                }
            }
            At::Value { protected, kind, len, done } => {
                gate.tlv(&TlvPiece { protected, kind, len, offset: done, bytes });
                let read = u16::try_from(bytes.len()).unwrap_or(len);
                let done = done.saturating_add(read);
                self.offset = self.offset.saturating_add(read.into());
                self.at = At::Value { protected, kind, len, done };
                if done >= len {
                    self.next(protected);
                }
            }
            At::End | At::Broken(_) => {}
        }
        Ok(())
    }

    /// Chooses the part after an entry, or after the info of an area.
    fn next(&mut self, protected: bool) {
        self.at = match self.end.checked_sub(self.offset) {
            Some(rest) if rest > 0 && rest < Entry::LEN.into() => At::Broken(Error::InvalidTlv),
            Some(rest) if rest > 0 => At::Entry(protected),
            _ if protected => {
                self.offset = self.normal;
                At::Info(false)
            }
            _ => At::End,
        };
    }

    /// Returns the error that has ended the walk, if one has.
    pub(super) const fn result(&self) -> Result<(), Error> {
        match self.at {
            At::Broken(error) => Err(error),
            _ => Ok(()),
        }
    }
}
