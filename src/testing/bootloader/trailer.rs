//! The trailers: the places of their fields, and how to read and write them.
//!
//! ```text
//!   image … │ swap status │ swap_size │ [TLVs] │ swap_info │ copy_done │ image_ok │ magic │
//!           └─────────────────────────── T bytes, the trailer ────────────────────────────┘
//! ```

use super::Bootloader;
use super::flash::{Area, Flash};
use crate::bytes::take;
use crate::mcuboot::slots::BootMode;
use crate::mcuboot::trailer::{Field, Flag, Layout, Magic, SwapType, Trailer};

/// The largest alignment of trailers.
const MAX_ALIGN: usize = 512;

impl Bootloader {
    /// Returns the length of the trailer without the rows of the swap status.
    fn fields_len(&self) -> usize {
        let align = self.layout.align();
        // Swap with offset has one more field.
        let extra = if self.mode == BootMode::SwapOffset { align } else { 0 };
        size(Layout::MAGIC_LEN.next_multiple_of(align).saturating_add(4 * align).saturating_add(extra))
    }

    /// Returns the number of rows in the swap status for each sector of an image.
    pub(super) const fn rows_per_sector(&self) -> usize {
        match self.mode {
            BootMode::SwapOffset => 2,
            BootMode::FirmwareUpdater | BootMode::SingleSlot => 0,
            _ => 3,
        }
    }

    pub(super) fn trailer_len(&self) -> usize {
        let rows = self.rows_per_sector().saturating_mul(size(self.max_sectors));
        rows.saturating_mul(size(self.write)).saturating_add(self.fields_len())
    }

    /// Returns the length of the scratch area's trailer, which has the rows of one sector.
    pub(super) fn scratch_trailer_len(&self) -> usize {
        self.rows_per_sector().saturating_mul(size(self.write)).saturating_add(self.fields_len())
    }

    /// Returns the distance from the end of an area back to a field.
    pub(super) const fn back_to(&self, field: Field) -> u32 {
        match (field, self.mode) {
            (Field::SwapSize, BootMode::SwapOffset) => self.layout.from_end(field) + self.layout.align(),
            _ => self.layout.from_end(field),
        }
    }
}

impl Flash<'_, '_> {
    fn field(&self, area: Area, field: Field) -> usize {
        area.end().saturating_sub(size(self.loader.back_to(field)))
    }

    pub(super) fn trailer(&self, area: Area) -> Trailer {
        self.loader.trailer(self.bytes(area.start, area.len))
    }

    /// Returns the next action that the trailers ask for.
    pub(super) fn next(&self, image: usize) -> SwapType {
        let pair = self.pair(image);
        let [primary, secondary] = [pair.primary, pair.secondary].map(|slot| self.trailer(slot));
        match self.loader.mode {
            BootMode::SwapOffset => SwapType::decide_with_offset(&primary, &secondary),
            _ => SwapType::decide(&primary, &secondary),
        }
    }

    pub(super) fn clear_trailer(&mut self, area: Area) {
        let first = self.trailer_sector(area).saturating_mul(self.sector);
        self.erase(area.start.saturating_add(first), area.len.saturating_sub(first));
    }

    /// Returns the number of the first sector with a part of the trailer.
    pub(super) fn trailer_sector(&self, area: Area) -> usize {
        self.sectors(area).saturating_sub(self.loader.trailer_len().div_ceil(self.sector))
    }

    pub(super) fn sectors(&self, area: Area) -> usize {
        area.len.checked_div(self.sector).unwrap_or(0)
    }

    /// Writes the magic, with erased bytes before it up to the alignment.
    pub(super) fn write_magic(&mut self, area: Area) {
        let unit = size(self.loader.layout.align()).min(MAX_ALIGN);
        let magic = self.loader.layout.magic();
        let mut bytes = [self.loader.erased; MAX_ALIGN];
        let len = magic.len().next_multiple_of(unit);
        let padding = len.saturating_sub(magic.len());
        bytes.iter_mut().skip(padding).zip(magic).for_each(|(to, from)| *to = from);
        self.put(area.end().saturating_sub(len), bytes.get(..len).unwrap_or(&[]));
    }

    pub(super) fn write_flag(&mut self, area: Area, field: Field) {
        self.put(self.field(area, field), &[Flag::SET]);
    }

    pub(super) fn write_swap_info(&mut self, area: Area, kind: SwapType, image: usize) {
        let number = u8::try_from(image).unwrap_or(0);
        self.put(self.field(area, Field::SwapInfo(kind)), &[number << 4 | kind as u8]);
    }

    pub(super) fn write_swap_size(&mut self, area: Area, len: usize) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.put(self.field(area, Field::SwapSize), &len.to_le_bytes());
    }

    pub(super) fn swap_size(&self, area: Area) -> usize {
        take(self.bytes(self.field(area, Field::SwapSize), 4), 0).map_or(0, |bytes| size(u32::from_le_bytes(bytes)))
    }

    /// Returns the address of the lengths of both images after their hashed parts, which only a
    /// swap with an offset keeps.
    fn tlv_lens_at(&self, area: Area) -> usize {
        area.end().saturating_sub(size(self.loader.layout.from_end(Field::SwapSize)))
    }

    pub(super) fn write_tlv_lens(&mut self, area: Area, lens: [u16; 2]) {
        let [[a, b], [c, d]] = lens.map(u16::to_le_bytes);
        self.put(self.tlv_lens_at(area), &[a, b, c, d]);
    }

    pub(super) fn tlv_lens(&self, area: Area) -> [u16; 2] {
        let [a, b, c, d] = take(self.bytes(self.tlv_lens_at(area), 4), 0).unwrap_or_default();
        [[a, b], [c, d]].map(u16::from_le_bytes)
    }

    /// Sets the flag that ends a trial, unless its place is already written.
    pub(super) fn confirm(&mut self, area: Area) {
        if self.trailer(area).image_ok == Flag::Unset {
            self.write_flag(area, Field::ImageOk);
        }
    }

    pub(super) fn is_marked(&self, area: Area) -> bool {
        self.trailer(area).magic == Magic::Good
    }
}

/// Converts a length to that of the host; one that does not fit becomes longer than any slot.
pub(super) fn size(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
