//! The padding symbol, and the values of bytes outside the alphabet.

/// The symbol that fills the last group.
pub(super) const PAD: u8 = b'=';
/// The value that stands for the padding symbol. It is a separate bit, like that of [`INVALID`], so
/// that one test covers a whole group.
pub(super) const PADDING: u8 = 0x40;
/// The value of a byte that is not a symbol.
pub(super) const INVALID: u8 = 0x80;
