//! SMP over Bluetooth Low Energy, through one GATT service with one characteristic.
//!
//! ```text
//!   central (client)                                   peripheral (server)
//!   ──── Write Without Response, up to MTU - 3 bytes ────▶  a piece of a request
//!   ◀─── Notification, up to MTU - 3 bytes ──────────────   a piece of a response
//!
//!   message     header (length inside) | payload
//!   pieces      |············|············|····|      cut anywhere; the first has the header
//! ```
//!
//! This module depends on no GATT stack. [`fragments`] cuts messages to send; [`Reassembly`], a
//! [`Framing`] whose `push` accepts one write or one notification at a time, joins received pieces.
//! A [`Link`](crate::blocking::Link) over a port that reads one notification at a time, and writes
//! without response, works too if its `out` buffer holds [`fragment_len`] bytes.
//!
//! GATT keeps the pieces in order and loses none, so they carry neither a checksum nor a number. A
//! message is cut off by a lost connection: call [`reset`](Framing::reset) when it ends, and when
//! notifications are switched off. A message that its sender gave up is dropped after
//! [`ABANDON`](super::counted::ABANDON) here; Zephyr drops it only at the end of the connection.
//!
//! The link should be encrypted and authenticated before a server listens: SMP itself has no access
//! control.
//!
//! Specification: Zephyr Project, *SMP over Bluetooth*.
//!
//! # States
//!
//! ```text
//!   Between ──a piece with a header and all of the payload──▶ Between, one message
//!      │ └──a piece too short, wrong, too long, or with bytes after it──▶ Between, one error
//!      └──a piece with less than the message──▶ Within ──the rest──▶ Between, one message
//!                                                  └──too many bytes, reset, silence──▶ Between
//! ```
//!
//! # Interpretation
//!
//! * A message begins with a piece, and a piece never holds parts of two messages. So a damaged
//!   message costs only itself: the next piece is a beginning again.
//! * Zephyr's server refuses a first piece of fewer than 8 bytes with ATT error
//!   [`VALUE_NOT_ALLOWED`]: so does [`Reassembly::server`]. A client accepts shorter ones, since
//!   there are servers that send them.
//! * A Zephyr server that was built without reassembly treats each write as one message, and a
//!   client cannot find that out. If a longer message gets `rc` 9 or no response, a client must
//!   limit messages to [`fragment_len`] bytes.

use core::time::Duration;

use super::counted::{Counted, Encoder};
use super::head::{Head, Head8};
use super::{Error, Framing, Progress, Sizes};

/// The UUID of the service, 8D53DC1D-1DB7-4CD3-868B-8A527460AA84. `to_be_bytes` returns it in print
/// order, `to_le_bytes` in the order of advertisements and most stacks.
pub const SERVICE: u128 = 0x8D53_DC1D_1DB7_4CD3_868B_8A52_7460_AA84;

/// The UUID of the characteristic, DA2E7828-FBCE-4E01-AE9E-261174997C48, with Write Without
/// Response and Notify. Byte orders as for [`SERVICE`].
pub const CHARACTERISTIC: u128 = 0xDA2E_7828_FBCE_4E01_AE9E_2611_7499_7C48;

/// The longest attribute value, and so the longest piece of any connection, in bytes.
const LONGEST: usize = 512;

/// The ATT MTU of every connection until a larger one is agreed on, in bytes.
pub const MIN_MTU: u16 = 23;

/// The ATT error for a write whose value is refused, such as a first piece that is too short.
pub const VALUE_NOT_ALLOWED: u8 = 0x13;

/// Returns the longest piece in bytes at this ATT MTU: op code and handle take three. An MTU below
/// [`MIN_MTU`] counts as [`MIN_MTU`].
#[must_use]
pub const fn fragment_len(mtu: u16) -> usize {
    (if mtu < MIN_MTU { MIN_MTU } else { mtu }) as usize - 3
}

/// Cuts a message into pieces of at most [`fragment_len`] bytes, in order; none of them is empty.
///
/// ```
/// use anysmp::framing::gatt;
///
/// let pieces: Vec<usize> = gatt::fragments(&[0; 50], 23).map(<[u8]>::len).collect();
/// assert_eq!(pieces, [20, 20, 10]);
/// ```
#[must_use]
pub const fn fragments(message: &[u8], mtu: u16) -> Fragments<'_> {
    Fragments { rest: message, len: fragment_len(mtu) }
}

/// The pieces of a message: see [`fragments`].
#[derive(Clone)]
pub struct Fragments<'m> {
    rest: &'m [u8],
    len: usize,
}

impl<'m> Iterator for Fragments<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        let (piece, rest) = self.rest.split_at_checked(self.len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

/// Prints lengths only: a message may hold a secret.
impl core::fmt::Debug for Fragments<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Fragments").field("rest", &self.rest.len()).field("len", &self.len).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Fragments<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Fragments {{ rest: {=usize}, len: {=usize} }}", self.rest.len(), self.len);
    }
}

/// Joins pieces into messages, in a buffer of the caller that is as long as the longest message.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reassembly<'b> {
    message: Counted<'b, Head8>,
    /// The minimum length of a first piece in bytes.
    first: usize,
}

impl<'b> Reassembly<'b> {
    /// Joins the pieces of responses, of any length.
    #[must_use]
    pub const fn client(buffer: &'b mut [u8]) -> Self {
        Self { message: Counted::new(buffer), first: 0 }
    }

    /// Joins requests. A first piece without a whole header is an error; answer the write with
    /// [`VALUE_NOT_ALLOWED`].
    #[must_use]
    pub const fn server(buffer: &'b mut [u8]) -> Self {
        Self { first: Head8::LEN, ..Self::client(buffer) }
    }

    /// Returns the sizes for a receive buffer of `buffer` bytes. Pieces of any ATT MTU are written
    /// and read whole.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes { message: buffer, buffer, out: LONGEST, read: LONGEST }
    }

    fn piece(&mut self, mut piece: &[u8]) -> Result<Progress<'static>, Error> {
        // As Zephyr's server does: a client must not depend on a server that accepts such pieces.
        if !self.message.is_within() && piece.len() < self.first {
            return Err(Error::Malformed);
        }
        match self.message.push(&mut piece)? {
            Progress::Message if piece.is_empty() => Ok(Progress::Message),
            // A piece never holds parts of two messages, so the rest shows that this one is
            // damaged.
            Progress::Message => Err(Error::Malformed),
            _ => Ok(Progress::More),
        }
    }
}

/// `push` accepts its whole input as one piece; an empty input is none.
impl Framing for Reassembly<'_> {
    const OVERHEAD: usize = 0;

    /// Each piece is pushed alone, so that bytes after the end of a message are noticed as damage.
    const DATAGRAM: bool = true;

    const QUIET: Duration = Head8::QUIET;

    type Pace = super::Unpaced;
    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        self.message.encode(message)
    }

    fn sizes(&self) -> Sizes {
        Self::sizes_of(self.message.sizes().message)
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        self.message.max_encoded_len(message)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        let piece = core::mem::take(input);
        if piece.is_empty() {
            return Ok(Progress::More);
        }
        // The next piece begins a message, so there is no need to wait for silence.
        self.piece(piece).inspect_err(|_| self.reset())
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        self.message.idle(silence)
    }

    fn message(&self) -> &[u8] {
        self.message.message()
    }

    fn reset(&mut self) {
        self.message.reset();
    }
}
