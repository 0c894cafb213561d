//! SMP with COBS and a CRC: binary frames that end with a zero.
//!
//! ```text
//!   frame    COBS( message | CRC-16/XMODEM of the message, 2 bytes, big-endian )  00
//! ```
//!
//! This is the raw serial framing that smpclient calls `Cobs` and that was proposed for MCUboot's
//! serial recovery. It carries no text, and adds two bytes and one more for each 254, where a
//! console adds a third and more. Bytes are decoded into the message buffer as they arrive; the CRC
//! follows the message there until the frame is complete.
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
//! Damage costs one frame, or two if it hits the 00 between them. A zero resynchronises the decoder
//! in any state; that is the purpose of the [`preamble`](Framing::preamble).
//!
//! The CRC starts from 0, so there are two kinds of damage that it cannot detect. Two frames that
//! have lost the 00 between them can form one with a right CRC: the first message, its CRC, a zero,
//! the second message. And zeros may be missing at the front of a message that begins with zeros,
//! as the read requests of SMP version 1 do. The length in the SMP header reveals both.
//!
//! # Interpretation
//!
//! * Empty frames (two zeros in a row) are ignored.
//! * A frame of fewer than 10 bytes (header and CRC) is malformed.
//! * A frame whose rest does not arrive within the silence limit is dropped, and so is everything
//!   up to the next zero: the tail of a frame could pass for another, because the CRC does not
//!   detect zeros that are missing at the front.
//! * The framing uses no part of `buf_size`: a device that offers `buf_size` accepts messages of
//!   that length.

use core::time::Duration;

use super::head::MIN_MESSAGE;
use super::{Encoder as Encode, Error, Framing, Progress, Sizes};
use crate::bytes;
use crate::checksum::Crc16;
use crate::cobs::{self, Decoded, Decoder};

/// Default silence after which an incomplete frame is dropped, counted from its last byte.
pub const ABANDON: Duration = Duration::from_secs(3);

/// The length of the CRC in bytes, in front of the zero.
const CRC: usize = 2;

/// Decodes and encodes COBS frames with a CRC, in a buffer of the caller that is two bytes longer
/// than the longest message.
pub struct Cobs<'b> {
    buffer: &'b mut [u8],
    state: State,
    abandon: Duration,
}

/// The position of the decoder in a frame. A reset leads from every state to an empty `Frame`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum State {
    /// In a frame or in front of one, with `have` bytes decoded. Exits: a zero, to `Complete` if
    /// length and CRC fit, else to itself; one byte too many or silence, to `Discard`.
    Frame { decoder: Decoder, have: usize },
    /// The buffer begins with a message of `len` bytes. Exit: any byte, to `Frame`.
    Complete { len: usize },
    /// In a frame that is useless, with the error that is still to be reported, if any. Exits: a
    /// zero, to `Frame`; silence reports the error and stays.
    Discard(Option<Error>),
}

impl State {
    const START: Self = Self::Frame { decoder: Decoder::new(), have: 0 };
}

impl<'b> Cobs<'b> {
    /// A decoder in front of a frame, with `buffer` as its memory.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, state: State::START, abandon: ABANDON }
    }

    /// Sets the silence that ends an incomplete frame, instead of [`ABANDON`].
    #[must_use]
    pub const fn with_abandon(self, silence: Duration) -> Self {
        Self { abandon: silence, ..self }
    }

    /// Returns the buffer length for messages of up to `message` bytes: 2 more, for the CRC.
    #[must_use]
    pub const fn buffer_len(message: usize) -> usize {
        message.saturating_add(CRC)
    }

    /// Returns the longest message that fits a buffer of `buffer` bytes. A buffer below 10 bytes
    /// fits none.
    #[must_use]
    pub const fn max_message(buffer: usize) -> usize {
        buffer.saturating_sub(CRC)
    }

    /// Returns the maximum number of bytes on the wire for a message of `message` bytes; it takes
    /// fewer only if zeros break its runs.
    #[must_use]
    pub const fn max_encoded_len(message: usize) -> usize {
        cobs::max_encoded_len(message.saturating_add(CRC)).saturating_add(1)
    }

    /// Returns the sizes for a receive buffer of `buffer` bytes. The CRC is stored there too, but a
    /// peer does not count it: the buffer that may be promised is two bytes shorter.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes::of_stream(Self::max_message(buffer), Self::max_message(buffer))
    }

    /// Checks length and CRC of a frame of `have` bytes that has ended.
    fn finish(&mut self, have: usize) -> Result<Progress<'static>, Error> {
        self.state = State::START;
        let Some(len) = have.checked_sub(CRC).filter(|len| *len >= MIN_MESSAGE) else { return Err(Error::Malformed) };
        if Crc16::of(bytes::front(self.buffer, have)) != 0 {
            return Err(Error::Checksum);
        }
        self.state = State::Complete { len };
        Ok(Progress::Message)
    }
}

impl Framing for Cobs<'_> {
    const OVERHEAD: usize = 0;

    type Pace = super::Unpaced;
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

    /// One zero: it ends any partial frame of the receiver.
    fn preamble(&self) -> &'static [u8] {
        &[0]
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        while let Some(first) = input.first() {
            match self.state {
                // The loop looks at this byte again, as the first of the next frame.
                State::Complete { .. } => self.state = State::START,
                // An empty frame: peers send zeros to resynchronise, so this must not be an error.
                State::Frame { decoder, .. } if decoder.is_at_start() && *first == 0 => {
                    *input = input.get(1..).unwrap_or_default()
                }
                State::Frame { mut decoder, mut have } => {
                    let decoded = decoder.push(input, self.buffer, &mut have);
                    self.state = State::Frame { decoder, have };
                    match decoded {
                        Decoded::More => {}
                        Decoded::End => return self.finish(have),
                        // The zero is consumed already: a new frame comes next.
                        Decoded::Broken => {
                            self.state = State::START;
                            return Err(Error::Malformed);
                        }
                        // The tail has to be skipped up to its zero: it could pass for a frame.
                        Decoded::Full => self.state = State::Discard(Some(Error::TooLong)),
                    }
                }
                State::Discard(error) => {
                    // Only a zero shows where the next frame begins.
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
            State::Complete { .. } => None,
            State::Frame { decoder, .. } if decoder.is_at_start() => None,
            // Not back to `Frame`: if the rest arrives after all, it could pass for a frame.
            State::Frame { .. } => Some(Error::Abandoned),
            // Reported now: the zero may never come.
            State::Discard(error) => error,
        };
        error.map_or(Ok(Progress::More), |error| {
            self.state = State::Discard(None);
            Err(error)
        })
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

/// Encodes one message into a frame. The CRC is computed in [`new`](Self::new), in one more pass
/// over the message.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encoder {
    data: cobs::Encoder<CRC>,
    rest: Rest,
}

/// The part of a frame that follows its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Rest {
    /// The zero that ends it. Exit: the zero is written, to `Nothing`.
    Zero,
    /// Nothing: the frame is complete. No exit.
    Nothing,
}

const _: () = assert!(size_of::<Encoder>() <= 24);

impl Encoder {
    /// Encodes `message`.
    ///
    /// # Errors
    ///
    /// We: [`Error::Unsendable`] if the message is shorter than an SMP header, 8 bytes.
    pub fn new(message: &[u8]) -> Result<Self, Error> {
        if message.len() < MIN_MESSAGE {
            return Err(Error::Unsendable);
        }
        Ok(Self { data: cobs::Encoder::new(Crc16::of(message).to_be_bytes()), rest: Rest::Zero })
    }
}

impl Encode for Encoder {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let written = self.data.next(message, out);
        match out.get_mut(written) {
            // There is room left, so the data are complete.
            Some(place) if self.rest == Rest::Zero => {
                *place = 0;
                self.rest = Rest::Nothing;
                written.saturating_add(1)
            }
            _ => written,
        }
    }
}
