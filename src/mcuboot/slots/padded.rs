//! Padded files (`imgtool sign --pad`), which end with a trailer. It is compared as it arrives, and
//! never written: when the file is complete, it becomes an ordinary mark.
//!
//! ```text
//!   file  0 ── image ── padding ──┬── erased ── image_ok ── erased ── magic ── end of the slot
//!         └ goes into flash       └ compared
//! ```

use super::Gate;
use super::layout::Pair;
use crate::dfu::Error;
use crate::dfu::access::size;
use crate::dfu::receiving::Receiving;
use crate::dfu::region::down;
use crate::mcuboot::digest::Digest;
use crate::mcuboot::trailer::{Field, Flag, Layout};

/// Returns the number of bytes of a file of this length that are written to flash: all of them, or
/// for a padded file those that an image may have, in whole write units. `None` if it is too large.
pub(super) fn stored<G: Gate>(pair: &Pair, shift: u32, unit: u32, len: u32) -> Option<u32> {
    if len <= pair.max() {
        return Some(len);
    }
    (G::TAKES_PADDED && len == pair.upload(shift).region().len).then(|| down(pair.max(), unit))
}

/// Returns the part of the rest of a chunk that is written to flash.
pub(super) fn cut<'c>(rest: &'c [u8], upload: &Receiving, stored: u32) -> &'c [u8] {
    rest.get(..size(stored.saturating_sub(upload.off()))).unwrap_or(rest)
}

/// Returns the byte that a trailer has at this distance from its end.
fn byte(from_end: u32, confirmed: bool, layout: Layout, erased: u8) -> u8 {
    let magic = Layout::MAGIC_LEN.checked_sub(from_end);
    match magic.and_then(|at| layout.magic().get(size(at)).copied()) {
        Some(byte) => byte,
        None if confirmed && from_end == layout.from_end(Field::ImageOk) => Flag::SET,
        None => erased,
    }
}

/// Compares the bytes of a chunk that belong to the trailer.
///
/// # Errors
///
/// The client: it sent other bytes there, such as the end of an image that is too large.
pub(super) fn compare(upload: &mut Receiving, bytes: &[u8], layout: Layout, erased: u8) -> Result<(), Error> {
    for found in bytes {
        let from_end = upload.len.wrapping_sub(upload.written);
        if from_end == layout.from_end(Field::ImageOk) {
            upload.confirmed = *found == Flag::SET;
        }
        if *found != byte(from_end, upload.confirmed, layout, erased) {
            return Err(Error::TooLarge);
        }
        upload.written = upload.written.wrapping_add(1);
    }
    Ok(())
}

/// Hashes the trailer as it has arrived; `stored` bytes of the file were hashed from flash.
pub(super) fn hash<D: Digest>(digest: &mut D, upload: &Receiving, stored: u32, layout: Layout, erased: u8) {
    let mut left = upload.len.saturating_sub(stored);
    while left > 0 {
        let mut block = [erased; 16];
        let len = left.min(16);
        let mut from_end = left;
        for place in block.iter_mut().take(size(len)) {
            *place = byte(from_end, upload.confirmed, layout, erased);
            from_end = from_end.saturating_sub(1);
        }
        digest.update(block.get(..size(len)).unwrap_or_default());
        left = left.saturating_sub(len);
    }
}
