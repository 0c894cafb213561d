//! The form of a host: more code, in fewer instructions.

use super::words::{FULL, ONES, WORD, has_zero, next_code, zeros};

/// Bytes in a vector.
const VECTOR: usize = 16;

/// The number of bytes that are tested at once, before single words: two vectors.
const BLOCK: usize = 2 * VECTOR;

/// Returns the index of the first zero in a word, or the length of a word.
pub(super) const fn zero_in(word: [u8; WORD]) -> usize {
    (zeros(word).trailing_zeros() / u8::BITS) as usize
}

/// Returns true if none of the bytes is zero, without a branch per byte.
#[inline(always)]
fn is_clear<const N: usize>(block: &[u8; N]) -> bool {
    block.iter().fold(true, |clear, byte| clear & (*byte != 0))
}

/// Returns the index of the first zero, or the length.
pub(crate) fn zero_at(bytes: &[u8]) -> usize {
    if bytes.len() < WORD {
        return bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    }
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let mut at: usize = 0;
    for block in blocks {
        if !is_clear(block) {
            break;
        }
        at = at.wrapping_add(BLOCK);
    }
    let rest = bytes.get(at..).unwrap_or_default();
    if let Some(zero) = zero_by_words(rest, bytes.last_chunk()) {
        return at.wrapping_add(zero);
    }
    at.wrapping_add(rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len()))
}

/// Returns the index of the first zero, or the length; `None` if `last` is `None`. `last` is the
/// last word, which may begin before `bytes`, with bytes that are not zero.
fn zero_by_words(bytes: &[u8], last: Option<&[u8; WORD]>) -> Option<usize> {
    let (mut rest, mut at) = (bytes, 0_usize);
    while let Some((word, after)) = rest.split_first_chunk() {
        if has_zero(*word) {
            return Some(at.wrapping_add(zero_in(*word)));
        }
        (at, rest) = (at.wrapping_add(WORD), after);
    }
    last.map(|word| bytes.len().wrapping_sub(WORD).wrapping_add(zero_in(*word)))
}

/// Copies `from` to the front of `to` up to the first zero or the shorter length; returns the
/// number of bytes. Bytes of `to` after them may be overwritten.
pub(crate) fn copy_to_zero(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    let (from, to) = (from.get(..len).unwrap_or_default(), to.get_mut(..len).unwrap_or_default());
    let mut at = copy_blocks::<32>(from, to);
    while let (Some(word), Some(place)) =
        (from.get(at..).and_then(<[u8]>::first_chunk), to.get_mut(at..).and_then(<[u8]>::first_chunk_mut))
    {
        *place = *word;
        if has_zero(*word) {
            return at.wrapping_add(zero_in(*word));
        }
        at = at.wrapping_add(WORD);
    }
    // The last word may begin before `at`, with bytes that are not zero.
    if let (Some(word), Some(place)) = (from.last_chunk(), to.last_chunk_mut()) {
        *place = *word;
        return len.wrapping_sub(WORD).wrapping_add(zero_in(*word));
    }
    for (place, byte) in to.iter_mut().zip(from) {
        if *byte == 0 {
            break;
        }
        *place = *byte;
        at = at.wrapping_add(1);
    }
    at
}

/// Copies blocks up to the first one with a zero, which may be copied too; returns the number of
/// bytes without one.
#[inline(always)]
fn copy_blocks<const N: usize>(from: &[u8], to: &mut [u8]) -> usize {
    let mut at = 0_usize;
    for (place, block) in to.as_chunks_mut::<N>().0.iter_mut().zip(from.as_chunks::<N>().0) {
        let mut least = [u8::MAX; VECTOR];
        move_block(&mut least, block, place);
        if !is_clear(&least) {
            break;
        }
        at = at.wrapping_add(N);
    }
    at
}

/// Copies `from` to the front of `to`, which is as long; returns true if none of the bytes is zero.
/// It does not stop at a zero: the compiler keeps the smallest bytes so far in a vector.
#[inline(always)]
pub(crate) fn copy_clear(from: &[u8], to: &mut [u8]) -> bool {
    let (Some(last), Some(end)) = (from.last_chunk::<32>(), to.last_chunk_mut()) else {
        return copy_to_zero(from, to) == from.len();
    };
    let mut least = [u8::MAX; VECTOR];
    move_block(&mut least, last, end);
    let (blocks, rest) = from.as_chunks::<64>();
    let (places, room) = to.as_chunks_mut::<64>();
    for (place, block) in places.iter_mut().zip(blocks) {
        move_block(&mut least, block, place);
    }
    if let (Some(block), Some(place)) = (rest.first_chunk::<32>(), room.first_chunk_mut()) {
        move_block(&mut least, block, place);
    }
    is_clear(&least)
}

/// Copies a block; lowers the bytes of `least` to those of the block while they are in a register.
#[inline(always)]
fn move_block<const N: usize>(least: &mut [u8; VECTOR], from: &[u8; N], to: &mut [u8; N]) {
    for (to, from) in to.as_chunks_mut().0.iter_mut().zip(from.as_chunks().0) {
        let part: [u8; VECTOR] = *from;
        *to = part;
        for (least, byte) in least.iter_mut().zip(part) {
            *least = (*least).min(byte);
        }
    }
}

/// Does the same as that of firmware, with one test for short groups, and one store of code and
/// data.
pub(super) fn whole_groups<'o>(data: &mut &[u8], mut out: &'o mut [u8]) -> (&'o mut [u8], usize) {
    // A local copy stays in registers.
    let (mut body, mut clear) = (*data, 0);
    while let Some((word, after)) = body.split_first_chunk::<WORD>() {
        if has_zero(*word) {
            let Some([code, place @ ..]) = out.first_chunk_mut::<{ 1 + WORD }>() else { break };
            let mut len = WORD;
            (*code, *place) = (1, [1; WORD]);
            // Otherwise all bytes are zeros: each is an empty group.
            if usize::from_le_bytes(*word) == 0 {
                body = after;
            } else {
                len = zero_in(*word).wrapping_add(1);
                (*code, *place) = (next_code(len.wrapping_sub(1)), *word);
                body = body.get(len..).unwrap_or_default();
            }
            out = out.get_mut(len..).unwrap_or_default();
        } else {
            let Some((code, room)) = out.split_first_mut() else { break };
            let len = copy_to_zero(body.get(..FULL).unwrap_or(body), room);
            // Without a zero the body ends here, and the group may extend into the tail; or
            // `out` ends.
            if len == body.len().min(room.len()) {
                clear = len;
                break;
            }
            *code = next_code(len);
            // A full group stands for no zero.
            body = body.get(if len < FULL { len.wrapping_add(1) } else { FULL }..).unwrap_or_default();
            out = out.get_mut(len.wrapping_add(1)..).unwrap_or_default();
        }
    }
    *data = body;
    (out, clear)
}

/// Does the same, with a test of the first word in front: often it is the only one.
// Inlined, sparse data decode in 5 % more instructions.
#[inline(never)]
pub(super) fn swap_words(from: &[u8], to: &mut [u8], word: usize) -> usize {
    if from.first_chunk() != Some(&word.to_ne_bytes()) {
        return 0;
    }
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
