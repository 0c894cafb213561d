//! Errors of requests.

use crate::bsmp::{Command, Refusal, Version};
use crate::source::SourceFailed;

/// The reason why a request has no answer, or why a routine failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// We: the request does not fit `tx`.
    BufferFull,
    /// We: no node could accept the arguments, for example a value of 0 bytes.
    Argument,
    /// We: no node answers a multicast or a broadcast; use [`Client::post`](super::Client::post).
    NoAnswer,
    /// We: the data are longer than the curve.
    TooLarge,
    /// We: the source of the data to write failed.
    Source,
    /// We, or the peer: there are more entities than the storage holds, or than BSMP allows.
    TooMany,
    /// The peer: the answer is shorter than its header, or its length field is wrong.
    Malformed,
    /// The peer, or an earlier request: an answer of another kind.
    Unexpected(Command),
    /// The peer, or an earlier request: the answer has the right kind and the wrong size.
    WrongSize,
    /// The peer, or an earlier request: a block of another curve, or another block.
    WrongEcho,
    /// The peer: the members of a group do not ascend.
    WrongOrder,
    /// The peer: a group has a member that the node has not listed.
    UnknownId,
    /// The peer: it speaks a version that this crate does not support.
    Version(Version),
    /// The peer, or the line: the curve that was transferred has another checksum.
    Checksum,
    /// The peer: it refused the request, for this reason.
    Remote(Refusal),
    /// The peer: a function failed, with this error of the device.
    Function(u8),
    /// Time: no answer to a request of a routine, not even to its retries.
    TimedOut,
}

const _: () = assert!(size_of::<Error>() <= 4);

impl From<SourceFailed> for Error {
    fn from(SourceFailed: SourceFailed) -> Self {
        Self::Source
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferFull => f.write_str("the request does not fit the buffer"),
            Self::Argument => f.write_str("no node could accept the arguments"),
            Self::NoAnswer => f.write_str("no node answers a multicast or a broadcast"),
            Self::TooLarge => f.write_str("the data are longer than the curve"),
            Self::Source => f.write_str("the data to write cannot be read"),
            Self::TooMany => f.write_str("too many entities"),
            Self::Malformed => f.write_str("the answer is malformed"),
            Self::Unexpected(command) => write!(f, "the answer is {command:?}, which belongs to another request"),
            Self::WrongSize => f.write_str("the answer has the wrong size"),
            Self::WrongEcho => f.write_str("the answer contains another block"),
            Self::WrongOrder => f.write_str("the members of a group are out of order"),
            Self::UnknownId => f.write_str("a group has an unknown member"),
            Self::Version(version) => write!(f, "the node speaks BSMP {version}"),
            Self::Checksum => f.write_str("the checksum of the curve does not match"),
            Self::Remote(refusal) => write!(f, "the node refuses: {refusal}"),
            Self::Function(error) => write!(f, "the function failed with error {error}"),
            Self::TimedOut => f.write_str("no answer in time"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Remote(refusal) => Some(refusal),
            _ => None,
        }
    }
}
