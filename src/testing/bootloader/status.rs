//! The swap status: the progress of a swap when power failed.
//!
//! Each step of a swap ends with a row, one write unit in the trailer that is no longer erased:
//!
//! ```text
//!   SwapMove     N rows, one for each sector moved up; then two for each sector swapped
//!   SwapOffset   two for each sector
//!   SwapScratch  three for each part; those of the first part are in the scratch area if that
//!                part reaches into the trailer
//! ```
//!
//! with N = `max_sectors`. The number of rows shows which slot has which image.

use super::due::Due;
use super::flash::{Area, Flash, Refused};
use super::image::Place;
use super::trailer::size;
use crate::mcuboot::slots::BootMode;
use crate::mcuboot::trailer::{Flag, Magic, SwapType};

/// The state of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    /// True if the trailer of the primary slot has the rows.
    pub(super) in_primary: bool,
    /// The number of rows, that is of finished steps; 0 if no step is known.
    pub(super) rows: usize,
    /// The reason for the swap.
    pub(super) due: Due,
}

impl Status {
    pub(super) const NONE: Self = Self { in_primary: false, rows: 0, due: Due::Nothing };
}

/// A header is not at the place that the swap status names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoHeader {
    /// True if it is the header of the running image, which is not in the primary slot; MCUboot
    /// looks nowhere else.
    pub(super) running: bool,
}

/// The lengths of header, body and protected TLVs of the images of both slots.
pub(super) type Announced = [usize; 2];

impl Flash<'_, '_> {
    pub(super) fn row(&self, area: Area, row: usize) -> usize {
        let scratch = area == self.scratch;
        let len = if scratch { self.loader.scratch_trailer_len() } else { self.loader.trailer_len() };
        area.end().saturating_sub(len).saturating_add(row.saturating_mul(self.write))
    }

    /// Writes a row. Its value is the step within a sector; only that it is not erased counts.
    pub(super) fn write_row(&mut self, area: Area, row: usize, step: u8) {
        self.put(self.row(area, row), &[step]);
    }

    pub(super) fn status(&self, image: usize) -> Result<Status, Refused> {
        let primary = self.pair(image).primary;
        // MCUboot stops where a slot is too short for its trailer.
        if self.loader.trailer_len() > primary.len || self.loader.scratch_trailer_len() > self.longest_scratch() {
            return Err(Refused);
        }
        let Some(area) = self.source(image) else { return Ok(Status::NONE) };
        let sectors = if area == self.scratch { 1 } else { size(self.loader.max_sectors) };
        let rows = sectors.saturating_mul(self.loader.rows_per_sector());
        let is_there = |row: &usize| self.byte(self.row(area, *row)) != self.loader.erased;
        let rows = if self.loader.mode == BootMode::SwapScratch {
            let first = (0..rows).find(is_there);
            first.map_or(0, |first| (first..rows).find(|row| !is_there(row)).unwrap_or(rows))
        } else {
            (0..rows).rev().find(is_there).map_or(0, |last| last.saturating_add(1))
        };
        let due = Due::of(self.trailer(area).swap_info);
        Ok(Status { in_primary: area == primary, rows, due })
    }

    /// Returns the length of the scratch area; without one there is no limit.
    const fn longest_scratch(&self) -> usize {
        if self.scratch.len == 0 { usize::MAX } else { self.scratch.len }
    }

    fn source(&self, image: usize) -> Option<Area> {
        let pair = self.pair(image);
        let primary = self.trailer(pair.primary);
        if self.loader.mode != BootMode::SwapScratch {
            let begun = (primary.magic, primary.copy_done) == (Magic::Good, Flag::Unset);
            return (begun && !self.is_marked(pair.secondary)).then_some(pair.primary);
        }
        let scratch = self.trailer(self.scratch);
        if scratch.magic == Magic::Good {
            // With several images the scratch area belongs to the image that its swap info names;
            // to the first image if the swap type is one that MCUboot does not write.
            let of = scratch.swap_info.filter(|info| info & 0x0F <= SwapType::Revert as u8);
            let mine = self.images() == 1 || usize::from(of.unwrap_or(0) >> 4) == image;
            return mine.then_some(self.scratch);
        }
        let begun = primary.magic != Magic::Bad && primary.copy_done == Flag::Unset;
        begun.then_some(pair.primary)
    }

    /// Returns the number of bytes that an interrupted swap has to swap.
    pub(super) fn interrupted_size(&self, image: usize) -> usize {
        let primary = self.pair(image).primary;
        let scratch = self.loader.mode == BootMode::SwapScratch && self.is_marked(self.scratch);
        self.swap_size(if scratch { self.scratch } else { primary })
    }

    /// Returns the lengths that the headers of both images announce, wherever the images are now.
    pub(super) fn headers(&self, image: usize, status: &Status) -> Result<Announced, NoHeader> {
        let pair = self.pair(image);
        let slots = [pair.primary, pair.secondary].map(|area| Place { area, offset: 0 });
        let places = match self.loader.mode {
            BootMode::SwapMove if status.rows > 0 => self.while_moving(image, status.rows),
            BootMode::SwapOffset if status.rows > 0 => self.while_shifting(image, status),
            _ => return Ok(slots.map(|place| self.announced(place))),
        };
        if places.iter().all(|place| self.has_magic(*place)) {
            return Ok(places.map(|place| self.announced(place)));
        }
        let ([running, _], [primary, _]) = (places, slots);
        Err(NoHeader { running: running != primary || !self.has_magic(primary) })
    }

    /// Returns the places of both headers in the middle of a swap that moves.
    fn while_moving(&self, image: usize, rows: usize) -> [Place; 2] {
        let pair = self.pair(image);
        let [front, up, other] = [(pair.primary, 0), (pair.primary, self.sector), (pair.secondary, 0)]
            .map(|(area, offset)| Place { area, offset });
        let sectors = self.interrupted_size(image).div_ceil(self.sector).max(1);
        let moves = size(self.loader.max_sectors);
        match rows.checked_sub(moves) {
            None if rows < sectors => [front, other],
            None | Some(0) => [up, other],
            Some(1) => [up, front],
            Some(swapped) if swapped / 2 < sectors => [other, front],
            Some(_) => [front, other],
        }
    }

    /// Returns the places of both headers in the middle of a swap with an offset.
    fn while_shifting(&self, image: usize, status: &Status) -> [Place; 2] {
        let pair = self.pair(image);
        let [primary, front, up] = [(pair.primary, 0), (pair.secondary, 0), (pair.secondary, self.sector)]
            .map(|(area, offset)| Place { area, offset });
        let last = self.interrupted_size(image).div_ceil(self.sector).max(1).saturating_sub(1);
        let (sector, half) = (status.rows / 2, status.rows % 2);
        if status.due == Due::Swap(SwapType::Revert) || self.next(image) == SwapType::Revert {
            // From the last sector to the first.
            let old = if sector > last || (sector == last && half == 1) { up } else { primary };
            let new = if sector > last { primary } else { front };
            return [old, new];
        }
        let old = if (sector > 0 || half == 1) && sector < last { front } else { primary };
        let new = if sector > 0 { primary } else { up };
        [old, new]
    }
}
