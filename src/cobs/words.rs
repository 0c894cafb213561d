//! Searches for zeros, a word at a time.

/// The maximum number of data bytes in a group.
pub(super) const FULL: usize = 254;

/// Bytes that are read and moved at once in short groups: one register.
pub(super) const WORD: usize = size_of::<usize>();

/// Bytes in a vector of a host.
#[cfg(not(target_os = "none"))]
const VECTOR: usize = 16;

/// The number of bytes that are tested at once, before single words: two vectors.
#[cfg(not(target_os = "none"))]
const BLOCK: usize = 2 * VECTOR;

/// A word whose bytes are all 1.
const ONES: usize = usize::MAX / 0xFF;

/// Returns the index of the first zero in a word, or the length of a word.
pub(super) const fn zero_in(word: [u8; WORD]) -> usize {
    let zeros = zeros(word);
    if cfg!(any(not(target_os = "none"), target_has_atomic = "ptr")) {
        (zeros.trailing_zeros() / u8::BITS) as usize
    } else {
        // A Cortex-M0 has neither atomic operations nor one that counts bits: the highest bits of
        // the bytes before the first zero are added up instead.
        let before = zeros.wrapping_sub(1) & !zeros & (ONES << 7);
        (before >> 7).wrapping_mul(ONES) >> (usize::BITS - u8::BITS)
    }
}

/// Returns true if one of the bytes of a word is zero.
pub(super) const fn has_zero(word: [u8; WORD]) -> bool {
    zeros(word) != 0
}

/// Marks the zeros in a word: the highest bit of the first one is set, and none before it.
const fn zeros(word: [u8; WORD]) -> usize {
    let word = usize::from_le_bytes(word);
    // Subtracting 1 from each byte sets the highest bit of zeros; `!word` leaves out bytes that had
    // it set before.
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Returns true if none of the bytes is zero, without a branch per byte.
#[cfg(not(target_os = "none"))]
#[inline(always)]
fn is_clear<const N: usize>(block: &[u8; N]) -> bool {
    block.iter().fold(true, |clear, byte| clear & (*byte != 0))
}

/// Returns the index of the first zero, or the length.
#[cfg(target_os = "none")]
pub(super) fn zero_at(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())
}

/// Returns the index of the first zero, or the length.
#[cfg(not(target_os = "none"))]
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
#[cfg(not(target_os = "none"))]
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
#[cfg(target_os = "none")]
pub(super) fn copy_to_zero(from: &[u8], to: &mut [u8]) -> usize {
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

/// Copies `from` to the front of `to` up to the first zero or the shorter length; returns the
/// number of bytes. Bytes of `to` after them may be overwritten.
#[cfg(not(target_os = "none"))]
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
#[cfg(not(target_os = "none"))]
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
#[cfg(not(target_os = "none"))]
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
#[cfg(not(target_os = "none"))]
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
