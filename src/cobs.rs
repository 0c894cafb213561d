//! Consistent Overhead Byte Stuffing (COBS): encodes data without zeros, so that a zero can end a
//! frame.
//!
//! ```text
//!   data      11 22 00 33 | 00 | end           254 bytes without a zero, end
//!   groups    03 11 22      02 33     01        FF <254 bytes>             01
//!             └ code: 1 + bytes up to the next zero, FF for 254 bytes without one
//! ```
//!
//! A group stands for its bytes and one zero, with two exceptions: FF stands for 254 bytes without
//! a zero, and the last group has none. Data of `n` bytes take at most
//! [`max_encoded_len(n)`](max_encoded_len).
//!
//! Both directions work in runs, without a second buffer: [`Decoder`] accepts encoded bytes as they
//! arrive, and [`Encoder`] looks ahead in the data for the next zero.
//!
//! **Interpretation.** After a group of 254 bytes that ends the data, the paper of Cheshire and
//! Baker (1999) opens another, empty group; some implementations leave it out. The encoder writes
//! it; the decoder accepts both forms.

mod decoder;
mod encoder;
// The same functions in two forms; a test compiles both directions with that of firmware too.
#[cfg(target_os = "none")]
mod firmware;
#[cfg(not(target_os = "none"))]
mod host;
mod words;

pub use decoder::{Decoded, Decoder};
pub use encoder::Encoder;
#[cfg(target_os = "none")]
use firmware as form;
#[cfg(not(target_os = "none"))]
use host as form;
#[cfg(not(target_os = "none"))]
pub(crate) use host::{copy_clear, copy_to_zero, zero_at};
use words::FULL;

/// Firmware copies bytes instead of words: a Cortex-M0, which has no atomic operations either,
/// loads and stores a word byte by byte, so bytes take less code and time.
#[cfg(target_os = "none")]
const BYTES: bool = cfg!(not(target_has_atomic = "ptr"));

/// Returns the encoded length of `len` bytes in the worst case, without a delimiter.
#[must_use]
pub const fn max_encoded_len(len: usize) -> usize {
    len.saturating_add(len / FULL).saturating_add(1)
}

// Their kit is only in a checkout.
#[path = "../tests/framing"]
#[cfg(test)]
mod tests {
    #[cfg(anysmp_checkout)]
    mod twins;
}
