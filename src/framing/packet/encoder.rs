//! From a message to a packet.

use crate::checksum::Sum;

/// Encodes one message (destination first) into a packet.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Encoder {
    /// Bytes of the message that have been written.
    at: usize,
    rest: Rest,
}

/// The part of a packet that follows its message.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Rest {
    /// The checksum, so far over the bytes that have been written. Exit: the end of the message, to
    /// `Nothing`.
    Checksum(Sum),
    /// Nothing: the checksum is written, or the packets have none. No exit.
    Nothing,
}

const _: () = assert!(size_of::<Encoder>() <= 16);

impl Encoder {
    pub(in crate::framing) const fn new(checksum: bool) -> Self {
        Self { at: 0, rest: if checksum { Rest::Checksum(Sum::new()) } else { Rest::Nothing } }
    }
}

impl crate::framing::Encoder for Encoder {
    const MIN_OUT: usize = 1;

    fn next(&mut self, message: &[u8], out: &mut [u8]) -> usize {
        let rest = message.get(self.at..).unwrap_or_default();
        let mut written: usize = 0;
        for (place, byte) in out.iter_mut().zip(rest) {
            *place = *byte;
            if let Rest::Checksum(sum) = &mut self.rest {
                sum.update(&[*byte]);
            }
            written = written.wrapping_add(1);
        }
        self.at = self.at.wrapping_add(written);
        // If there is room left, the message has ended.
        if let (Some(place), Rest::Checksum(sum)) = (out.get_mut(written), self.rest) {
            *place = sum.value();
            self.rest = Rest::Nothing;
            written = written.wrapping_add(1);
        }
        written
    }
}
