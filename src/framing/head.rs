//! The length fields of headers: all that framings have to know of the messages that they carry.
//!
//! A framing whose messages carry their own length asks a [`Head`] for it; the others only refuse
//! what is shorter than a header can be. This is the one file in which that is written down.

use core::time::Duration;

use super::Error;

/// Bytes of the header of SMP: the shortest message on a console, in COBS and in automatic framing.
pub(crate) const SMP_HEADER: usize = 8;

/// How long an incomplete message is kept by default, counted from its last byte.
pub const ABANDON: Duration = Duration::from_secs(3);

/// A header that says how long its message is.
pub trait Head {
    /// Bytes of the header.
    const LEN: usize;

    /// How long a sender stays silent after a message that it could not complete: as long as the
    /// peer may wait for the rest.
    const QUIET: Duration = ABANDON;

    /// The length of the message in bytes, header included. `head` holds [`LEN`](Self::LEN) bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if this cannot be a header.
    fn total(head: &[u8]) -> Result<usize, Error>;
}

/// The header of SMP: 8 bytes, the length of the payload in the third and fourth, an operation from
/// 0 to 3 in the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SmpHead;

impl Head for SmpHead {
    const LEN: usize = SMP_HEADER;

    fn total(head: &[u8]) -> Result<usize, Error> {
        match head {
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
/// Nothing in it can be wrong, so a stream that is out of step is noticed by a length that never
/// arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BsmpHead;

impl Head for BsmpHead {
    const LEN: usize = 3;

    fn total(head: &[u8]) -> Result<usize, Error> {
        match head {
            [_, high, low] => Ok(usize::from(u16::from_be_bytes([*high, *low])).saturating_add(Self::LEN)),
            _ => Err(Error::Malformed),
        }
    }
}
