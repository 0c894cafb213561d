//! The flash during a reset: plain memory, and the places of the slots in it.

use super::Bootloader;
use crate::mcuboot::slots::BootMode;
use crate::mcuboot::slots::{Region, Slot};

/// A slot, or the scratch area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) start: usize,
    pub(super) len: usize,
}

impl Area {
    const NONE: Self = Self { start: 0, len: 0 };

    fn new(region: Region) -> Option<Self> {
        Some(Self { start: usize::try_from(region.start).ok()?, len: usize::try_from(region.len).ok()? })
    }

    pub(super) const fn end(self) -> usize {
        self.start.saturating_add(self.len)
    }
}

/// The two slots of an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) primary: Area,
    pub(super) secondary: Area,
}

impl Pair {
    const NONE: Self = Self { primary: Area::NONE, secondary: Area::NONE };

    fn new([primary, secondary]: [Region; 2]) -> Option<Self> {
        Some(Self { primary: Area::new(primary)?, secondary: Area::new(secondary)? })
    }

    pub(super) const fn slot(self, slot: Slot) -> Area {
        match slot {
            Slot::Primary => self.primary,
            Slot::Secondary => self.secondary,
        }
    }
}

/// The reset cannot continue: MCUboot starts no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

/// The flash during a reset. A write changes bytes whether they are erased or not, as in the
/// recordings; the flash that a device writes to afterwards is stricter.
pub(super) struct Flash<'b, 'm> {
    pub(super) loader: &'b Bootloader,
    memory: &'m mut [u8],
    changed: bool,
    pairs: [Pair; Bootloader::IMAGES],
    pub(super) scratch: Area,
    /// Bytes of a sector.
    pub(super) sector: usize,
    /// The smallest write, in bytes.
    pub(super) write: usize,
}

impl<'b, 'm> Flash<'b, 'm> {
    /// Begins a reset; `None` if the slots are not made of whole sectors, or not in memory.
    pub(super) fn new(loader: &'b Bootloader, memory: &'m mut [u8]) -> Option<Self> {
        let first = Pair::new([loader.primary, loader.secondary])?;
        let second = loader.second.map_or(Some(Pair::NONE), Pair::new)?;
        let scratch = loader.scratch.map_or(Some(Area::NONE), Area::new)?;
        let sector = usize::try_from(loader.erase).ok().filter(|sector| *sector > 0)?;
        let write = usize::try_from(loader.write).ok().filter(|write| *write > 0)?;
        let areas = [first.primary, first.secondary, second.primary, second.secondary, scratch];
        let fits = |area: &Area| area.len.is_multiple_of(sector) && area.end() <= memory.len();
        let missing = loader.mode == BootMode::SwapScratch && scratch.len == 0;
        if missing || !areas.iter().all(fits) {
            return None;
        }
        Some(Self { loader, memory, changed: false, pairs: [first, second], scratch, sector, write })
    }

    pub(super) const fn changed(&self) -> bool {
        self.changed
    }

    pub(super) const fn images(&self) -> usize {
        if self.loader.second.is_some() { 2 } else { 1 }
    }

    pub(super) fn pair(&self, image: usize) -> Pair {
        self.pairs.get(image).copied().unwrap_or(Pair::NONE)
    }

    /// Returns `len` bytes; none if some of them are outside the memory.
    pub(super) fn bytes(&self, at: usize, len: usize) -> &[u8] {
        self.memory.get(at..).and_then(|rest| rest.get(..len)).unwrap_or(&[])
    }

    pub(super) fn byte(&self, at: usize) -> u8 {
        self.memory.get(at).copied().unwrap_or(self.loader.erased)
    }

    pub(super) fn erase(&mut self, at: usize, len: usize) {
        let erased = self.loader.erased;
        if let Some(bytes) = self.memory.get_mut(at..).and_then(|rest| rest.get_mut(..len)) {
            bytes.fill(erased);
            self.changed = true;
        }
    }

    /// Copies bytes to a place that the caller has erased.
    pub(super) fn copy(&mut self, from: usize, to: usize, len: usize) {
        let end = from.saturating_add(len);
        if end <= self.memory.len() && to.saturating_add(len) <= self.memory.len() {
            self.memory.copy_within(from..end, to);
            self.changed = true;
        }
    }

    pub(super) fn renew(&mut self, from: usize, to: usize) {
        self.erase(to, self.sector);
        self.copy(from, to, self.sector);
    }

    /// Writes bytes, and erased ones after them up to a whole write unit.
    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        let (len, erased) = (bytes.len().next_multiple_of(self.write), self.loader.erased);
        if let Some(place) = self.memory.get_mut(at..).and_then(|rest| rest.get_mut(..len)) {
            let padded = bytes.iter().copied().chain(core::iter::repeat(erased));
            place.iter_mut().zip(padded).for_each(|(to, from)| *to = from);
            self.changed = true;
        }
    }
}
