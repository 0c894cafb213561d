//! The length fields of message headers, the only part of messages that framings read.
//!
//! A framing whose messages carry their length gets it from a [`Head`]; the others only refuse
//! messages that are shorter than a header. No other file of the framings contains this.

use core::time::Duration;

use super::Error;

/// Bytes of the header of SMP: the shortest message on a console, in COBS and in automatic framing.
pub(crate) const SMP_HEADER: usize = 8;

/// Default silence after which an incomplete message is dropped, counted from its last byte.
pub const ABANDON: Duration = Duration::from_secs(3);

/// A header that contains the length of its message.
pub trait Head {
    /// Bytes of the header.
    const LEN: usize;

    /// The silence of a sender after a message that it could not complete: as long as the peer may
    /// wait for the rest.
    const QUIET: Duration = ABANDON;

    /// Returns the length of the message in bytes, header included. `head` holds [`LEN`](Self::LEN)
    /// bytes.
    ///
    /// # Errors
    ///
    /// The peer or the line: [`Error::Malformed`] if this cannot be a header.
    fn total(head: &[u8]) -> Result<usize, Error>;
}

/// The header of SMP: 8 bytes, the length of the payload in the third and fourth, an operation from
/// 0 to 3 in the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a type without a value")]
pub struct SmpHead;

impl Head for SmpHead {
    const LEN: usize = SMP_HEADER;

    fn total(head: &[u8]) -> Result<usize, Error> {
        match head {
            // Zephyr defines the operations 0 to 3 only: any other value means that we are out of
            // sync.
            [op, _, high, low, _, _, _, _] if op & 0x07 <= 3 => {
                Ok(usize::from(u16::from_be_bytes([*high, *low])).saturating_add(Self::LEN))
            }
            _ => Err(Error::Malformed),
        }
    }
}

/// The header of BSMP, 3 bytes: the length of the payload is in bytes 1 and 2, big-endian. BSMP
/// 2.30 over TCP.
///
/// Nothing in it can be wrong, so a stream that is out of sync shows only by a message that never
/// completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a type without a value")]
pub struct BsmpHead;

impl Head for BsmpHead {
    const LEN: usize = 3;

    fn total(head: &[u8]) -> Result<usize, Error> {
        match head {
            // Any three bytes are a header: BSMP has no invalid command here.
            [_, high, low] => Ok(usize::from(u16::from_be_bytes([*high, *low])).saturating_add(Self::LEN)),
            _ => Err(Error::Malformed),
        }
    }
}
