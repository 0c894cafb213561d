//! Builds unsigned images, on a host or a device.
//!
//! The result is that of `imgtool sign` without a key: a header, padding, the body, the protected
//! TLVs if there are any, and one hash TLV.

use super::digest::Digest;
use super::tlv::{Entry, Info, Tlv};
use super::{Error, Flags, Header, Version};

/// The description of an image. The fields are public: start from [`Builder::new`].
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Builder<'a> {
    /// The version in the header.
    pub version: Version,
    /// The start of the body, in bytes from the start of the image; at least 32.
    pub header_len: u16,
    /// The byte that fills the gap between header and body. imgtool uses the erased value of the
    /// flash, FF, if it makes the gap itself (`--pad-header`); a linker that reserves the room
    /// leaves zeros.
    pub fill: u8,
    /// The flags in the header.
    pub flags: Flags,
    /// The load address in the header.
    pub load_address: u32,
    /// Entries for the protected TLV area. There is no such area if this is empty.
    pub protected: &'a [Tlv<'a>],
    /// Entries that follow the hash in the other area, for example signatures.
    pub tlvs: &'a [Tlv<'a>],
}

impl Builder<'static> {
    /// An image of this version without padding, flags, or TLVs other than the hash. Any padding
    /// consists of zeros.
    #[must_use]
    pub const fn new(version: Version) -> Self {
        Self { version, header_len: 32, fill: 0, flags: Flags(0), load_address: 0, protected: &[], tlvs: &[] }
    }
}

impl Builder<'_> {
    /// Writes the image with this body to the front of `out` and returns its length.
    ///
    /// # Errors
    ///
    /// We: [`Error::BufferFull`] if `out` is too small, [`Error::Sizes`] if a length does not fit
    /// its field.
    pub fn build<D: Digest>(&self, body: &[u8], digest: &mut D, out: &mut [u8]) -> Result<usize, Error> {
        // The header announces the protected area, so its length must be known first.
        let protected_len = if self.protected.is_empty() { 0 } else { area_len(self.protected)? };
        let hash_len = u16::try_from(D::KIND.len()).ok().and_then(|len| len.checked_add(Entry::LEN));
        let total = hash_len.and_then(|len| len.checked_add(area_len(self.tlvs).ok()?)).ok_or(Error::Sizes)?;
        let body_len = u32::try_from(body.len()).ok().ok_or(Error::Sizes)?;
        let header = Header::new(self.version, self.header_len, body_len, protected_len)?
            .with_flags(self.flags, self.load_address)
            .emit();

        let mut writer = Writer { out, len: 0 };
        writer.put(&header)?;
        for _ in Header::LEN..self.header_len.into() {
            writer.put(&[self.fill])?;
        }
        writer.put(body)?;
        if !self.protected.is_empty() {
            writer.put(&Info::new(true, protected_len).emit())?;
            self.protected.iter().try_for_each(|tlv| writer.entry(tlv))?;
        }
        // The hash covers everything so far, and nothing after it.
        digest.reset();
        digest.update(writer.written());
        let hash = digest.finish();
        writer.put(&Info::new(false, total).emit())?;
        writer.entry(&Tlv { kind: D::KIND.tlv(), value: hash.as_bytes() })?;
        self.tlvs.iter().try_for_each(|tlv| writer.entry(tlv))?;
        Ok(writer.len)
    }
}

/// Returns the length of a TLV area with these entries.
fn area_len(tlvs: &[Tlv<'_>]) -> Result<u16, Error> {
    let sum = tlvs
        .iter()
        .try_fold(Info::LEN, |sum, tlv| sum.checked_add(Entry::LEN)?.checked_add(u16::try_from(tlv.value.len()).ok()?));
    sum.ok_or(Error::Sizes)
}

/// A cursor that writes into the image.
struct Writer<'o> {
    out: &'o mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn written(&self) -> &[u8] {
        self.out.get(..self.len).unwrap_or(&[])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let place =
            self.out.get_mut(self.len..).and_then(|rest| rest.get_mut(..bytes.len())).ok_or(Error::BufferFull)?;
        crate::bytes::copy(bytes, place);
        self.len = self.len.saturating_add(bytes.len());
        Ok(())
    }

    fn entry(&mut self, tlv: &Tlv<'_>) -> Result<(), Error> {
        let len = u16::try_from(tlv.value.len()).ok().ok_or(Error::Sizes)?;
        self.put(&Entry { kind: tlv.kind, len }.emit())?;
        self.put(tlv.value)
    }
}
