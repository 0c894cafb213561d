//! Datagrams, where one read is one message: UDP, USB bulk transfers, BLE without reassembly.
//!
//! The port keeps messages apart and checks them, so nothing is added and nothing has to be found.
//! Each [`push`](Framing::push) accepts its whole input as one message; an empty input is none. A
//! read must therefore be passed on whole, and the buffer that the port reads into must hold the
//! longest datagram: a longer one is cut by the port, which only the protocol can notice, by the
//! length in its header.
//!
//! ```text
//!   Empty ──a datagram──▶ Complete ──another──▶ Complete
//!     ▲──── one that is longer than the buffer: one error
//! ```
//!
//! **Interpretation.** Zephyr's server takes several messages from one datagram. Here a datagram is
//! one message for the framing; the protocol handles the bytes after the length in its header.

use core::num::NonZeroUsize;
use core::time::Duration;

use super::{Error, Framing, Progress, Sizes};
use crate::bytes;

pub use super::counted::Encoder;

/// Decodes and encodes datagrams, in a buffer of the caller that is as long as the longest message.
pub struct Datagram<'b> {
    buffer: &'b mut [u8],
    state: State,
}

/// The content of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// No message. Exit: a datagram that fits, to `Complete`.
    Empty,
    /// A message of `len` bytes. Exits: another datagram, to itself; one that does not fit or a
    /// reset, to `Empty`.
    Complete { len: NonZeroUsize },
}

impl<'b> Datagram<'b> {
    /// A decoder without a message, with `buffer` as its memory.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, state: State::Empty }
    }

    /// Returns the buffer length for messages of up to `message` bytes, which is the same.
    #[must_use]
    pub const fn buffer_len(message: usize) -> usize {
        message
    }

    /// Returns the longest message that fits a buffer of `buffer` bytes, which is as long.
    #[must_use]
    pub const fn max_message(buffer: usize) -> usize {
        buffer
    }

    /// Returns the length of the datagram for a message of `message` bytes, which is the same.
    #[must_use]
    pub const fn encoded_len(message: usize) -> usize {
        message
    }

    /// Returns the sizes for a receive buffer of `buffer` bytes. A datagram leaves and arrives in
    /// one piece.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes { message: buffer, buffer, out: buffer, read: buffer }
    }
}

impl Framing for Datagram<'_> {
    const OVERHEAD: usize = 0;

    const WHOLE: bool = true;

    const DATAGRAM: bool = true;

    type Pace = super::Unpaced;
    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        // An encoder signals the end by writing no bytes, so an empty datagram cannot be expressed.
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
        let Some(len) = NonZeroUsize::new(datagram.len()) else { return Ok(Progress::More) };
        // Before the length is checked: after an error the last message must not be returned again.
        self.state = State::Empty;
        let place = self.buffer.get_mut(..len.get()).ok_or(Error::TooLong)?;
        bytes::copy(datagram, place);
        self.state = State::Complete { len };
        Ok(Progress::Message)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        // A datagram is complete or lost: nothing ever waits.
        let _ = silence;
        Ok(Progress::More)
    }

    fn message(&self) -> &[u8] {
        match self.state {
            State::Complete { len } => bytes::front(self.buffer, len.get()),
            State::Empty => &[],
        }
    }

    fn reset(&mut self) {
        self.state = State::Empty;
    }
}

impl core::fmt::Debug for Datagram<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Datagram").field("buffer", &self.buffer.len()).field("state", &self.state).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Datagram<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Datagram {{ buffer: {=usize}, state: {} }}", self.buffer.len(), self.state);
    }
}
