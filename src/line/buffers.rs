//! The memory of a line, and the lengths that it must have.

use crate::framing::{Encoder, Framing};
use crate::shown::shown;

/// The memory of a line, and how it is cut into its three buffers.
///
/// | buffer | holds | at least | by default |
/// |---|---|---|---|
/// | `tx` | one message to send | 1 byte | the longest message of the framing |
/// | `out` | the bytes of one write to the port | [`Encoder::MIN_OUT`]; where a frame leaves in one piece ([`Framing::WHOLE`]), the frame of a message as long as `tx` | a frame of `tx` where it leaves in one piece; else one line of a console, 128 bytes |
/// | `read` | the bytes of one read of the port | 1 byte; for datagrams the longest one | the rest, at least 64 bytes |
///
/// Each framing has a `const fn sizes_of(buffer)`; its `memory()` is the length that
/// [`split`](Self::split) needs, in bytes:
///
/// ```
/// use anysmp::framing::console::Console;
/// use anysmp::line::{Buffers, Line};
///
/// let (mut message, mut memory) = ([0; 512], [0; Console::sizes_of(512).memory()]);
/// assert!(Line::new(Console::new(&mut message), Buffers::split(&mut memory)).is_ok());
/// // A server with short responses: 64 bytes in which they are built, and 128 + 64 as before.
/// let (mut message, mut memory) = ([0; 512], [0; 64 + 128 + 64]);
/// let buffers = Buffers::split(&mut memory).with_tx(64);
/// assert!(Line::new(Console::new(&mut message), buffers).is_ok());
/// ```
pub struct Buffers<'b> {
    memory: &'b mut [u8],
    /// The lengths that the caller has chosen.
    tx: Option<usize>,
    out: Option<usize>,
}

shown!(Buffers<'_>, |buffers| "Buffers({} bytes)", buffers.memory.len());

impl<'b> Buffers<'b> {
    /// All three buffers in one piece of memory. It is divided when the line is built, because the
    /// lengths depend on the framing.
    #[must_use]
    pub const fn split(memory: &'b mut [u8]) -> Self {
        Self { memory, tx: None, out: None }
    }

    /// Sets the length of `tx`, for example a short one for a server with short responses. At most
    /// 65,535 bytes are used.
    #[must_use]
    pub const fn with_tx(self, len: usize) -> Self {
        Self { tx: Some(len), ..self }
    }

    /// Sets the length of `out`. At most 65,535 bytes are used.
    #[must_use]
    pub const fn with_out(self, len: usize) -> Self {
        Self { out: Some(len), ..self }
    }

    /// Returns `read`, `tx` and `out`.
    // A line keeps them as three slices: one slice and two lengths would take 12 bytes of RAM less,
    // but 90 to 110 bytes of flash more in a server.
    pub(super) fn cut<F: Framing>(self, framing: &F) -> Result<[&'b mut [u8]; 3], SizeError> {
        let sizes = framing.sizes();
        let tx = self.tx.unwrap_or(sizes.message).min(LONGEST);
        // A frame that leaves in one piece has to fit `out`, so the longest messages of the longest
        // buffers cannot be sent.
        let longest = LONGEST.saturating_sub(framing.max_encoded_len(tx).saturating_sub(tx));
        let tx = if F::WHOLE { tx.min(longest) } else { tx };
        let usual = if F::WHOLE && self.tx.is_some() { framing.max_encoded_len(tx) } else { sizes.out };
        let out = self.out.unwrap_or(usual).min(LONGEST);
        let read = match (self.tx, self.out) {
            (None, None) => sizes.read,
            _ if F::DATAGRAM => sizes.read,
            _ => 1,
        };
        // Not a loop, so that checks of constant lengths cost no flash.
        at_least(1, tx)?;
        at_least(if F::WHOLE { framing.max_encoded_len(tx) } else { F::Encoder::MIN_OUT }, out)?;
        let sent = tx.saturating_add(out);
        at_least(sent.saturating_add(read.min(LONGEST)), self.memory.len())?;
        let used = self.memory.len().min(sent.saturating_add(LONGEST));
        let (message, rest) =
            self.memory.get_mut(..used).unwrap_or_default().split_at_mut_checked(tx).unwrap_or_default();
        let (out, read) = rest.split_at_mut_checked(out).unwrap_or_default();
        Ok([read, message, out])
    }
}

/// The largest number of bytes of a buffer that are used: positions are kept in 16 bits.
const LONGEST: usize = u16::MAX as usize;

const fn at_least(need: usize, have: usize) -> Result<(), SizeError> {
    if have < need { Err(SizeError { need, have }) } else { Ok(()) }
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
