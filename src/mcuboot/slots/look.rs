//! Reads trailers, headers and TLVs of the slots.

use super::Error;
use super::layout::{Pair, Slot};
use super::seen::Seen;
use crate::dfu::access::{Access, size};
use crate::mcuboot::Header;
use crate::mcuboot::digest::{Hash, HashKind};
use crate::mcuboot::tlv::{Entry, Info};
use crate::mcuboot::trailer::{Field, Flag, Layout, SwapType};

const AREA: u32 = Info::LEN as u32;
const ENTRY: u32 = Entry::LEN as u32;
const HEADER: u32 = 32;
const _: () = assert!(HEADER as usize == Header::LEN);

/// A walk over the slots of the pairs `image..=last`, primary first: trailer, header, TLVs up to
/// the last. Data that cannot be read counts as missing: a damaged word must not prevent the
/// command that erases it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    image: u32,
    last: u32,
    slot: Slot,
    at: At,
    /// The offset of the next read after the trailer.
    offset: u32,
    /// The end of the entries.
    end: u32,
}

/// The next part of a slot to read. Each exits to `End` if the pair does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The magic of the trailer. Exit: `ImageOk`.
    Magic,
    /// The flag `image_ok`. Exit: `CopyDone`.
    ImageOk,
    /// The flag `copy_done`. Exit: `SwapInfo`.
    CopyDone,
    /// The swap type. Exit: `Header`.
    SwapInfo,
    /// The image header. Exits: `Protected` or `Info` if the TLVs can be in the slot; `OtherHeader`
    /// if there is none, but another place for it; otherwise those to the next slot.
    Header,
    /// The image header in the other place that swap-offset has. Exits: the others of `Header`.
    OtherHeader,
    /// The info of the protected TLV area. Exits: `Info`; an invalid info, to the next slot.
    Protected,
    /// The info of the normal TLV area. Exits: `Entry`; no entries or an invalid info, to the next
    /// slot.
    Info,
    /// An entry of the normal TLV area. Exits: another entry, to itself; the last one or an invalid
    /// one, to the next slot.
    Entry,
    /// Every slot has been read: this is the next slot after the last one. No exit.
    End,
}

impl Look {
    pub(super) const fn new(image: u32, last: u32) -> Self {
        Self { image, last, slot: Slot::Primary, at: At::Magic, offset: 0, end: 0 }
    }

    pub(super) const fn slot(&self) -> Slot {
        self.slot
    }

    pub(super) const fn last(&self) -> u32 {
        self.last
    }

    /// Returns the next read; `None` at the end.
    pub(super) fn access(&self, pairs: &[Pair], layout: Layout, kind: HashKind) -> Option<Access> {
        let region = pair(pairs, self.image)?.region(self.slot);
        let trailer = |field| region.len.wrapping_sub(layout.from_end(field));
        let (offset, len) = match self.at {
            At::Magic => (trailer(Field::Magic), Layout::MAGIC_LEN),
            At::ImageOk => (trailer(Field::ImageOk), 1),
            At::CopyDone => (trailer(Field::CopyDone), 1),
            At::SwapInfo => (trailer(Field::SwapInfo(SwapType::None)), 1),
            At::Header | At::OtherHeader => (self.offset, HEADER),
            At::Protected | At::Info => (self.offset, AREA),
            At::Entry => {
                let longest = ENTRY.wrapping_add(u32::try_from(kind.len()).unwrap_or(0));
                (self.offset, longest.min(self.end.wrapping_sub(self.offset)))
            }
            At::End => return None,
        };
        Some(Access::read(region.start.wrapping_add(offset), len))
    }

    /// Returns true if the next read is one of the trailer of a running slot. Without it, it is
    /// unknown whether the other slot is needed to revert.
    pub(super) fn is_vital(&self, pairs: &[Pair]) -> bool {
        let is_trailer = matches!(self.at, At::Magic | At::ImageOk | At::CopyDone);
        is_trailer && pair(pairs, self.image).is_some_and(|pair| pair.running() == self.slot)
    }

    /// Handles the bytes of the read; none if it failed. New images start `shift` bytes into a
    /// secondary slot.
    // Inlined, it takes 70 bytes more where one configuration is fixed, 30 less otherwise.
    #[inline(never)]
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        pairs: &mut [Pair],
        (layout, shift): (Layout, u32),
        kind: HashKind,
        erased: u8,
    ) {
        let Some(pair) = pairs.get_mut(size(self.image)) else {
            self.at = At::End;
            return;
        };
        let slot_len = pair.region(self.slot).len;
        let running = pair.seen(Slot::Primary).trailer;
        let seen = pair.seen_mut(self.slot);
        let byte = bytes.first().copied();
        // A byte that could not be read does not count as erased: it cannot be written.
        let flag = byte.map_or(Flag::Bad, |byte| Flag::read(byte, erased));
        let next = match self.at {
            At::Magic => {
                *seen = Seen::NOTHING;
                seen.trailer.magic = layout.read_magic(bytes, erased);
                Some(At::ImageOk)
            }
            At::ImageOk => {
                seen.trailer.image_ok = flag;
                Some(At::CopyDone)
            }
            At::CopyDone => {
                seen.trailer.copy_done = flag;
                Some(At::SwapInfo)
            }
            // The erased value is not a swap type, whatever its low bits are.
            At::SwapInfo => {
                seen.trailer.swap_info = Some(byte.unwrap_or(!erased)).filter(|byte| *byte != erased);
                // After a swap the old image is at the start of the slot, until then the new one
                // starts after the shift.
                let is_swapped = || SwapType::decide_with_offset(&running, &seen.trailer) == SwapType::Revert;
                seen.base = if shift == 0 || self.slot == Slot::Primary || is_swapped() { 0 } else { shift };
                self.offset = seen.base;
                Some(At::Header)
            }
            At::Header | At::OtherHeader => {
                seen.header = Header::parse(bytes).ok();
                seen.hash = Err(if bytes.is_empty() { Error::FlashRead } else { Error::NoImage });
                if shift > 0 && seen.header.is_none() && self.at == At::Header && self.slot == Slot::Secondary {
                    seen.base = if seen.base == 0 { shift } else { 0 };
                    self.offset = seen.base;
                    Some(At::OtherHeader)
                } else {
                    self.after_header(seen, slot_len)
                }
            }
            At::Protected | At::Info | At::Entry => match self.tlvs(seen, bytes, kind, slot_len) {
                Ok(next) => next,
                // The rest of the TLVs cannot be found.
                Err(error) => {
                    seen.hash = Err(error);
                    None
                }
            },
            At::End => Some(At::End),
        };
        self.at = next.unwrap_or_else(|| self.next_slot(pair));
    }

    fn next_slot(&mut self, pair: &Pair) -> At {
        // The second slot of a device with a single one has no length.
        if self.slot == Slot::Primary && pair.region(Slot::Secondary).len > 0 {
            self.slot = Slot::Secondary;
            return At::Magic;
        }
        if self.image == self.last {
            return At::End;
        }
        self.image = self.image.wrapping_add(1);
        self.slot = Slot::Primary;
        At::Magic
    }

    /// Chooses the part after a header: the TLVs, if they can be in the slot at all.
    fn after_header(&mut self, seen: &Seen, slot_len: u32) -> Option<At> {
        // A length that leaves the slot cannot be an image: following it would read another region.
        let room = slot_len.saturating_sub(seen.base);
        let header = seen.header.as_ref().filter(|header| header.hashed_len().saturating_add(AREA) <= room)?;
        self.offset = seen.base.wrapping_add(header.body_end());
        Some(if header.protected_len() > 0 { At::Protected } else { At::Info })
    }

    /// Makes one step through the TLV areas; `None` at their end.
    fn tlvs(&mut self, seen: &mut Seen, bytes: &[u8], kind: HashKind, slot_len: u32) -> Result<Option<At>, Error> {
        let head = bytes.first_chunk().copied();
        let head = head.ok_or(if bytes.is_empty() { Error::FlashRead } else { Error::InvalidTlv })?;
        let area = Info::parse(head);
        match self.at {
            At::Protected => {
                let header = seen.header.as_ref().ok_or(Error::NoImage)?;
                area.protected(header.protected_len())?;
                self.offset = seen.base.wrapping_add(header.hashed_len());
                return Ok(Some(At::Info));
            }
            At::Info => {
                self.end = self.offset.saturating_add(area.normal()?.into());
                self.offset = self.offset.wrapping_add(AREA);
                seen.hash = Err(Error::HashNotFound);
                // The area must not leave the slot.
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
                    // Two hashes would be two identities: MCUboot refuses such an image too.
                    if seen.hash.is_ok() {
                        return Err(Error::MultipleHashes);
                    }
                    let value = bytes.get(Entry::LEN.into()..).filter(|_| usize::from(found.len) == kind.len());
                    let value = value.ok_or(Error::TlvInvalidSize)?;
                    // Written in place: moved, it would take 96 bytes of code, and 128 of stack.
                    seen.hash = Ok(Hash::BLANK);
                    if let Ok(hash) = &mut seen.hash {
                        hash.set(value).ok_or(Error::TlvInvalidSize)?;
                    }
                }
            }
        }
        // A remainder that cannot hold an entry is damage.
        match self.end.checked_sub(self.offset) {
            Some(0) => Ok(None),
            Some(rest) if rest >= ENTRY => Ok(Some(At::Entry)),
            _ => Err(Error::InvalidTlv),
        }
    }
}

/// Returns the pair of an image, by the image's number.
pub(super) fn pair(pairs: &[Pair], image: u32) -> Option<&Pair> {
    pairs.get(size(image))
}
