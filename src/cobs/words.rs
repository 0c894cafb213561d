//! Searches for zeros, a word at a time.

/// The most data bytes in a group.
pub(super) const FULL: usize = 254;

/// Bytes that are read and moved at once in short groups: one register.
pub(super) const WORD: usize = size_of::<usize>();

/// Bytes that are tested at once before words are. A host has vector instructions for them.
const BLOCK: usize = if cfg!(target_os = "none") { WORD } else { 32 };

/// Returns the index of the first zero in a word, or the length of a word.
pub(super) const fn zero_in(word: [u8; WORD]) -> usize {
    (zeros(word).trailing_zeros() / u8::BITS) as usize
}

/// Marks the zeros in a word: the highest bit of the first one is set, and none before it.
const fn zeros(word: [u8; WORD]) -> usize {
    const ONES: usize = usize::MAX / 0xFF;
    let word = usize::from_le_bytes(word);
    // Subtracting 1 from each byte sets the highest bit of zeros; `!word` leaves out bytes that had
    // it.
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Returns true if no byte is zero, without a branch for each byte.
fn is_clear<const N: usize>(block: &[u8; N]) -> bool {
    match block.first_chunk() {
        Some(word) if N == WORD => zeros(*word) == 0,
        _ => block.iter().fold(true, |clear, byte| clear & (*byte != 0)),
    }
}

/// Returns the index of the first zero, or the length.
pub(crate) fn zero_at(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let mut at: usize = 0;
    for block in blocks {
        if !is_clear(block) {
            break;
        }
        at = at.wrapping_add(BLOCK);
    }
    let rest = bytes.get(at..).unwrap_or_default();
    #[cfg(not(target_os = "none"))]
    if let Some(zero) = zero_by_words(rest, bytes.last_chunk()) {
        return at.wrapping_add(zero);
    }
    // Where a block is a word, one of the next few bytes is a zero.
    at.wrapping_add(rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len()))
}

/// Returns the index of the first zero, or the length; `None` if `last` is `None`. `last` is the
/// last word, which may begin before `bytes`, with bytes that are not zero.
#[cfg(not(target_os = "none"))]
fn zero_by_words(bytes: &[u8], last: Option<&[u8; WORD]>) -> Option<usize> {
    let (mut rest, mut at) = (bytes, 0_usize);
    while let Some((word, after)) = rest.split_first_chunk() {
        match zero_in(*word) {
            WORD => (at, rest) = (at.wrapping_add(WORD), after),
            zero => return Some(at.wrapping_add(zero)),
        }
    }
    last.map(|word| bytes.len().wrapping_sub(WORD).wrapping_add(zero_in(*word)))
}

/// Copies `from` to the front of `to` up to the first zero or the shorter length; returns the
/// number of bytes.
#[cfg(target_os = "none")]
pub(super) fn copy_to_zero(from: &[u8], to: &mut [u8]) -> usize {
    let (blocks, _) = from.as_chunks::<WORD>();
    let (places, _) = to.as_chunks_mut::<WORD>();
    let mut at = 0_usize;
    // A word is tested and moved while it is in a register.
    for (place, block) in places.iter_mut().zip(blocks) {
        if !is_clear(block) {
            break;
        }
        *place = *block;
        at = at.wrapping_add(WORD);
    }
    for (place, byte) in to.iter_mut().zip(from).skip(at) {
        if *byte == 0 {
            break;
        }
        *place = *byte;
        at = at.wrapping_add(1);
    }
    at
}

/// Copies `from` to the front of `to` up to the first zero or the shorter length; returns the
/// number of bytes.
#[cfg(not(target_os = "none"))]
pub(crate) fn copy_to_zero(from: &[u8], to: &mut [u8]) -> usize {
    let from = from.get(..to.len()).unwrap_or(from);
    let count = if has_zero(from) { zero_at(from) } else { from.len() };
    crate::bytes::copy(from.get(..count).unwrap_or_default(), to);
    count
}

/// Returns true if any of the bytes is zero. It does not stop there, so that the compiler keeps the
/// smallest bytes so far in vectors.
#[cfg(not(target_os = "none"))]
pub(crate) fn has_zero(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<BLOCK>() else { return zero_at(bytes) < bytes.len() };
    let mut least = *last;
    for block in bytes.as_chunks::<BLOCK>().0 {
        for (least, byte) in least.iter_mut().zip(block) {
            *least = (*least).min(*byte);
        }
    }
    !is_clear(&least)
}
