//! Image hashes and their computation.
//!
//! | kind | bytes | TLV | by feature |
//! |---|---|---|---|
//! | [`HashKind::Sha256`] | 32 | 0x10 | `sha2`: `Sha256` |
//! | [`HashKind::Sha384`] | 48 | 0x11 | |
//! | [`HashKind::Sha512`] | 64 | 0x12 | |
//!
//! A bootloader build uses one of them. Implement [`Digest`] for a hardware block: only one hash is
//! computed at a time, so the implementation may own the peripheral.

use super::tlv::Kind;

/// The kind of hash that identifies an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HashKind {
    /// SHA-256, what most builds use.
    Sha256,
    /// SHA-384, whose hash has 48 bytes.
    Sha384,
    /// SHA-512, whose hash has 64 bytes.
    Sha512,
}

impl HashKind {
    /// Returns the length of the hash in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a hash is never empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Returns the kind of hash in a TLV of this type; `None` for other types.
    pub(super) const fn of_tlv(kind: Kind) -> Option<Self> {
        match kind {
            Kind::SHA256 => Some(Self::Sha256),
            Kind::SHA384 => Some(Self::Sha384),
            Kind::SHA512 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Returns the type of the TLV that contains the hash.
    #[must_use]
    pub const fn tlv(self) -> Kind {
        match self {
            Self::Sha256 => Kind::SHA256,
            Self::Sha384 => Kind::SHA384,
            Self::Sha512 => Kind::SHA512,
        }
    }
}

/// A hash: 32, 48 or 64 bytes.
#[derive(Clone, Copy)]
pub struct Hash {
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Hash {
    /// Bytes of the longest hash.
    pub const MAX_LEN: usize = 64;

    /// Copies `hash`; `None` if its length is not that of a [`HashKind`].
    #[must_use]
    pub fn new(hash: &[u8]) -> Option<Self> {
        let mut copy = Self { len: 0, bytes: [0; Self::MAX_LEN] };
        copy.set(hash)?;
        Some(copy)
    }

    /// Copies `hash` if its length is that of a [`HashKind`].
    pub(crate) fn set(&mut self, hash: &[u8]) -> Option<()> {
        self.len = match hash.len() {
            len @ (32 | 48 | 64) => u8::try_from(len).ok()?,
            _ => return None,
        };
        crate::bytes::copy(hash, &mut self.bytes);
        Some(())
    }

    /// Returns the bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }
}

impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Hash {}

impl core::fmt::Debug for Hash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Hash {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=[u8]:02x}", self.as_bytes());
    }
}

/// Computes a hash piece by piece.
pub trait Digest {
    /// The kind of hash.
    const KIND: HashKind;

    /// Starts again from no bytes.
    fn reset(&mut self);

    /// Adds `bytes`, in pieces of any length.
    fn update(&mut self, bytes: &[u8]);

    /// Returns the hash of all bytes since the last reset. Call [`reset`](Self::reset) before the
    /// next update.
    fn finish(&mut self) -> Hash;
}

/// SHA-256 by the `sha2` crate, in software: about 10 KB of code on a Cortex-M. With
/// `--cfg sha2_backend_soft="compact"` it takes 1.1 KB and is slower. The crate reads the switch
/// from the flags of the whole build, in `RUSTFLAGS` or in `.cargo/config.toml`:
///
/// ```toml
/// [target.'cfg(target_os = "none")']
/// rustflags = ['--cfg', 'sha2_backend_soft="compact"']
/// ```
#[cfg(feature = "sha2")]
#[derive(Clone, Default)]
pub struct Sha256(sha2::Sha256);

#[cfg(feature = "sha2")]
impl Sha256 {
    /// A hash of no bytes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the hash of one run of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Hash {
        let mut digest = Self::new();
        digest.update(bytes);
        digest.finish()
    }
}

#[cfg(feature = "sha2")]
impl Digest for Sha256 {
    const KIND: HashKind = HashKind::Sha256;

    fn reset(&mut self) {
        sha2::Digest::reset(&mut self.0);
    }

    fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    fn finish(&mut self) -> Hash {
        // Written in place: each copy of the result would add to the deepest stack of a server.
        let mut hash = Hash { len: 32, bytes: [0; Hash::MAX_LEN] };
        if let Some(bytes) = hash.bytes.first_chunk_mut::<32>() {
            sha2::Digest::finalize_into_reset(&mut self.0, bytes.into());
        }
        hash
    }
}

#[cfg(feature = "sha2")]
impl core::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Sha256")
    }
}

#[cfg(feature = "defmt")]
#[cfg(feature = "sha2")]
impl defmt::Format for Sha256 {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Sha256");
    }
}
