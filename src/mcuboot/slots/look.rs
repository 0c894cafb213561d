//! Looking at what is in the slots.

use super::Error;
use super::layout::{Pair, Slot};
use crate::mcuboot::digest::{Hash, HashKind};
use crate::mcuboot::tlv::{Entry, Info};
use crate::mcuboot::trailer::{Field, Flag, Layout, SwapType, Trailer};
use crate::mcuboot::{Header, take};

/// The longest read of a look: an entry with the longest hash.
pub(super) const MAX_READ: usize = Entry::LEN as usize + Hash::MAX_LEN;

/// What was seen in a slot.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Seen {
    pub(super) header: Option<Header>,
    pub(super) hash: Result<Hash, Error>,
    pub(super) trailer: Trailer,
}

impl Seen {
    pub(super) const NOTHING: Self = Self { header: None, hash: Err(Error::NoImage), trailer: Trailer::BLANK };

    /// Header and hash, if the slot has both.
    pub(super) fn image(&self) -> Option<(&Header, &Hash)> {
        Some((self.header.as_ref()?, self.hash.as_ref().ok()?))
    }
}

/// A walk over the slots of the pairs `image..=last`, primary first: header, TLVs up to the last, trailer.
#[derive(Debug)]
pub(super) struct Look {
    image: u32,
    last: u32,
    slot: Slot,
    at: At,
}

/// What the walk reads next in a slot.
#[derive(Debug, Clone, Copy)]
enum At {
    Header,
    /// The info of the protected TLV area.
    Protected,
    /// The info of the normal TLV area.
    Info {
        offset: u32,
    },
    /// An entry of the normal TLV area, which ends at `end`.
    Entry {
        offset: u32,
        end: u32,
    },
    Magic,
    ImageOk,
    CopyDone,
    SwapInfo,
    /// Every slot was looked at.
    End,
}

impl Look {
    pub(super) const fn new(image: u32, last: u32) -> Self {
        Self { image, last, slot: Slot::Primary, at: At::Header }
    }

    /// Address and length of the next read; `None` at the end.
    pub(super) fn read(&self, pairs: &[Pair], layout: Layout, kind: HashKind) -> Option<(u32, usize)> {
        let region = pair(pairs, self.image)?.region(self.slot);
        let body_end = || pair(pairs, self.image)?.seen(self.slot).header.map(|header| header.body_end());
        let trailer = |field| region.len.wrapping_sub(layout.from_end(field));
        let (offset, len) = match self.at {
            At::Header => (0, Header::LEN),
            At::Protected => (body_end()?, Info::LEN.into()),
            At::Info { offset } => (offset, Info::LEN.into()),
            At::Entry { offset, end } => {
                let rest = usize::try_from(end.wrapping_sub(offset)).ok()?;
                (offset, rest.min(usize::from(Entry::LEN).saturating_add(kind.len())))
            }
            At::Magic => (trailer(Field::Magic), 16),
            At::ImageOk => (trailer(Field::ImageOk), 1),
            At::CopyDone => (trailer(Field::CopyDone), 1),
            At::SwapInfo => (trailer(Field::SwapInfo(SwapType::None)), 1),
            At::End => return None,
        };
        Some((region.start.wrapping_add(offset), len))
    }

    /// Takes the bytes of the read.
    pub(super) fn advance(&mut self, bytes: &[u8], pairs: &mut [Pair], layout: Layout, kind: HashKind, erased: u8) {
        let Some(pair) = usize::try_from(self.image).ok().and_then(|image| pairs.get_mut(image)) else {
            self.at = At::End;
            return;
        };
        let slot_len = pair.region(self.slot).len;
        let seen = pair.seen_mut(self.slot);
        let byte = bytes.first().copied().unwrap_or(0);
        self.at = match self.at {
            At::Header => {
                *seen = Seen { header: Header::parse(bytes).ok(), ..Seen::NOTHING };
                after_header(seen, slot_len)
            }
            at @ (At::Protected | At::Info { .. } | At::Entry { .. }) => match tlvs(at, seen, bytes, kind, slot_len) {
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
}

/// Where to go on behind a header: to the TLVs, if they can be in the slot at all.
fn after_header(seen: &Seen, slot_len: u32) -> At {
    match seen.header {
        Some(header) if header.hashed_len().saturating_add(Info::LEN.into()) > slot_len => At::Magic,
        Some(header) if header.protected_len() > 0 => At::Protected,
        Some(header) => At::Info { offset: header.body_end() },
        None => At::Magic,
    }
}

/// One step through the TLV areas.
fn tlvs(at: At, seen: &mut Seen, bytes: &[u8], kind: HashKind, slot_len: u32) -> Result<At, Error> {
    let info = || Info::parse(bytes).ok_or(Error::InvalidTlv);
    let header = seen.header.ok_or(Error::NoImage)?;
    match at {
        At::Protected => {
            info()?.protected(header.protected_len())?;
            Ok(At::Info { offset: header.hashed_len() })
        }
        At::Info { offset } => {
            let end = offset.checked_add(info()?.normal()?.into()).filter(|end| *end <= slot_len);
            seen.hash = Err(Error::HashNotFound);
            entry(offset.wrapping_add(Info::LEN.into()), end.ok_or(Error::InvalidTlv)?)
        }
        At::Entry { offset, end } => {
            let found = Entry::parse(take(bytes, 0).ok_or(Error::InvalidTlv)?);
            let value = offset.wrapping_add(Entry::LEN.into());
            let next = value.checked_add(found.len.into()).filter(|next| *next <= end).ok_or(Error::InvalidTlv)?;
            if found.kind == kind.tlv() {
                if seen.hash.is_ok() {
                    return Err(Error::MultipleHashes);
                }
                let value = bytes.get(Entry::LEN.into()..).filter(|_| usize::from(found.len) == kind.len());
                seen.hash = Ok(value.and_then(Hash::new).ok_or(Error::TlvInvalidSize)?);
            }
            entry(next, end)
        }
        at => Ok(at),
    }
}

/// The entry at `offset`, or what follows the last one.
fn entry(offset: u32, end: u32) -> Result<At, Error> {
    match end.checked_sub(offset) {
        Some(0) => Ok(At::Magic),
        Some(rest) if rest >= Entry::LEN.into() => Ok(At::Entry { offset, end }),
        _ => Err(Error::InvalidTlv),
    }
}

pub(super) fn pair(pairs: &[Pair], image: u32) -> Option<&Pair> {
    pairs.get(usize::try_from(image).ok()?)
}
