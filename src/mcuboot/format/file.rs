//! Reads the identity of an image file piece by piece, without its body in memory.

use super::Version;
use super::digest::{Digest, Hash, HashKind};
use super::header::Flags;
use super::identity::{FileError, Identity, Listed};
use crate::source::Source;

/// The identity of an image file: enough to recognise the image in the list of a device.
///
/// [`Image`](super::image::Image) is for files that are in memory as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ImageFile {
    version: Version,
    flags: Flags,
    len: u32,
    /// The number of bytes that the hash covers.
    hashed: u32,
    hash: Hash,
    decompressed: Option<Hash>,
}

impl ImageFile {
    /// Reads header and TLV areas, in pieces of at most 64 bytes. It does not compute the hash: see
    /// [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// The file or its source: a [`FileError`].
    pub fn read<S: Source>(source: &mut S) -> Result<Self, FileError> {
        let (identity, header) = Identity::read(source)?;
        let mut bytes = [0; Hash::MAX_LEN];
        let hash = Hash::new(identity.hash(source, Listed::Own, &mut bytes)?).ok_or(FileError::Hash)?;
        let decompressed = Hash::new(identity.hash(source, Listed::Decompressed, &mut bytes)?);
        let (version, flags, hashed) = (identity.version(), header.flags(), header.hashed_len());
        Ok(Self { version, flags, len: identity.len(), hashed, hash, decompressed })
    }

    /// Computes the hash of the contents and compares it with the one that the file claims.
    /// Signatures are not checked: only the boot loader has the key.
    ///
    /// # Errors
    ///
    /// The file: [`FileError::Mismatch`]; [`FileError::Encrypted`] if it cannot be checked;
    /// [`FileError::Hash`] if its hash is of another kind than that of `digest`; those of its
    /// source.
    pub fn verify<S: Source, D: Digest>(&self, source: &mut S, digest: &mut D) -> Result<(), FileError> {
        if self.flags().intersects(Flags::ENCRYPTED) {
            return Err(FileError::Encrypted);
        }
        if D::KIND != self.hash_kind() {
            return Err(FileError::Hash);
        }
        digest.reset();
        let (mut block, mut at) = ([0; 128], 0_u64);
        let end = u64::from(self.hashed);
        while at < end {
            let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let block = block.get_mut(..left.min(128)).unwrap_or_default();
            source.read(at, block)?;
            digest.update(block);
            at = at.saturating_add(block.len() as u64);
        }
        if digest.finish() == self.hash { Ok(()) } else { Err(FileError::Mismatch) }
    }

    /// Returns the version in the header.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Returns the flags in the header.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// Returns the hash in the TLV area: 32, 48 or 64 bytes.
    #[must_use]
    pub fn hash(&self) -> &[u8] {
        self.hash.as_bytes()
    }

    /// Returns the hash of the image after its decompression, if the file is compressed: a boot
    /// loader lists the image with it once it has unpacked it.
    #[must_use]
    pub fn decompressed_hash(&self) -> Option<&[u8]> {
        self.decompressed.as_ref().map(Hash::as_bytes)
    }

    /// Returns the kind of [`hash`](Self::hash).
    #[must_use]
    pub fn hash_kind(&self) -> HashKind {
        // No hash of another length is stored.
        HashKind::of_len(self.hash().len()).unwrap_or(HashKind::Sha256)
    }

    /// Returns the length in bytes, without padding after the image.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an image is never empty")]
    pub const fn len(&self) -> u64 {
        self.len as u64
    }
}

impl core::fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (version, len) = (self.version(), self.len());
        write!(f, "ImageFile {{ version: {version}, len: {len}, hash: {} bytes }}", self.hash().len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for ImageFile {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "ImageFile({}, {=u64} bytes)", self.version(), self.len());
    }
}
