//! Images: their place, their validity and their greatest length.

use super::Bootloader;
use super::flash::{Area, Flash, Pair};
use super::trailer::size;
use crate::bytes::take;
use crate::mcuboot::slots::BootMode;
use crate::mcuboot::tlv::{Info, Kind, Tlv, Tlvs};
use crate::mcuboot::trailer::Field;
use crate::mcuboot::{Digest, Flags, Header, Image, Version};

/// The place where an image begins: an area, and an offset in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) area: Area,
    pub(super) offset: usize,
}

/// A version that an image requires of another image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dependency {
    /// The number of the other image.
    pub(super) image: usize,
    pub(super) version: Version,
}

/// The TLVs of an image.
struct Areas<'a> {
    /// The entries of the protected area.
    protected: &'a [u8],
    /// The end of the unprotected area.
    end: usize,
}

impl Dependency {
    /// Reads the value of a dependency TLV: image number, three bytes of padding, version.
    fn parse(value: &[u8]) -> Option<Self> {
        let [image, _, _, _, version @ ..] = <[u8; 12]>::try_from(value).ok()?;
        Some(Self { image: image.into(), version: Version::from_bytes(version) })
    }
}

impl Flash<'_, '_> {
    fn from(&self, place: Place) -> &[u8] {
        let at = place.area.start.saturating_add(place.offset);
        self.bytes(at, place.area.end().saturating_sub(at))
    }

    pub(super) fn longest(&self, image: usize, area: Area) -> usize {
        let Pair { primary, secondary } = self.pair(image);
        let trailer = self.loader.trailer_len();
        let whole = trailer.next_multiple_of(self.sector);
        let room = |len: usize, less: usize| len.saturating_sub(less);
        match self.loader.mode {
            // The sector that the swap needs lies in one of the two.
            BootMode::SwapMove => room(primary.len, whole.saturating_add(self.sector)).min(room(secondary.len, whole)),
            BootMode::SwapOffset => {
                room(primary.len, whole).min(room(secondary.len, whole.saturating_add(self.sector)))
            }
            BootMode::SwapScratch => {
                let counted = self.counted(image).saturating_mul(self.sector);
                // The first sector of the trailer goes through the scratch area, which has a
                // trailer of its own.
                let trailer_at = counted.saturating_sub(trailer);
                let end = [primary, secondary].map(|slot| (self.trailer_sector(slot).saturating_add(1)) * self.sector);
                let shared = end.into_iter().fold(0, usize::max).saturating_sub(trailer_at);
                trailer_at.saturating_sub(self.loader.scratch_trailer_len().saturating_sub(shared))
            }
            // Here MCUboot leaves out swap_size and the swap status, which these modes do not have.
            BootMode::FirmwareUpdater | BootMode::SingleSlot => room(area.len, trailer),
            _ => room(area.len, size(self.loader.back_to(Field::SwapInfo(crate::mcuboot::trailer::SwapType::None)))),
        }
    }

    /// Returns the sectors that MCUboot counts in both slots where it swaps through a scratch area.
    ///
    /// If one slot is longer, MCUboot continues to count after the list of the other slot's
    /// sectors. The memory there holds the next list; if that is too short for the additional
    /// sectors of slot 0, MCUboot counts none.
    fn counted(&self, image: usize) -> usize {
        let pair = self.pair(image);
        let next = if image + 1 < self.images() { self.pair(image + 1).secondary } else { self.scratch };
        let [primary, secondary, next] = [pair.primary, pair.secondary, next].map(|area| self.sectors(area));
        match (primary.saturating_sub(secondary), secondary.saturating_sub(primary)) {
            (0, 0 | 1) => primary,
            (0 | 1, _) => secondary,
            (more, _) if more <= next => primary,
            (more, _) if more == next.saturating_add(1) => primary.saturating_sub(1),
            _ => 0,
        }
    }

    /// Returns true if images can be swapped, or copied, between the slots.
    pub(super) fn compatible(&self, image: usize) -> bool {
        let pair = self.pair(image);
        let [primary, secondary] = [pair.primary, pair.secondary].map(|area| self.sectors(area));
        let few = primary <= size(self.loader.max_sectors);
        match self.loader.mode {
            BootMode::SwapMove => few && (primary == secondary || primary == secondary.saturating_add(1)),
            BootMode::SwapOffset => few && (primary == secondary || primary.saturating_add(1) == secondary),
            _ => few && primary == secondary,
        }
    }

    /// Returns true if the place of the header's magic is erased.
    pub(super) fn is_empty(&self, place: Place) -> bool {
        self.from(place).iter().take(Header::MAGIC.len()).all(|byte| *byte == self.loader.erased)
    }

    pub(super) fn has_magic(&self, place: Place) -> bool {
        self.from(place).starts_with(&Header::MAGIC)
    }

    pub(super) fn header(&self, place: Place) -> Option<Header> {
        let header = Header::parse(self.from(place)).ok()?;
        let readable = self.loader.encrypted || !header.flags().intersects(Flags::ENCRYPTED);
        let fits = size(header.hashed_len()) < place.area.len;
        Some(header).filter(|header| readable && fits && !header.flags().intersects(Flags::COMPRESSED))
    }

    /// Returns true if the flags are those of an image that is never started by itself. MCUboot
    /// reads them without checking the magic.
    pub(super) fn not_bootable(&self, place: Place) -> bool {
        let flags = take(self.from(place), 16).map_or(0, u32::from_le_bytes);
        Flags(flags).intersects(Flags::NON_BOOTABLE)
    }

    /// Returns the version in a header, which MCUboot reads without checking the magic.
    pub(super) fn version(&self, place: Place) -> Version {
        take(self.from(place), 20).map_or_else(Version::default, Version::from_bytes)
    }

    /// Returns the length of header, body and protected TLVs together, as the header announces
    /// them.
    pub(super) fn announced(&self, place: Place) -> usize {
        Header::parse(self.from(place)).map_or(0, |header| size(header.hashed_len()))
    }

    /// Finds the TLVs of an image at the place that its header gives, whatever the magic is; `None`
    /// if they are not there.
    fn areas(&self, place: Place) -> Option<Areas<'_>> {
        let bytes = self.from(place);
        let [hashed, protected] = [8, 10].map(|at| take(bytes, at).map(u16::from_le_bytes));
        let start = u32::from(hashed?).checked_add(u32::from_le_bytes(take(bytes, 12)?))?;
        let announced = protected?;
        let info = |at: usize| take(bytes, at).map(Info::parse);
        let area = |len: u16| bytes.get(size(start)..)?.get(..len.into())?.get(Info::LEN.into()..);
        let protected = match announced {
            0 => &[],
            announced => area(info(size(start))?.protected(announced).ok()?)?,
        };
        let at = size(start).checked_add(announced.into())?;
        Some(Areas { protected, end: at.checked_add(info(at)?.normal().ok()?.into())? })
    }

    /// Returns the length of an image; 0 without the magic of a header, `None` if its TLVs are not
    /// at the place that the header gives. They may end past the slot.
    pub(super) fn image_len(&self, place: Place) -> Option<usize> {
        if self.has_magic(place) { Some(self.areas(place)?.end) } else { Some(0) }
    }

    /// Returns true if the image has the hash that it announces, is not too long and not too old.
    pub(super) fn is_good<D: Digest>(&self, place: Place, longest: usize, digest: &mut D) -> bool {
        let (Some(header), Ok(image)) = (self.header(place), Image::parse(self.from(place))) else { return false };
        let counter = image.protected().only(Kind::SECURITY_COUNTER).ok().flatten();
        let counter = counter.and_then(|value| <[u8; 4]>::try_from(value).ok()).map(u32::from_le_bytes);
        let new = self.loader.security_counter.is_none_or(|least| counter.is_some_and(|counter| counter >= least));
        // The hash of an encrypted image is that of its plain body, which cannot be checked without
        // MCUboot's key.
        let whole = header.flags().intersects(Flags::ENCRYPTED) || image.verify(digest).is_ok();
        whole && new && image.len() <= longest
    }

    /// Returns the dependencies of an image; `None` if they cannot be read.
    pub(super) fn dependencies(&self, place: Place) -> Option<impl Iterator<Item = Option<Dependency>>> {
        let wanted = |tlv: &Result<Tlv<'_>, _>| tlv.is_err() || tlv.is_ok_and(|tlv| tlv.kind == Kind::DEPENDENCY);
        let tlvs = Tlvs::new(self.areas(place)?.protected).filter(wanted);
        Some(tlvs.map(|tlv| Dependency::parse(tlv.ok()?.value)))
    }
}

impl Bootloader {
    pub(super) const fn swaps(&self) -> bool {
        matches!(self.mode, BootMode::SwapMove | BootMode::SwapOffset | BootMode::SwapScratch)
    }

    /// Returns true if a trailer decides, once, whether an image is started.
    pub(super) const fn reverts_in_place(&self) -> bool {
        matches!(self.mode, BootMode::DirectXipRevert | BootMode::RamLoadRevert)
    }

    /// Returns true if a version is at least another one. Build numbers do not count.
    pub(super) fn reaches(version: Version, least: Version) -> bool {
        version.release() >= least.release()
    }
}
