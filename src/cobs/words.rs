//! Zeros in a word, for both forms.

/// The maximum number of data bytes in a group.
pub(super) const FULL: usize = 254;

/// Bytes that are read and moved at once in short groups: one register.
pub(super) const WORD: usize = size_of::<usize>();

/// A word whose bytes are all 1.
pub(super) const ONES: usize = usize::MAX / 0xFF;

pub(super) const fn has_zero(word: [u8; WORD]) -> bool {
    zeros(word) != 0
}

/// Marks the zeros in a word: the highest bit of the first one is set, and none before it.
pub(super) const fn zeros(word: [u8; WORD]) -> usize {
    let word = usize::from_le_bytes(word);
    // Subtracting 1 from each byte sets the highest bit of zeros; `!word` leaves out bytes that had
    // it set before.
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Returns the code of a group of `len` bytes, at most [`FULL`].
pub(super) const fn next_code(len: usize) -> u8 {
    let [low, ..] = len.to_le_bytes();
    low.wrapping_add(1)
}
