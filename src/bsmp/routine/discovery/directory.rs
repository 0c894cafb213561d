//! The entities of a node as a master lists them, and room for such lists.

use crate::bsmp::curve::{self, Curve, Digest, UNKNOWN};
use crate::bsmp::function::{self, Function};
use crate::bsmp::group::{self, Group, Members};
use crate::bsmp::variable::{self, Variable};
use crate::bsmp::{Refusal, Version};
use crate::shown::shown;

/// The entities of a node, discovered or known beforehand. The id of an entity is its place in its
/// list.
///
/// For a node whose lists are wrong or missing, write one down as a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller may keep one in a constant")]
pub struct Directory<'d> {
    /// The version of the protocol that the node speaks.
    pub version: Version,
    /// The variables, in the order of their ids.
    pub variables: &'d [Variable],
    /// The groups, the three standard ones first.
    pub groups: &'d [Group],
    /// The curves, in the order of their ids.
    pub curves: &'d [Curve],
    /// The checksums of the curves, calculated before the node was asked. May be shorter than
    /// `curves`.
    pub checksums: &'d [Digest],
    /// The functions, in the order of their ids.
    pub functions: &'d [Function],
}

impl<'d> Directory<'d> {
    /// The size of all values of a group in bytes.
    #[must_use]
    pub fn size(&self, group: &Group) -> usize {
        (0_u8..)
            .zip(self.variables)
            .filter(|(id, _)| group.members.contains(*id))
            .map(|(_, variable)| usize::from(variable.size))
            .sum()
    }

    /// A request to read a variable whose answer must have the right size. `None` if there is no
    /// such variable.
    #[must_use]
    pub fn read(&self, id: u8) -> Option<variable::Read> {
        let variable = self.variables.get(usize::from(id))?;
        Some(variable::Read { id, size: Some(variable.size) })
    }

    /// A request to read a group whose answer must have the right size. `None` if there is no such
    /// group.
    #[must_use]
    pub fn read_group(&self, id: u8) -> Option<group::Read> {
        let group = self.groups.get(usize::from(id))?;
        Some(group::Read { id, size: Some(u16::try_from(self.size(group)).ok()?) })
    }

    /// A request to write a variable.
    ///
    /// # Errors
    ///
    /// The refusal with which the node would answer: [`Refusal::InvalidId`],
    /// [`Refusal::InvalidSize`], [`Refusal::ReadOnly`].
    pub fn write<'a>(&self, id: u8, value: &'a [u8]) -> Result<variable::Write<'a>, Refusal> {
        let variable = self.variables.get(usize::from(id)).ok_or(Refusal::InvalidId)?;
        if value.len() != usize::from(variable.size) {
            Err(Refusal::InvalidSize)
        } else if variable.writable {
            Ok(variable::Write { id, value })
        } else {
            Err(Refusal::ReadOnly)
        }
    }

    /// A request to write a group.
    ///
    /// # Errors
    ///
    /// The refusal with which the node would answer: [`Refusal::InvalidId`],
    /// [`Refusal::InvalidSize`], [`Refusal::ReadOnly`].
    pub fn write_group<'a>(&self, id: u8, values: &'a [u8]) -> Result<group::Write<'a>, Refusal> {
        let group = self.groups.get(usize::from(id)).ok_or(Refusal::InvalidId)?;
        if values.len() != self.size(group) {
            Err(Refusal::InvalidSize)
        } else if group.writable {
            Ok(group::Write { id, values })
        } else {
            Err(Refusal::ReadOnly)
        }
    }

    /// A request to execute a function whose answer must have the right size.
    ///
    /// # Errors
    ///
    /// The refusal with which the node would answer: [`Refusal::InvalidId`],
    /// [`Refusal::InvalidSize`].
    pub fn execute<'a>(&self, id: u8, input: &'a [u8]) -> Result<function::Execute<'a>, Refusal> {
        let function = self.functions.get(usize::from(id)).ok_or(Refusal::InvalidId)?;
        if input.len() == usize::from(function.input) {
            Ok(function::Execute { id, input, output: Some(function.output) })
        } else {
            Err(Refusal::InvalidSize)
        }
    }
}

/// The storage of a [`Discovery`](super::Discovery). More entities than fit are an error, so choose
/// the lengths to fit your nodes.
///
/// With fewer `checksums` than curves, only the checksums of the first curves are requested.
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Storage<'s> {
    /// Room for up to 128 variables.
    pub variables: &'s mut [Variable],
    /// Room for up to 8 groups.
    pub groups: &'s mut [Group],
    /// Room for up to 128 curves.
    pub curves: &'s mut [Curve],
    /// Room for up to 128 checksums.
    pub checksums: &'s mut [Digest],
    /// Room for up to 128 functions.
    pub functions: &'s mut [Function],
}

shown!(
    Storage<'_>,
    |it| "Storage({} variables, {} groups, {} curves, {} checksums, {} functions)",
    it.variables.len(),
    it.groups.len(),
    it.curves.len(),
    it.checksums.len(),
    it.functions.len()
);

/// Storage for the largest node that BSMP allows: 3,744 bytes.
#[derive(Clone)]
pub struct Tables {
    variables: [Variable; variable::MAX_COUNT],
    groups: [Group; group::MAX_COUNT],
    curves: [Curve; curve::MAX_COUNT],
    checksums: [Digest; curve::MAX_COUNT],
    functions: [Function; function::MAX_COUNT],
}

const _: () = assert!(size_of::<Tables>() <= 3744);

shown!(Tables, |_| "Tables");

impl Tables {
    /// Tables for a node with as many entities as BSMP allows.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            variables: [Variable::read_only(0); variable::MAX_COUNT],
            groups: [Group { members: Members::EMPTY, writable: false }; group::MAX_COUNT],
            curves: [Curve::read_only(0, 0); curve::MAX_COUNT],
            checksums: [UNKNOWN; curve::MAX_COUNT],
            functions: [Function { input: 0, output: 0 }; function::MAX_COUNT],
        }
    }

    /// Borrows all of it for a [`Discovery`](super::Discovery).
    pub const fn storage(&mut self) -> Storage<'_> {
        Storage {
            variables: &mut self.variables,
            groups: &mut self.groups,
            curves: &mut self.curves,
            checksums: &mut self.checksums,
            functions: &mut self.functions,
        }
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}
