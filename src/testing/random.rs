//! Random numbers for faults.

/// A small generator of pseudo-random numbers (xorshift), the same on every machine.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Random(u32);

impl Random {
    /// Starts the sequence of this seed.
    #[must_use]
    pub const fn new(seed: u32) -> Self {
        // Spreads neighbouring seeds apart, and avoids 0, which would stay 0.
        Self(seed.wrapping_mul(0x9E37_79B9) ^ 0x5DEE_CE66 | 1)
    }

    /// Returns the next number.
    pub const fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// Returns the next byte.
    pub const fn byte(&mut self) -> u8 {
        let [byte, ..] = self.next().to_be_bytes();
        byte
    }

    /// Returns a number below `limit`; 0 if `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap_or(0).checked_rem(limit).unwrap_or(0)
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.byte();
        }
    }
}
