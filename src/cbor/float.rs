//! Floats (RFC 8949, section 3.3): no command of SMP has one, but a vendor's may.

use super::reader::Item;
use super::value::Value;
use super::writer::Writer;
use super::{BufferFull, Malformed};

/// Reads a float of any width, or an integer: many encoders write 1.0 as 1.
impl Value<'_> for f64 {
    fn of(item: Item<'_>) -> Result<Self, Malformed> {
        match item {
            Item::Other(mut reader) => reader.float(),
            Item::Unsigned(number) => Ok(rounded(number)),
            // CBOR stores `n` for -1 - `n`. The sum saturates at `u64::MAX`, which rounds to the
            // right 2^64.
            Item::Negative(number) => Ok(-rounded(number.saturating_add(1))),
            _ => Err(Malformed),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = self.to_be_bytes();
        writer.raw(&[0xFB, b0, b1, b2, b3, b4, b5, b6, b7])
    }
}

/// Reads as [`f64`] does, and rounds to 32 bits; a number that is too large becomes infinite.
impl Value<'_> for f32 {
    fn of(item: Item<'_>) -> Result<Self, Malformed> {
        #[expect(clippy::cast_possible_truncation, reason = "it rounds")]
        f64::of(item).map(|wide| wide as Self)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        let [b0, b1, b2, b3] = self.to_be_bytes();
        writer.raw(&[0xFA, b0, b1, b2, b3])
    }
}

/// Rounds an integer to the nearest float.
#[expect(clippy::cast_precision_loss, reason = "it rounds")]
const fn rounded(number: u64) -> f64 {
    number as f64
}

// Only in a checkout.
#[path = "../../tests/unit/cbor"]
#[cfg(test)]
mod tests {
    #[cfg(anysmp_checkout)]
    mod float;
}
