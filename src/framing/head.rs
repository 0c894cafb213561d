//! The length fields of message headers, the only part of messages that framings read.
//!
//! A framing whose messages carry their length gets it from a [`Head`]; the others only refuse
//! messages that are shorter than a header. Each layout is named by its length, because a framing
//! depends on no protocol.

use core::time::Duration;

use super::Error;

/// The shortest message on a console, in COBS and in automatic framing: a header of SMP.
pub(crate) const MIN_MESSAGE: usize = 8;

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

/// A header of 8 bytes, that of SMP: the length of the payload is in bytes 2 and 3, big-endian; the
/// low three bits of byte 0 are an operation from 0 to 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a type without a value")]
pub struct Head8;

impl Head for Head8 {
    const LEN: usize = MIN_MESSAGE;

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

/// A header of 3 bytes, that of BSMP 2.30 over TCP: the length of the payload is in bytes 1 and 2,
/// big-endian.
///
/// Any three bytes are a valid header, so the only sign of a stream out of sync is a message that
/// never completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a type without a value")]
pub struct Head3;

impl Head for Head3 {
    const LEN: usize = 3;

    fn total(head: &[u8]) -> Result<usize, Error> {
        match head {
            // Any three bytes are a header: BSMP has no invalid command here.
            [_, high, low] => Ok(usize::from(u16::from_be_bytes([*high, *low])).saturating_add(Self::LEN)),
            _ => Err(Error::Malformed),
        }
    }
}
