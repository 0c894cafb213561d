//! The envelope of Sirius' Ethernet bridge: BSMP packets for an RS-485 bus, over TCP (port 5000).
//!
//! ```text
//!   request    11 │ id │ length │ time in ms │ packet of the bus, with address and checksum
//!   answer     11 │ id │ length │ 21 │ packet        22: no answer in time    23: nothing is kept
//! ```
//!
//! The length counts the bytes after it. It is a `u32`, the time is a float, both big-endian. The
//! bridge waits at most that time for an answer from the bus. There are two forms: newer bridges
//! have the id, which the answer repeats ([`WithId`]); `pydrs` uses the form without one
//! ([`WithoutId`]).
//!
//! [`Bridge`] is a master's framing: its messages are those of
//! [`framing::packet`](super::packet), and the id, if there is one, keeps a late answer from
//! passing for another one. The other end, a bridge or a node with the same envelope, is
//! [`bsmp::bridge`](crate::bsmp::bridge) over [`Counted`] with one of the two heads.
//!
//! # Interpretation
//!
//! No document describes the envelope; this module follows `eth-bridge-pru-serial485` and `pydrs`
//! 2.3.2. An answer of 22 or 23 has no packet: it counts as [`Error::Abandoned`], and the master's
//! own timeout continues. Give the bridge less time than that. An answer with the id of an earlier
//! request is dropped silently: nothing was damaged.

use core::cell::Cell;
use core::time::Duration;

pub use crate::envelope::{Form, WithId, WithoutId};

use super::counted::{Counted, Head};
use super::packet;
use super::{Error, Framing, Progress, Sizes};
use crate::bytes::copy;
use crate::checksum::Sum;
use crate::shown::shown;

/// The code of a request that waits for its answer.
const REQUEST: u8 = 0x11;
/// The status in front of a packet in an answer.
const OK: u8 = 0x21;
/// Bytes of the time in a request.
const TIME: usize = 4;

fn total(head: usize, length: [u8; 4]) -> Result<usize, Error> {
    // Longer than any packet: out of sync.
    let length = u32::from_be_bytes(length);
    if length > 0x1_0100 {
        return Err(Error::Malformed);
    }
    usize::try_from(length).ok().and_then(|length| length.checked_add(head)).ok_or(Error::TooLong)
}

impl Head for WithId {
    const LEN: usize = Self::HEAD;

    fn total(head: &[u8]) -> Result<usize, Error> {
        match *head {
            [_, _, a, b, c, d] => total(Self::LEN, [a, b, c, d]),
            _ => Err(Error::Malformed),
        }
    }
}

impl Head for WithoutId {
    const LEN: usize = Self::HEAD;

    fn total(head: &[u8]) -> Result<usize, Error> {
        match *head {
            [_, a, b, c, d] => total(Self::LEN, [a, b, c, d]),
            _ => Err(Error::Malformed),
        }
    }
}

/// A master's framing: packets in envelopes. `H` is [`WithId`] or [`WithoutId`].
pub struct Bridge<'b, H> {
    inner: Counted<'b, H>,
    time: f32,
    /// The id of the request that was sent last.
    id: Cell<u8>,
}

impl<'b, H: Head + Form> Bridge<'b, H> {
    /// Decodes into `buffer`, which holds an envelope: [`OVERHEAD`](Self::OVERHEAD) bytes more than
    /// the longest message. The bridge is asked to wait `time` for an answer from the bus.
    #[must_use]
    pub fn new(buffer: &'b mut [u8], time: Duration) -> Self {
        Self { inner: Counted::new(buffer), time: time.as_secs_f32() * 1000.0, id: Cell::new(0) }
    }

    /// Returns the sizes for a receive buffer of `buffer` bytes.
    #[must_use]
    pub const fn sizes_of(buffer: usize) -> Sizes {
        Sizes::of_stream(buffer.saturating_sub(H::LEN).saturating_sub(2), buffer)
    }

    /// Returns true if the envelope has the id of an earlier request.
    fn is_late(&self) -> bool {
        H::HAS_ID && self.inner.message().get(1) != Some(&self.id.get())
    }

    fn check(&self) -> Result<(), Error> {
        let envelope = self.inner.message();
        match envelope.get(H::LEN..) {
            Some([OK, packet @ ..]) if Sum::of(packet) != 0 => Err(Error::Checksum),
            Some([OK, _, ..]) => Ok(()),
            // 22 or 23: the bus has not answered.
            Some([_, ..]) => Err(Error::Abandoned),
            _ => Err(Error::Malformed),
        }
    }
}

impl<H: Head + Form> Framing for Bridge<'_, H> {
    /// Code, id, length, status and checksum; one byte less without an id.
    const OVERHEAD: usize = WithId::HEAD + 2;
    const QUIET: Duration = H::QUIET;

    type Pace = super::Unpaced;
    type Encoder = Encoder;

    fn encode(&self, message: &[u8]) -> Result<Encoder, Error> {
        let length = message.len().checked_add(TIME + 1).and_then(|length| u32::try_from(length).ok());
        let length = length.filter(|_| !message.is_empty()).ok_or(Error::Unsendable)?;
        self.id.set(self.id.get().wrapping_add(1));
        let ([a, b, c, d], [e, f, g, h]) = (length.to_be_bytes(), self.time.to_be_bytes());
        let head = if H::HAS_ID {
            [REQUEST, self.id.get(), a, b, c, d, e, f, g, h]
        } else {
            [0, REQUEST, a, b, c, d, e, f, g, h]
        };
        Ok(Encoder { head, at: usize::from(!H::HAS_ID), packet: packet::Encoder::new(true) })
    }

    fn sizes(&self) -> Sizes {
        Self::sizes_of(self.inner.sizes().buffer)
    }

    fn max_encoded_len(&self, message: usize) -> usize {
        message.saturating_add(H::LEN + TIME + 1)
    }

    fn push<'i>(&mut self, input: &mut &'i [u8]) -> Result<Progress<'i>, Error> {
        loop {
            match self.inner.push(input)? {
                // Without an error: nothing was damaged.
                Progress::Message if self.is_late() => self.inner.reset(),
                Progress::Message => {
                    return match self.check() {
                        Ok(()) => Ok(Progress::Message),
                        Err(error) => {
                            self.inner.reset();
                            Err(error)
                        }
                    };
                }
                other => return Ok(other),
            }
        }
    }

    fn idle(&mut self, silence: Duration) -> Result<Progress<'static>, Error> {
        self.inner.idle(silence)
    }

    fn message(&self) -> &[u8] {
        // `push` has checked the length.
        let packet = self.inner.message().get(H::LEN + 1..).and_then(<[u8]>::split_last);
        packet.map_or(&[], |(_checksum, message)| message)
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

impl<H> core::fmt::Debug for Bridge<'_, H> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Bridge").field("inner", &self.inner).field("id", &self.id.get()).finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<H> defmt::Format for Bridge<'_, H> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Bridge {{ inner: {}, id: {=u8} }}", self.inner, self.id.get());
    }
}

/// Puts one message (destination first) into a request's envelope.
#[derive(Clone, Copy)]
pub struct Encoder {
    /// The bytes before the packet; without an id, from the second byte on.
    head: [u8; 10],
    at: usize,
    packet: packet::Encoder,
}

shown!(Encoder, |it| "Encoder(at {})", it.at);

impl super::Encoder for Encoder {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let head = self.head.get(self.at..).unwrap_or_default();
        let count = head.len().min(out.len());
        let (front, rest) = out.split_at_mut_checked(count).unwrap_or_default();
        copy(head, front);
        self.at = self.at.saturating_add(count);
        count.saturating_add(self.packet.next(message, rest))
    }
}
