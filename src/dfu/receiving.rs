//! The progress of an upload, and the key by which a client resumes it.

use super::access;
use super::flash::Geometry;
use super::region::Target;
use crate::bytes::copy;
use crate::checksum::Crc16;

/// The `sha` of an upload, by which a client resumes its session; empty for none.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Key {
    pub(crate) const MAX_LEN: usize = 32;

    /// Copies `sha`; `None` if it is too long.
    pub(crate) fn set(&mut self, sha: &[u8]) -> Option<()> {
        copy(sha, self.bytes.get_mut(..sha.len())?);
        self.len = u8::try_from(sha.len()).ok()?;
        Some(())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }

    /// Returns true if there is a `sha` and it is this one.
    pub(crate) fn is(&self, sha: &[u8]) -> bool {
        self.len > 0 && self.as_bytes() == sha
    }
}

/// The current upload, or the last one. It stays in the slots: moving it from stage to stage of a
/// job would take more code than all of these functions, and stack for each copy.
pub(crate) struct Receiving {
    pub(crate) image: u32,
    pub(crate) target: Target,
    pub(crate) len: u32,
    pub(crate) key: Key,
    /// The number of bytes in flash: whole write units, except after the last one.
    pub(crate) written: u32,
    /// The number of bytes in the carry; between chunks, fewer than a write unit.
    pub(crate) carry: u32,
    /// The end of the erased part of the slot.
    pub(crate) erased: u32,
    /// The end of the part that the log has recorded.
    pub(crate) logged: u32,
    /// The CRC of the bytes in flash.
    pub(crate) crc: Crc16,
    /// True for a padded file, whose trailer is not written: it asks for a permanent mark.
    #[cfg(feature = "mcuboot")]
    pub(crate) confirmed: bool,
}

impl Receiving {
    pub(crate) fn new() -> Self {
        let (crc, target) = (Crc16::new(), Target::NONE);
        let key = Key { len: 0, bytes: [0; Key::MAX_LEN] };
        Self {
            image: 0,
            target,
            len: 0,
            key,
            written: 0,
            carry: 0,
            erased: 0,
            logged: 0,
            crc,
            #[cfg(feature = "mcuboot")]
            confirmed: false,
        }
    }

    /// Begins a new upload; `None` if the `sha` is too long. The caller erases the tail of the slot
    /// before the first chunk is written.
    pub(crate) fn begin(&mut self, image: u32, target: Target, len: u32, sha: &[u8]) -> Option<()> {
        self.recall(image, len, 0, 0);
        self.target = target;
        self.key.set(sha)
    }

    /// Continues an upload at the end of an erase page that the log has recorded.
    pub(crate) fn recall(&mut self, image: u32, len: u32, off: u32, crc: u16) {
        (self.image, self.len, self.carry, self.crc) = (image, len, 0, Crc16::at(crc));
        (self.written, self.erased, self.logged) = (off, off, off);
    }

    /// Returns the expected offset of the next chunk.
    pub(crate) const fn off(&self) -> u32 {
        self.written.wrapping_add(self.carry)
    }

    pub(crate) const fn written(&self) -> u32 {
        self.written
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.written >= self.len
    }

    /// Records that the slot is erased from `tail` on.
    pub(crate) const fn tail_cleared(&mut self, tail: u32) {
        // The tail was erased first, so from there on the slot is free to its end.
        if self.erased >= tail {
            self.erased = self.target.region().len;
        }
    }

    /// Moves bytes from the `rest` of the chunk that do not fill a write unit into the carry;
    /// returns the number moved.
    pub(crate) fn gather(&mut self, rest: &[u8], carry: &mut [u8], geometry: &Geometry) -> usize {
        // Whole units are written from the chunk itself, without a copy.
        if self.carry == 0 && rest.len() >= carry.len() {
            return 0;
        }
        let free = carry.get_mut(access::size(self.carry)..).unwrap_or(&mut []);
        copy(rest, free);
        let moved = rest.len().min(free.len());
        self.carry = self.carry.wrapping_add(u32::try_from(moved).unwrap_or(0));
        // The last unit of the file: padding with erased bytes leaves the rest of the unit
        // unchanged.
        if self.off() == self.len {
            free.get_mut(moved..).unwrap_or(&mut []).fill(geometry.erased);
        }
        moved
    }

    pub(crate) const fn carried(&self) -> u32 {
        self.carry
    }
}
