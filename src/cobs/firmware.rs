//! The form of firmware: less code.

use super::BYTES;
use super::words::{FULL, ONES, WORD, has_zero, next_code, zeros};

/// Returns the index of the first zero in a word, or the length of a word.
pub(super) const fn zero_in(word: [u8; WORD]) -> usize {
    let zeros = zeros(word);
    if cfg!(all(target_has_atomic = "ptr", not(test))) {
        (zeros.trailing_zeros() / u8::BITS) as usize
    } else {
        // A Cortex-M0 has neither atomic operations nor one that counts bits: the highest bits of
        // the bytes before the first zero are added up instead. So do tests: a host does it above.
        let before = zeros.wrapping_sub(1) & !zeros & (ONES << 7);
        (before >> 7).wrapping_mul(ONES) >> (usize::BITS - u8::BITS)
    }
}

/// Returns the index of the first zero, or the length.
pub(super) fn zero_at(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())
}

/// Copies `from` to the front of `to` up to the first zero or the shorter length; returns the
/// number of bytes. Bytes of `to` after them may be overwritten.
pub(super) fn copy_to_zero(from: &[u8], to: &mut [u8]) -> usize {
    if BYTES {
        let len = from.len().min(to.len());
        return to
            .iter_mut()
            .zip(from)
            .position(|(place, byte)| {
                *place = *byte;
                *byte == 0
            })
            .unwrap_or(len);
    }
    let mut at = 0_usize;
    // A word is tested and moved while it is in a register.
    for (place, block) in to.as_chunks_mut::<WORD>().0.iter_mut().zip(from.as_chunks().0) {
        if has_zero(*block) {
            break;
        }
        *place = *block;
        at = at.wrapping_add(WORD);
    }
    let (from, to) = (from.get(at..).unwrap_or_default(), to.get_mut(at..).unwrap_or_default());
    for (place, byte) in to.iter_mut().zip(from) {
        if *byte == 0 {
            break;
        }
        *place = *byte;
        at = at.wrapping_add(1);
    }
    at
}

/// Encodes whole groups at the front of `data`, as long as it and `out` hold them; returns the rest
/// of `out`, and the number of bytes of `data` that are known not to be zero: they are in `out`
/// already, after the place of their code. It may move more bytes than the group has.
pub(super) fn whole_groups<'o>(data: &mut &[u8], mut out: &'o mut [u8]) -> (&'o mut [u8], usize) {
    // A local copy stays in registers.
    let (mut body, mut clear) = (*data, 0);
    while let Some((word, _)) = body.split_first_chunk::<WORD>() {
        if usize::from_le_bytes(*word) == 0 {
            // All bytes are zeros: each is an empty group.
            let count @ 1.. = swap_words(body, out, 0) else { break };
            (body, out) = (body.get(count..).unwrap_or_default(), out.get_mut(count..).unwrap_or_default());
            continue;
        }
        let len = zero_in(*word);
        if len < WORD {
            let Some([code, place @ ..]) = out.first_chunk_mut::<{ 1 + WORD }>() else { break };
            (*code, *place) = (next_code(len), *word);
            body = body.get(len.wrapping_add(1)..).unwrap_or_default();
            out = out.get_mut(len.wrapping_add(1)..).unwrap_or_default();
            continue;
        }
        let Some((code, room)) = out.split_first_mut() else { break };
        let len = copy_to_zero(body.get(..FULL).unwrap_or(body), room);
        // Without a zero the body ends here, and the group may extend into the tail; or `out` ends.
        if len == body.len().min(room.len()) {
            clear = len;
            break;
        }
        *code = next_code(len);
        // A full group stands for no zero.
        body = body.get(if len < FULL { len.wrapping_add(1) } else { FULL }..).unwrap_or_default();
        out = out.get_mut(len.wrapping_add(1)..).unwrap_or_default();
    }
    *data = body;
    (out, clear)
}

/// Copies `from`, longer than a word, to the front of `to`, which is as long; returns true if none
/// of the bytes is zero.
pub(super) fn copy_clear(from: &[u8], to: &mut [u8]) -> bool {
    if BYTES {
        return copy_to_zero(from, to) == from.len();
    }
    let (Some(last), Some(end)) = (from.last_chunk::<WORD>(), to.last_chunk_mut()) else { return false };
    *end = *last;
    if has_zero(*last) {
        return false;
    }
    // The last word is done already.
    let front = from.get(..from.len().wrapping_sub(1)).unwrap_or_default().as_chunks().0;
    !to.as_chunks_mut::<WORD>().0.iter_mut().zip(front).any(|(place, block)| {
        *place = *block;
        has_zero(*block)
    })
}

/// Writes a word of zeros or ones to the front of `to` for each word of the other, `word`, at the
/// front of `from`: a zero is an empty group, whose code is 1. Returns the number of bytes.
// Inlined, 8 bytes decode in 162 instructions on a Cortex-M3, not 155.
#[inline(never)]
pub(super) fn swap_words(from: &[u8], to: &mut [u8], word: usize) -> usize {
    let mut at = 0_usize;
    for (place, block) in to.as_chunks_mut::<WORD>().0.iter_mut().zip(from.as_chunks().0) {
        if usize::from_ne_bytes(*block) != word {
            break;
        }
        *place = (word ^ ONES).to_ne_bytes();
        at = at.wrapping_add(WORD);
    }
    at
}
