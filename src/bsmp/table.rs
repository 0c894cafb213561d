//! The entities of a node: lists of variables, curves and functions, checked at compile time.

use super::curve::{Curve, MAX_BLOCK, MAX_BLOCKS};
use super::function::{Function, MAX_INPUT, MAX_OUTPUT};
use super::group::{Members, Words};
use super::variable::{MAX_SIZE, Variable};

/// The entities of a node. The id of an entity is its place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Table<'t> {
    pub(super) variables: &'t [Variable],
    pub(super) curves: &'t [Curve],
    pub(super) functions: &'t [Function],
    /// All variables and those that the master may write: groups 0 and 2. Here, so that no request
    /// counts them.
    all: Members,
    writable: Members,
    pub(super) revision: u8,
}

/// We: a table has an entity that BSMP does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TableError {
    /// More than 128 variables, curves or functions.
    TooMany,
    /// A variable of 0 or more than 128 bytes.
    Variable,
    /// A curve of no blocks or more than 65,536, or of blocks of 0 or more than 65,520 bytes.
    Curve,
    /// A function with more than 64 bytes of input or more than 32 of output.
    Function,
}

impl core::fmt::Display for TableError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TooMany => "more than 128 entities of a kind",
            Self::Variable => "a variable of an impossible size",
            Self::Curve => "a curve of an impossible size",
            Self::Function => "a function of an impossible size",
        })
    }
}

impl core::error::Error for TableError {}

impl<'t> Table<'t> {
    /// A table within the limits of BSMP; in a `static` they are checked at compile time.
    ///
    /// # Errors
    ///
    /// See [`TableError`].
    pub const fn new(
        variables: &'t [Variable],
        curves: &'t [Curve],
        functions: &'t [Function],
    ) -> Result<Self, TableError> {
        if variables.len() > 128 || curves.len() > 128 || functions.len() > 128 {
            return Err(TableError::TooMany);
        }
        // Loops by hand: iterators do not work in a const function.
        let mut rest = variables;
        let (mut all, mut writable, mut id) = (Members::EMPTY, Members::EMPTY, 0_u8);
        while let [first, others @ ..] = rest {
            if first.size == 0 || first.size > MAX_SIZE {
                return Err(TableError::Variable);
            }
            all.insert(id);
            if first.writable {
                writable.insert(id);
            }
            id = id.wrapping_add(1);
            rest = others;
        }
        let mut rest = curves;
        while let [first, others @ ..] = rest {
            if first.block == 0 || first.block > MAX_BLOCK || first.blocks == 0 || first.blocks > MAX_BLOCKS {
                return Err(TableError::Curve);
            }
            rest = others;
        }
        let mut rest = functions;
        while let [first, others @ ..] = rest {
            if first.input > MAX_INPUT || first.output > MAX_OUTPUT {
                return Err(TableError::Function);
            }
            rest = others;
        }
        Ok(Self { variables, curves, functions, all, writable, revision: 0 })
    }

    /// Sets the revision in the answer to [`QueryVersion`](super::QueryVersion), which identifies
    /// the implementation of the node; by default 0.
    #[must_use]
    pub const fn with_revision(mut self, revision: u8) -> Self {
        self.revision = revision;
        self
    }

    /// The members of a standard group: 0 has all variables, 1 the read-only and 2 the writable
    /// ones.
    pub(super) fn standard(&self, id: u8) -> Members {
        match id {
            1 => self.all.without(&self.writable),
            2 => self.writable,
            _ => self.all,
        }
    }

    /// Returns whether the master may write all of these variables.
    pub(super) fn is_writable(&self, members: &Members) -> bool {
        members.without(&self.writable).is_empty()
    }

    /// The ids of these variables with their sizes, ascending.
    pub(super) const fn variables<'m>(&self, members: &'m Members) -> Chosen<'t, 'm> {
        Chosen { variables: self.variables, left: members.words() }
    }

    /// The size of all values of these variables in bytes.
    pub(super) fn size(&self, members: &Members) -> usize {
        self.variables(members).fold(0, |sum, (_, size)| sum.wrapping_add(size))
    }
}

/// Iterates over some variables of a table: their ids and their sizes.
pub(super) struct Chosen<'t, 'm> {
    variables: &'t [Variable],
    left: Words<'m>,
}

impl Iterator for Chosen<'_, '_> {
    type Item = (u8, usize);

    // Seven loops share it: 200 bytes on a Cortex-M0. On a host they are a third faster without.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn next(&mut self) -> Option<(u8, usize)> {
        let id = self.left.next()?;
        Some((id, usize::from(self.variables.get(usize::from(id))?.size)))
    }
}
