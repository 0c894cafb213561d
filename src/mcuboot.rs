//! The MCUboot image format, and the device side of an upgrade.
//!
//! An image file, and where it lies in a slot (all numbers little-endian):
//!
//! ```text
//!   offset 0                 header_len           + body_len          + protected_len      + total
//!   ├─ header (32) ─ padding ─┼─ body ──────────────┼─ protected TLVs ────┼─ TLVs ─────────────┤ … │ trailer │ end of the slot
//!   └──────────── covered by the image hash ──────────────────────────────┘  └ holds the hash
//!
//!   header  0        4          8          10            12       16    20    21    22       24    28
//!           3db8f396 load_addr  header_len protected_len body_len flags major minor revision build 0
//!
//!   TLV area  magic u16 (6908 protected, 6907 not), total u16 (with these four bytes), entries
//!   entry     type u16, length u16, value; packed
//! ```
//!
//! The *hash* of an image is the value of its one hash TLV; it identifies the image in the image commands. It is not the
//! SHA-256 of the file that an upload carries.
//!
//! | you want | start at |
//! |---|---|
//! | read an image file | [`Image`] |
//! | read or write its header | [`Header`], [`Version`] |
//! | make an image | [`build::Builder`] |
//! | read the trailer of a slot, tell what the bootloader does next | [`trailer`] |
//! | receive an upgrade on a device | [`slots::Slots`] and [`flash::run`] |
//! | ask MCUboot which slot is running | [`shared_data::SharedData`] |
//!
//! ```
//! # #[cfg(feature = "sha2")] {
//! use anysmp::mcuboot::digest::Sha256;
//! use anysmp::mcuboot::{Error, Image, Version, build::Builder};
//!
//! let mut file = [0; 256];
//! let version = Version::new(1, 2, 3);
//! let len = Builder::new(version).build(b"a program", &mut Sha256::new(), &mut file)?;
//!
//! let image = Image::parse(&file[..len])?;
//! assert_eq!(image.header().version(), version);
//! image.verify(&mut Sha256::new())?; // its contents have the hash that it carries
//!
//! file[40] ^= 1;
//! assert_eq!(Image::parse(&file[..len])?.verify(&mut Sha256::new()), Err(Error::Mismatch));
//! # Ok::<(), Error>(())}.unwrap()
//! ```
//!
//! On a device, [`slots::Slots`] does the image commands of a server: `examples/dfu_server.rs` is a
//! whole one, and the guide says how firmware confirms itself and which boot mode to choose.
//! A hash is not a signature. Everything here keeps damaged images from being started; who may start which image is
//! decided by the bootloader alone, which checks the signature.
//!
//! Sources: MCUboot's `design.md`, `bootutil/image.h` and `bootutil_public.h`.
//!
//! **Not supported:** images of the old header format (magic `3cb8f396`), swap-using-offset (where the secondary image
//! starts one sector late), decryption and decompression.

pub mod build;
pub mod digest;
pub mod flash;
#[cfg(feature = "async")]
pub mod flash_async;
pub mod image;
pub mod shared_data;
pub mod slots;
pub mod tlv;
pub mod trailer;

pub use digest::{Digest, Hash, HashKind};
pub use image::Image;

/// The header of an image.
///
/// Every value of this type is consistent: `header_len` is at least [`Header::LEN`], and header, body and protected TLVs
/// together fit 32 bits.
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
    /// Bytes of a header without the padding that may follow it.
    pub const LEN: usize = 32;
    /// The first four bytes of an image.
    pub const MAGIC: [u8; 4] = [0x3D, 0xB8, 0xF3, 0x96];

    /// A header of an image whose body has `body_len` bytes and starts at `header_len`, and whose protected TLV area has
    /// `protected_len` bytes (0 for none).
    ///
    /// # Errors
    ///
    /// We: [`Error::Sizes`] if `header_len` is below 32 or the sum of the three exceeds 32 bits.
    pub const fn new(version: Version, header_len: u16, body_len: u32, protected_len: u16) -> Result<Self, Error> {
        let sum = header_len as u64 + body_len as u64 + protected_len as u64;
        if (header_len as usize) < Self::LEN || sum > u32::MAX as u64 {
            return Err(Error::Sizes);
        }
        Ok(Self { load_address: 0, header_len, protected_len, body_len, flags: Flags(0), version })
    }

    /// The same header with these flags and this load address (0 where no flag gives it a meaning).
    #[must_use]
    pub const fn with_flags(self, flags: Flags, load_address: u32) -> Self {
        Self { flags, load_address, ..self }
    }

    /// Reads a header from the front of `bytes`.
    ///
    /// # Errors
    ///
    /// The image: [`Error::Truncated`] below 32 bytes, [`Error::Magic`], or [`Error::Sizes`] if its lengths contradict
    /// each other.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: &[u8; Self::LEN] = bytes.first_chunk().ok_or(Error::Truncated)?;
        if !bytes.starts_with(&Self::MAGIC) {
            return Err(Error::Magic);
        }
        // Of a known length: none of these can fail.
        let word = |offset| take(bytes, offset).map_or(0, u32::from_le_bytes);
        let half = |offset| take(bytes, offset).map_or(0, u16::from_le_bytes);
        let version = Version::from_bytes(take(bytes, 20).unwrap_or_default());
        let header = Self::new(version, half(8), word(12), half(10))?;
        Ok(header.with_flags(Flags(word(16)), word(4)))
    }

    /// The 32 bytes of the header.
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

    /// The version of the image.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// What the bootloader has to know about the image.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// Where the image wants to be, for [`Flags::RAM_LOAD`] and [`Flags::ROM_FIXED`].
    #[must_use]
    pub const fn load_address(&self) -> u32 {
        self.load_address
    }

    /// Bytes before the body: the header and its padding.
    #[must_use]
    pub const fn header_len(&self) -> u16 {
        self.header_len
    }

    /// Bytes of the body.
    #[must_use]
    pub const fn body_len(&self) -> u32 {
        self.body_len
    }

    /// Bytes of the protected TLV area with its info; 0 if there is none.
    #[must_use]
    pub const fn protected_len(&self) -> u16 {
        self.protected_len
    }

    /// Where the body ends and the first TLV area begins.
    #[must_use]
    pub const fn body_end(&self) -> u32 {
        (self.header_len as u32).wrapping_add(self.body_len)
    }

    /// How many bytes from the start of the image its hash covers.
    #[must_use]
    pub const fn hashed_len(&self) -> u32 {
        self.body_end().wrapping_add(self.protected_len as u32)
    }
}

/// What the bootloader has to know about an image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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

    /// Whether any bit of `other` is set.
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

/// The version of an image. Orders by major, minor, revision, build.
///
/// Displays as the image commands send it: `1.2.3`, or `1.2.3.4` if the build number is not 0. Parses these, `1`, `1.2`,
/// and imgtool's `1.2.3+4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Version {
    /// The first number.
    pub major: u8,
    /// The second number.
    pub minor: u8,
    /// The third number.
    pub revision: u16,
    /// The fourth number, which most comparisons leave out.
    pub build: u32,
}

impl Version {
    /// The longest text of a version, `255.255.65535.4294967295`.
    pub const MAX_TEXT_LEN: usize = 24;

    /// The version without a build number.
    #[must_use]
    pub const fn new(major: u8, minor: u8, revision: u16) -> Self {
        Self { major, minor, revision, build: 0 }
    }

    /// The same version without its build number, for comparisons that do not look at it.
    #[must_use]
    pub const fn release(self) -> Self {
        Self { build: 0, ..self }
    }

    const fn from_bytes([major, minor, r0, r1, b0, b1, b2, b3]: [u8; 8]) -> Self {
        Self { major, minor, revision: u16::from_le_bytes([r0, r1]), build: u32::from_le_bytes([b0, b1, b2, b3]) }
    }

    const fn to_bytes(self) -> [u8; 8] {
        let [r0, r1] = self.revision.to_le_bytes();
        let [b0, b1, b2, b3] = self.build.to_le_bytes();
        [self.major, self.minor, r0, r1, b0, b1, b2, b3]
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.revision)?;
        if self.build == 0 { Ok(()) } else { write!(f, ".{}", self.build) }
    }
}

impl core::str::FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let mut numbers = [0_u32; 4];
        let (mut at, mut empty) = (0_usize, true);
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => {
                    let number = numbers.get_mut(at).ok_or(InvalidVersion)?;
                    let digit = u32::from(byte & 0x0F);
                    *number = number.checked_mul(10).and_then(|tens| tens.checked_add(digit)).ok_or(InvalidVersion)?;
                    empty = false;
                }
                b'.' if !empty => (at, empty) = (at.wrapping_add(1), true),
                // The build number, from wherever the plus sign stands.
                b'+' if !empty && at < 3 => (at, empty) = (3, true),
                _ => return Err(InvalidVersion),
            }
        }
        let [major, minor, revision, build] = numbers;
        let (Ok(major), Ok(minor), Ok(revision), false) =
            (u8::try_from(major), u8::try_from(minor), u16::try_from(revision), empty)
        else {
            return Err(InvalidVersion);
        };
        Ok(Self { major, minor, revision, build })
    }
}

/// A text is not a version: not one to four numbers that fit their fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct InvalidVersion;

impl core::fmt::Display for InvalidVersion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not a version such as 1.2.3 or 1.2.3.4")
    }
}

impl core::error::Error for InvalidVersion {}

/// What is wrong with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The image: it ends before what its header announces.
    Truncated,
    /// The image: it does not begin with the magic number.
    Magic,
    /// The image, or the caller of [`Header::new`]: the lengths in the header contradict each other.
    Sizes,
    /// The image: no TLV area follows the body.
    NoTlvs,
    /// The image: a TLV area or an entry has an impossible length.
    InvalidTlv,
    /// The image: it has more than one hash.
    MultipleHashes,
    /// The image: its hash has a wrong length.
    HashLength,
    /// The image: it has no hash of the wanted kind.
    NoHash,
    /// The image: its contents do not have the hash that it carries.
    Mismatch,
    /// We: the buffer for a new image is too small.
    BufferFull,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the image is truncated",
            Self::Magic => "not an MCUboot image",
            Self::Sizes => "the lengths in the image header contradict each other",
            Self::NoTlvs => "the image has no TLV area",
            Self::InvalidTlv => "a TLV of the image is malformed",
            Self::MultipleHashes => "the image has more than one hash",
            Self::HashLength => "the hash of the image has a wrong length",
            Self::NoHash => "the image has no hash",
            Self::Mismatch => "the image does not match its hash",
            Self::BufferFull => "the image does not fit the buffer",
        })
    }
}

impl core::error::Error for Error {}

/// `N` bytes of `bytes` at `offset`.
#[inline]
pub(crate) fn take<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

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

    #[test]
    fn versions_read_and_display_as_the_image_commands_send_them() {
        for (text, version, shown) in [
            ("1.2.3", Version::new(1, 2, 3), "1.2.3"),
            ("1.2.3.4", Version { build: 4, ..Version::new(1, 2, 3) }, "1.2.3.4"),
            ("1.2.3+4", Version { build: 4, ..Version::new(1, 2, 3) }, "1.2.3.4"),
            ("1.2.3+0", Version::new(1, 2, 3), "1.2.3"),
            ("1+4", Version { build: 4, ..Version::new(1, 0, 0) }, "1.0.0.4"),
            ("7", Version::new(7, 0, 0), "7.0.0"),
            (
                "255.255.65535.4294967295",
                Version { build: u32::MAX, ..Version::new(255, 255, 65535) },
                "255.255.65535.4294967295",
            ),
        ] {
            assert_eq!(text.parse(), Ok(version));
            assert_eq!(version.to_string(), shown);
            assert!(shown.len() <= Version::MAX_TEXT_LEN);
        }
        for text in [
            "",
            ".",
            "1.",
            "256",
            "1.2.65536",
            "1.2.3.4.5",
            "1.2.3.4+5",
            "1.-2",
            "1.+2",
            "v1",
            "1.2.3+",
            " 1",
            "1.2.3+4+5",
            "1.2.3+4.5",
            "1.2.3.4294967296",
            "1..2",
        ] {
            assert_eq!(text.parse::<Version>(), Err(InvalidVersion), "{text:?}");
        }
    }

    #[test]
    fn versions_order_by_major_minor_revision_build() {
        let ordered = ["0.0.0.9", "0.0.1", "0.1.0", "0.2.0", "1.0.0", "1.0.0.1", "1.0.256", "1.1.0"];
        let versions = ordered.map(|text| text.parse::<Version>().unwrap());
        assert!(versions.is_sorted());
        assert_eq!(versions[5].release(), versions[4]);
    }
}
