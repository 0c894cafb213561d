//! Messages back to back, each with its length in its header: SMP over a raw UART, TCP or BLE
//! notifications.
//!
//! ```text
//!   message    header (length inside) | payload          no delimiter, no checksum
//! ```
//!
//! A [`Head`] describes the header: [`Head8`] is that of SMP, used by Zephyr's raw UART
//! transport, MCUboot's raw serial recovery and every stream that carries bare messages;
//! [`Head3`] is that of BSMP over TCP. Other protocols implement their own.
//!
//! # States
//!
//! ```text
//!   Collect ──header and payload are there──▶ Complete ──any byte──▶ Collect
//!     ├──header fails, or message too long──▶ one error, Resync ──silence of RESYNC──▶ Collect
//!     └──silence of ABANDON──▶ one error, Collect
//! ```
//!
//! Nothing in the bytes shows where a message begins. So after a bad header everything is dropped
//! until the line is silent, and a message that stops in the middle is dropped after a silence as
//! long as the peer may pause. A damaged length that is too large swallows the following messages,
//! up to that silence. At the start of a session the decoder has to assume the start of a message.
//!
//! The port's tick must not be longer than [`RESYNC`], or the response of a faster peer is lost
//! after damage.
//!
//! # Interpretation
//!
//! * Zephyr's transport drops the whole read if it holds more than one message; here all are
//!   delivered, as MCUboot does.
//! * Zephyr's optional and MCUboot's default limit for a stalled message is 3 s. A sender that
//!   could not complete a message stays silent for this long ([`Head::QUIET`]), because until then
//!   the peer accepts any byte as the rest of that message.
//! * No specification gives the silence after a bad header: 100 ms is ten times the pause of a UART
//!   or a USB adapter within a message.

use core::marker::PhantomData;
use core::time::Duration;

pub use super::head::{ABANDON, Head, Head3, Head8};
use super::{Encoder as Encode, Error, Framing, Progress, Sizes};
use crate::bytes;

/// Default silence after a bad header, after which the next message begins.
pub const RESYNC: Duration = Duration::from_millis(100);

/// Decodes and encodes messages that carry their length, in a buffer of the caller that is as long
/// as the longest message.
pub struct Counted<'b, H> {
    buffer: &'b mut [u8],
    state: State,
    resync: Duration,
    abandon: Duration,
    head: PhantomData<H>,
}

/// The progress of the decoder in a message. A reset leads from every state to `Header`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// The first `have` bytes of a header. Exits: its last byte, to `Payload` if it is valid and
    /// the message fits, else to `Resync`; silence, to itself without bytes.
    Header { have: usize },
    /// The first `have` bytes of a message of `total` bytes. Exits: the last byte, to `Complete`;
    /// silence, to `Header`.
    Payload { have: usize, total: usize },
    /// A message of `len` bytes. Exit: any byte, to `Header`.
    Complete { len: usize },
    /// Out of sync: bytes are dropped. Exit: silence, to `Header`.
    Resync,
}

impl State {
    const START: Self = Self::Header { have: 0 };
}

impl<'b, H: Head> Counted<'b, H> {
    /// A decoder in front of a header, with `buffer` as its memory.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, state: State::START, resync: RESYNC, abandon: ABANDON, head: PhantomData }
    }

    /// Sets the silence `resync` after a bad header and the silence `abandon` that ends an
    /// incomplete message, instead of [`RESYNC`] and [`ABANDON`].
    #[must_use]
    pub const fn with_limits(self, resync: Duration, abandon: Duration) -> Self {
        Self { resync, abandon, ..self }
    }

    /// Returns true while a message is incomplete.
    pub(crate) const fn is_within(&self) -> bool {
        matches!(self.state, State::Header { have: 1.. } | State::Payload { .. })
    }

    /// Returns the buffer length for messages of up to `message` bytes, which is the same.
    #[must_use]
    pub const fn buffer_len(message: usize) -> usize {
        message
    }

    /// Returns the longest message that fits a buffer of `buffer` bytes, which is as long. A buffer
    /// shorter than the header fits none.
    #[must_use]
    pub const fn max_message(buffer: usize) -> usize {
        buffer
    }

    /// Returns the length on the wire of a message of `message` bytes, which is the same.
    #[must_use]
    pub const fn encoded_len(message: usize) -> usize {
        message
    }

    /// Returns the sizes for a receive buffer of `buffer` bytes.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes::of_stream(buffer, buffer)
    }

    /// Moves bytes from `input` to the buffer until it holds `end` of them; returns the number that
    /// it holds.
    fn fill(&mut self, input: &mut &[u8], have: usize, end: usize) -> usize {
        let count = end.saturating_sub(have).min(input.len());
        let end = have.saturating_add(count);
        let (Some((from, rest)), Some(to)) = (input.split_at_checked(count), self.buffer.get_mut(have..end)) else {
            return have;
        };
        bytes::copy(from, to);
        *input = rest;
        end
    }

    /// Handles a silence; returns true if it ends an incomplete message.
    // Inlined, a loop keeps the limits for all its turns: 16 bytes of stack, 20 to 50 of flash.
    #[cfg_attr(target_os = "none", inline(never))]
    fn ends(&mut self, silence: Duration) -> bool {
        let is_within = self.is_within();
        let over = silence >= self.abandon || self.state == State::Resync && silence >= self.resync;
        // The next byte is the start of a message again, since no sender pauses for that long.
        if over && (is_within || self.state == State::Resync) {
            self.state = State::START;
        }
        over && is_within
    }

    fn announced(&self) -> Result<usize, Error> {
        let total = H::total(self.buffer.get(..H::LEN).ok_or(Error::TooLong)?)?;
        // A `Head` of the application may return anything; a message is never shorter than its
        // header.
        if total < H::LEN {
            return Err(Error::Malformed);
        }
        if total > self.buffer.len() {
            return Err(Error::TooLong);
        }
        Ok(total)
    }
}

impl<H: Head> Framing for Counted<'_, H> {
    const OVERHEAD: usize = 0;

    const QUIET: Duration = H::QUIET;

    type Pace = super::Unpaced;
    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        // A header with a wrong length would put the peer out of sync for all that follows.
        match message.get(..H::LEN).map(H::total) {
            Some(Ok(total)) if total == message.len() => Ok(Encoder::new()),
            _ => Err(Error::Unsendable),
        }
    }

    fn sizes(&self) -> Sizes {
        Self::sizes_of(self.buffer.len())
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        Self::encoded_len(message)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        while !input.is_empty() {
            match self.state {
                // The loop looks at this byte again, as the first of the next header.
                State::Complete { .. } => self.state = State::START,
                State::Header { have } => {
                    let now = self.fill(input, have, H::LEN.min(self.buffer.len()));
                    self.state = State::Header { have: now };
                    // Wait for the rest of the header, unless the buffer is too short for one: that
                    // is an error below.
                    if now < H::LEN && now < self.buffer.len() {
                        break;
                    }
                    match self.announced() {
                        Ok(total) => self.state = State::Payload { have: now, total },
                        // The length cannot be trusted, so the start of the next message is
                        // unknown.
                        Err(error) => {
                            self.state = State::Resync;
                            return Err(error);
                        }
                    }
                }
                State::Payload { .. } => {}
                // Any byte may be the middle of a message: only silence shows a beginning.
                State::Resync => *input = &[],
            }
            if let State::Payload { have, total } = self.state {
                let have = self.fill(input, have, total);
                if have >= total {
                    self.state = State::Complete { len: total };
                    return Ok(Progress::Message);
                }
                self.state = State::Payload { have, total };
            }
        }
        Ok(Progress::More)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        if self.ends(silence) { Err(Error::Abandoned) } else { Ok(Progress::More) }
    }

    fn message(&self) -> &[u8] {
        match self.state {
            State::Complete { len } => bytes::front(self.buffer, len),
            _ => &[],
        }
    }

    fn reset(&mut self) {
        self.state = State::START;
    }
}

impl<H> core::fmt::Debug for Counted<'_, H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Counted")
            .field("buffer", &self.buffer.len())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<H> defmt::Format for Counted<'_, H> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Counted {{ buffer: {=usize}, state: {} }}", self.buffer.len(), self.state);
    }
}

/// Sends a message unchanged; it does not read the header.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encoder {
    /// Bytes of the message that have been written.
    at: usize,
}

const _: () = assert!(size_of::<Encoder>() <= 8);

impl Encoder {
    /// An encoder at the start of a message.
    #[must_use]
    pub const fn new() -> Self {
        Self { at: 0 }
    }
}

impl Encode for Encoder {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let rest = message.get(self.at..).unwrap_or_default();
        // `bytes::copy` with a count: 50 bytes less flash on a Cortex-M than `bytes::copy` and the
        // minimum of two lengths.
        let count = out.iter_mut().zip(rest).map(|(to, from)| *to = *from).count();
        self.at = self.at.wrapping_add(count);
        count
    }
}
