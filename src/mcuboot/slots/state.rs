//! The state of the slots for a state read, and the rules of a state write.

use super::layout::{Pair, Slot};
use super::look;
use super::{Config, Error, Setup, Slots};
use crate::bytes::copy;
use crate::dfu::access::{Access, Kind, size};
use crate::dfu::flash::Geometry;
use crate::dfu::region::{Region, up};
use crate::dfu::{Info, State};
use crate::mcuboot::digest::Digest;
use crate::mcuboot::trailer::{Field, Flag, Layout, Magic, SwapType};
use crate::mcuboot::{Flags, Header};

impl<D: Digest, G, C: Setup> Slots<'_, D, G, C> {
    /// Returns the slots that held an image when a job of [`Command::List`](super::Command::List)
    /// or [`Command::SetState`](super::Command::SetState) last read them: by image, primary first.
    /// Slots without a valid header and hash TLV are left out.
    pub fn states(&self) -> impl Iterator<Item = State<'_>> {
        self.numbers().filter_map(|number| self.state_of(number))
    }

    /// Returns every slot of the device, by image, primary first. It reads no flash.
    pub fn info(&self) -> impl Iterator<Item = Info> {
        self.numbers().filter_map(|number| self.info_of(number))
    }

    pub(super) fn info_of(&self, number: u32) -> Option<Info> {
        let (pair, slot) = self.slot(number)?;
        let image = number >> 1;
        let upload = if self.config().direct_upload { number.wrapping_add(1) } else { image };
        Some(Info {
            image,
            slot: slot.number(),
            size: pair.region(slot).len,
            upload_image_id: (slot != pair.running()).then_some(upload),
            max_image_size: pair.max(),
        })
    }

    pub(super) fn count(&self) -> u32 {
        // With the maximum of 2^31 pairs, the last slot is left out.
        u32::try_from(self.pairs.len()).unwrap_or(0).saturating_mul(2)
    }

    /// Returns the numbers of all slots: image × 2 + slot.
    fn numbers(&self) -> core::ops::Range<u32> {
        0..self.count()
    }

    fn slot(&self, number: u32) -> Option<(&Pair, Slot)> {
        let slot = if number & 1 == 0 { Slot::Primary } else { Slot::Secondary };
        // The second slot of a device with a single one has no length.
        let pair = look::pair(self.pairs, number >> 1).filter(|pair| pair.region(slot).len > 0)?;
        Some((pair, slot))
    }

    /// Returns the state of the slot with this number, if it holds an image.
    pub(super) fn state_of(&self, number: u32) -> Option<State<'_>> {
        let (pair, slot) = self.slot(number)?;
        let (header, hash) = pair.seen(slot).image()?;
        let active = slot == pair.running();
        let next = self.next(pair);
        Some(State {
            image: number >> 1,
            slot: slot.number(),
            version: header.version(),
            hash: hash.as_bytes(),
            bootable: !header.flags().intersects(Flags::NON_BOOTABLE),
            pending: !active && matches!(next, SwapType::Test | SwapType::Permanent),
            // An image that runs is confirmed unless it will be reverted; the other one only if it
            // is the one to go back to.
            confirmed: active != (next == SwapType::Revert),
            active,
            permanent: !active && next == SwapType::Permanent,
        })
    }

    fn next(&self, pair: &Pair) -> SwapType {
        (self.config().mode.next)(pair, self.config().compare_build)
    }

    /// Returns true if the spare slot of a pair must not be written.
    pub(super) fn in_use(&self, pair: &Pair) -> bool {
        match self.next(pair) {
            // Without state writes a slot could not be released again, if a broken upload claimed
            // it.
            _ if !self.config().mode.kind.has_marks() => false,
            SwapType::None => false,
            SwapType::Test | SwapType::Permanent => !self.config().erase_pending,
            // The image to go back to: without it a failed test could not be undone.
            SwapType::Revert => true,
        }
    }

    /// Returns true if an image may run from this slot, or from anywhere.
    pub(super) fn is_at_home(&self, slot: Region, header: &Header) -> bool {
        // A swap moves the image to its place, so its place in the spare slot proves nothing.
        !self.config().mode.kind.is_in_place()
            || self.config().fixed_base.is_none_or(|base| {
                !header.flags().intersects(Flags::ROM_FIXED) || header.load_address() == base.wrapping_add(slot.start)
            })
    }

    /// Finds the image with this hash; the first one if there are several.
    fn find(&self, hash: &[u8]) -> Option<(u32, Slot)> {
        self.numbers().find_map(|number| {
            let (pair, slot) = self.slot(number)?;
            let (_, found) = pair.seen(slot).image()?;
            (found.as_bytes() == hash).then_some((number >> 1, slot))
        })
    }

    /// Returns the mark for a state write, after a look at all slots; `None` if the state is
    /// already as requested.
    pub(super) fn plan(&self, hash: &[u8], confirm: bool) -> Result<Option<Mark>, Error> {
        let (image, slot) = match hash {
            [] => {
                let image = self.config().active_image;
                (image, look::pair(self.pairs, image).ok_or(Error::Unknown)?.running())
            }
            hash => self.find(hash).ok_or(Error::HashNotFound)?,
        };
        self.plan_for(image, slot, confirm)
    }

    pub(super) fn plan_for(&self, image: u32, slot: Slot, confirm: bool) -> Result<Option<Mark>, Error> {
        let pair = look::pair(self.pairs, image).ok_or(Error::Unknown)?;
        let active = slot == pair.running();
        let Config { active_image, confirm_other_slot, confirm_other_image, confirm_other_running, .. } =
            *self.config();
        let allowed = match (image == active_image, active) {
            (true, true) => true,
            (true, false) => confirm_other_slot,
            (false, true) => confirm_other_running,
            (false, false) => confirm_other_image || confirm_other_running,
        };
        if active && !confirm {
            return Err(Error::TestOfActive);
        }
        if confirm && !allowed {
            return Err(Error::ConfirmationDenied);
        }
        let trailer = &pair.seen(slot).trailer;
        let reverts_in_place = self.config().mode.kind.is_in_place();
        // The boot loader's next step decides which marks are possible.
        let want = match (active, confirm, self.next(pair)) {
            (true, _, SwapType::None | SwapType::Revert) => match (trailer.magic, trailer.image_ok) {
                // An image started in place without a valid mark is erased at the next start.
                (Magic::Bad, _) | (Magic::Good, Flag::Bad) if reverts_in_place => {
                    return Err(Error::DamagedActiveTrailer);
                }
                // Without a magic the image was never on test, so it is confirmed as well. A
                // damaged field cannot be written again, and need not be: the boot loader keeps the
                // image.
                (Magic::Unset | Magic::Bad, _) | (_, Flag::Set | Flag::Bad) => return Ok(None),
                (Magic::Good, Flag::Unset) => Want::Confirm,
            },
            // The image to go back to is confirmed already.
            (false, true, SwapType::Revert) => return Ok(None),
            // A mark that has no effect would be a promise that is not kept.
            (false, _, SwapType::None) if !(self.config().mode.starts)(pair, self.config().compare_build) => {
                return Err(Error::NotNewer);
            }
            // A field that is not erased cannot be written again: the mark would be invalid.
            // `image_ok` of a permanent mark may be set already, if the write of the magic was
            // lost.
            (false, _, SwapType::None)
                if trailer.magic != Magic::Unset
                    || trailer.image_ok == Flag::Bad
                    || trailer.image_ok == Flag::Set && !confirm =>
            {
                return Err(Error::DamagedTrailer);
            }
            // A repeat of the same request must succeed; a different one is refused below.
            (false, false, SwapType::None | SwapType::Test) => Want::Test,
            (false, true, SwapType::None | SwapType::Permanent) => Want::Permanent,
            // A permanent mark that was cut before its `image_ok`. A complete mark for a test has
            // its type in the swap info, which is written last.
            (false, true, SwapType::Test)
                if trailer.swap_info.is_none_or(|info| info & 0x0F != SwapType::Test as u8) =>
            {
                Want::Permanent
            }
            _ => return Err(Error::AlreadyPending),
        };
        let mark = Mark { image, slot, want };
        Ok(Some(mark).filter(|mark| mark.missing(self.pairs).is_some()))
    }

    /// Returns address and length of the bytes to hash before a mark is set; `None` if the hash
    /// cannot be checked and that is allowed.
    pub(super) fn to_verify(&self, mark: &Mark) -> Result<Option<(u32, u32)>, Error> {
        let pair = look::pair(self.pairs, mark.image).ok_or(Error::Unknown)?;
        let seen = pair.seen(mark.slot);
        let header = seen.header.as_ref().ok_or(Error::NoImage)?;
        seen.hash()?;
        // In swap-offset the boot loader starts nothing from the place of a swapped image.
        if mark.slot != pair.running() && seen.base != self.config().shift() {
            return Err(Error::NoImage);
        }
        let is_running = mark.slot == pair.running();
        // An image that was loaded to RAM is still encrypted in its slot; the boot loader has just
        // checked it.
        if header.flags().intersects(Flags::ENCRYPTED) && (!is_running || self.config().mode.kind.is_in_place()) {
            return if is_running || self.config().encrypted { Ok(None) } else { Err(Error::Encrypted) };
        }
        // The boot loader would refuse it, or erase it.
        if mark.slot != pair.running() && !self.is_at_home(pair.region(mark.slot), header) {
            return Err(Error::MismatchedSlot);
        }
        Ok(Some((pair.region(mark.slot).start.wrapping_add(seen.base), header.hashed_len())))
    }
}

/// A mark to be set in a trailer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) image: u32,
    pub(super) slot: Slot,
    want: Want,
}

/// The effect of a mark at the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// Boot the spare slot once, for a test.
    Test,
    /// Boot the spare slot from now on.
    Permanent,
    /// Keep the running image.
    Confirm,
}

impl Mark {
    /// Returns the next field to write. The order is MCUboot's: a power cut between two fields
    /// leaves a valid mark or none.
    fn missing(&self, pairs: &[Pair]) -> Option<Field> {
        let trailer = &look::pair(pairs, self.image)?.seen(self.slot).trailer;
        let magic = (trailer.magic == Magic::Unset).then_some(Field::Magic);
        let image_ok = (trailer.image_ok == Flag::Unset).then_some(Field::ImageOk);
        let info = |kind| trailer.swap_info.is_none().then_some(Field::SwapInfo(kind));
        match self.want {
            Want::Test => magic.or(info(SwapType::Test)),
            Want::Permanent => magic.or(image_ok).or(info(SwapType::Permanent)),
            Want::Confirm => image_ok,
        }
    }

    /// Returns true if the mark is permanent, false for a test.
    pub(super) fn is_permanent(&self) -> bool {
        self.want != Want::Test
    }

    /// Returns true if flash contained the mark when it was last read.
    pub(super) fn is_set(&self, pairs: &[Pair]) -> bool {
        let trailer = look::pair(pairs, self.image).map(|pair| pair.seen(self.slot).trailer);
        trailer.is_some_and(|trailer| {
            let is_marked = trailer.magic == Magic::Good && trailer.swap_info.is_some();
            match self.want {
                Want::Test => is_marked && trailer.image_ok == Flag::Unset,
                Want::Permanent => is_marked && trailer.image_ok == Flag::Set,
                Want::Confirm => trailer.image_ok == Flag::Set,
            }
        })
    }

    /// Returns the next write, whose bytes it puts into `work`; nothing when the mark is complete.
    pub(super) fn access(&self, pairs: &[Pair], layout: Layout, geometry: &Geometry, work: &mut [u8]) -> Access {
        let (Some(field), Some(pair)) = (self.missing(pairs), look::pair(pairs, self.image)) else {
            return Access::NOTHING;
        };
        // The field may be shorter than its write units: the magic is at their end, other fields
        // are at their start.
        let (magic, other);
        let bytes: &[u8] = match field {
            Field::Magic => {
                magic = layout.magic();
                &magic
            }
            Field::SwapInfo(kind) => {
                // The number of the image is the high nibble, as far as it fits.
                let [.., image] = self.image.to_be_bytes();
                other = [image << 4 | kind as u8];
                &other
            }
            Field::ImageOk | Field::CopyDone | Field::SwapSize => &[Flag::SET],
        };
        let len = up(u32::try_from(bytes.len()).unwrap_or(0), geometry.write);
        let out = work.get_mut(..size(len)).unwrap_or(&mut []);
        out.fill(geometry.erased);
        let start = if field == Field::Magic { out.len().saturating_sub(bytes.len()) } else { 0 };
        copy(bytes, out.get_mut(start..).unwrap_or(&mut []));
        Access::change(Kind::Work, pair.field(self.slot, field, layout, geometry.write), len)
    }

    pub(super) fn done(&self, pairs: &mut [Pair]) {
        let field = self.missing(pairs);
        let pair = pairs.get_mut(size(self.image));
        if let (Some(pair), Some(field)) = (pair, field) {
            let trailer = &mut pair.seen_mut(self.slot).trailer;
            match field {
                Field::Magic => trailer.magic = Magic::Good,
                Field::ImageOk => trailer.image_ok = Flag::Set,
                Field::SwapInfo(kind) => trailer.swap_info = Some(kind as u8),
                Field::CopyDone | Field::SwapSize => {}
            }
        }
    }
}
