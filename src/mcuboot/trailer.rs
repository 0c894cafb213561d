//! The trailer at the end of a slot, through which application and boot loader agree on the image
//! to boot.
//!
//! A slot of S bytes, with A the largest write size of the boot loader build (`BOOT_MAX_ALIGN`):
//!
//! ```text
//!               A = 8        16       32
//!   swap_size   S-48         S-80     S-160     4 bytes
//!   swap_info   S-40         S-64     S-128     low nibble swap type, high nibble image number
//!   copy_done   S-32         S-48     S-96      01 set, erased unset
//!   image_ok    S-24         S-32     S-64      01 set, erased unset
//!   magic       S-16         S-16     S-16      16 bytes
//! ```
//!
//! Each field begins a separate write unit, so that each can be written once after an erase. The
//! swap status, and the encryption keys of builds that have them, are below `swap_size`.

use crate::bytes::take;

/// The magic for an alignment of 8.
static MAGIC_8: [u8; 16] =
    [0x77, 0xC2, 0x95, 0xF3, 0x60, 0xD2, 0xEF, 0x7F, 0x35, 0x52, 0x50, 0x0F, 0x2C, 0xB6, 0x79, 0x80];
/// The magic for all other alignments, which are in its first two bytes. A static, like
/// [`MAGIC_8`], because the code for a constant builds it byte by byte.
static MAGIC_ANY: [u8; 16] = [0, 0, 0x2D, 0xE1, 0x5D, 0x29, 0x41, 0x0B, 0x8D, 0x77, 0x67, 0x9C, 0x11, 0x0F, 0x1F, 0x8A];

/// The offsets of the trailer's fields, for one alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Layout {
    align: u32,
}

impl Layout {
    /// The length of the magic in bytes, whatever the alignment.
    pub const MAGIC_LEN: u32 = 16;

    /// The layout for `BOOT_MAX_ALIGN` = `align` bytes; `None` unless it is a power of two from 8
    /// to 512. MCUboot builds use 8, 16 or 32; larger ones follow the same formula.
    #[must_use]
    pub const fn new(align: u32) -> Option<Self> {
        match align {
            8 | 16 | 32 | 64 | 128 | 256 | 512 => Some(Self { align }),
            _ => None,
        }
    }

    /// The layout for an alignment that was checked.
    pub(crate) const fn of(align: u32) -> Self {
        Self { align }
    }

    /// Returns the alignment in bytes.
    #[must_use]
    pub const fn align(self) -> u32 {
        self.align
    }

    /// Returns the distance in bytes from the end of a slot back to `field`. The length of the slot
    /// must be a multiple of the alignment.
    #[must_use]
    pub const fn from_end(self, field: Field) -> u32 {
        // The magic takes whole units. The alignment is a power of two, so a mask replaces a
        // division.
        let mask = self.align - 1;
        let image_ok = ((Self::MAGIC_LEN + mask) & !mask) + self.align;
        match field {
            Field::Magic => Self::MAGIC_LEN,
            Field::ImageOk => image_ok,
            Field::CopyDone => image_ok + self.align,
            Field::SwapInfo(_) => image_ok + 2 * self.align,
            Field::SwapSize => image_ok + 3 * self.align,
        }
    }

    /// Returns the length of the trailer down to `swap_size`, without the swap status.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a trailer is never empty")]
    pub const fn len(self) -> u32 {
        self.from_end(Field::SwapSize)
    }

    /// Returns the 16 bytes of a good magic.
    #[must_use]
    pub const fn magic(self) -> [u8; 16] {
        if self.align == 8 {
            return MAGIC_8;
        }
        let [low, high, ..] = self.align.to_le_bytes();
        let mut magic = MAGIC_ANY;
        [magic[0], magic[1]] = [low, high];
        magic
    }

    /// Reads the state of the magic from the last 16 bytes of a slot, in a flash with this erased
    /// value.
    #[must_use]
    pub fn read_magic(self, bytes: &[u8], erased: u8) -> Magic {
        match take::<16>(bytes, 0) {
            // The whole magic is compared: a power cut while it was written must not look like a
            // mark.
            Some(bytes) if bytes == self.magic() => Magic::Good,
            Some(bytes) if bytes.iter().all(|byte| *byte == erased) => Magic::Unset,
            _ => Magic::Bad,
        }
    }
}

/// A field of the trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the fields of the format")]
pub enum Field {
    /// 16 bytes that make the trailer valid.
    Magic,
    /// The image is confirmed, or (secondary slot) will be confirmed at once.
    ImageOk,
    /// The boot loader has put the image here.
    CopyDone,
    /// The requested swap type, for image number 0.
    SwapInfo(SwapType),
    /// The number of bytes that the boot loader swaps.
    SwapSize,
}

/// The state of the magic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "set, unset and damaged are all cases")]
pub enum Magic {
    /// The magic is there.
    Good,
    /// The place of the magic is erased.
    Unset,
    /// The place of the magic holds other bytes.
    Bad,
}

/// The state of a flag byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "set, unset and damaged are all cases")]
pub enum Flag {
    /// The byte 01: the flag was set.
    Set,
    /// Erased: the flag was never set.
    Unset,
    /// Any other byte: a write was cut, or the flash is damaged.
    Bad,
}

impl Flag {
    /// The byte of a set flag.
    pub const SET: u8 = 0x01;

    /// Reads the state of a flag byte, in a flash with this erased value.
    #[must_use]
    pub const fn read(byte: u8, erased: u8) -> Self {
        match byte {
            Self::SET => Self::Set,
            byte if byte == erased => Self::Unset,
            _ => Self::Bad,
        }
    }
}

/// The contents of a trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the fields of the format")]
pub struct Trailer {
    /// The state of the magic, which makes the trailer valid.
    pub magic: Magic,
    /// The flag that the image is, or will be, confirmed.
    pub image_ok: Flag,
    /// The flag that the boot loader has put the image here.
    pub copy_done: Flag,
    /// The byte of the swap info; `None` if erased.
    pub swap_info: Option<u8>,
}

impl Trailer {
    /// The trailer of an erased slot.
    pub const BLANK: Self =
        Self { magic: Magic::Unset, image_ok: Flag::Unset, copy_done: Flag::Unset, swap_info: None };
}

/// The action of the boot loader at the next reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "the swap types of MCUboot")]
pub enum SwapType {
    /// Starts the image in the primary slot.
    None = 1,
    /// Swaps the slots, and swaps back at the reset after that unless the image is confirmed.
    Test = 2,
    /// Swaps the slots permanently.
    Permanent = 3,
    /// Swaps back: the running image was tested and has not been confirmed.
    Revert = 4,
}

impl SwapType {
    /// Returns the swap type of two trailers in the swap modes, according to MCUboot's table: the
    /// secondary slot takes precedence.
    #[must_use]
    pub const fn decide(primary: &Trailer, secondary: &Trailer) -> Self {
        match (secondary.magic, secondary.image_ok) {
            (Magic::Good, Flag::Unset) => return Self::Test,
            (Magic::Good, Flag::Set) => return Self::Permanent,
            // Without a valid mark in the secondary slot, the primary one decides.
            _ => {}
        }
        match (primary.magic, primary.image_ok, primary.copy_done) {
            // The boot loader has swapped this image in, and it has not been confirmed.
            (Magic::Good, Flag::Unset, Flag::Set) => Self::Revert,
            _ => Self::None,
        }
    }

    /// Returns the swap type of two trailers in swap-offset mode, whose table has one more row: an
    /// image that was swapped into the secondary slot is the one to go back to.
    #[must_use]
    pub const fn decide_with_offset(primary: &Trailer, secondary: &Trailer) -> Self {
        match (secondary.magic, secondary.image_ok, secondary.copy_done) {
            (Magic::Good, Flag::Unset, Flag::Set) => Self::Revert,
            _ => Self::decide(primary, secondary),
        }
    }
}

// In a checkout alone.
#[path = "../../tests/unit/mcuboot"]
#[cfg(test)]
mod tests {
    #[cfg(anysmp_checkout)]
    mod trailer;
}
