//! What is no symbol of the alphabet.

/// Fills the last group.
pub(super) const PAD: u8 = b'=';
/// The value of padding, and that of what is no symbol: bits of their own, so that one test covers
/// a whole group.
pub(super) const PADDING: u8 = 0x40;
pub(super) const INVALID: u8 = 0x80;
