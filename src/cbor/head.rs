//! The head of an item: its first byte, and the argument behind it.

use super::Malformed;

// Major types, RFC 8949 section 3.1.
pub(super) const UNSIGNED: u8 = 0;
pub(super) const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;
pub(super) const TAG: u8 = 6;

/// In place of an argument: items follow until a break.
pub(super) const INDEFINITE: u8 = 31;
/// Ends the items of an indefinite length.
pub(super) const BREAK: u8 = 0xFF;

/// The first byte of an item.
#[derive(Clone, Copy)]
pub(super) struct Initial(pub(super) u8);

impl Initial {
    pub(super) const fn major(self) -> u8 {
        self.0 >> 5
    }

    /// What is in place of an argument, or how long that is.
    const fn info(self) -> u8 {
        self.0 & 0x1F
    }

    pub(super) const fn is_indefinite(self) -> bool {
        self.info() == INDEFINITE
    }
}

/// An argument as a length: more than there can be if it does not fit.
pub(super) fn length(argument: u64) -> usize {
    usize::try_from(argument).unwrap_or(usize::MAX)
}

/// Reads past the first byte.
pub(super) fn byte(rest: &mut &[u8]) -> Result<u8, Malformed> {
    let (first, behind) = rest.split_first().ok_or(Malformed)?;
    *rest = behind;
    Ok(*first)
}

/// Reads past the first `len` bytes.
pub(super) fn take<'b>(rest: &mut &'b [u8], len: usize) -> Result<&'b [u8], Malformed> {
    let (taken, behind) = rest.split_at_checked(len).ok_or(Malformed)?;
    *rest = behind;
    Ok(taken)
}

/// Reads the first byte of an item, and the argument behind it: into its place, since both in one value would not fit the
/// registers. An indefinite length leaves the place as it was.
pub(super) fn head(rest: &mut &[u8], argument: &mut u64) -> Result<Initial, Malformed> {
    #[cfg(test)]
    super::work::head();
    let initial = Initial(byte(rest)?);
    match initial.info() {
        info @ 0..=23 => *argument = info.into(),
        info @ 24..=27 => {
            let bytes = take(rest, 1 << (info - 24))?;
            *argument = bytes.iter().fold(0, |argument, byte| argument << 8 | u64::from(*byte));
        }
        INDEFINITE if (BYTES..=MAP).contains(&initial.major()) => {}
        _ => return Err(Malformed),
    }
    Ok(initial)
}

/// Converts the bits of a 16-bit float: 1 sign, 5 exponent, 10 fraction.
pub(super) fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (u64::from(bits >> 10 & 0x1F), u64::from(bits & 0x3FF));
    let magnitude = match exponent {
        // Zero, or a subnormal: the fraction counts units of 2^-24.
        0 => f64::from(bits & 0x3FF) / 16_777_216.0,
        // Infinite, or not a number.
        31 => f64::from_bits(0x7FF << 52 | fraction << 42),
        // The exponent's bias is 15 there and 1023 here.
        _ => f64::from_bits((exponent + 1008) << 52 | fraction << 42),
    };
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}
