//! BSMP, the Basic Small Messages Protocol 2.30: both ends.
//!
//! A *master* ([`Client`]) asks, a *node* ([`Server`], on RS-485 inside a [`Node`]) answers. One request at a time, no
//! sequence numbers, no session; a node never speaks first.
//!
//! ```text
//!   offset  0         1         2         3 ..
//!          │ command │ length (big endian) │ payload, exactly length bytes │        a message
//!
//!          │ address │ message │                                                    on a bus: framing::packet adds the checksum
//! ```
//!
//! | chapter | entity | requests |
//! |---|---|---|
//! | this page | the node | [`QueryVersion`] |
//! | [`variable`] | 1 to 128 bytes with a value | list, read, write, combine, write and read |
//! | [`group`] | a set of variables | list, query, read, write, combine, create, remove all |
//! | [`curve`] | up to 65,536 blocks of up to 65,520 bytes | list, query checksum, read block, write block, recalculate |
//! | [`function`] | a procedure of the node | list, execute |
//! | [`routine`] | | discovery, whole curves |
//!
//! The length field and block offsets are big endian. What is inside values, curves and functions has the byte order that
//! the device documents; this crate moves those bytes as they are.
//!
//! # A node
//!
//! Tables in flash, values wherever the device keeps them:
//!
//! ```
//! use anysmp::bsmp::{Address, Entities, Node, Server, Table, variable::Variable};
//!
//! static TABLE: Table = match Table::new(&[Variable::writable(2), Variable::read_only(1)], &[], &[]) {
//!     Ok(table) => table,
//!     Err(_) => panic!("the table breaks a limit"), // at compile time
//! };
//!
//! struct Supply { setpoint: [u8; 2] }
//!
//! impl Entities for Supply {
//!     fn read(&mut self, variable: u8, value: &mut [u8]) {
//!         value.copy_from_slice(match variable { 0 => &self.setpoint, _ => &[21] });
//!     }
//!     fn write(&mut self, _: u8, value: &[u8]) {
//!         self.setpoint.copy_from_slice(value);
//!     }
//! }
//!
//! let server = Server::new(&TABLE, Supply { setpoint: [0, 0] });
//! let mut tx = [0; 64];
//! // On a bus; over TCP and UDP the server takes bare messages: `server.serve(message, &mut tx)`.
//! let mut node = Node::new(server, Address::node(5).unwrap()).unwrap();
//! let length = node.serve(&[5, 0x20, 0, 3, 0, 0x12, 0x34], &mut tx); // write variable 0
//! assert_eq!(tx[..length], [0, 0xE0, 0, 0]); // to the master: done
//! assert_eq!(node.serve(&[255, 0x10, 0, 1, 0], &mut tx), 0); // a broadcast is never answered
//! ```
//!
//! # A master
//!
//! ```
//! use anysmp::bsmp::client::Answer;
//! use anysmp::bsmp::{Address, Client, Error, Refusal, Request, variable};
//!
//! let client = Client::to(Address::node(5).unwrap()); // over TCP and UDP: `Client::new()`
//! let request = variable::Read { id: 0, size: Some(2) };
//!
//! // What a driver does for you: `let value = link.call(&mut client, &request)?;`
//! let mut tx = [0; 16];
//! let length = client.post(&request, &mut tx)?;
//! assert_eq!(tx[..length], [5, 0x10, 0, 1, 0]);
//!
//! let answer = |message| client.answer::<variable::Read>(&request.expect(), message);
//! assert_eq!(answer(&[0, 0x11, 0, 2, 0x12, 0x34]), Some(Answer::Ours(Ok(&[0x12, 0x34][..]))));
//! assert_eq!(answer(&[0, 0xE8, 0, 0]), Some(Answer::Ours(Err(Error::Node(Refusal::Busy)))));
//! // What cannot be the answer is foreign, and the wait goes on: an answer of another size, our own echo.
//! assert_eq!(answer(&[0, 0x11, 0, 1, 0x12]), Some(Answer::Foreign(Error::WrongSize)));
//! assert_eq!(answer(&[5, 0x10, 0, 1, 0]), None);
//! # Ok::<(), Error>(())
//! ```
//!
//! # The line
//!
//! An answer names neither its request nor its sender, and packets on RS-485 are kept apart by silence alone. What a link does
//! about both (gap, turn-around, drain), what BSMP cannot tell apart, and how a half-duplex port is switched is described where
//! it is done: [`client`] for answers, [`framing::packet`](crate::framing::packet) for silence, [`port`](crate::port) for RS-485
//! direction.
//!
//! # Coverage
//!
//! | of BSMP 2.30 | master | node |
//! |---|---|---|
//! | all 17 requests and their answers | typed | served |
//! | RS-485 packets (`framing::packet`), bare messages on TCP and UDP, packets on TCP | yes | yes |
//! | unicast, multicast, broadcast | yes | yes |
//! | nodes of 2.00 to 2.30 (function list by version) | yes | speaks 2.30 |
//! | 1.x (two-byte header) | no | no |
//!
//! # Interpretation
//!
//! Where the text contradicts itself, or libbsmp contradicts the text, this crate does the following.
//!
//! * The answer to "write and read" (0x28) is 0x11 with the value, as the description of the command says; the table of
//!   the English text says 0xE0.
//! * The curve list carries type, block size, number of blocks in this order (section 3.4.10).
//! * Groups 0 and 1 are read-only and group 2 is writable, whatever they contain. libbsmp computes their type. A group of
//!   128 has size 0 and keeps its type bit, which libbsmp inverts.
//! * A group write is all or nothing: if one value is refused, or the node is busy, nothing is stored. libbsmp stores the
//!   good values and answers 0xE4.
//! * A binary operation does not consult the value check, as in libbsmp.
//! * A curve block may be written with 0 bytes of data, which libbsmp refuses. An empty group may be written with no
//!   values; group 2 then answers 0xE0, groups 0 and 1 answer 0xE6.
//! * The checksum of a curve covers the bytes of all of its blocks in their order; libbsmp may stop at the first.
//! * Ids in "create group" have to ascend, as in libbsmp, else 0xE3. The text is silent.
//! * "Busy" (0xE8) changes nothing. libbsmp does not report it for variables and groups.
//! * A request or an answer that does not fit the node's buffers is 0xE7, and nothing is changed or executed.
//! * A function error (0x53) answers "execute" only; to any other request it is foreign, as everything is that cannot be its
//!   answer: see [`client`].

pub mod client;
pub mod curve;
pub mod entities;
pub mod function;
pub mod group;
pub mod node;
pub mod payload;
pub mod routine;
pub mod server;
pub mod table;
pub mod variable;

pub use client::{Client, Error, Request};
pub use entities::{Access, Entities};
pub use node::Node;
pub use payload::{Full, Payload};
pub use server::Server;
pub use table::{Table, TableError};

/// The code of a request or an answer: the first byte of a message.
///
/// Even codes go to the node, odd ones come back; 0x41 goes both ways, 0xE0 to 0xE8 come from the node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command(pub u8);

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl Command {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// The name of the code in BSMP 2.30, if it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

commands! {
    /// Request: [`QueryVersion`].
    QUERY_VERSION = 0x00;
    /// Answer: the version, 3 bytes.
    VERSION = 0x01;
    /// Request: [`variable::List`].
    LIST_VARIABLES = 0x02;
    /// Answer: one byte for each variable.
    VARIABLES = 0x03;
    /// Request: [`group::List`].
    LIST_GROUPS = 0x04;
    /// Answer: one byte for each group.
    GROUPS = 0x05;
    /// Request: [`group::Query`].
    QUERY_GROUP = 0x06;
    /// Answer: the ids of the members, ascending.
    GROUP = 0x07;
    /// Request: [`curve::List`].
    LIST_CURVES = 0x08;
    /// Answer: five bytes for each curve.
    CURVES = 0x09;
    /// Request: [`curve::QueryChecksum`].
    QUERY_CHECKSUM = 0x0A;
    /// Answer: 16 bytes of MD5.
    CHECKSUM = 0x0B;
    /// Request: [`function::List`].
    LIST_FUNCTIONS = 0x0C;
    /// Answer: two bytes for each function, one before 2.30.
    FUNCTIONS = 0x0D;
    /// Request: [`variable::Read`].
    READ_VARIABLE = 0x10;
    /// Answer: the value.
    VARIABLE_VALUE = 0x11;
    /// Request: [`group::Read`].
    READ_GROUP = 0x12;
    /// Answer: the values of all members by ascending id.
    GROUP_VALUES = 0x13;
    /// Request: [`variable::Write`].
    WRITE_VARIABLE = 0x20;
    /// Request: [`group::Write`].
    WRITE_GROUP = 0x22;
    /// Request: [`variable::Combine`].
    COMBINE_VARIABLE = 0x24;
    /// Request: [`group::Combine`].
    COMBINE_GROUP = 0x26;
    /// Request: [`variable::WriteRead`].
    WRITE_READ = 0x28;
    /// Request: [`group::Create`].
    CREATE_GROUP = 0x30;
    /// Request: [`group::RemoveAll`].
    REMOVE_GROUPS = 0x32;
    /// Request: [`curve::ReadBlock`].
    READ_BLOCK = 0x40;
    /// Answer to [`curve::ReadBlock`]; as a request, [`curve::WriteBlock`].
    BLOCK = 0x41;
    /// Request: [`curve::Recalculate`].
    RECALCULATE = 0x42;
    /// Request: [`function::Execute`].
    EXECUTE = 0x50;
    /// Answer: the output of a function.
    OUTPUT = 0x51;
    /// Answer: a function failed, one byte of the device says why.
    FUNCTION_ERROR = 0x53;
    /// Answer: done.
    OK = 0xE0;
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
        defmt::write!(f, "{=u8:#04x}", self.0);
    }
}

/// Why a node did not do what it was asked: the answers 0xE1 to 0xE8 (BSMP 2.30, section 3.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Refusal {
    /// The message is shorter than its header, or its length field is wrong.
    Malformed = 0xE1,
    /// No such command, or no such binary operation.
    Unsupported = 0xE2,
    /// No such entity.
    InvalidId = 0xE3,
    /// The value is out of range, or the block is.
    InvalidValue = 0xE4,
    /// The payload is too short or too long for the command or the entity.
    InvalidSize = 0xE5,
    /// The entity cannot be written.
    ReadOnly = 0xE6,
    /// No room: eight groups exist, or a buffer of the node is too small.
    Memory = 0xE7,
    /// The device is busy; nothing was changed.
    Busy = 0xE8,
}

impl Refusal {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The refusal of this code, if it is one.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0xE1 => Self::Malformed,
            0xE2 => Self::Unsupported,
            0xE3 => Self::InvalidId,
            0xE4 => Self::InvalidValue,
            0xE5 => Self::InvalidSize,
            0xE6 => Self::ReadOnly,
            0xE7 => Self::Memory,
            0xE8 => Self::Busy,
            _ => return None,
        })
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

/// The head of a message: its command and the length of its payload in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// What the message asks or answers.
    pub command: Command,
    /// The length of the payload.
    pub length: u16,
}

impl Header {
    /// Bytes of a header.
    pub const LEN: usize = 3;

    /// Splits a message into its header and its payload. `None` if the message is shorter than a header, or its length
    /// field disagrees with its length.
    #[must_use]
    pub const fn parse(message: &[u8]) -> Option<(Self, &[u8])> {
        match message.split_first_chunk() {
            Some((&[command, high, low], payload)) => {
                let length = u16::from_be_bytes([high, low]);
                if payload.len() == length as usize {
                    Some((Self { command: Command(command), length }, payload))
                } else {
                    None
                }
            }
            None => None,
        }
    }

    /// The three bytes of the header.
    #[must_use]
    pub const fn emit(self) -> [u8; Self::LEN] {
        let [high, low] = self.length.to_be_bytes();
        [self.command.0, high, low]
    }
}

/// Where a packet goes on a bus (BSMP 2.30, section 2).
///
/// | value | who |
/// |---|---|
/// | 0 | the master |
/// | 1 to 31 | one node, which answers |
/// | 248 to 254 | the nodes that joined this multicast group; nobody answers |
/// | 255 | every node; nobody answers |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Address(u8);

impl Address {
    /// The master, to which all answers go.
    pub const MASTER: Self = Self(0);
    /// Every node.
    pub const BROADCAST: Self = Self(255);

    /// The node `number`, 1 to 31.
    #[must_use]
    pub const fn node(number: u8) -> Option<Self> {
        if matches!(number, 1..=31) { Some(Self(number)) } else { None }
    }

    /// The node `number`, 1 to 32: 32 is reserved by the text, and used in the field.
    #[must_use]
    pub const fn node_or_32(number: u8) -> Option<Self> {
        if matches!(number, 1..=32) { Some(Self(number)) } else { None }
    }

    /// The multicast group whose address is `value`, 248 to 254.
    #[must_use]
    pub const fn multicast(value: u8) -> Option<Self> {
        if matches!(value, 248..=254) { Some(Self(value)) } else { None }
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether this is one node, which answers every request exactly once.
    #[must_use]
    pub const fn is_node(self) -> bool {
        matches!(self.0, 1..=32)
    }
}

/// The version of the protocol that a node speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Version {
    /// Nodes of the same version are compatible.
    pub version: u8,
    /// A larger one adds commands.
    pub subversion: u8,
    /// Tells implementations apart.
    pub revision: u8,
}

impl Version {
    /// The version of this crate: 2.30, revision 0.
    pub const V2_30: Self = Self { version: 2, subversion: 30, revision: 0 };

    /// Whether a master of this crate understands such a node: 2.00 or later, of version 2.
    #[must_use]
    pub const fn is_supported(self) -> bool {
        self.version == 2
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{:02}.{:03}", self.version, self.subversion, self.revision)
    }
}

/// Asks a node for the version of the protocol that it speaks (BSMP 2.30, section 3.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct QueryVersion;

impl Request for QueryVersion {
    type Response<'m> = Version;
    type Expect = ();
    const COMMAND: Command = Command::QUERY_VERSION;
    const ANSWER: Command = Command::VERSION;

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<Version, Error> {
        match *payload {
            [version, subversion, revision] => Ok(Version { version, subversion, revision }),
            _ => Err(Error::WrongSize),
        }
    }
}
