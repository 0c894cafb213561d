//! The head of an item, as a host writes it: without a branch for each width of the argument.

/// Returns the first byte of an item, the number of bytes of its argument, and these in front.
#[inline(always)]
pub(super) fn encoded(major: u8, argument: u64) -> (u8, usize, [u8; 8]) {
    if argument < 24 {
        return (major | argument.to_le_bytes()[0], 0, [0; 8]);
    }
    let highest = 63 ^ argument.leading_zeros();
    let Some(Width { code, bytes, unused }) = WIDTHS.get(highest as usize) else { return (0, 0, [0; 8]) };
    (major | code, usize::from(*bytes), (argument << (unused & 63)).to_be_bytes())
}

/// The width of an argument whose highest bit is known.
struct Width {
    /// The low bits of the first byte.
    code: u8,
    bytes: u8,
    /// The number of bits that a register has beyond these bytes.
    unused: u8,
}

/// Indexed by the highest bit of an argument: one load in place of three comparisons.
#[expect(clippy::indexing_slicing, reason = "runs in the compiler, which checks it")]
static WIDTHS: [Width; 64] = {
    let mut widths = [const { Width { code: 24, bytes: 1, unused: 56 } }; 64];
    let mut highest = 8;
    while highest < 64 {
        widths[highest] = match highest {
            8..16 => Width { code: 25, bytes: 2, unused: 48 },
            16..32 => Width { code: 26, bytes: 4, unused: 32 },
            _ => Width { code: 27, bytes: 8, unused: 0 },
        };
        highest += 1;
    }
    widths
};
