//! The TLV areas after the body of an image.
//!
//! There are two: a *protected* one, which the image hash covers and the header announces, and
//! after it the normal one. They are separate here: look for protected entries in the protected
//! area, and for the image hash, which cannot cover itself, only in the other one.

use super::Error;
use crate::shown::shown;

/// The type of a TLV.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a number with names")]
pub struct Kind(pub u16);

impl Kind {
    /// SHA-256 of the public key.
    pub const KEY_HASH: Self = Self(0x01);
    /// The public key.
    pub const PUBLIC_KEY: Self = Self(0x02);
    /// The image hash, SHA-256.
    pub const SHA256: Self = Self(0x10);
    /// The image hash, SHA-384.
    pub const SHA384: Self = Self(0x11);
    /// The image hash, SHA-512.
    pub const SHA512: Self = Self(0x12);
    /// Signature: RSA-2048 PSS.
    pub const RSA2048: Self = Self(0x20);
    /// Signature: ECDSA.
    pub const ECDSA: Self = Self(0x22);
    /// Signature: RSA-3072 PSS.
    pub const RSA3072: Self = Self(0x23);
    /// Signature: Ed25519.
    pub const ED25519: Self = Self(0x24);
    /// The signature covers the bytes of the image themselves instead of their hash.
    pub const SIG_PURE: Self = Self(0x25);
    /// The key of an encrypted image, wrapped by RSA-2048 OAEP.
    pub const ENC_RSA2048: Self = Self(0x30);
    /// The key of an encrypted image, wrapped by AES-KW.
    pub const ENC_KW: Self = Self(0x31);
    /// The key of an encrypted image, wrapped by ECIES on P-256.
    pub const ENC_EC256: Self = Self(0x32);
    /// The key of an encrypted image, wrapped by ECIES on X25519.
    pub const ENC_X25519: Self = Self(0x33);
    /// The key of an encrypted image, wrapped by ECIES on X25519 with SHA-512.
    pub const ENC_X25519_SHA512: Self = Self(0x34);
    /// A version that this image requires of another image: image number, version.
    pub const DEPENDENCY: Self = Self(0x40);
    /// A counter that must not decrease (u32).
    pub const SECURITY_COUNTER: Self = Self(0x50);
    /// Measured-boot record.
    pub const BOOT_RECORD: Self = Self(0x60);
    /// The length of a compressed image after its decompression.
    pub const DECOMPRESSED_SIZE: Self = Self(0x70);
    /// The hash of a compressed image after its decompression.
    pub const DECOMPRESSED_SHA: Self = Self(0x71);
    /// The signature of a compressed image after its decompression.
    pub const DECOMPRESSED_SIGNATURE: Self = Self(0x72);
    /// The version that the compression needs.
    pub const COMPRESSION_VERSION: Self = Self(0x73);

    const NAMES: [(Self, &'static str); 22] = [
        (Self::KEY_HASH, "KEY_HASH"),
        (Self::PUBLIC_KEY, "PUBLIC_KEY"),
        (Self::SHA256, "SHA256"),
        (Self::SHA384, "SHA384"),
        (Self::SHA512, "SHA512"),
        (Self::RSA2048, "RSA2048"),
        (Self::ECDSA, "ECDSA"),
        (Self::RSA3072, "RSA3072"),
        (Self::ED25519, "ED25519"),
        (Self::SIG_PURE, "SIG_PURE"),
        (Self::ENC_RSA2048, "ENC_RSA2048"),
        (Self::ENC_KW, "ENC_KW"),
        (Self::ENC_EC256, "ENC_EC256"),
        (Self::ENC_X25519, "ENC_X25519"),
        (Self::ENC_X25519_SHA512, "ENC_X25519_SHA512"),
        (Self::DEPENDENCY, "DEPENDENCY"),
        (Self::SECURITY_COUNTER, "SECURITY_COUNTER"),
        (Self::BOOT_RECORD, "BOOT_RECORD"),
        (Self::DECOMPRESSED_SIZE, "DECOMPRESSED_SIZE"),
        (Self::DECOMPRESSED_SHA, "DECOMPRESSED_SHA"),
        (Self::DECOMPRESSED_SIGNATURE, "DECOMPRESSED_SIGNATURE"),
        (Self::COMPRESSION_VERSION, "COMPRESSION_VERSION"),
    ];
}

impl core::fmt::Debug for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match Self::NAMES.iter().find(|(kind, _)| kind == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "Kind({:#06x})", self.0),
        }
    }
}

/// One TLV, with a value of at most 65,535 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Tlv<'a> {
    /// The type of the value, which decides how it is read.
    pub kind: Kind,
    /// The value, as it is in the image.
    pub value: &'a [u8],
}

shown!(Tlv<'_>, |tlv| "Tlv({:?}, {} bytes)", tlv.kind, tlv.value.len());

/// Iterates over the entries of one TLV area.
///
/// An error is returned once and ends the iteration.
#[derive(Clone)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

shown!(Tlvs<'_>, |tlvs| "Tlvs({} bytes)", tlvs.rest.len());

impl<'a> Tlvs<'a> {
    /// Iterates over the entries in `bytes`, an area without its info.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the value of the only entry of this kind; `None` if there is none.
    ///
    /// # Errors
    ///
    /// The image: [`Error::InvalidTlv`], or [`Error::MultipleHashes`] if there are several.
    pub fn only(self, kind: Kind) -> Result<Option<&'a [u8]>, Error> {
        let mut found = None;
        for tlv in self {
            let tlv = tlv?;
            // Two could have different values, and readers would disagree on which counts.
            if tlv.kind == kind && found.replace(tlv.value).is_some() {
                return Err(Error::MultipleHashes);
            }
        }
        Ok(found)
    }

    /// Removes the first entry; `None` if it is cut off.
    fn split(&mut self) -> Option<Tlv<'a>> {
        let (head, rest) = self.rest.split_first_chunk()?;
        let entry = Entry::parse(*head);
        let (value, rest) = rest.split_at_checked(entry.len.into())?;
        self.rest = rest;
        Some(Tlv { kind: entry.kind, value })
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Result<Tlv<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let tlv = self.split();
        // Reported once: nothing after a cut-off entry can be found.
        if tlv.is_none() {
            self.rest = &[];
        }
        Some(tlv.ok_or(Error::InvalidTlv))
    }
}

/// The info at the front of a TLV area, four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Info {
    magic: u16,
    /// The length of the area in bytes, this info included.
    total: u16,
}

impl Info {
    pub(crate) const LEN: u16 = 4;
    const NORMAL: u16 = 0x6907;
    const PROTECTED: u16 = 0x6908;

    /// The info of an area of `total` bytes, itself included.
    pub(crate) const fn new(protected: bool, total: u16) -> Self {
        Self { magic: if protected { Self::PROTECTED } else { Self::NORMAL }, total }
    }

    pub(crate) fn emit(self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.magic.to_le_bytes(), self.total.to_le_bytes());
        [a, b, c, d]
    }

    pub(crate) const fn parse([m0, m1, t0, t1]: [u8; 4]) -> Self {
        Self { magic: u16::from_le_bytes([m0, m1]), total: u16::from_le_bytes([t0, t1]) }
    }

    /// Returns the length of the protected area, for which the header announces `announced` bytes.
    pub(crate) const fn protected(self, announced: u16) -> Result<u16, Error> {
        match self {
            // Header and area must agree, or boot loader and device would hash different bytes.
            Self { magic: Self::PROTECTED, total } if total == announced && total >= Self::LEN => Ok(total),
            Self { magic: Self::PROTECTED, .. } => Err(Error::InvalidTlv),
            _ => Err(Error::NoTlvs),
        }
    }

    /// Returns the length of the normal area.
    pub(crate) const fn normal(self) -> Result<u16, Error> {
        match self {
            Self { magic: Self::NORMAL, total } if total >= Self::LEN => Ok(total),
            Self { magic: Self::NORMAL, .. } => Err(Error::InvalidTlv),
            _ => Err(Error::NoTlvs),
        }
    }
}

/// The type and length in front of a value, four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) len: u16,
}

impl Entry {
    pub(crate) const LEN: u16 = 4;

    pub(crate) const fn parse([k0, k1, l0, l1]: [u8; 4]) -> Self {
        Self { kind: Kind(u16::from_le_bytes([k0, k1])), len: u16::from_le_bytes([l0, l1]) }
    }

    pub(crate) fn emit(self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.kind.0.to_le_bytes(), self.len.to_le_bytes());
        [a, b, c, d]
    }
}
