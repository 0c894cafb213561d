//! Image files in memory.

use super::digest::{Digest, HashKind};
use super::tlv::{Info, Tlvs};
use super::{Error, Header};

/// A borrowed image file: header, body and two TLV areas. Parsing reads only the header and the
/// infos of the two areas; entries are checked when they are read.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    header: Header,
    hashed: &'a [u8],
    protected: &'a [u8],
    tlvs: &'a [u8],
}

impl<'a> Image<'a> {
    /// Finds the parts of an image. Bytes after its end, such as the padding of `imgtool --pad`,
    /// are ignored.
    ///
    /// # Errors
    ///
    /// The image: an [`Error`] in its header or the info of a TLV area.
    pub fn parse(file: &'a [u8]) -> Result<Self, Error> {
        let header = Header::parse(file)?;
        let size = |len: u32| usize::try_from(len).unwrap_or(usize::MAX);
        let (hashed, rest) = file.split_at_checked(size(header.hashed_len())).ok_or(Error::Truncated)?;
        let protected = match header.protected_len() {
            0 => &[],
            announced => {
                let area = hashed.get(size(header.body_end())..).ok_or(Error::Truncated)?;
                entries(area, info(area).ok_or(Error::InvalidTlv)?.protected(announced)?)?
            }
        };
        // Every image has this area, because its hash is there.
        let tlvs = entries(rest, info(rest).ok_or(Error::NoTlvs)?.normal()?)?;
        Ok(Self { header, hashed, protected, tlvs })
    }

    /// Returns the header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the bytes that the image hash covers: header, body, protected TLVs.
    #[must_use]
    pub const fn hashed(&self) -> &'a [u8] {
        self.hashed
    }

    /// Returns the entries that the hash covers.
    #[must_use]
    pub const fn protected(&self) -> Tlvs<'a> {
        Tlvs::new(self.protected)
    }

    /// Returns the entries that the hash does not cover: the hash itself, keys, signatures.
    #[must_use]
    pub const fn tlvs(&self) -> Tlvs<'a> {
        Tlvs::new(self.tlvs)
    }

    /// Returns the length of the whole image, without padding after it.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an image is never empty")]
    pub const fn len(&self) -> usize {
        self.hashed.len().saturating_add(Info::LEN as usize).saturating_add(self.tlvs.len())
    }

    /// Returns the hash TLV of the image.
    ///
    /// # Errors
    ///
    /// The image: an error unless it has exactly one hash TLV of this kind, with the right length,
    /// outside the protected area.
    pub fn hash(&self, kind: HashKind) -> Result<&'a [u8], Error> {
        let hash = self.tlvs().only(kind.tlv())?.ok_or(Error::NoHash)?;
        if hash.len() == kind.len() { Ok(hash) } else { Err(Error::HashLength) }
    }

    /// Computes the hash of the image and compares it with the hash TLV. It checks no signature,
    /// and fails for encrypted images, whose hash covers the plain body.
    ///
    /// # Errors
    ///
    /// The image: those of [`hash`](Self::hash), or [`Error::Mismatch`].
    pub fn verify<D: Digest>(&self, digest: &mut D) -> Result<(), Error> {
        let hash = self.hash(D::KIND)?;
        digest.reset();
        digest.update(self.hashed);
        if digest.is(hash) { Ok(()) } else { Err(Error::Mismatch) }
    }
}

impl core::fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Image").field("header", &self.header).field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Image<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Image {{ header: {}, len: {=usize} }}", self.header, self.len());
    }
}

/// Returns the info at the front of an area.
fn info(area: &[u8]) -> Option<Info> {
    area.first_chunk().copied().map(Info::parse)
}

/// Returns the entries of an area of `total` bytes at the front of `bytes`.
fn entries(bytes: &[u8], total: u16) -> Result<&[u8], Error> {
    bytes.get(usize::from(Info::LEN)..usize::from(total)).ok_or(Error::Truncated)
}
