//! One read is one message: UDP, USB bulk transfers, BLE without reassembly.
//!
//! The port keeps messages apart and checks them, so nothing is added and nothing has to be found. Each
//! [`push`](Framing::push) takes its whole input as one message; an empty input is none. A read must therefore be handed on
//! whole, and the chunk that the port reads into must hold the longest datagram: what did not fit there was cut by the port, which
//! only the protocol can notice by the length in its header.
//!
//! ```text
//!   Empty ──a datagram──▶ Complete ──another──▶ Complete
//!     ▲──── one that is longer than the buffer: one error
//! ```
//!
//! **Interpretation.** Zephyr's server takes several messages from one datagram. Here a datagram is one message for the
//! framing; what follows the length in its header is the protocol's business.

use core::time::Duration;

use super::{Error, Framing, Progress, Sizes};
use crate::bytes;

pub use super::counted::Encoder;

/// Takes whole messages into the caller's buffer, which is as long as the longest of them.
pub struct Datagram<'b> {
    buffer: &'b mut [u8],
    /// The length of the message in the buffer, 0 for none.
    len: usize,
}

impl<'b> Datagram<'b> {
    /// Keeps messages in `buffer`.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// The buffer that takes messages of up to `message` bytes: as many.
    #[must_use]
    pub const fn buffer_len(message: usize) -> usize {
        message
    }

    /// The longest message that a buffer of `buffer` bytes takes: as many.
    #[must_use]
    pub const fn max_message(buffer: usize) -> usize {
        buffer
    }

    /// The bytes in the datagram of a message of `message` bytes: as many.
    #[must_use]
    pub const fn encoded_len(message: usize) -> usize {
        message
    }

    /// The sizes that suit a receive buffer of `buffer` bytes. A datagram leaves and arrives in one piece.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes { message: buffer, buffer, out: buffer, read: buffer }
    }
}

impl Framing for Datagram<'_> {
    const OVERHEAD: usize = 0;
    const PACED: bool = false;

    const WHOLE: bool = true;

    const DATAGRAM: bool = true;

    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        // There is no such thing as a run of no bytes: it would say that the frame is complete.
        if message.is_empty() { Err(Error::Unsendable) } else { Ok(Encoder::new()) }
    }

    fn sizes(&self) -> Sizes {
        Self::sizes_of(self.buffer.len())
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        Self::encoded_len(message)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        let datagram = core::mem::take(input);
        if datagram.is_empty() {
            return Ok(Progress::More);
        }
        self.len = 0;
        let place = self.buffer.get_mut(..datagram.len()).ok_or(Error::TooLong)?;
        bytes::copy(datagram, place);
        self.len = datagram.len();
        Ok(Progress::Message)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        let _ = silence;
        Ok(Progress::More)
    }

    fn message(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    fn reset(&mut self) {
        self.len = 0;
    }
}

impl core::fmt::Debug for Datagram<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Datagram").field("buffer", &self.buffer.len()).field("len", &self.len).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Datagram<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Datagram {{ buffer: {=usize}, len: {=usize} }}", self.buffer.len(), self.len);
    }
}
