//! The time that flash takes: of two parts by their data sheets, and of none.

use super::world::MS;

/// The times of one part.
#[derive(Debug, Clone, Copy)]
pub struct Flash {
    pub name: &'static str,
    /// Bytes of a page, and the time of its erase in nanoseconds.
    page: u64,
    erase: u64,
    /// Bytes of one write, and its time in nanoseconds.
    unit: u64,
    write: u64,
}

/// No time for flash: the line alone.
pub const NONE: Flash = Flash { name: "takes no time", page: 4096, erase: 0, unit: 4, write: 0 };
/// nRF52840: 85 ms for a page of 4 KiB, 41 us for a word.
pub const NRF52840: Flash = Flash { name: "flash of an nRF52840", page: 4096, erase: 85 * MS, unit: 4, write: 41_000 };
/// STM32L4: 22 ms for a page of 2 KiB, 82 us for a double word.
pub const STM32L4: Flash = Flash { name: "flash of an STM32L4", page: 2048, erase: 22 * MS, unit: 8, write: 82_000 };

impl Flash {
    /// Nanoseconds for the bytes from `offset` to `end` of an image: each page is erased when its
    /// first byte arrives, as progressive erase in MCUboot and Zephyr does.
    pub fn time(&self, offset: u64, end: u64) -> u64 {
        let pages = end.div_ceil(self.page) - offset.div_ceil(self.page);
        let units = end.div_ceil(self.unit) - offset.div_ceil(self.unit);
        pages * self.erase + units * self.write
    }
}
