//! The two checksums of the wire formats.
//!
//! | check | where | value of `"123456789"` |
//! |---|---|---|
//! | [`Crc16`]: polynomial 0x1021, start 0, not reflected (XMODEM) | SMP over console and over COBS | 0x31C3 |
//! | [`Sum`]: two's complement of the sum of all bytes, modulo 256 | BSMP packets, S3MP frames | 0x23 |
//!
//! Both are additive over runs: feed the bytes in any pieces. Over data followed by its own check, a CRC gives 0 and so
//! does a sum, which is how receivers test both without knowing where the data end.

use crc::{CRC_16_XMODEM, Crc, Table};

/// 512 bytes of table, 8 instructions per byte. No table costs 50 instructions per byte, sixteen tables 8 KiB and bounds
/// checks that can panic.
const XMODEM: Crc<u16, Table<1>> = Crc::<u16, Table<1>>::new(&CRC_16_XMODEM);
static CRC: Crc<u16, Table<1>> = XMODEM;

/// A running CRC-16/XMODEM.
#[derive(Clone)]
pub struct Crc16(u16);

impl Crc16 {
    /// The CRC of no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self(0)
    }

    /// Goes on where a CRC with this [`value`](Self::value) has stopped.
    #[cfg(feature = "mcuboot")]
    pub(crate) const fn at(value: u16) -> Self {
        Self(value)
    }

    /// The CRC of one run of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u16 {
        let mut crc = Self::new();
        crc.update(bytes);
        crc.value()
    }

    /// Continues over `bytes`.
    #[inline]
    pub fn update(&mut self, bytes: &[u8]) {
        // A digest per call, not one that is kept: only so does the compiler know the table and the algorithm.
        let mut digest = CRC.digest_with_initial(self.0);
        // Runs of known length: the compiler unrolls the loop over each.
        let mut pieces = bytes.chunks_exact(8);
        for piece in &mut pieces {
            digest.update(piece);
        }
        digest.update(pieces.remainder());
        self.0 = digest.finalize();
    }

    /// The CRC of everything so far; 0 if the last two bytes were the big-endian CRC of those before.
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
/// It sees every change of a single byte; it does not see the order of bytes, nor zeros put in or taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sum(u8);

impl Sum {
    /// The check byte of no bytes: 0.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// The check byte of one run of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u8 {
        let mut sum = Self::new();
        sum.update(bytes);
        sum.value()
    }

    /// Continues over `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| sum.wrapping_sub(*byte));
    }

    /// The check byte of everything so far; 0 if the last byte was the check of those before.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        assert_eq!(Crc16::of(b"123456789"), 0x31C3);
        assert_eq!(Sum::of(b"123456789"), 0x23);
    }

    #[test]
    fn data_followed_by_its_check_gives_zero_in_any_pieces() {
        let data = b"slot image trailer";
        let crc = Crc16::of(data).to_be_bytes();
        let sum = Sum::of(data);
        for cut in 0..data.len() {
            let (head, tail) = data.split_at(cut);
            let mut running = Crc16::new();
            for part in [head, tail, &crc[..1], &crc[1..]] {
                running.update(part);
            }
            assert_eq!(running.value(), 0);
            let mut running = Sum::new();
            for part in [head, tail, &[sum]] {
                running.update(part);
            }
            assert_eq!(running.value(), 0);
        }
    }
}
