//! The memory of a line, and the lengths that it must have.

use crate::framing::{Encoder, Framing};
use crate::shown::shown;

/// The three buffers of a line.
///
/// | buffer | holds | at least | good |
/// |---|---|---|---|
/// | `read` | the bytes of one read of the port | 1 byte; for datagrams the longest one | 64 bytes |
/// | `tx` | one message to send | 1 byte | the longest message of the framing |
/// | `out` | the bytes of one write to the port | [`Encoder::MIN_OUT`]; where a frame leaves in one piece ([`Framing::WHOLE`]), the frame of a message as long as `tx` | one line of a console, 128 bytes |
///
/// [`split`](Self::split) divides one piece of memory: `tx` and `out` get the lengths of the column
/// *good*, `read` gets the rest. Each framing has a `const fn sizes_of(buffer)`; its `memory()` is
/// the length that `split` needs, in bytes:
///
/// ```
/// use anysmp::framing::console::Console;
/// use anysmp::line::{Buffers, Line};
///
/// let (mut message, mut memory) = ([0; 512], [0; Console::sizes_of(512).memory()]);
/// assert!(Line::new(Console::new(&mut message), Buffers::split(&mut memory)).is_ok());
/// ```
pub struct Buffers<'b>(Parts<'b>);

enum Parts<'b> {
    /// One piece of memory, divided once the framing is known.
    One(&'b mut [u8]),
    Three {
        read: &'b mut [u8],
        tx: &'b mut [u8],
        out: &'b mut [u8],
    },
}

shown!(
    Buffers<'_>,
    |buffers| "Buffers({} bytes)",
    match &buffers.0 {
        Parts::One(memory) => memory.len(),
        Parts::Three { read, tx, out } => read.len().saturating_add(tx.len()).saturating_add(out.len()),
    }
);

impl<'b> Buffers<'b> {
    /// All three buffers in one piece of memory. It is divided when the line is built, because the
    /// lengths depend on the framing.
    #[must_use]
    pub const fn split(memory: &'b mut [u8]) -> Self {
        Self(Parts::One(memory))
    }

    /// Three buffers with lengths of your choice, for example a short `tx` for a server with short
    /// responses. At most 65,535 bytes of each are used.
    #[must_use]
    pub const fn parts(read: &'b mut [u8], tx: &'b mut [u8], out: &'b mut [u8]) -> Self {
        Self(Parts::Three { read, tx, out })
    }

    /// Returns `read`, `tx` and `out` for this framing.
    pub(super) fn cut<F: Framing>(self, framing: &F) -> Result<[&'b mut [u8]; 3], SizeError> {
        let [read, tx, out] = match self.0 {
            Parts::One(memory) => {
                let sizes = framing.sizes();
                let error = SizeError { need: sizes.memory(), have: memory.len() };
                if error.have < error.need {
                    return Err(error);
                }
                let (tx, rest) = memory.split_at_mut_checked(sizes.message).ok_or(error)?;
                let (out, read) = rest.split_at_mut_checked(sizes.out).ok_or(error)?;
                [read, tx, out]
            }
            Parts::Three { read, tx, out } => [read, tx, out],
        };
        let (read, tx, out) = (limited(read), limited(tx), limited(out));
        // A frame that leaves in one piece has to fit `out`, so with buffers of the greatest
        // length, the longest messages cannot be sent.
        let longest = LONGEST.saturating_sub(framing.max_encoded_len(tx.len()).saturating_sub(tx.len())).min(tx.len());
        let tx = if F::WHOLE { tx.get_mut(..longest).unwrap_or_default() } else { tx };
        let least_read = if F::DATAGRAM { framing.sizes().read.min(LONGEST) } else { 1 };
        let least_out = if F::WHOLE { framing.max_encoded_len(tx.len()) } else { F::Encoder::MIN_OUT };
        // Not a loop, so that checks of constant lengths cost no flash.
        at_least(least_read, read)?;
        at_least(1, tx)?;
        at_least(least_out, out)?;
        Ok([read, tx, out])
    }
}

/// The largest number of bytes of a buffer that are used: positions are kept in 16 bits.
const LONGEST: usize = u16::MAX as usize;

const fn at_least(need: usize, buffer: &[u8]) -> Result<(), SizeError> {
    let have = buffer.len();
    if have < need { Err(SizeError { need, have }) } else { Ok(()) }
}

fn limited(buffer: &mut [u8]) -> &mut [u8] {
    let longest = buffer.len().min(LONGEST);
    buffer.get_mut(..longest).unwrap_or_default()
}

impl<'b> From<&'b mut [u8]> for Buffers<'b> {
    fn from(memory: &'b mut [u8]) -> Self {
        Self::split(memory)
    }
}

impl<'b, const N: usize> From<&'b mut [u8; N]> for Buffers<'b> {
    fn from(memory: &'b mut [u8; N]) -> Self {
        Self::split(memory)
    }
}

/// We: a buffer is too short for its contents. Found when the line is built or the first message is
/// served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "need and have are all of it")]
pub struct SizeError {
    /// The length that the buffer needs, in bytes.
    pub need: usize,
    /// The length that the buffer has, in bytes.
    pub have: usize,
}

impl core::fmt::Display for SizeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "a buffer of {} bytes is too short, {} are needed", self.have, self.need)
    }
}

impl core::error::Error for SizeError {}

/// The properties of a line that a routine adapts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "services outside of the crate read it")]
pub struct Limits {
    /// Bytes that the framing stores beside a message in the *peer's* receive buffer:
    /// [`Framing::OVERHEAD`].
    pub overhead: usize,
    /// `true` if each message is a datagram, so that messages may overtake each other.
    pub datagram: bool,
    /// The length of the longest message that can be sent, in bytes.
    pub tx: usize,
    /// The length of the longest message that can be received, in bytes.
    pub rx: usize,
}
