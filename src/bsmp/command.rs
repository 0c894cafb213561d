//! The codes of requests and answers.

use super::Refusal;
use crate::codes::codes;

/// The code of a request or an answer: the first byte of a message.
///
/// Even codes go to the node, odd ones come back; 0x41 goes both ways, 0xE0 to 0xE8 come from the
/// node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number with names")]
pub struct Command(
    /// The byte on the wire.
    pub u8,
);

codes! { Command,
    /// Request: [`QueryVersion`](super::QueryVersion).
    QUERY_VERSION = 0x00;
    /// Answer: the version, 3 bytes.
    VERSION = 0x01;
    /// Request: [`variable::List`](super::variable::List).
    LIST_VARIABLES = 0x02;
    /// Answer: one byte for each variable.
    VARIABLES = 0x03;
    /// Request: [`group::List`](super::group::List).
    LIST_GROUPS = 0x04;
    /// Answer: one byte for each group.
    GROUPS = 0x05;
    /// Request: [`group::Query`](super::group::Query).
    QUERY_GROUP = 0x06;
    /// Answer: the ids of the members, ascending.
    GROUP = 0x07;
    /// Request: [`curve::List`](super::curve::List).
    LIST_CURVES = 0x08;
    /// Answer: five bytes for each curve.
    CURVES = 0x09;
    /// Request: [`curve::QueryChecksum`](super::curve::QueryChecksum).
    QUERY_CHECKSUM = 0x0A;
    /// Answer: 16 bytes of MD5.
    CHECKSUM = 0x0B;
    /// Request: [`function::List`](super::function::List).
    LIST_FUNCTIONS = 0x0C;
    /// Answer: two bytes for each function, one before 2.30.
    FUNCTIONS = 0x0D;
    /// Request: [`variable::Read`](super::variable::Read).
    READ_VARIABLE = 0x10;
    /// Answer: the value.
    VARIABLE_VALUE = 0x11;
    /// Request: [`group::Read`](super::group::Read).
    READ_GROUP = 0x12;
    /// Answer: the values of all members by ascending id.
    GROUP_VALUES = 0x13;
    /// Request: [`variable::Write`](super::variable::Write).
    WRITE_VARIABLE = 0x20;
    /// Request: [`group::Write`](super::group::Write).
    WRITE_GROUP = 0x22;
    /// Request: [`variable::Combine`](super::variable::Combine).
    COMBINE_VARIABLE = 0x24;
    /// Request: [`group::Combine`](super::group::Combine).
    COMBINE_GROUP = 0x26;
    /// Request: [`variable::WriteRead`](super::variable::WriteRead).
    WRITE_READ = 0x28;
    /// Request: [`group::Create`](super::group::Create).
    CREATE_GROUP = 0x30;
    /// Request: [`group::RemoveAll`](super::group::RemoveAll).
    REMOVE_GROUPS = 0x32;
    /// Request: [`curve::ReadBlock`](super::curve::ReadBlock).
    READ_BLOCK = 0x40;
    /// Answer to [`curve::ReadBlock`](super::curve::ReadBlock); as a request,
    /// [`curve::WriteBlock`](super::curve::WriteBlock).
    BLOCK = 0x41;
    /// Request: [`curve::Recalculate`](super::curve::Recalculate).
    RECALCULATE = 0x42;
    /// Request: [`function::Execute`](super::function::Execute).
    EXECUTE = 0x50;
    /// Answer: the output of a function.
    OUTPUT = 0x51;
    /// Answer: a function failed; one byte, which the device defines, is the reason.
    FUNCTION_ERROR = 0x53;
    /// Answer: done.
    OK = 0xE0;
}

impl Command {
    /// The answer of BSMP 2.30 to this request when it succeeds; `None` if it is not a request of
    /// BSMP 2.30.
    #[must_use]
    pub const fn answer(self) -> Option<Self> {
        Some(match self {
            Self::QUERY_VERSION => Self::VERSION,
            Self::LIST_VARIABLES => Self::VARIABLES,
            Self::LIST_GROUPS => Self::GROUPS,
            Self::QUERY_GROUP => Self::GROUP,
            Self::LIST_CURVES => Self::CURVES,
            Self::QUERY_CHECKSUM | Self::RECALCULATE => Self::CHECKSUM,
            Self::LIST_FUNCTIONS => Self::FUNCTIONS,
            Self::READ_VARIABLE | Self::WRITE_READ => Self::VARIABLE_VALUE,
            Self::READ_GROUP => Self::GROUP_VALUES,
            Self::READ_BLOCK => Self::BLOCK,
            Self::EXECUTE => Self::OUTPUT,
            Self::WRITE_VARIABLE
            | Self::WRITE_GROUP
            | Self::COMBINE_VARIABLE
            | Self::COMBINE_GROUP
            | Self::CREATE_GROUP
            | Self::REMOVE_GROUPS
            | Self::BLOCK => Self::OK,
            _ => return None,
        })
    }
}

impl core::fmt::Debug for Command {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match (self.name(), Refusal::from_code(self.0)) {
            (Some(name), _) => f.write_str(name),
            (None, Some(refusal)) => write!(f, "{refusal:?}"),
            (None, None) => write!(f, "{:#04x}", self.0),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Command {
    fn format(&self, f: defmt::Formatter<'_>) {
        // No names: they would be in the log format's string table of every image.
        defmt::write!(f, "{=u8:#04x}", self.0);
    }
}
