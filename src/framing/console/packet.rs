//! The parts of a packet and of a line.

/// The longest line by default, including marker and line feed: every known receiver accepts it.
pub const LINE: usize = 127;

/// Saturates a length to 16 bits, the width of the fields that hold it.
const fn narrow(length: usize) -> u16 {
    #[expect(clippy::cast_possible_truncation, reason = "checked")]
    if length > u16::MAX as usize { u16::MAX } else { length as u16 }
}

/// Returns the groups of four symbols in a line of at most `length` bytes, at least one. Marker and
/// line feed take three bytes.
pub(super) const fn groups(length: usize) -> u16 {
    match narrow(length).saturating_sub(3) / 4 {
        0 => 1,
        groups => groups,
    }
}

pub(super) const fn line_len(groups: u16) -> usize {
    (groups as usize).wrapping_mul(4).wrapping_add(3)
}

/// The length of LEN in bytes.
pub(super) const LEN: usize = 2;
/// The length of the CRC in bytes.
pub(super) const CRC: usize = 2;

/// The two markers, by their second bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(in crate::framing) enum Marker {
    /// Begins the first line of a packet.
    Start = 0x09,
    /// Begins every other line.
    Next = 0x14,
}

impl Marker {
    /// The first byte of each kind of marker.
    const START: u8 = 0x06;
    const NEXT: u8 = 0x04;

    pub(super) const fn by_first(byte: u8) -> Option<Self> {
        match byte {
            Self::START => Some(Self::Start),
            Self::NEXT => Some(Self::Next),
            _ => None,
        }
    }

    pub(super) const fn second(self) -> u8 {
        self as u8
    }

    /// Returns both bytes of the marker, the first one lowest.
    pub(super) const fn bytes(self) -> u16 {
        let [first] = *self.as_text();
        u16::from_le_bytes([first, self.second()])
    }

    /// The first byte, if it was not a marker after all.
    pub(super) const fn as_text(self) -> &'static [u8; 1] {
        match self {
            Self::Start => &[Self::START],
            Self::Next => &[Self::NEXT],
        }
    }
}
