//! The header of a message, and the address in front of it on a bus.

use super::Command;

/// The header of a message: its command and the length of its payload (BSMP 2.30, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the fields of the format")]
pub struct Header {
    /// The code of the request or the answer.
    pub command: Command,
    /// The length of the payload in bytes.
    pub len: u16,
}

impl Header {
    /// The length of a header in bytes.
    pub const LEN: usize = 3;

    /// Splits a message into its header and its payload.
    ///
    /// `None` if the message is shorter than a header, or its length field disagrees with its
    /// length.
    #[must_use]
    pub const fn parse(message: &[u8]) -> Option<(Self, &[u8])> {
        match message.split_first_chunk() {
            Some((&[command, high, low], payload)) => {
                let len = u16::from_be_bytes([high, low]);
                if payload.len() == len as usize {
                    Some((Self { command: Command(command), len }, payload))
                } else {
                    None
                }
            }
            None => None,
        }
    }

    /// Encodes the header: the command, then the length, big-endian.
    #[must_use]
    pub const fn emit(self) -> [u8; Self::LEN] {
        let [high, low] = self.len.to_be_bytes();
        [self.command.0, high, low]
    }
}

/// The destination of a packet on a bus (BSMP 2.30, section 2).
///
/// | value | destination |
/// |---|---|
/// | 0 | the master |
/// | 1 to 31 | one node, which answers |
/// | 248 to 254 | the nodes that joined this multicast group; none answers |
/// | 255 | every node; none answers |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Address(u8);

impl Address {
    /// The master, to which all answers go.
    pub const MASTER: Self = Self(0);
    /// The broadcast: every node executes the request, and none answers.
    pub const BROADCAST: Self = Self(255);

    /// The node `number`, 1 to 31.
    #[must_use]
    pub const fn node(number: u8) -> Option<Self> {
        if matches!(number, 1..=31) { Some(Self(number)) } else { None }
    }

    /// The node `number`, 1 to 32: the specification reserves 32, but devices in the field use it.
    #[must_use]
    pub const fn node_or_32(number: u8) -> Option<Self> {
        if matches!(number, 1..=32) { Some(Self(number)) } else { None }
    }

    /// The multicast group with the address `value`, 248 to 254.
    #[must_use]
    pub const fn multicast(value: u8) -> Option<Self> {
        if matches!(value, 248..=254) { Some(Self(value)) } else { None }
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Returns true if this is the address of one node, which answers every request exactly once.
    #[must_use]
    pub const fn is_node(self) -> bool {
        matches!(self.0, 1..=32)
    }
}
