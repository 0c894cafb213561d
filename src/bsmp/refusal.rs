//! Refusals of a node.

/// The reason why a node did not execute a request: the answers 0xE1 to 0xE8 (BSMP 2.30, section
/// 3.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "the codes of the document")]
pub enum Refusal {
    /// The master: the message is shorter than its header, or its length field is wrong.
    Malformed = 0xE1,
    /// The master: no such command, or no such binary operation.
    Unsupported = 0xE2,
    /// The master: no such entity.
    InvalidId = 0xE3,
    /// The master: the value or the block is out of range.
    InvalidValue = 0xE4,
    /// The master: the payload is too short or too long for the command or the entity.
    InvalidSize = 0xE5,
    /// The master: the entity cannot be written.
    ReadOnly = 0xE6,
    /// The node: no room, since eight groups exist or a buffer of the node is too small.
    Memory = 0xE7,
    /// The node: the device is busy; nothing was changed.
    Busy = 0xE8,
}

impl Refusal {
    /// Every refusal, by ascending code.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Unsupported,
        Self::InvalidId,
        Self::InvalidValue,
        Self::InvalidSize,
        Self::ReadOnly,
        Self::Memory,
        Self::Busy,
    ];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The refusal that has this code, if there is one.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        let mut rest: &[Self] = &Self::ALL;
        while let [first, others @ ..] = rest {
            if first.code() == code {
                return Some(*first);
            }
            rest = others;
        }
        None
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed message",
            Self::Unsupported => "operation not supported",
            Self::InvalidId => "invalid id",
            Self::InvalidValue => "invalid value",
            Self::InvalidSize => "invalid payload size",
            Self::ReadOnly => "read-only",
            Self::Memory => "insufficient memory",
            Self::Busy => "resource busy",
        })
    }
}

impl core::error::Error for Refusal {}
