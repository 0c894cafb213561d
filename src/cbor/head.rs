//! Reads the head of an item: its first byte, and the argument after it.

use super::Malformed;

// Major types, RFC 8949 section 3.1.
pub(crate) const UNSIGNED: u8 = 0;
pub(crate) const NEGATIVE: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const MAP: u8 = 5;
pub(crate) const TAG: u8 = 6;

/// The low bits of a first byte whose items end with a break.
pub(super) const INDEFINITE: u8 = 31;
/// The end of an indefinite string, array or map.
pub(super) const BREAK: u8 = 0xFF;

/// The first byte of an item.
#[derive(Clone, Copy)]
pub(super) struct Initial(pub(super) u8);

impl Initial {
    pub(super) const fn major(self) -> u8 {
        self.0 >> 5
    }

    /// Returns the low five bits: a small argument, or the code for its length.
    const fn info(self) -> u8 {
        self.0 & 0x1F
    }

    /// Returns true if the items end with a break.
    pub(super) const fn is_indefinite(self) -> bool {
        self.info() == INDEFINITE
    }
}

/// Converts an argument to a length; one that does not fit becomes longer than any payload.
pub(super) fn length(argument: u64) -> usize {
    usize::try_from(argument).unwrap_or(usize::MAX)
}

pub(super) fn at_break(rest: &[u8]) -> bool {
    rest.first() == Some(&BREAK)
}

pub(super) fn byte(rest: &mut &[u8]) -> Result<u8, Malformed> {
    let (first, after) = rest.split_first().ok_or(Malformed)?;
    *rest = after;
    Ok(*first)
}

pub(super) fn take<'b>(rest: &mut &'b [u8], len: usize) -> Result<&'b [u8], Malformed> {
    let (taken, after) = rest.split_at_checked(len).ok_or(Malformed)?;
    *rest = after;
    Ok(taken)
}

/// Reads the first byte of an item, and its argument into `argument`, which stays unchanged for an
/// indefinite length. It is an output parameter, because both results together do not fit the
/// registers.
#[cfg_attr(not(target_os = "none"), inline(always))]
pub(super) fn head(rest: &mut &[u8], argument: &mut u64) -> Result<Initial, Malformed> {
    #[cfg(test)]
    super::work::head();
    let initial = Initial(byte(rest)?);
    match initial.info() {
        info @ 0..=23 => *argument = info.into(),
        // 1, 2, 4 or 8 bytes follow. Peers may use more than necessary, so any width is accepted.
        info @ 24..=27 => {
            // If eight bytes follow, all four widths need one load and one shift.
            let wide = if cfg!(target_pointer_width = "64") { rest.first_chunk() } else { None };
            let bytes = take(rest, 1 << (info - 24))?;
            *argument = match wide {
                Some(wide) => u64::from_be_bytes(*wide) >> (64 - (8 << (info - 24))),
                None => bytes.iter().fold(0, |argument, byte| argument << 8 | u64::from(*byte)),
            };
        }
        // Numbers, tags and simple values have no indefinite form.
        INDEFINITE if (BYTES..=MAP).contains(&initial.major()) => {}
        // 28 to 30 are reserved.
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
