//! Checksums of the wire formats: a CRC-16 and a sum.
//!
//! | check | where | value of `"123456789"` |
//! |---|---|---|
//! | [`Crc16`]: polynomial 0x1021, start 0, not reflected (XMODEM) | SMP: console, COBS | 0x31C3 |
//! | [`Sum`]: two's complement of the sum of all bytes, modulo 256 | BSMP, S3MP | 0x23 |
//!
//! Both accept the bytes in pieces of any length. Over data followed by their own check, both give
//! 0, so a receiver can test them without knowing the end of the data.
//!
//! The CRC has two forms with the same results: tables on hosts, and arithmetic on bare metal and
//! with the feature `small`, where 8 KiB of tables cost more than the seven instructions per byte
//! that they save.

mod arithmetic;
mod tables;

/// Continues the CRC `crc` over `bytes`.
#[inline(always)]
fn xmodem(crc: u16, bytes: &[u8]) -> u16 {
    if cfg!(any(feature = "small", target_os = "none")) {
        arithmetic::update(crc, bytes)
    } else {
        tables::update(crc, bytes)
    }
}

/// A running CRC-16/XMODEM.
#[derive(Clone)]
pub struct Crc16(u16);

impl Crc16 {
    /// The CRC of no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self(0)
    }

    /// A CRC that continues from this [`value`](Self::value).
    #[cfg(feature = "dfu")]
    pub(crate) const fn at(value: u16) -> Self {
        Self(value)
    }

    /// Returns the CRC of one run of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u16 {
        xmodem(0, bytes)
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0 = xmodem(self.0, bytes);
    }

    /// Returns the CRC of all bytes so far; 0 if the last two were the big-endian CRC of those
    /// before.
    #[must_use]
    pub fn value(&self) -> u16 {
        self.0
    }
}

impl Default for Crc16 {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Crc16 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Crc16({:#06x})", self.value())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Crc16 {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Crc16({=u16:#06x})", self.value());
    }
}

/// A running negative 8-bit sum: the byte that makes the sum of everything 0 modulo 256.
///
/// It detects every change of a single byte, but neither reordered bytes nor zeros that were added
/// or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sum(u8);

impl Sum {
    /// The sum of no bytes, whose check byte is 0.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Returns the check byte of one run of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u8 {
        let mut sum = Self::new();
        sum.update(bytes);
        sum.value()
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        // Subtracted instead of added and negated at the end, so that the value is always the check
        // byte.
        self.0 = bytes.iter().fold(self.0, |sum, byte| sum.wrapping_sub(*byte));
    }

    /// Returns the check byte of all bytes so far; 0 if the last one was the check of those before.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

// Only in a checkout.
#[path = "../tests/unit"]
#[cfg(test)]
mod tests {
    #[cfg(anysmp_checkout)]
    mod checksum;
}
