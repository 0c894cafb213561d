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

/// An area of TLVs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    /// The one that the hash covers. Exit: its end, to `Normal`.
    Protected,
    /// The one after it. No exit.
    Normal,
}

/// The next part to read.
#[derive(Debug, Clone, Copy)]
enum At {
    /// The header of an area. Exits: `Entry`; after an empty area, `Info` of the next one or `End`;
    /// `Broken`.
    Info(Area),
    /// Type and length of an entry. Exits: `Value`; `Broken`.
    Entry(Area),
    /// A piece of a value. Exits: itself; `Entry`; `Info` of the next area; `End`; `Broken`.
    Value { area: Area, kind: Kind, len: u16, done: u16 },
    /// All entries were seen. No exit.
    End,
    /// The areas cannot be read. No exit.
    Broken(Error),
}

impl Walk {
    pub(super) const fn new(start: u32, header: &Header) -> Self {
        let protected = (header.body_end(), header.protected_len());
        let normal = header.hashed_len();
        let (offset, area) = if protected.1 > 0 { (protected.0, Area::Protected) } else { (normal, Area::Normal) };
        Self { start, protected, normal, offset, end: offset, at: At::Info(area) }
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

    pub(super) fn advance<G: Gate>(&mut self, bytes: &[u8], gate: &mut G) {
        if let Err(error) = self.step(bytes, gate) {
            self.at = At::Broken(error);
        }
    }

    fn step<G: Gate>(&mut self, bytes: &[u8], gate: &mut G) -> Result<(), Error> {
        let head = || bytes.first_chunk().copied().ok_or(Error::InvalidTlv);
        match self.at {
            At::Info(area) => {
                let info = Info::parse(head()?);
                let total = match area {
                    Area::Protected => info.protected(self.protected.1)?,
                    Area::Normal => info.normal()?,
                };
                self.end = self.offset.saturating_add(total.into());
                self.offset = self.offset.saturating_add(Info::LEN.into());
                self.next(area);
            }
            At::Entry(area) => {
                let Entry { kind, len } = Entry::parse(head()?);
                self.offset = self.offset.saturating_add(Entry::LEN.into());
                if self.offset.saturating_add(len.into()) > self.end {
                    return Err(Error::InvalidTlv);
                }
                self.at = At::Value { area, kind, len, done: 0 };
                if len == 0 {
                    return self.step(&[], gate);
                }
            }
            At::Value { area, kind, len, done } => {
                gate.tlv(&TlvPiece { protected: area == Area::Protected, kind, len, offset: done, bytes });
                let read = u16::try_from(bytes.len()).unwrap_or(len);
                let done = done.saturating_add(read);
                self.offset = self.offset.saturating_add(read.into());
                self.at = At::Value { area, kind, len, done };
                if done >= len {
                    self.next(area);
                }
            }
            At::End | At::Broken(_) => {}
        }
        Ok(())
    }

    /// Chooses the part after an entry, or after the info of an area.
    fn next(&mut self, area: Area) {
        self.at = match (self.end.checked_sub(self.offset), area) {
            (Some(rest @ 1..), _) if rest < Entry::LEN.into() => At::Broken(Error::InvalidTlv),
            (Some(1..), area) => At::Entry(area),
            (_, Area::Protected) => {
                self.offset = self.normal;
                At::Info(Area::Normal)
            }
            (_, Area::Normal) => At::End,
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
