//! The CRC without a table: ten instructions per byte on a Cortex-M3.

/// Continues the CRC `crc` over `bytes`.
pub(super) fn update(crc: u16, bytes: &[u8]) -> u16 {
    // Kept in the top 16 bits of a register, so that bits shifted out need no mask.
    let mut wide = u32::from(crc) << 16;
    for byte in bytes {
        // Divides eight bits by x^16 + x^12 + x^5 + 1: the quotient is these bits and, because of
        // the term x^12, the upper four again.
        let quotient = u32::from(*byte) ^ wide >> 24;
        let quotient = quotient ^ quotient >> 4;
        wide = wide << 8 ^ quotient << 28 ^ quotient << 21 ^ quotient << 16;
    }
    let [high, low, ..] = wide.to_be_bytes();
    u16::from_be_bytes([high, low])
}
