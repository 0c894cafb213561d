//! SMP with COBS and a CRC: binary frames that end with a zero.
//!
//! ```text
//!   frame    COBS( message | CRC-16/XMODEM of the message, 2 bytes, big-endian )  00
//! ```
//!
//! The raw serial framing that smpclient calls `Cobs` and that MCUboot's serial recovery has been offered: no text on the wire,
//! two bytes of overhead and one more for each 254, against a third and more on a console. Bytes are decoded into the
//! message buffer as they arrive; the CRC stands behind the message there until the frame is complete.
//!
//! # States
//!
//! ```text
//!   Frame ──00: length and CRC fit──▶ Complete ──any byte──▶ Frame
//!     ├──00: they do not, or COBS is broken──▶ Frame, one error
//!     ├──too long for the buffer──▶ Discard ──00──▶ Frame, one error at the 00
//!     └──silence──▶ one error, Discard ──00──▶ Frame, no further error
//! ```
//!
//! A damaged frame costs itself, and one more if its 00 is hit: then the two are one. A zero brings the
//! decoder into step wherever it stands, which is what the [`preamble`](Framing::preamble) is for.
//!
//! The CRC begins with 0, so there are two kinds of damage that it cannot see. Two frames whose 00 between them was lost can make
//! one that fits: the first message, its CRC, a zero, the second message. And zeros may be missing at the front of a message that begins with
//! some, as the read requests of SMP version 1 do. The length in the SMP header tells both from what was sent.
//!
//! # Interpretation
//!
//! * Empty frames (two zeros in a row) are ignored.
//! * A frame of less than 10 bytes, the header and the CRC, is malformed.
//! * A frame that has waited for the silence limit is dropped, and with it whatever comes before the next zero: the tail of a
//!   frame could pass for another, because the CRC does not see zeros that are missing at the front.
//! * Nothing is kept of `buf_size` for the framing: a device that offers `buf_size` takes messages of that length.

use core::time::Duration;

use super::head::SMP_HEADER;
use super::{Encoder as Encode, Error, Framing, Progress, Sizes};
use crate::checksum::Crc16;
use crate::cobs::{self, Decoded, Decoder};

/// How long an incomplete frame is kept by default, counted from its last byte.
pub const ABANDON: Duration = Duration::from_secs(3);

const CRC: usize = 2;

/// Decodes and encodes COBS frames with a CRC, in a buffer that the caller lends: two bytes longer than the longest message.
pub struct Cobs<'b> {
    buffer: &'b mut [u8],
    state: State,
    abandon: Duration,
}

/// Where in a frame the decoder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// In a frame, or before one: `have` bytes are decoded. Left by a zero to `Complete` or itself, by one byte too many or by
    /// silence to `Discard`.
    Frame { decoder: Decoder, have: usize },
    /// The buffer begins with a message of `len` bytes. Left by any byte, to `Frame`.
    Complete { len: usize },
    /// In a frame that is of no use, whose error is still to be reported, if any. Left by a zero, to `Frame`.
    Discard(Option<Error>),
}

impl State {
    const START: Self = Self::Frame { decoder: Decoder::new(), have: 0 };
}

impl<'b> Cobs<'b> {
    /// Decodes into `buffer`.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, state: State::START, abandon: ABANDON }
    }

    /// Gives up an incomplete frame after `silence` instead of [`ABANDON`].
    #[must_use]
    pub const fn with_abandon(self, silence: Duration) -> Self {
        Self { abandon: silence, ..self }
    }

    /// The buffer that takes messages of up to `message` bytes: 2 more, for the CRC.
    #[must_use]
    pub const fn buffer_len(message: usize) -> usize {
        message.saturating_add(CRC)
    }

    /// The longest message that a buffer of `buffer` bytes takes. Below 10 bytes a buffer takes none.
    #[must_use]
    pub const fn max_message(buffer: usize) -> usize {
        buffer.saturating_sub(CRC)
    }

    /// The most bytes on the wire that a message of `message` bytes takes; fewer only if zeros break its runs.
    #[must_use]
    pub const fn max_encoded_len(message: usize) -> usize {
        cobs::max_encoded_len(message.saturating_add(CRC)).saturating_add(1)
    }

    /// The sizes that suit a receive buffer of `buffer` bytes. The CRC is stored there too, but is not what a peer
    /// counts: the buffer that may be promised is two bytes shorter.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes::of_stream(Self::max_message(buffer), Self::max_message(buffer))
    }

    /// A frame of `have` bytes has ended.
    fn finish(&mut self, have: usize) -> Result<Progress<'static>, Error> {
        self.state = State::START;
        let Some(len) = have.checked_sub(CRC).filter(|len| *len >= SMP_HEADER) else { return Err(Error::Malformed) };
        if Crc16::of(self.buffer.get(..have).unwrap_or_default()) != 0 {
            return Err(Error::Checksum);
        }
        self.state = State::Complete { len };
        Ok(Progress::Message)
    }
}

impl Framing for Cobs<'_> {
    const OVERHEAD: usize = 0;

    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        Encoder::new(message)
    }

    fn sizes(&self) -> Sizes {
        Self::sizes_of(self.buffer.len())
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        Self::max_encoded_len(message)
    }

    /// One zero: it ends whatever the receiver has of a frame.
    fn preamble(&self) -> &'static [u8] {
        &[0]
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        while let Some(first) = input.first() {
            match self.state {
                State::Complete { .. } => self.state = State::START,
                // An empty frame, or a delimiter for safety's sake.
                State::Frame { decoder: Decoder::Start, .. } if *first == 0 => {
                    *input = input.get(1..).unwrap_or_default()
                }
                State::Frame { mut decoder, mut have } => {
                    let decoded = decoder.push(input, self.buffer, &mut have);
                    self.state = State::Frame { decoder, have };
                    match decoded {
                        Decoded::More => {}
                        Decoded::End => return self.finish(have),
                        Decoded::Broken => {
                            self.state = State::START;
                            return Err(Error::Malformed);
                        }
                        Decoded::Full => self.state = State::Discard(Some(Error::TooLong)),
                    }
                }
                State::Discard(error) => {
                    let Some(end) = input.iter().position(|byte| *byte == 0) else {
                        *input = &[];
                        break;
                    };
                    *input = input.split_at_checked(end).and_then(|(_, rest)| rest.get(1..)).unwrap_or_default();
                    self.state = State::START;
                    if let Some(error) = error {
                        return Err(error);
                    }
                }
            }
        }
        Ok(Progress::More)
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        let error = match self.state {
            _ if silence < self.abandon => None,
            State::Frame { decoder: Decoder::Start, .. } | State::Complete { .. } => None,
            State::Frame { .. } => Some(Error::Abandoned),
            State::Discard(error) => error,
        };
        error.map_or(Ok(Progress::More), |error| {
            self.state = State::Discard(None);
            Err(error)
        })
    }

    fn message(&self) -> &[u8] {
        match self.state {
            State::Complete { len } => self.buffer.get(..len).unwrap_or_default(),
            _ => &[],
        }
    }

    fn reset(&mut self) {
        self.state = State::START;
    }
}

impl core::fmt::Debug for Cobs<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cobs").field("buffer", &self.buffer.len()).field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Cobs<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Cobs {{ buffer: {=usize}, state: {} }}", self.buffer.len(), self.state);
    }
}

/// Puts one message into a frame. The CRC is computed when it is built: one pass more over the message. Takes 12 bytes
/// on a Cortex-M, 24 on a 64-bit host.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encoder {
    data: cobs::Encoder<CRC>,
    ended: bool,
}

const _: () = assert!(size_of::<Encoder>() <= 24);

impl Encoder {
    /// Encodes `message`.
    ///
    /// # Errors
    ///
    /// [`Error::Unsendable`] if the message is shorter than an SMP header, 8 bytes.
    pub fn new(message: &[u8]) -> Result<Self, Error> {
        if message.len() < SMP_HEADER {
            return Err(Error::Unsendable);
        }
        Ok(Self { data: cobs::Encoder::new(Crc16::of(message).to_be_bytes()), ended: false })
    }
}

impl Encode for Encoder {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let written = self.data.next(message, out);
        match out.get_mut(written) {
            Some(place) if !self.ended => {
                *place = 0;
                self.ended = true;
                written.saturating_add(1)
            }
            _ => written,
        }
    }
}
