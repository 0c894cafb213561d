//! The entities of a node: lists of variables, curves and functions, checked at compile time.

use super::curve::{Curve, MAX_BLOCK, MAX_BLOCKS};
use super::function::{Function, MAX_INPUT, MAX_OUTPUT};
use super::group::{Members, STANDARD};
use super::variable::{MAX_SIZE, Variable};

/// The entities of a node. The id of an entity is its place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Table<'t> {
    pub(super) variables: &'t [Variable],
    pub(super) curves: &'t [Curve],
    pub(super) functions: &'t [Function],
    /// The standard groups: all variables, the read-only and the writable ones. Stored here, so
    /// that no request has to compute them.
    pub(super) standard: [Members; STANDARD as usize],
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
        // Loops written out: iterators do not work in a const function.
        let mut rest = variables;
        let (mut all, mut read_only, mut writable, mut id) = (Members::EMPTY, Members::EMPTY, Members::EMPTY, 0_u8);
        while let [first, others @ ..] = rest {
            if first.size == 0 || first.size > MAX_SIZE {
                return Err(TableError::Variable);
            }
            all.insert(id);
            let kind = if first.writable { &mut writable } else { &mut read_only };
            kind.insert(id);
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
        Ok(Self { variables, curves, functions, standard: [all, read_only, writable], revision: 0 })
    }

    /// Sets the revision in the answer to [`QueryVersion`](super::QueryVersion), which identifies
    /// the implementation of the node; by default 0.
    #[must_use]
    pub const fn with_revision(mut self, revision: u8) -> Self {
        self.revision = revision;
        self
    }

    pub(super) fn is_writable(&self, members: &Members) -> bool {
        let [_, _, writable] = &self.standard;
        members.is_within(writable)
    }

    /// The ids of these variables with their sizes, ascending; none of them is below `first`.
    pub(super) const fn variables<'m>(&self, members: &'m Members, first: u8) -> Chosen<'t, 'm> {
        Chosen { variables: self.variables, members, id: first, word: 0 }
    }
}

/// Iterates over some variables of a table: their ids and their sizes.
pub(super) struct Chosen<'t, 'm> {
    variables: &'t [Variable],
    members: &'m Members,
    /// The next id to look at.
    id: u8,
    /// The members from that id on, up to the end of its word, the lowest bit first; 0 before they
    /// are looked up.
    word: u32,
}

impl Iterator for Chosen<'_, '_> {
    type Item = (u8, u8);

    // Four loops share one copy, which saves 200 bytes on a Cortex-M0. On a host they are a third
    // faster with their own copies.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn next(&mut self) -> Option<(u8, u8)> {
        loop {
            let id = self.id;
            // The loop ends with the variables, which is sooner than after all words of the set.
            let variable = self.variables.get(usize::from(id))?;
            if self.word == 0 {
                self.word = self.members.from(id);
            }
            let word = self.word;
            if word & 1 != 0 {
                (self.id, self.word) = (id.wrapping_add(1), word >> 1);
                return Some((id, variable.size));
            }
            let step = Members::step(id, word);
            (self.id, self.word) = (id.wrapping_add(step), word.wrapping_shr(step.into()));
        }
    }
}
