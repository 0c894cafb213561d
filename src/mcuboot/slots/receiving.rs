//! What is known of an upload: how far it is, and by which key a client finds it again.

use super::access;
use super::layout::{Geometry, Target};
use crate::bytes::copy;
use crate::checksum::Crc16;

/// The `sha` of an upload, by which a client finds its session again; none if it is empty.
#[derive(Clone, Copy)]
pub(super) struct Key {
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Key {
    pub(super) const MAX_LEN: usize = 32;

    /// Takes over what is not too long; `None` if it is.
    pub(super) fn set(&mut self, sha: &[u8]) -> Option<()> {
        copy(sha, self.bytes.get_mut(..sha.len())?);
        self.len = u8::try_from(sha.len()).ok()?;
        Some(())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }

    /// Whether there is one, and it is this.
    pub(super) fn is(&self, sha: &[u8]) -> bool {
        self.len > 0 && self.as_bytes() == sha
    }
}

/// An upload that goes on, or the one that was the last. It stays where it is, in the slots: to
/// move it from stage to stage of a job takes more code than all of these functions, and stack for
/// each copy.
pub(super) struct Receiving {
    pub(super) image: u32,
    pub(super) target: Target,
    pub(super) len: u32,
    pub(super) key: Key,
    /// Bytes in flash, whole write units until the last.
    pub(super) written: u32,
    /// Bytes in the carry: fewer than a write unit between chunks.
    pub(super) carry: u32,
    /// Up to here the slot is erased.
    pub(super) erased: u32,
    /// Up to here the log knows of it.
    pub(super) logged: u32,
    /// The CRC of the bytes in flash.
    pub(super) crc: Crc16,
}

impl Receiving {
    /// None yet.
    pub(super) fn new() -> Self {
        let (crc, target) = (Crc16::new(), Target::NONE);
        let key = Key { len: 0, bytes: [0; Key::MAX_LEN] };
        Self { image: 0, target, len: 0, key, written: 0, carry: 0, erased: 0, logged: 0, crc }
    }

    /// A new upload; the tail of the slot is erased before the first chunk is written. `None` if
    /// the `sha` is too long.
    pub(super) fn begin(&mut self, image: u32, target: Target, len: u32, sha: &[u8]) -> Option<()> {
        self.recall(image, len, 0, 0);
        self.target = target;
        self.key.set(sha)
    }

    /// An upload that goes on at the end of an erase page, of which the log already knows.
    pub(super) fn recall(&mut self, image: u32, len: u32, off: u32, crc: u16) {
        (self.image, self.len, self.carry, self.crc) = (image, len, 0, Crc16::at(crc));
        (self.written, self.erased, self.logged) = (off, off, off);
    }

    /// The offset that is wanted next.
    pub(super) const fn off(&self) -> u32 {
        self.written.wrapping_add(self.carry)
    }

    /// Bytes in flash.
    pub(super) const fn written(&self) -> u32 {
        self.written
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.written >= self.len
    }

    /// Tells that the slot is erased from `tail` on.
    pub(super) const fn tail_cleared(&mut self, tail: u32) {
        if self.erased >= tail {
            self.erased = self.target.region().len;
        }
    }

    /// Moves the bytes of the chunk that fill no write unit into the carry; `rest` is what is not
    /// taken of it, and how much is moved is returned.
    pub(super) fn gather(&mut self, rest: &[u8], carry: &mut [u8], geometry: &Geometry) -> usize {
        if self.carry == 0 && rest.len() >= carry.len() {
            return 0;
        }
        let free = carry.get_mut(access::size(self.carry)..).unwrap_or(&mut []);
        copy(rest, free);
        let moved = rest.len().min(free.len());
        self.carry = self.carry.wrapping_add(u32::try_from(moved).unwrap_or(0));
        if self.off() == self.len {
            free.get_mut(moved..).unwrap_or(&mut []).fill(geometry.erased);
        }
        moved
    }

    /// Bytes in the carry.
    pub(super) const fn carried(&self) -> u32 {
        self.carry
    }
}
