//! Looking at what is in the slots.

use super::Error;
use super::access::{Access, size};
use super::layout::{Pair, Slot};
use super::seen::Seen;
use crate::mcuboot::Header;
use crate::mcuboot::digest::{Hash, HashKind};
use crate::mcuboot::tlv::{Entry, Info};
use crate::mcuboot::trailer::{Field, Flag, Layout, SwapType, Trailer};

const AREA: u32 = Info::LEN as u32;
const ENTRY: u32 = Entry::LEN as u32;
const HEADER: u32 = 32;
const _: () = assert!(HEADER as usize == Header::LEN);

/// A walk over the slots of the pairs `image..=last`, primary first: header, TLVs up to the last,
/// trailer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    image: u32,
    last: u32,
    slot: Slot,
    at: At,
    /// Where in the slot the next read is, before the trailer.
    offset: u32,
    /// Where the entries end.
    end: u32,
}

/// What the walk reads next in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Header,
    /// The info of the protected TLV area.
    Protected,
    /// The info of the normal TLV area.
    Info,
    /// An entry of the normal TLV area.
    Entry,
    Magic,
    ImageOk,
    CopyDone,
    SwapInfo,
    /// Every slot was looked at.
    End,
}

impl Look {
    pub(super) const fn new(image: u32, last: u32) -> Self {
        Self { image, last, slot: Slot::Primary, at: At::Header, offset: 0, end: 0 }
    }

    /// The last pair that is looked at.
    pub(super) const fn last(&self) -> u32 {
        self.last
    }

    /// The next read; `None` at the end.
    pub(super) fn access(&self, pairs: &[Pair], layout: Layout, kind: HashKind) -> Option<Access> {
        let region = pair(pairs, self.image)?.region(self.slot);
        let trailer = |field| region.len.wrapping_sub(layout.from_end(field));
        let (offset, len) = match self.at {
            At::Header => (0, HEADER),
            At::Protected | At::Info => (self.offset, AREA),
            At::Entry => {
                let longest = ENTRY.wrapping_add(u32::try_from(kind.len()).unwrap_or(0));
                (self.offset, longest.min(self.end.wrapping_sub(self.offset)))
            }
            At::Magic => (trailer(Field::Magic), Layout::MAGIC_LEN),
            At::ImageOk => (trailer(Field::ImageOk), 1),
            At::CopyDone => (trailer(Field::CopyDone), 1),
            At::SwapInfo => (trailer(Field::SwapInfo(SwapType::None)), 1),
            At::End => return None,
        };
        Some(Access::read(region.start.wrapping_add(offset), len))
    }

    /// Takes the bytes of the read.
    #[inline(never)]
    pub(super) fn advance(&mut self, bytes: &[u8], pairs: &mut [Pair], layout: Layout, kind: HashKind, erased: u8) {
        let Some(pair) = pairs.get_mut(size(self.image)) else {
            self.at = At::End;
            return;
        };
        let slot_len = pair.region(self.slot).len;
        let seen = pair.seen_mut(self.slot);
        let byte = bytes.first().copied().unwrap_or(0);
        self.at = match self.at {
            At::Header => {
                seen.header = Header::parse(bytes).ok();
                seen.hash = Err(Error::NoImage);
                seen.trailer = Trailer::BLANK;
                self.after_header(seen, slot_len)
            }
            At::Protected | At::Info | At::Entry => match self.tlvs(seen, bytes, kind, slot_len) {
                Ok(next) => next,
                Err(error) => {
                    seen.hash = Err(error);
                    At::Magic
                }
            },
            At::Magic => {
                seen.trailer.magic = layout.read_magic(bytes, erased);
                At::ImageOk
            }
            At::ImageOk => {
                seen.trailer.image_ok = Flag::read(byte, erased);
                At::CopyDone
            }
            At::CopyDone => {
                seen.trailer.copy_done = Flag::read(byte, erased);
                At::SwapInfo
            }
            At::SwapInfo => {
                seen.trailer.swap_info = Some(byte).filter(|byte| *byte != erased);
                self.next_slot()
            }
            At::End => At::End,
        };
    }

    fn next_slot(&mut self) -> At {
        if self.slot == Slot::Secondary {
            if self.image == self.last {
                return At::End;
            }
            self.image = self.image.wrapping_add(1);
        }
        self.slot = self.slot.other();
        At::Header
    }

    /// Where to go on behind a header: to the TLVs, if they can be in the slot at all.
    fn after_header(&mut self, seen: &Seen, slot_len: u32) -> At {
        match &seen.header {
            Some(header) if header.hashed_len().saturating_add(AREA) <= slot_len => {
                self.offset = header.body_end();
                if header.protected_len() > 0 { At::Protected } else { At::Info }
            }
            _ => At::Magic,
        }
    }

    /// One step through the TLV areas.
    fn tlvs(&mut self, seen: &mut Seen, bytes: &[u8], kind: HashKind, slot_len: u32) -> Result<At, Error> {
        let head = bytes.first_chunk().copied().ok_or(Error::InvalidTlv)?;
        let area = Info::parse(head);
        match self.at {
            At::Protected => {
                let header = seen.header.as_ref().ok_or(Error::NoImage)?;
                area.protected(header.protected_len())?;
                self.offset = header.hashed_len();
                return Ok(At::Info);
            }
            At::Info => {
                self.end = self.offset.saturating_add(area.normal()?.into());
                self.offset = self.offset.wrapping_add(AREA);
                seen.hash = Err(Error::HashNotFound);
                if self.end > slot_len {
                    return Err(Error::InvalidTlv);
                }
            }
            _ => {
                let found = Entry::parse(head);
                let next = self.offset.saturating_add(ENTRY).saturating_add(found.len.into());
                if next > self.end {
                    return Err(Error::InvalidTlv);
                }
                self.offset = next;
                if found.kind == kind.tlv() {
                    if seen.hash.is_ok() {
                        return Err(Error::MultipleHashes);
                    }
                    let value = bytes.get(Entry::LEN.into()..).filter(|_| usize::from(found.len) == kind.len());
                    seen.hash = Ok(value.and_then(Hash::new).ok_or(Error::TlvInvalidSize)?);
                }
            }
        }
        // The next entry, or what follows the last one.
        match self.end.checked_sub(self.offset) {
            Some(0) => Ok(At::Magic),
            Some(rest) if rest >= ENTRY => Ok(At::Entry),
            _ => Err(Error::InvalidTlv),
        }
    }
}

pub(super) fn pair(pairs: &[Pair], image: u32) -> Option<&Pair> {
    pairs.get(size(image))
}
