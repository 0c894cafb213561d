//! Writes the responses of a recovery.

use crate::bytes::copy;
use crate::cbor::head::{BYTES, NEGATIVE, TEXT, UNSIGNED};
use crate::shown::shown;
use crate::smp::{Error, Header};

/// An image in the list of a [`Target`](super::Target).
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Image<'a> {
    /// The number of the image; `None` on a device with one image.
    pub image: Option<u32>,
    /// 0 primary, 1 secondary.
    pub slot: u32,
    /// The hash of the image's TLV area.
    pub hash: Option<&'a [u8]>,
    /// `major.minor.revision`
    pub version: &'a str,
}

shown!(Image<'_>, |image| "Image(slot {})", image.slot);

impl<'a> Image<'a> {
    /// The image in `slot`, without a number and a hash.
    #[must_use]
    pub const fn new(slot: u32, version: &'a str) -> Self {
        Self { image: None, slot, hash: None, version }
    }
}

/// A response that grows in `tx`, after room for its header.
pub(super) struct Response<'t> {
    tx: &'t mut [u8],
    /// The length of the response, whether it fits or not.
    len: usize,
}

/// The code of version 1 for every refusal of a group.
const INVALID: i32 = 3;

impl<'t> Response<'t> {
    /// A response in `tx`. It uses at most the length that a header can express.
    pub(super) fn new(tx: &'t mut [u8]) -> Self {
        let room = tx.len().min(Header::LEN + usize::from(u16::MAX));
        Self { tx: tx.get_mut(..room).unwrap_or_default(), len: Header::LEN }
    }

    /// Writes bytes unchanged.
    // Not inlined: one copy saves 700 bytes.
    #[inline(never)]
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        copy(bytes, self.tx.get_mut(self.len..).unwrap_or_default());
        self.len = self.len.saturating_add(bytes.len());
    }

    /// Writes a first byte and its argument, in the shortest form.
    pub(super) fn number(&mut self, major: u8, number: u32) {
        let [b3, b2, b1, b0] = number.to_be_bytes();
        let initial = major << 5;
        match number {
            0..=23 => self.raw(&[initial | b0]),
            24..=0xFF => self.raw(&[initial | 24, b0]),
            0x100..=0xFFFF => self.raw(&[initial | 25, b1, b0]),
            _ => self.raw(&[initial | 26, b3, b2, b1, b0]),
        }
    }

    pub(super) fn string(&mut self, major: u8, bytes: &[u8]) {
        self.number(major, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.raw(bytes);
    }

    pub(super) fn text(&mut self, text: &[u8]) {
        self.string(TEXT, text);
    }

    pub(super) fn image(&mut self, image: &Image<'_>) {
        self.raw(b"\xbf");
        if let Some(image) = image.image {
            self.raw(b"\x65image");
            self.number(UNSIGNED, image);
        }
        self.raw(b"\x64slot");
        self.number(UNSIGNED, image.slot);
        if let Some(hash) = image.hash {
            self.raw(b"\x64hash");
            self.string(BYTES, hash);
        }
        self.raw(b"\x67version");
        self.text(image.version.as_bytes());
        self.raw(b"\xff");
    }

    /// Writes an error, in place of everything written so far.
    pub(super) fn refuse(&mut self, error: Error, names_group: bool) {
        self.len = Header::LEN;
        self.raw(b"\xbf");
        let (code, end) = match error {
            Error::Group { group, rc } if names_group => {
                self.raw(b"\x63err\xbf\x65group");
                self.number(UNSIGNED, group.0.into());
                (rc.into(), &b"\xff\xff"[..])
            }
            Error::Group { .. } => (INVALID, &b"\xff"[..]),
            Error::Smp(code) => (code, &b"\xff"[..]),
        };
        self.raw(b"\x62rc");
        // CBOR stores -1 - n for a negative n, which is n with all bits inverted.
        self.number(if code < 0 { NEGATIVE } else { UNSIGNED }, (code ^ (code >> 31)).cast_unsigned());
        self.raw(end);
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.len <= self.tx.len()
    }

    /// Writes the header; returns the length of the response, 0 if it does not fit.
    pub(super) fn complete(&mut self, request: &[u8; Header::LEN]) -> usize {
        let [first, _flags, _, _, g1, g0, sequence, command] = *request;
        let Some(payload) = self.len.checked_sub(Header::LEN).filter(|_| self.is_whole()) else { return 0 };
        let [.., l1, l0] = payload.to_be_bytes();
        if let Some(header) = self.tx.first_chunk_mut() {
            // Versions 2 and 3 are answered in version 1.
            let version = if first & 0b1_1000 == 0 { 0 } else { 0b1000 };
            *header = [version | (first & 0b10) | 1, 0, l1, l0, g1, g0, sequence, command];
        }
        self.len
    }
}
