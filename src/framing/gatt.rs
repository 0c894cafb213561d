//! SMP over Bluetooth Low Energy: one GATT service with one characteristic.
//!
//! ```text
//!   central (client)                                   peripheral (server)
//!   ──── Write Without Response, up to MTU - 3 bytes ────▶  a piece of a request
//!   ◀─── Notification, up to MTU - 3 bytes ──────────────   a piece of an answer
//!
//!   message     header (length inside) | payload
//!   pieces      |············|············|····|          cut anywhere; the first one begins with the header
//! ```
//!
//! Nothing here knows a GATT stack. What goes out is cut by [`fragments`]; what comes in is put
//! together by [`Reassembly`], a [`Framing`] whose `push` takes one write or one notification at a
//! time. A [`Link`](crate::blocking::Link) over a port that reads one notification at a time, and
//! writes without response what it is given, works too if its `out` buffer holds [`fragment_len`]
//! bytes.
//!
//! GATT keeps the pieces in order and loses none, so there is no checksum and no number in them. A
//! message is cut off by a lost connection: call [`reset`](Framing::reset) when it ends, and when
//! notifications are switched off. A message that its sender gave up is forgotten after
//! [`ABANDON`](super::counted::ABANDON) here; Zephyr forgets it at the end of the connection only.
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
//!      │ └──a piece that is too short, wrong, too long, or has bytes behind the message──▶ Between, one error
//!      └──a piece with less than the message──▶ Within ──the rest──▶ Between, one message
//!                                                  └──too many bytes, reset, silence──▶ Between
//! ```
//!
//! # Interpretation
//!
//! * A message begins with a piece, and a piece never holds parts of two messages. So a damaged one
//!   costs itself only: the next piece is taken for a beginning.
//! * Zephyr's server refuses a first piece of fewer than 8 bytes with ATT error
//!   [`VALUE_NOT_ALLOWED`]: so does [`Reassembly::server`]. A client takes shorter ones, since
//!   servers have sent them.
//! * A Zephyr server that was built without reassembly takes one write for one message. Nothing
//!   tells whether it was; where a longer message gets `rc` 9 or no answer, a client keeps to
//!   [`fragment_len`] bytes per message.

use core::time::Duration;

use super::counted::{Counted, Encoder};
use super::head::{Head, SmpHead};
use super::{Error, Framing, Progress, Sizes};

/// The service, 8D53DC1D-1DB7-4CD3-868B-8A527460AA84. `to_be_bytes` gives the order in which it is
/// printed, `to_le_bytes` the one in which it is advertised and in which most stacks want it.
pub const SERVICE: u128 = 0x8D53_DC1D_1DB7_4CD3_868B_8A52_7460_AA84;

/// The characteristic, DA2E7828-FBCE-4E01-AE9E-261174997C48: Write Without Response, and Notify.
/// Byte orders as for [`SERVICE`].
pub const CHARACTERISTIC: u128 = 0xDA2E_7828_FBCE_4E01_AE9E_2611_7499_7C48;

/// The longest value of an attribute, and so the longest piece that any connection carries.
const LONGEST: usize = 512;

/// What every connection can carry before a larger ATT MTU is agreed on, in bytes.
pub const MIN_MTU: u16 = 23;

/// The ATT error of a write whose value is refused, as of a first piece that is too short.
pub const VALUE_NOT_ALLOWED: u8 = 0x13;

/// The longest piece, in bytes, at this ATT MTU: op code and handle take three. An MTU below
/// [`MIN_MTU`] counts as that.
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

/// Prints lengths only.
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

/// Puts messages together, in a buffer that the caller lends: as long as the longest message.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reassembly<'b> {
    message: Counted<'b, SmpHead>,
    /// How many bytes a first piece must have.
    first: usize,
}

impl<'b> Reassembly<'b> {
    /// Puts answers together.
    #[must_use]
    pub const fn client(buffer: &'b mut [u8]) -> Self {
        Self { message: Counted::new(buffer), first: 0 }
    }

    /// Puts requests together. A first piece without a whole header is an error, to be answered
    /// with [`VALUE_NOT_ALLOWED`].
    #[must_use]
    pub const fn server(buffer: &'b mut [u8]) -> Self {
        Self { first: SmpHead::LEN, ..Self::client(buffer) }
    }

    /// The sizes that suit a receive buffer of `buffer` bytes: pieces of any ATT MTU are written
    /// and read whole.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes { message: buffer, buffer, out: LONGEST, read: LONGEST }
    }

    fn piece(&mut self, mut piece: &[u8]) -> Result<Progress<'static>, Error> {
        if !self.message.is_within() && piece.len() < self.first {
            return Err(Error::Malformed);
        }
        match self.message.push(&mut piece)? {
            Progress::Message if piece.is_empty() => Ok(Progress::Message),
            Progress::Message => Err(Error::Malformed),
            _ => Ok(Progress::More),
        }
    }
}

/// `push` takes its whole input as one piece; an input of no bytes is none.
impl Framing for Reassembly<'_> {
    const OVERHEAD: usize = 0;

    /// Each piece is pushed alone: what is behind the end of a message in a piece is dropped with
    /// it.
    const DATAGRAM: bool = true;

    const QUIET: Duration = SmpHead::QUIET;

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
        // The next piece is a beginning again: there is no need to wait for silence.
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
