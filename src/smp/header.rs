//! The eight bytes in front of every message.

/// The kind of a message. Requests are even, their responses one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "the four of the specification")]
pub enum Op {
    /// A request that changes nothing.
    Read = 0,
    /// The response to [`Op::Read`].
    ReadResponse = 1,
    /// A request that changes or does something.
    Write = 2,
    /// The response to [`Op::Write`].
    WriteResponse = 3,
}

impl Op {
    /// The op of the response to this request; a response returns itself.
    #[must_use]
    pub const fn response(self) -> Self {
        match self {
            Self::Read | Self::ReadResponse => Self::ReadResponse,
            Self::Write | Self::WriteResponse => Self::WriteResponse,
        }
    }

    /// Returns true for the ops of requests, which only clients send.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::Read,
            1 => Self::ReadResponse,
            2 => Self::Write,
            _ => Self::WriteResponse,
        }
    }
}

/// The version of SMP that a message is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "the two of the specification")]
pub enum Version {
    /// "Legacy": every error is a flat `rc`. 0 on the wire.
    V1 = 0,
    /// Errors of a group name their group. 1 on the wire.
    V2 = 1,
}

/// A management group. 0 to 63 are assigned by Zephyr, from 64 on they belong to the application.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a number with names")]
pub struct Group(pub u16);

impl Group {
    /// Operating system: echo, reset, parameters.
    pub const OS: Self = Self(0);
    /// Application images.
    pub const IMAGE: Self = Self(1);
    /// Statistics.
    pub const STATISTICS: Self = Self(2);
    /// Settings, which newtmgr calls config.
    pub const SETTINGS: Self = Self(3);
    /// Logs of Mynewt.
    pub const LOG: Self = Self(4);
    /// Crash tests of Mynewt. Zephyr's documentation swaps 5 and 7; no code does.
    pub const CRASH: Self = Self(5);
    /// Split images of Mynewt: a number without commands.
    pub const SPLIT: Self = Self(6);
    /// Run-time tests of Mynewt.
    pub const RUN: Self = Self(7);
    /// Files.
    pub const FS: Self = Self(8);
    /// Shell commands.
    pub const SHELL: Self = Self(9);
    /// The groups of a device.
    pub const ENUMERATION: Self = Self(10);
    /// Bridging to other transports.
    pub const TRANSPORT: Self = Self(11);
    /// Zephyr's own: erase the storage partition.
    pub const ZEPHYR: Self = Self(63);
    /// The first group of the application.
    pub const PER_USER: Self = Self(64);

    /// The name of the group, if its number is assigned.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::OS => "os",
            Self::IMAGE => "image",
            Self::STATISTICS => "statistics",
            Self::SETTINGS => "settings",
            Self::LOG => "log",
            Self::CRASH => "crash",
            Self::SPLIT => "split",
            Self::RUN => "run",
            Self::FS => "fs",
            Self::SHELL => "shell",
            Self::ENUMERATION => "enumeration",
            Self::TRANSPORT => "transport",
            Self::ZEPHYR => "zephyr",
            _ => return None,
        })
    }
}

impl core::fmt::Display for Group {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl core::fmt::Debug for Group {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => write!(f, "Group({name})"),
            None => write!(f, "Group({:#06x})", self.0),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Group {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Group({=u16})", self.0);
    }
}

/// The reason why a message has no valid header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HeaderError {
    /// The peer or the line: fewer than eight bytes.
    Short,
    /// The peer: the op is one of the four that are not assigned. Contains the header with
    /// [`Op::Write`] in its place.
    Op(Header),
    /// The peer: the version is one of the two that are not assigned. Contains the header with
    /// [`Version::V2`] in its place.
    Version(Header),
}

impl core::fmt::Display for HeaderError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Short => "a message is shorter than its header",
            Self::Op(_) => "a message has an operation that does not exist",
            Self::Version(_) => "a message has a version that does not exist",
        })
    }
}

impl core::error::Error for HeaderError {}

/// The flaw of a header: see the variants of [`HeaderError`].
pub(super) enum Flaw {
    Op,
    Version,
}

impl Flaw {
    /// Returns the flaw of a header with this first byte.
    pub(super) const fn of(first: u8) -> Option<Self> {
        // The highest bit of each field is set in the values that are not assigned.
        if first & 0b1_0000 != 0 {
            Some(Self::Version)
        } else if first & 0b100 != 0 {
            Some(Self::Op)
        } else {
            None
        }
    }
}

/// The header of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the fields of the format")]
pub struct Header {
    /// The kind of the message.
    pub op: Op,
    /// The version in which the message is written.
    pub version: Version,
    /// Length of the payload in bytes, without the header.
    pub length: u16,
    /// The group of the command.
    pub group: Group,
    /// The sequence number: chosen by the client, repeated by the server.
    pub sequence: u8,
    /// Number of the command within its group.
    pub command: u8,
}

impl Header {
    /// Length of a header in bytes.
    pub const LEN: usize = 8;

    /// Reads the header of a message; returns it with everything after it, which may be longer or
    /// shorter than [`length`](Self::length). Flags and reserved bits are ignored.
    ///
    /// # Errors
    ///
    /// See [`HeaderError`]; a server can still answer all but the first.
    pub const fn parse(message: &[u8]) -> Result<(Self, &[u8]), HeaderError> {
        let Some((header, rest)) = message.split_first_chunk() else { return Err(HeaderError::Short) };
        let (first, header) = (header[0], Self::read(header));
        match Flaw::of(first) {
            Some(Flaw::Version) => Err(HeaderError::Version(header)),
            Some(Flaw::Op) => Err(HeaderError::Op(header)),
            None => Ok((header, rest)),
        }
    }

    /// Reads the header in the form that a server needs: one that can be answered even if it has a
    /// [`Flaw`].
    pub(super) const fn read(header: &[u8; Self::LEN]) -> Self {
        let [first, _flags, l1, l0, g1, g0, sequence, command] = *header;
        Self {
            op: if first & 0b100 == 0 { Op::from_bits(first) } else { Op::Write },
            version: if first & 0b1_1000 == 0 { Version::V1 } else { Version::V2 },
            // Not by `from_be_bytes`, with which a Cortex-M0 joins them the wrong way round first.
            length: (l1 as u16) << 8 | l0 as u16,
            group: Group((g1 as u16) << 8 | g0 as u16),
            sequence,
            command,
        }
    }

    /// Writes the header; flags and reserved bits are 0.
    #[must_use]
    pub const fn emit(&self) -> [u8; Self::LEN] {
        // Not by `to_be_bytes`, as in `read`.
        let ([l0, l1], [g0, g1]) = (self.length.to_le_bytes(), self.group.0.to_le_bytes());
        [(self.version as u8) << 3 | self.op as u8, 0, l1, l0, g1, g0, self.sequence, self.command]
    }

    /// The header of the response to this request, with the length of an empty payload.
    #[must_use]
    pub const fn response(&self) -> Self {
        Self { op: self.op.response(), length: 0, ..*self }
    }
}
