//! Groups: sets of variables that are read and written with one command (BSMP 2.30, sections 3.4.5,
//! 3.5.3, 3.6.2, 3.6.4, 3.7).
//!
//! ```text
//!   list      04                             05 │ one byte each: bit 7 writable,
//!                                                 bits 6..0 members, 0 means 128
//!   query     06 │ id                        07 │ ids of the members
//!   read      12 │ id                        13 │ values
//!   write     22 │ id │ values               E0
//!   combine   26 │ id │ operation │ masks    E0
//!   create    30 │ ids of the members        E0   its id is one more than that of the last group
//!   remove    32                             E0   all groups that were created
//! ```
//!
//! Members and values come by ascending id. Every node has three groups that cannot be removed: 0
//! with every variable, 1 with the read-only ones, 2 with the writable ones. A created group is
//! writable if all its members are.
//!
//! The byte in the list does not distinguish an empty standard group from a full one, and libbsmp
//! inverts its type bit at 128 members; [`Query`] is always right.

mod members;

use core::ops::RangeInclusive;

pub use members::{Group, Members};

use super::client::{Error, Request, done};
use super::list::{Entries, Entry};
use super::payload::{put_values, values};
use super::variable::{MAX_COUNT as MAX_VARIABLES, MAX_SIZE, Op};
use super::{Command, Payload};
use crate::shown::shown;

/// The largest number of groups of a node, the three standard ones included.
pub const MAX_COUNT: usize = 8;
/// The number of standard groups.
pub const STANDARD: u8 = 3;
/// The longest list of values in bytes: 128 variables of 128 bytes.
pub const MAX_SIZE_OF_VALUES: usize = MAX_VARIABLES * MAX_SIZE as usize;

/// The possible sizes of all values of a group together.
const SIZES: RangeInclusive<usize> = 0..=MAX_SIZE_OF_VALUES;

/// Asks for the types and the numbers of members of all groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct List;

impl Request for List {
    type Kind = Self;
    type Response<'m> = Groups<'m>;
    type Expectation = ();
    const COMMAND: Command = Command::LIST_GROUPS;

    fn expectation(&self) {}

    fn decode<'m>((): &(), payload: &'m [u8]) -> Result<Groups<'m>, Error> {
        Entries::of(payload, 0, MAX_COUNT)
    }
}

/// One group in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Listed {
    /// The id of the group.
    pub id: u8,
    /// True if it can be written. For the standard groups this follows the specification, whatever
    /// the node reports; for a created group of 128 members the node may have inverted it.
    pub writable: bool,
    /// The number of members modulo 128: 0 means none or 128.
    pub members: u8,
}

/// The groups of a node, at most 8.
pub type Groups<'m> = Entries<'m, Listed>;

impl Entry for Listed {
    type Context = u8;

    fn width(_: u8) -> usize {
        1
    }

    fn split_first(bytes: &[u8], id: u8) -> Option<(Self, &[u8], u8)> {
        let (byte, rest) = bytes.split_first()?;
        let writable = match id {
            // Read-only by the specification; libbsmp computes their type from their members.
            0 | 1 => false,
            2 => true,
            _ => byte & 0x80 != 0,
        };
        Some((Self { id, writable, members: byte & 0x7F }, rest, id.wrapping_add(1)))
    }
}

/// Asks for the members of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Query {
    /// The id of the group: 0 to 2 are the standard groups, further ones are created.
    pub id: u8,
}

impl Request for Query {
    type Kind = Self;
    type Response<'m> = Members;
    type Expectation = ();
    const COMMAND: Command = Command::QUERY_GROUP;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<Members, Error> {
        if payload.len() > MAX_VARIABLES {
            return Err(Error::TooMany);
        }
        // Values come in the order of the ids: a list that does not ascend leaves the order of the
        // values undefined.
        if !payload.is_sorted_by(|a, b| a < b) {
            return Err(Error::WrongOrder);
        }
        Members::of(payload).ok_or(Error::UnknownId)
    }
}

/// Reads the values of all members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Read {
    /// The id of the group: 0 to 2 are the standard groups, further ones are created.
    pub id: u8,
    /// The sum of the sizes of all members in bytes; `None` accepts 0 to 16,384.
    pub size: Option<u16>,
}

impl Request for Read {
    type Kind = Self;
    type Response<'m> = &'m [u8];
    type Expectation = Option<u16>;
    const COMMAND: Command = Command::READ_GROUP;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expectation(&self) -> Option<u16> {
        self.size
    }

    fn decode<'m>(size: &Option<u16>, payload: &'m [u8]) -> Result<&'m [u8], Error> {
        values(payload, *size, SIZES)
    }
}

/// Writes the values of all members, or of none if one of them is refused.
///
/// A libbsmp node answers "invalid value" as well, but has stored those it did not refuse.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Write<'a> {
    /// The id of the group: 0 to 2 are the standard groups, further ones are created.
    pub id: u8,
    /// The values by ascending id, at most 16,384 bytes.
    pub values: &'a [u8],
}

shown!(Write<'_>, |it| "Write {{ id: {}, {} bytes }}", it.id, it.values.len());

impl Request for Write<'_> {
    type Kind = Write<'static>;
    type Response<'m> = ();
    type Expectation = ();
    const COMMAND: Command = Command::WRITE_GROUP;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        put_values(payload, &[self.id], self.values, SIZES)
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }
}

/// Combines all members with masks on the node.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Combine<'a> {
    /// The id of the group: 0 to 2 are the standard groups, further ones are created.
    pub id: u8,
    /// The operation that joins the value and the mask.
    pub op: Op,
    /// The masks by ascending id, at most 16,384 bytes.
    pub masks: &'a [u8],
}

shown!(Combine<'_>, |it| "Combine {{ id: {}, {:?}, {} bytes }}", it.id, it.op, it.masks.len());

impl Request for Combine<'_> {
    type Kind = Combine<'static>;
    type Response<'m> = ();
    type Expectation = ();
    const COMMAND: Command = Command::COMBINE_GROUP;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        put_values(payload, &[self.id, self.op.code()], self.masks, SIZES)
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }

    fn is_idempotent(&self) -> bool {
        self.op.is_idempotent()
    }
}

/// Creates a group. A set has no order and no duplicates, so the ids always ascend on the wire.
///
/// Not repeated after a timeout: the first request may have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Create {
    /// The members, at least one.
    pub members: Members,
}

impl Request for Create {
    type Kind = Self;
    type Response<'m> = ();
    type Expectation = ();
    const COMMAND: Command = Command::CREATE_GROUP;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        if self.members.is_empty() {
            return Err(Error::Argument);
        }
        for id in &self.members {
            payload.put(&[id])?;
        }
        Ok(())
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}

/// Removes all groups but the three standard ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct RemoveAll;

impl Request for RemoveAll {
    type Kind = Self;
    type Response<'m> = ();
    type Expectation = ();
    const COMMAND: Command = Command::REMOVE_GROUPS;

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }
}
