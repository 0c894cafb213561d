//! Searches for zeros, a word at a time.

/// The most data bytes in a group.
pub(super) const FULL: usize = 254;

/// Bytes that are read and moved at once in short groups.
pub(super) const WORD: usize = 8;

/// Returns the index of the first zero in a word, or the length of a word.
pub(super) const fn zero_in(word: [u8; WORD]) -> usize {
    const ONES: u64 = u64::MAX / 0xFF;
    let word = u64::from_le_bytes(word);
    // Subtracting 1 from each byte sets the highest bit of zeros; `!word` leaves out bytes that had
    // it.
    let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
    (zeros.trailing_zeros() / u8::BITS) as usize
}

/// Returns the index of the first zero, or the length.
pub(crate) fn zero_at(bytes: &[u8]) -> usize {
    // Blocks without a branch per byte: the compiler uses vector instructions for them where there
    // are any.
    let free = |block: &&[u8]| block.iter().fold(true, |free, byte| free & (*byte != 0));
    let clear = bytes.chunks_exact(16).take_while(free).count().saturating_mul(16);
    let mut rest = bytes.get(clear..).unwrap_or_default();
    let mut at = clear;
    while let Some((word, after)) = rest.split_first_chunk() {
        match zero_in(*word) {
            WORD => (at, rest) = (at.saturating_add(WORD), after),
            zero => return at.saturating_add(zero),
        }
    }
    at.saturating_add(rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len()))
}
