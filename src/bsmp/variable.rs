//! Variables: 1 to 128 bytes with a value (BSMP 2.30, sections 3.4.3, 3.5.1, 3.6.1, 3.6.3, 3.6.5).
//!
//! ```text
//!   list      02                            03 │ one byte each: bit 7 writable,
//!                                                bits 6..0 size, 0 means 128
//!   read      10 │ id                       11 │ value
//!   write     20 │ id │ value               E0
//!   combine   24 │ id │ operation │ mask    E0
//!   both      28 │ id to write │ id to read │ value
//!                                           11 │ value of the second, read after the write
//! ```
//!
//! Ids count from 0 without gaps on a node that follows the specification; [`Read`] and [`Write`]
//! accept any id.

use core::ops::RangeInclusive;

use super::client::{Error, Request, done};
use super::list::{Entries, Entry};
use super::payload::{put_values, values};
use super::{Command, Payload};
use crate::shown::shown;

/// The largest size of a variable in bytes.
pub const MAX_SIZE: u8 = 128;
/// The largest number of variables of a node.
pub const MAX_COUNT: usize = 128;

/// The sizes that a value can have.
const SIZES: RangeInclusive<usize> = 1..=MAX_SIZE as usize;

/// The size of a variable, and its access: read-only or writable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Variable {
    /// The size of the value in bytes, 1 to 128.
    pub size: u8,
    /// True if the master may write it.
    pub writable: bool,
}

impl Variable {
    /// A variable of `size` bytes that the master may only read.
    #[must_use]
    pub const fn read_only(size: u8) -> Self {
        Self { size, writable: false }
    }

    /// A variable of `size` bytes that the master may write.
    #[must_use]
    pub const fn writable(size: u8) -> Self {
        Self { size, writable: true }
    }

    /// The byte of the variable in the list.
    #[must_use]
    pub const fn emit(self) -> u8 {
        (self.size & 0x7F) | ((self.writable as u8) << 7)
    }

    /// The variable that a byte in the list describes.
    #[must_use]
    pub const fn parse(byte: u8) -> Self {
        let size = match byte & 0x7F {
            0 => MAX_SIZE,
            size => size,
        };
        Self { size, writable: byte & 0x80 != 0 }
    }
}

/// A binary operation: combines each byte of a value with the byte of the mask at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[expect(clippy::exhaustive_enums, reason = "the operations of the document")]
pub enum Op {
    /// Value AND mask.
    And = b'A',
    /// Value OR mask.
    Or = b'O',
    /// Value XOR mask.
    Xor = b'X',
    /// Sets the bits of the mask: value OR mask.
    Set = b'S',
    /// Clears the bits of the mask: value AND NOT mask.
    Clear = b'C',
    /// Toggles the bits of the mask: value XOR mask.
    Toggle = b'T',
}

impl Op {
    /// The code on the wire, an upper-case letter.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The operation that has this code, if there is one.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            _ if code == Self::And.code() => Self::And,
            _ if code == Self::Or.code() => Self::Or,
            _ if code == Self::Xor.code() => Self::Xor,
            _ if code == Self::Set.code() => Self::Set,
            _ if code == Self::Clear.code() => Self::Clear,
            _ if code == Self::Toggle.code() => Self::Toggle,
            _ => return None,
        })
    }

    /// Combines one byte of a value with one byte of a mask.
    #[must_use]
    pub const fn apply(self, value: u8, mask: u8) -> u8 {
        match self {
            Self::And => value & mask,
            Self::Or | Self::Set => value | mask,
            Self::Xor | Self::Toggle => value ^ mask,
            Self::Clear => value & !mask,
        }
    }

    /// Returns true if applying the operation twice has the same result as applying it once.
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Xor | Self::Toggle)
    }
}

/// Asks for the sizes and types of all variables, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct List;

impl Request for List {
    type Kind = Self;
    type Response<'m> = Variables<'m>;
    type Expectation = ();
    const COMMAND: Command = Command::LIST_VARIABLES;

    fn expectation(&self) {}

    fn decode<'m>((): &(), payload: &'m [u8]) -> Result<Variables<'m>, Error> {
        Entries::of(payload, (), MAX_COUNT)
    }
}

/// The variables of a node, at most 128.
pub type Variables<'m> = Entries<'m, Variable>;

impl Entry for Variable {
    type Context = ();

    fn width((): ()) -> usize {
        1
    }

    fn split_first(bytes: &[u8], (): ()) -> Option<(Self, &[u8], ())> {
        let (first, rest) = bytes.split_first()?;
        Some((Self::parse(*first), rest, ()))
    }
}

/// Reads a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Read {
    /// The id of the variable: its place in the node's list, from 0.
    pub id: u8,
    /// The length that the value must have in bytes; `None` accepts 1 to 128.
    pub size: Option<u8>,
}

impl Request for Read {
    type Kind = Self;
    type Response<'m> = &'m [u8];
    type Expectation = Option<u8>;
    const COMMAND: Command = Command::READ_VARIABLE;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expectation(&self) -> Option<u8> {
        self.size
    }

    fn decode<'m>(size: &Option<u8>, payload: &'m [u8]) -> Result<&'m [u8], Error> {
        values(payload, *size, SIZES)
    }
}

/// Writes a variable.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Write<'a> {
    /// The id of the variable: its place in the node's list, from 0.
    pub id: u8,
    /// All bytes of the new value, 1 to 128.
    pub value: &'a [u8],
}

shown!(Write<'_>, |it| "Write {{ id: {}, {} bytes }}", it.id, it.value.len());

impl Request for Write<'_> {
    type Kind = Write<'static>;
    type Response<'m> = ();
    type Expectation = ();
    const COMMAND: Command = Command::WRITE_VARIABLE;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        put_values(payload, &[self.id], self.value, SIZES)
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }
}

/// Combines a variable with a mask on the node, without a gap between reading and writing it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Combine<'a> {
    /// The id of the variable: its place in the node's list, from 0.
    pub id: u8,
    /// The operation that joins the value and the mask.
    pub op: Op,
    /// The mask, as long as the variable.
    pub mask: &'a [u8],
}

shown!(Combine<'_>, |it| "Combine {{ id: {}, {:?}, {} bytes }}", it.id, it.op, it.mask.len());

impl Request for Combine<'_> {
    type Kind = Combine<'static>;
    type Response<'m> = ();
    type Expectation = ();
    const COMMAND: Command = Command::COMBINE_VARIABLE;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        put_values(payload, &[self.id, self.op.code()], self.mask, SIZES)
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }

    fn is_idempotent(&self) -> bool {
        self.op.is_idempotent()
    }
}

/// Writes one variable, then reads another (or the same) in the same exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct WriteRead<'a> {
    /// The variable to write.
    pub write: u8,
    /// All bytes of the new value, 1 to 128.
    pub value: &'a [u8],
    /// The variable to read afterwards.
    pub read: u8,
    /// The length that the value in the answer must have in bytes; `None` accepts 1 to 128.
    pub size: Option<u8>,
}

shown!(WriteRead<'_>, |it| "WriteRead {{ write: {}, {} bytes, read: {} }}", it.write, it.value.len(), it.read);

impl Request for WriteRead<'_> {
    type Kind = WriteRead<'static>;
    type Response<'m> = &'m [u8];
    type Expectation = Option<u8>;
    const COMMAND: Command = Command::WRITE_READ;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        put_values(payload, &[self.write, self.read], self.value, SIZES)
    }

    fn expectation(&self) -> Option<u8> {
        self.size
    }

    fn decode<'m>(size: &Option<u8>, payload: &'m [u8]) -> Result<&'m [u8], Error> {
        values(payload, *size, SIZES)
    }
}
