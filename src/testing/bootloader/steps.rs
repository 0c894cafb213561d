//! The steps of a swap, in the three ways of MCUboot.
//!
//! Each way performs the steps after a number of rows, and so also completes an interrupted swap.

use super::due::Due;
use super::flash::{Area, Flash, Refused};
use super::image::Place;
use super::status::{Announced, Status};
use super::trailer::size;
use crate::mcuboot::slots::BootMode;
use crate::mcuboot::trailer::{Field, Flag, Magic, SwapType};

/// A running swap.
#[derive(Debug, Clone, Copy)]
struct Run {
    image: usize,
    primary: Area,
    secondary: Area,
    kind: SwapType,
    /// The number of bytes to swap.
    len: usize,
    /// Steps that an earlier reset has completed.
    rows: usize,
    /// True if the trailer of the primary slot is already that of this swap.
    begun: bool,
    /// The lengths of both images up to their last TLVs.
    announced: Announced,
    /// The lengths of the last TLVs of both images.
    tlvs: [u16; 2],
}

impl Flash<'_, '_> {
    /// Swaps the slots; returns false if there is no room for that.
    pub(super) fn swap(&mut self, image: usize, kind: SwapType, offset: usize, begun: bool) -> Result<bool, Refused> {
        let pair = self.pair(image);
        let places = [Place { area: pair.primary, offset: 0 }, Place { area: pair.secondary, offset }];
        let announced = places.map(|place| self.announced(place));
        let [Some(primary), Some(secondary)] = places.map(|place| self.image_len(place)) else { return Err(Refused) };
        let tlv = |len: usize, announced| u16::try_from(len.saturating_sub(announced)).unwrap_or(u16::MAX);
        let [first, second] = announced;
        let (len, tlvs) = (primary.max(secondary), [tlv(primary, first), tlv(secondary, second)]);
        self.steps(&Run { len, begun, announced, tlvs, ..self.run(image, kind) })
    }

    pub(super) fn complete(&mut self, image: usize, status: &Status, announced: Announced) -> Result<(), Refused> {
        let kind = match status.due {
            Due::Swap(kind) => kind,
            _ => SwapType::None,
        };
        let len = self.interrupted_size(image);
        self.steps(&Run { len, rows: status.rows, begun: status.in_primary, announced, ..self.run(image, kind) })?;
        self.finish(image, kind);
        Ok(())
    }

    fn run(&self, image: usize, kind: SwapType) -> Run {
        let pair = self.pair(image);
        let (primary, secondary) = (pair.primary, pair.secondary);
        Run { image, primary, secondary, kind, len: 0, rows: 0, begun: false, announced: [0; 2], tlvs: [0; 2] }
    }

    fn steps(&mut self, run: &Run) -> Result<bool, Refused> {
        let sectors = run.len.div_ceil(self.sector);
        // A damaged trailer may announce anything. MCUboot stops at the end of the slot.
        let more = usize::from(self.loader.mode == BootMode::SwapMove && run.rows > 0);
        if sectors.saturating_add(more) > self.sectors(run.primary) {
            return Err(Refused);
        }
        match self.loader.mode {
            BootMode::SwapMove => Ok(self.swap_moving(run, sectors.max(1))),
            BootMode::SwapOffset => Ok(self.swap_shifting(run, sectors.max(1))),
            _ => {
                self.swap_through_scratch(run, sectors);
                Ok(true)
            }
        }
    }

    fn begin(&mut self, area: Area, run: &Run) {
        let confirmed = self.trailer(run.secondary).image_ok == Flag::Set;
        if run.kind != SwapType::None {
            self.write_swap_info(area, run.kind, run.image);
        }
        if confirmed {
            self.write_flag(area, Field::ImageOk);
        }
        self.write_swap_size(area, run.len);
        if self.loader.mode == BootMode::SwapOffset {
            self.write_tlv_lens(area, run.tlvs);
        }
        self.write_magic(area);
    }

    /// Makes the start of a revert look like the start of any other swap, in the secondary slot:
    /// power may fail while the trailer of the primary one is written again.
    fn mark_revert(&mut self, run: &Run) {
        if run.kind != SwapType::Revert || self.trailer(run.secondary).magic != Magic::Unset {
            return;
        }
        self.clear_trailer(run.secondary);
        if self.loader.mode == BootMode::SwapMove {
            self.write_flag(run.secondary, Field::ImageOk);
            self.write_swap_size(run.secondary, run.len);
            self.write_magic(run.secondary);
        } else {
            self.write_flag(run.secondary, Field::CopyDone);
            self.begin(run.secondary, run);
        }
    }

    fn prepare_trailers(&mut self, run: &Run) {
        if !run.begun {
            self.clear_trailer(run.primary);
            self.begin(run.primary, run);
        }
        self.clear_trailer(run.secondary);
    }

    /// Moves the sectors of the primary slot up by one, from the last to the first; then swaps them
    /// with those of the secondary slot, from the first to the last.
    fn swap_moving(&mut self, run: &Run, sectors: usize) -> bool {
        if run.rows == 0 && sectors >= self.trailer_sector(run.primary) {
            return false;
        }
        if run.rows == 0 {
            self.mark_revert(run);
            self.prepare_trailers(run);
        }
        let (sector, moves) = (self.sector, size(self.loader.max_sectors));
        let [old, new] = [run.primary.start, run.secondary.start];
        for row in run.rows..sectors {
            let from = old + (sectors - row - 1) * sector;
            self.renew(from, from + sector);
            self.write_row(run.primary, row, 1);
        }
        for number in 0..sectors {
            let (at, row) = (number * sector, moves + 2 * number);
            if row >= run.rows {
                self.renew(new + at, old + at);
                self.write_row(run.primary, row, 1);
            }
            if row + 1 >= run.rows {
                self.renew(old + at + sector, new + at);
                self.write_row(run.primary, row + 1, 2);
            }
        }
        true
    }

    /// Swaps sector by sector, where the image of the secondary slot lies one sector up; a revert
    /// does so from the last sector to the first.
    fn swap_shifting(&mut self, run: &Run, sectors: usize) -> bool {
        if run.rows == 0 && sectors > self.trailer_sector(run.primary) {
            return false;
        }
        // Up to the end of the first sector the trailers may not be complete.
        if run.rows < 2 {
            self.mark_revert(run);
            self.prepare_trailers(run);
        }
        let reverts = run.kind == SwapType::Revert || self.next(run.image) == SwapType::Revert;
        let sector = self.sector;
        let [old, new] = [run.primary.start, run.secondary.start];
        // Sectors far past an image are not copied.
        let [first, second] = self.tlv_lens(run.primary).map(usize::from);
        let [announced, other] = run.announced;
        let used = [announced + first, other + second].map(|len| len.div_ceil(sector));
        for step in 0..sectors {
            let number = if reverts { sectors - step - 1 } else { step };
            let (at, up) = (number * sector, (number + 1) * sector);
            let (to, from) = if reverts { (new + up, new + at) } else { (new + at, new + up) };
            let [old_used, new_used] = used.map(|used| number <= used);
            if 2 * step >= run.rows {
                if old_used {
                    self.renew(old + at, to);
                }
                self.write_row(run.primary, 2 * step, 1);
            }
            if 2 * step + 1 >= run.rows {
                if new_used {
                    self.renew(from, old + at);
                }
                self.write_row(run.primary, 2 * step + 1, 2);
            }
        }
        if reverts {
            // The bytes left there must not look like a header.
            self.erase(new, sector);
            self.clear_trailer(run.secondary);
        }
        true
    }

    fn swap_through_scratch(&mut self, run: &Run, sectors: usize) {
        let most = self.sectors(self.scratch);
        let mut end = sectors;
        let mut part = 0;
        while end > 0 && most > 0 {
            let first = end.saturating_sub(most);
            self.swap_part(run, part, first, end);
            end = first;
            part += 1;
        }
    }

    /// Swaps the sectors from `first` to `end`. Where they reach into the trailers, the status of
    /// this part is kept in the scratch area until the primary slot has its new contents.
    fn swap_part(&mut self, run: &Run, part: usize, first: usize, end: usize) {
        let (at, len, scratch) = (first * self.sector, (end - first) * self.sector, self.scratch);
        let trailer = self.loader.trailer_len();
        let scratch_rows = scratch.len.saturating_sub(self.loader.scratch_trailer_len());
        let mut copied = len;
        if end > self.trailer_sector(run.primary) {
            copied = run.primary.len.checked_sub(at + trailer).unwrap_or(scratch_rows).min(scratch_rows);
        }
        let in_scratch = part == 0 && copied != len;
        let status = if in_scratch { scratch } else { run.primary };
        let [old, new] = [run.primary.start + at, run.secondary.start + at];
        // The length up to the trailer, whose sectors are erased before.
        let body = |flash: &Self, area: Area| {
            if in_scratch { (flash.trailer_sector(area) * flash.sector).saturating_sub(at) } else { len }
        };
        if 3 * part >= run.rows {
            self.erase(scratch.start, scratch.len);
            if part == 0 {
                self.begin(scratch, run);
                if !in_scratch {
                    self.clear_trailer(run.primary);
                    self.begin(run.primary, run);
                    self.erase(scratch.start, scratch.len);
                }
            }
            self.copy(new, scratch.start, copied);
            self.write_row(status, 3 * part, 1);
        }
        if 3 * part + 1 >= run.rows {
            if part == 0 {
                self.clear_trailer(run.secondary);
            }
            self.erase(new, body(self, run.secondary));
            self.copy(old, new, copied);
            self.write_row(status, 3 * part + 1, 2);
        }
        if 3 * part + 2 >= run.rows {
            if in_scratch {
                self.clear_trailer(run.primary);
            }
            self.erase(old, body(self, run.primary));
            self.copy(scratch.start, old, copied);
            if in_scratch {
                self.take_over(run, old + copied);
            }
            self.write_row(run.primary, 3 * part + 2, 3);
            if in_scratch {
                self.erase(scratch.start, scratch.len);
            }
        }
    }

    fn take_over(&mut self, run: &Run, rows: usize) {
        self.copy(self.row(self.scratch, 0), rows, 2 * self.write);
        let trailer = self.trailer(self.scratch);
        if trailer.image_ok == Flag::Set {
            self.write_flag(run.primary, Field::ImageOk);
        }
        if let Due::Swap(kind) = Due::of(trailer.swap_info) {
            self.write_swap_info(run.primary, kind, run.image);
        }
        self.write_swap_size(run.primary, run.len);
        self.write_magic(run.primary);
    }
}
