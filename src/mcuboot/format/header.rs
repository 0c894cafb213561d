//! Image headers.

use super::{Error, Version};
use crate::bytes::take;

/// The header of an image.
///
/// Every value of this type is consistent: `header_len` is at least [`Header::LEN`], and header,
/// body and protected TLVs together fit 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    load_address: u32,
    header_len: u16,
    protected_len: u16,
    body_len: u32,
    flags: Flags,
    version: Version,
}

impl Header {
    /// The length of a header in bytes, without the padding that may follow it.
    pub const LEN: usize = 32;
    /// The first four bytes of an image.
    pub const MAGIC: [u8; 4] = [0x3D, 0xB8, 0xF3, 0x96];

    /// A header of an image whose body has `body_len` bytes and starts at `header_len`, and whose
    /// protected TLV area has `protected_len` bytes (0 for none).
    ///
    /// # Errors
    ///
    /// We: [`Error::Sizes`] if `header_len` is below 32 or the sum of the three exceeds 32 bits.
    pub const fn new(version: Version, header_len: u16, body_len: u32, protected_len: u16) -> Result<Self, Error> {
        // Checked: three hostile lengths could overflow, and a sum that wraps would pass later
        // checks. The first sum cannot.
        let sum = body_len.checked_add(header_len as u32 + protected_len as u32);
        if (header_len as usize) < Self::LEN || sum.is_none() {
            return Err(Error::Sizes);
        }
        Ok(Self { load_address: 0, header_len, protected_len, body_len, flags: Flags(0), version })
    }

    /// Sets flags and load address (0 if no flag gives it a meaning).
    #[must_use]
    pub const fn with_flags(self, flags: Flags, load_address: u32) -> Self {
        Self { flags, load_address, ..self }
    }

    /// Reads a header from the front of `bytes`.
    ///
    /// # Errors
    ///
    /// The image: [`Error::Truncated`] below 32 bytes, [`Error::Magic`], or [`Error::Sizes`] if its
    /// lengths contradict each other.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: &[u8; Self::LEN] = bytes.first_chunk().ok_or(Error::Truncated)?;
        if !bytes.starts_with(&Self::MAGIC) {
            return Err(Error::Magic);
        }
        // The array has 32 bytes, so none of these can fail.
        let word = |offset| take(bytes, offset).map_or(0, u32::from_le_bytes);
        let half = |offset| take(bytes, offset).map_or(0, u16::from_le_bytes);
        let version = Version::from_bytes(take(bytes, 20).unwrap_or_default());
        let header = Self::new(version, half(8), word(12), half(10))?;
        Ok(header.with_flags(Flags(word(16)), word(4)))
    }

    /// Returns the 32 bytes of the header.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let fields = Self::MAGIC
            .into_iter()
            .chain(self.load_address.to_le_bytes())
            .chain(self.header_len.to_le_bytes())
            .chain(self.protected_len.to_le_bytes())
            .chain(self.body_len.to_le_bytes())
            .chain(self.flags.0.to_le_bytes())
            .chain(self.version.to_bytes());
        for (byte, field) in bytes.iter_mut().zip(fields) {
            *byte = field;
        }
        bytes
    }

    /// Returns the version of the image.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Returns the flags for the boot loader.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// Returns the load address, for [`Flags::RAM_LOAD`] and [`Flags::ROM_FIXED`].
    #[must_use]
    pub const fn load_address(&self) -> u32 {
        self.load_address
    }

    /// Returns the number of bytes before the body: the header and its padding.
    #[must_use]
    pub const fn header_len(&self) -> u16 {
        self.header_len
    }

    /// Returns the length of the body.
    #[must_use]
    pub const fn body_len(&self) -> u32 {
        self.body_len
    }

    /// Returns the length of the protected TLV area with its info; 0 if there is none.
    #[must_use]
    pub const fn protected_len(&self) -> u16 {
        self.protected_len
    }

    /// Returns the end of the body, where the first TLV area begins.
    #[must_use]
    pub const fn body_end(&self) -> u32 {
        (self.header_len as u32).wrapping_add(self.body_len)
    }

    /// Returns the number of bytes from the start of the image that its hash covers.
    #[must_use]
    pub const fn hashed_len(&self) -> u32 {
        self.body_end().wrapping_add(self.protected_len as u32)
    }
}

/// Flags of an image for the boot loader.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a number with names")]
pub struct Flags(pub u32);

impl Flags {
    /// The body is encrypted with AES-128 or AES-256. The hash covers the plain body.
    pub const ENCRYPTED: Self = Self(0x0C);
    /// A part of a split application: never booted by itself.
    pub const NON_BOOTABLE: Self = Self(0x10);
    /// The image is copied to its load address and runs there.
    pub const RAM_LOAD: Self = Self(0x20);
    /// The image runs only from its load address in flash.
    pub const ROM_FIXED: Self = Self(0x100);
    /// The body is compressed, in one of three ways.
    pub const COMPRESSED: Self = Self(0xE00);

    /// Returns true if any bit of `other` is set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl core::fmt::Debug for Flags {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Flags({:#x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 32] = [
        0x3D, 0xB8, 0xF3, 0x96, 0x00, 0x00, 0x02, 0x00, 0x00, 0x02, 0x14, 0x00, 0x78, 0x56, 0x00, 0x00, //
        0x30, 0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x00, 0x00, 0x00, 0x00,
    ];

    #[test]
    fn header_fields_stand_where_mcuboot_puts_them() {
        let header = Header::parse(&BYTES).unwrap();
        assert_eq!(header.load_address(), 0x0002_0000);
        assert_eq!((header.header_len(), header.protected_len(), header.body_len()), (0x200, 0x14, 0x5678));
        assert!(header.flags().intersects(Flags::NON_BOOTABLE) && header.flags().intersects(Flags::RAM_LOAD));
        assert!(!header.flags().intersects(Flags::ENCRYPTED));
        assert_eq!(header.version(), Version { major: 1, minor: 2, revision: 0x0403, build: 0x0807_0605 });
        assert_eq!((header.body_end(), header.hashed_len()), (0x5878, 0x588C));
        assert_eq!(header.emit(), BYTES);
    }

    #[test]
    fn hostile_headers_are_refused() {
        let with = |at: usize, value: &[u8]| {
            let mut bytes = BYTES;
            bytes[at..at + value.len()].copy_from_slice(value);
            Header::parse(&bytes)
        };
        for len in 0..32 {
            assert_eq!(Header::parse(&BYTES[..len]), Err(Error::Truncated));
        }
        assert_eq!(with(0, &[0x3C]), Err(Error::Magic));
        assert_eq!(with(0, &[0xFF; 32]), Err(Error::Magic));
        assert_eq!(with(8, &[31, 0]), Err(Error::Sizes));
        assert!(with(8, &[32, 0]).is_ok());
        assert_eq!(with(12, &[0xFF; 4]), Err(Error::Sizes));
        assert!(with(12, &(u32::MAX - 0x214).to_le_bytes()).is_ok());
        assert_eq!(with(12, &(u32::MAX - 0x213).to_le_bytes()), Err(Error::Sizes));
    }
}
