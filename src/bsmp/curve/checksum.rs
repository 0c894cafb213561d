//! The checksum of a curve.

use super::Curve;
use super::digest::Digest;
use crate::bsmp::{Entities, Refusal};
#[cfg(feature = "md5")]
use crate::{bytes::copy, shown::shown};

/// A checksum that is calculated block by block while a curve is moved.
///
/// `()` calculates nothing, for a master that does not verify; `Md5` (feature `md5`) is the real
/// one.
pub trait Checksum {
    /// Adds the next bytes of the curve.
    fn update(&mut self, data: &[u8]);

    /// Returns the checksum of everything so far; `None` if nothing was calculated.
    fn digest(&self) -> Option<Digest>;
}

impl Checksum for () {
    fn update(&mut self, _: &[u8]) {}

    fn digest(&self) -> Option<Digest> {
        None
    }
}

/// A running MD5. 88 bytes of RAM.
///
/// The `md-5` crate does the calculation, and this type keeps the blocks: at `opt-level = "z"` the
/// crate's own buffer keeps the code of a panic that cannot be reached.
#[cfg(feature = "md5")]
#[derive(Clone)]
pub struct Md5 {
    state: [u32; 4],
    /// The block that is not full yet.
    block: [u8; 64],
    /// The number of bytes so far. Wraps, as RFC 1321 requires.
    len: u64,
}

#[cfg(feature = "md5")]
shown!(Md5, |md5| "Md5({} bytes)", md5.len);

#[cfg(feature = "md5")]
impl Default for Md5 {
    fn default() -> Self {
        Self { state: [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476], block: [0; 64], len: 0 }
    }
}

#[cfg(feature = "md5")]
impl Checksum for Md5 {
    fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let at = usize::try_from(self.len % 64).unwrap_or(0);
            let room = self.block.get_mut(at..).unwrap_or_default();
            let (now, later) = data.split_at_checked(room.len()).unwrap_or((data, &[]));
            let full = now.len() == room.len();
            copy(now, room);
            self.len = self.len.wrapping_add(now.len() as u64);
            if full {
                md5::block_api::compress(&mut self.state, core::slice::from_ref(&self.block));
            }
            data = later;
        }
    }

    /// Pads a copy: 0x80, zeros up to the last 8 bytes of a block, the length in bits.
    fn digest(&self) -> Option<Digest> {
        let mut end = self.clone();
        end.update(&[0x80]);
        while end.len % 64 != 56 {
            end.update(&[0]);
        }
        end.update(&self.len.wrapping_mul(8).to_le_bytes());
        let mut digest = [0; 16];
        for (to, word) in digest.chunks_exact_mut(4).zip(end.state) {
            copy(&word.to_le_bytes(), to);
        }
        Some(digest)
    }
}

/// Calculates the checksum of a node's own curve, for a device's [`Entities::digest`].
///
/// Reads every block once, in order, into `scratch`, which holds at least one block. A block that
/// is shorter than the block size counts with the bytes that it has.
///
/// # Errors
///
/// [`Refusal::Memory`] if `scratch` is too small, or the error of [`Entities::read_block`].
pub fn digest_of<E: Entities + ?Sized, C: Checksum>(
    entities: &mut E,
    id: u8,
    curve: Curve,
    scratch: &mut [u8],
    mut checksum: C,
) -> Result<Digest, Refusal> {
    let scratch = scratch.get_mut(..usize::from(curve.block)).ok_or(Refusal::Memory)?;
    for block in 0..=u16::MAX {
        if u32::from(block) >= curve.blocks {
            break;
        }
        let len = entities.read_block(id, block, scratch)?;
        checksum.update(scratch.get(..len).ok_or(Refusal::Busy)?);
    }
    checksum.digest().ok_or(Refusal::Unsupported)
}
