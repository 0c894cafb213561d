//! Groups: sets of variables that are read and written with one command (BSMP 2.30, sections 3.4.5, 3.5.3, 3.6.2, 3.6.4, 3.7).
//!
//! ```text
//!   list      04                                   05 │ one byte each: bit 7 writable, bits 6..0 members, 0 stands for 128
//!   query     06 │ id                              07 │ ids of the members
//!   read      12 │ id                              13 │ values
//!   write     22 │ id │ values                     E0
//!   combine   26 │ id │ operation │ masks          E0
//!   create    30 │ ids of the members, ascending   E0      its id is one more than that of the last group
//!   remove    32                                   E0      all groups that were created
//! ```
//!
//! Members and values come by ascending id. Every node has three groups that cannot be removed: 0 with every variable, 1
//! with the read-only ones, 2 with the writable ones. A created group is writable if all its members are.
//!
//! The byte in the list cannot tell an empty standard group from a full one, and libbsmp inverts its type bit at 128
//! members; [`Query`] has no such doubt.

use super::client::{Error, Request, done};
use super::variable::{MAX_COUNT as MAX_VARIABLES, MAX_SIZE, Op};
use super::{Command, Payload};
use crate::shown::shown;

/// The largest number of groups of a node, the three standard ones included.
pub const MAX_COUNT: usize = 8;
/// The standard groups.
pub const STANDARD: u8 = 3;
/// The longest list of values: 128 variables of 128 bytes.
pub const MAX_SIZE_OF_VALUES: usize = MAX_VARIABLES * MAX_SIZE as usize;

/// A set of variable ids, 0 to 127: 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Members([u32; 4]);

impl Members {
    /// No variable.
    pub const EMPTY: Self = Self([0; 4]);

    /// One variable; none if `id` is above 127.
    #[must_use]
    pub fn one(id: u8) -> Self {
        let mut members = Self::EMPTY;
        members.insert(id);
        members
    }

    /// The set of these ids, in any order and however often each is named. `None` if one is above 127.
    #[must_use]
    pub fn of(ids: &[u8]) -> Option<Self> {
        let mut members = Self::EMPTY;
        for id in ids {
            if *id > 127 {
                return None;
            }
            members.insert(*id);
        }
        Some(members)
    }

    /// Adds a variable; an id above 127 is ignored.
    pub fn insert(&mut self, id: u8) {
        if let Some(word) = self.0.get_mut(usize::from(id >> 5)) {
            *word |= 1 << (id & 31);
        }
    }

    /// Whether the variable is a member.
    #[must_use]
    pub fn contains(&self, id: u8) -> bool {
        self.0.get(usize::from(id >> 5)).is_some_and(|word| (word >> (id & 31)) & 1 != 0)
    }

    /// How many members, 0 to 128.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().fold(0, |count, word| count + word.count_ones() as usize)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// The ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=127).filter(|id| self.contains(*id))
    }
}

impl core::fmt::Debug for Members {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Members {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Members({=usize})", self.len());
    }
}

/// A group: its members, and whether it can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Group {
    /// Which variables.
    pub members: Members,
    /// Whether the master may write it.
    pub writable: bool,
}

impl Group {
    /// Its byte in the list of groups.
    #[must_use]
    pub fn emit(&self) -> u8 {
        // One by one: smaller than counting bits where the machine cannot.
        let mut members = 0_u8;
        for id in 0..128 {
            members = members.wrapping_add(u8::from(self.members.contains(id)));
        }
        (members & 0x7F) | (u8::from(self.writable) << 7)
    }
}

/// Asks for the types and the numbers of members of all groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct List;

impl Request for List {
    type Response<'m> = Groups<'m>;
    type Expect = ();
    const COMMAND: Command = Command::LIST_GROUPS;
    const ANSWER: Command = Command::GROUPS;

    fn expect(&self) {}

    fn decode<'m>((): &(), payload: &'m [u8]) -> Result<Groups<'m>, Error> {
        if payload.len() > MAX_COUNT { Err(Error::TooMany) } else { Ok(Groups { rest: payload, id: 0 }) }
    }
}

/// One group in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Listed {
    /// Its id.
    pub id: u8,
    /// Whether it can be written. For the standard groups this is what the text says, not what the node says; a created
    /// group of 128 may have it inverted.
    pub writable: bool,
    /// Members modulo 128: 0 stands for none and for 128.
    pub members: u8,
}

/// The groups of a node, by ascending id from 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Groups<'m> {
    rest: &'m [u8],
    id: u8,
}

shown!(Groups<'_>, |groups| "Groups({})", groups.len());

impl Groups<'_> {
    /// How many, at most 8.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether the node lists none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Iterator for Groups<'_> {
    type Item = Listed;

    fn next(&mut self) -> Option<Listed> {
        let (byte, rest) = self.rest.split_first()?;
        let id = self.id;
        self.rest = rest;
        self.id = id.wrapping_add(1);
        let writable = match id {
            0 | 1 => false,
            2 => true,
            _ => byte & 0x80 != 0,
        };
        Some(Listed { id, writable, members: byte & 0x7F })
    }
}

/// Asks for the members of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Query {
    /// Which group.
    pub id: u8,
}

impl Request for Query {
    type Response<'m> = Members;
    type Expect = ();
    const COMMAND: Command = Command::QUERY_GROUP;
    const ANSWER: Command = Command::GROUP;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<Members, Error> {
        if payload.len() > MAX_VARIABLES {
            return Err(Error::TooMany);
        }
        if !payload.is_sorted_by(|a, b| a < b) {
            return Err(Error::WrongOrder);
        }
        Members::of(payload).ok_or(Error::UnknownId)
    }
}

/// Reads the values of all members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Read {
    /// Which group.
    pub id: u8,
    /// The sum of the sizes of its members; `None` takes 0 to 16,384.
    pub size: Option<u16>,
}

impl Request for Read {
    type Response<'m> = &'m [u8];
    type Expect = Option<u16>;
    const COMMAND: Command = Command::READ_GROUP;
    const ANSWER: Command = Command::GROUP_VALUES;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expect(&self) -> Option<u16> {
        self.size
    }

    fn decode<'m>(size: &Option<u16>, payload: &'m [u8]) -> Result<&'m [u8], Error> {
        let right = match *size {
            Some(size) => payload.len() == usize::from(size),
            None => payload.len() <= MAX_SIZE_OF_VALUES,
        };
        if right { Ok(payload) } else { Err(Error::WrongSize) }
    }
}

/// Writes the values of all members, or of none if one of them is refused.
///
/// A libbsmp node answers "invalid value" as well, but has stored those it did not refuse.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Write<'a> {
    /// Which group.
    pub id: u8,
    /// The values by ascending id, at most 16,384 bytes.
    pub values: &'a [u8],
}

impl Request for Write<'_> {
    type Response<'m> = ();
    type Expect = ();
    const COMMAND: Command = Command::WRITE_GROUP;
    const ANSWER: Command = Command::OK;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        argument(self.values)?;
        payload.put(&[self.id])?;
        Ok(payload.put(self.values)?)
    }

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }
}

/// Combines all members with masks on the node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Combine<'a> {
    /// Which group.
    pub id: u8,
    /// How.
    pub op: Op,
    /// The masks by ascending id, at most 16,384 bytes.
    pub masks: &'a [u8],
}

impl Request for Combine<'_> {
    type Response<'m> = ();
    type Expect = ();
    const COMMAND: Command = Command::COMBINE_GROUP;
    const ANSWER: Command = Command::OK;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        argument(self.masks)?;
        payload.put(&[self.id, self.op.code()])?;
        Ok(payload.put(self.masks)?)
    }

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }

    fn is_idempotent(&self) -> bool {
        self.op.is_idempotent()
    }
}

/// Creates a group; a set has no order and no repeats, so that its ids always ascend on the wire.
///
/// Not repeated after a time-out: the first one may have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Create {
    /// Its members, at least one.
    pub members: Members,
}

impl Request for Create {
    type Response<'m> = ();
    type Expect = ();
    const COMMAND: Command = Command::CREATE_GROUP;
    const ANSWER: Command = Command::OK;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        if self.members.is_empty() {
            return Err(Error::Argument);
        }
        for id in self.members.iter() {
            payload.put(&[id])?;
        }
        Ok(())
    }

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}

/// Removes all groups but the three standard ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RemoveAll;

impl Request for RemoveAll {
    type Response<'m> = ();
    type Expect = ();
    const COMMAND: Command = Command::REMOVE_GROUPS;
    const ANSWER: Command = Command::OK;

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }
}

fn argument(values: &[u8]) -> Result<(), Error> {
    if values.len() <= MAX_SIZE_OF_VALUES { Ok(()) } else { Err(Error::Argument) }
}

impl core::fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Write {{ id: {}, {} bytes }}", self.id, self.values.len())
    }
}

impl core::fmt::Debug for Combine<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Combine {{ id: {}, {:?}, {} bytes }}", self.id, self.op, self.masks.len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Write<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Write {{ id: {=u8}, {=usize} bytes }}", self.id, self.values.len());
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Combine<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Combine {{ id: {=u8}, {}, {=usize} bytes }}", self.id, self.op, self.masks.len());
    }
}
