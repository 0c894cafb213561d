//! Reads the data that MCUboot leaves in RAM for the image that it starts: its mode, and the slot
//! of the image.
//!
//! An MCUboot build with `BOOT_SHARE_DATA_BOOTINFO` writes these data to an address that its board
//! reserves. An image has no other way to find the slot from which it was copied or started: in the
//! modes without a swap, pass [`running_slot`](SharedData::running_slot) to
//! [`Pair::with_running`](super::slots::Pair::with_running).
//!
//! ```text
//!   offset 0      2            4
//!   ├─ magic 1620 ┼─ total u16 ┼─ entries …      little-endian; the total includes the first four
//!   entry  kind u16, length u16, value; packed
//!   kind   2000 mode           2001 signature   2002 recovery
//!          2003 running slot   2004 version
//!          2005 largest application of image 0; 2006 to 2009, those of images 1 to 4
//! ```
//!
//! RAM keeps its contents across a reset: after a start without MCUboot a device may find the data
//! of an earlier start. So use them only if the boot loader writes them at each start.
//!
//! Source: MCUboot's `bootutil/boot_status.h` and Zephyr's `retention/blinfo.h`.

use super::slots::Slot;
use super::tlv::{Kind, Tlvs};
use crate::bytes::take;

/// The data, borrowed from the memory where they were found. Entries of unknown kinds are skipped.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SharedData<'a> {
    entries: Tlvs<'a>,
}

impl<'a> SharedData<'a> {
    const MAGIC: u16 = 0x2016;
    /// The length of magic and total in bytes.
    const HEAD: usize = 4;
    const MODE: Kind = Kind(0x2000);
    const RUNNING_SLOT: Kind = Kind(0x2003);
    /// The entry of image 0; those of the other images follow.
    const MAX_APPLICATION_SIZE: Kind = Kind(0x2005);
    /// The number of images with an entry of their own.
    const IMAGES: u16 = 5;

    /// Reads the data from the front of `memory`; `None` if there are none. Memory after them is
    /// ignored.
    #[must_use]
    pub fn parse(memory: &'a [u8]) -> Option<Self> {
        let [magic, total] = [take(memory, 0)?, take(memory, 2)?].map(u16::from_le_bytes);
        let entries = memory.get(Self::HEAD..usize::from(total)).filter(|_| magic == Self::MAGIC)?;
        Some(Self { entries: Tlvs::new(entries) })
    }

    /// Returns the slot of its pair from which the running image was started; `None` if the entry
    /// is missing or invalid.
    #[must_use]
    pub fn running_slot(&self) -> Option<Slot> {
        match self.value(Self::RUNNING_SLOT)? {
            // Other values and lengths are unknown to us: a guess could overwrite the running
            // image.
            [0] => Some(Slot::Primary),
            [1] => Some(Slot::Secondary),
            _ => None,
        }
    }

    /// Returns the mode of the boot loader, in the numbers of
    /// [`BootLoaderResponse::mode`](crate::smp::os::BootLoaderResponse::mode).
    #[must_use]
    pub fn mode(&self) -> Option<u8> {
        match self.value(Self::MODE)? {
            [mode] => Some(*mode),
            _ => None,
        }
    }

    /// Returns the length of the largest application that the boot loader can start as this image,
    /// from 0 to 4: pass it to [`Pair::with_max_image`](super::slots::Pair::with_max_image).
    #[must_use]
    pub fn max_application_size(&self, image: u32) -> Option<u32> {
        let number = u16::try_from(image).ok().filter(|image| *image < Self::IMAGES)?;
        let value = self.value(Kind(Self::MAX_APPLICATION_SIZE.0.wrapping_add(number)))?;
        Some(u32::from_le_bytes(value.try_into().ok()?))
    }

    /// Returns the value of the only entry of this kind.
    fn value(&self, kind: Kind) -> Option<&'a [u8]> {
        self.entries.clone().only(kind).ok()?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of MCUboot in RAM-load mode after a start from slot 1, followed by other RAM
    /// contents.
    const FOUND: [u8; 40] = [
        0x16, 0x20, 0x24, 0x00, 0x00, 0x20, 0x01, 0x00, 0x06, 0x01, 0x20, 0x01, 0x00, 0x00, 0x02, 0x20, 0x01, 0x00,
        0x01, 0x03, 0x20, 0x01, 0x00, 0x01, 0x04, 0x20, 0x08, 0x00, 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0xAA, 0xAA, 0xAA, 0xAA,
    ];

    fn slot(memory: &[u8]) -> Option<Slot> {
        SharedData::parse(memory)?.running_slot()
    }

    #[test]
    fn what_mcuboot_left_is_understood() {
        let data = SharedData::parse(&FOUND).unwrap();
        assert_eq!((data.running_slot(), data.mode()), (Some(Slot::Secondary), Some(6)));
        assert_eq!(data.max_application_size(0), None);
        let mut primary = FOUND;
        primary[23] = 0;
        assert_eq!(slot(&primary), Some(Slot::Primary));
    }

    #[test]
    fn memory_without_data_gives_none() {
        for len in 0..36 {
            assert!(SharedData::parse(&FOUND[..len]).is_none(), "{len}");
        }
        assert!(SharedData::parse(&[0; 64]).is_none());
        assert!(SharedData::parse(&[0xFF; 64]).is_none());
        // A total that leaves no room for itself.
        assert!(SharedData::parse(&[0x16, 0x20, 3, 0, 0, 0]).is_none());
    }

    #[test]
    fn nonsense_is_not_taken_for_a_slot() {
        let with = |at: usize, value: u8| {
            let mut found = FOUND;
            found[at] = value;
            slot(&found)
        };
        assert_eq!(with(23, 2), None);
        assert_eq!(with(21, 2), None, "an entry of two bytes, and no entries behind it");
        assert_eq!(with(14, 3), None, "two entries of the same kind");
        assert_eq!(with(6, 0xFF), None, "an entry that ends nowhere");
    }

    #[test]
    fn largest_application_is_a_number_of_four_bytes_for_each_of_five_images() {
        let mut memory = [0x16, 0x20, 12, 0, 0x05, 0x20, 4, 0, 0x00, 0x00, 0x08, 0x00];
        for image in 0..5 {
            memory[4] = 5 + image;
            for asked in 0..7 {
                let size = SharedData::parse(&memory).unwrap().max_application_size(asked);
                assert_eq!(size, (asked == u32::from(image)).then_some(0x8_0000), "{image} {asked}");
            }
        }
        // Entries after the fifth are something else.
        memory[4] = 0x0A;
        assert_eq!(SharedData::parse(&memory).unwrap().max_application_size(5), None);
    }
}
