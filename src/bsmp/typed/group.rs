//! The values of a group, member by member.

use super::field::Field;
use super::variable::Typed;
use crate::bsmp::client::Error;
use crate::bsmp::group::{Group, Members, Write};
use crate::bsmp::list::List as _;
use crate::bsmp::routine::Directory;
use crate::bsmp::variable::Variable;
use crate::shown::shown;

/// The answer to a group read, split into its members: see [`Directory::values`].
///
/// Iterates over ids and bytes, ascending.
#[derive(Clone, PartialEq, Eq)]
pub struct Values<'v> {
    variables: &'v [Variable],
    members: Members,
    bytes: &'v [u8],
}

shown!(Values<'_>, |it| "Values({} members, {} bytes)", it.members.len(), it.bytes.len());

impl Values<'_> {
    /// The value of one member.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] if the variable is not a member; [`Error::WrongSize`] if the node's
    /// variable has another size than the type.
    pub fn get<T: Field>(&self, variable: Typed<T>) -> Result<T, Error> {
        let (_, bytes) = self.clone().find(|(id, _)| *id == variable.id()).ok_or(Error::UnknownId)?;
        variable.get(bytes)
    }
}

impl<'v> Iterator for Values<'v> {
    type Item = (u8, &'v [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, rest) = self.members.split_first()?;
        self.members = rest;
        let size = self.variables.get(usize::from(id))?.size;
        let (value, rest) = self.bytes.split_at_checked(usize::from(size))?;
        self.bytes = rest;
        Some((id, value))
    }
}

/// A group write that is being built: see [`Directory::fill`].
pub struct Filling<'v> {
    variables: &'v [Variable],
    id: u8,
    members: Members,
    missing: Members,
    bytes: &'v mut [u8],
}

shown!(Filling<'_>, |it| "Filling(group {}, {} members missing)", it.id, it.missing.len());

impl<'v> Filling<'v> {
    /// Sets the value of one member.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] if the variable is not a member; [`Error::WrongSize`] if the node's
    /// variable has another size than the type.
    pub fn set<T: Field>(&mut self, variable: Typed<T>, value: T) -> Result<(), Error> {
        let bytes = self.place(variable.id())?;
        variable.put(value, bytes)?;
        self.missing.remove(variable.id());
        Ok(())
    }

    /// Sets the bytes of one member.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn set_bytes(&mut self, id: u8, value: &[u8]) -> Result<(), Error> {
        let bytes = self.place(id)?;
        if bytes.len() != value.len() {
            return Err(Error::WrongSize);
        }
        crate::bytes::copy(value, bytes);
        self.missing.remove(id);
        Ok(())
    }

    fn place(&mut self, id: u8) -> Result<&mut [u8], Error> {
        if !self.members.contains(id) {
            return Err(Error::UnknownId);
        }
        let mut at: usize = 0;
        for member in &self.members {
            let size = usize::from(self.variables.get(usize::from(member)).ok_or(Error::UnknownId)?.size);
            let end = at.saturating_add(size);
            if member == id {
                return self.bytes.get_mut(at..end).ok_or(Error::UnknownId);
            }
            at = end;
        }
        Err(Error::UnknownId)
    }

    /// Returns the request, once every member has its value.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if a member has no value.
    pub fn write(self) -> Result<Write<'v>, Error> {
        if self.missing.is_empty() { Ok(Write { id: self.id, values: self.bytes }) } else { Err(Error::Argument) }
    }
}

impl<'d> Directory<'d> {
    fn members(&self, id: u8) -> Result<(&'d Group, usize), Error> {
        let group = self.groups.get(usize::from(id)).ok_or(Error::UnknownId)?;
        Ok((group, self.size(group)))
    }

    /// Splits the values that a read of the group `id` has returned into those of its members.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] if there is no such group; [`Error::WrongSize`] if the sizes of its
    /// members do not add up to the length of `bytes`.
    pub fn values<'v>(&self, id: u8, bytes: &'v [u8]) -> Result<Values<'v>, Error>
    where
        'd: 'v,
    {
        let (group, size) = self.members(id)?;
        if bytes.len() != size {
            return Err(Error::WrongSize);
        }
        Ok(Values { variables: self.variables, members: group.members, bytes })
    }

    /// Begins a write of the group `id` in `buffer`, which has to hold the values of all members.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownId`] if there is no such group; [`Error::BufferFull`].
    pub fn fill<'v>(&self, id: u8, buffer: &'v mut [u8]) -> Result<Filling<'v>, Error>
    where
        'd: 'v,
    {
        let (group, size) = self.members(id)?;
        let bytes = buffer.get_mut(..size).ok_or(Error::BufferFull)?;
        Ok(Filling { variables: self.variables, id, members: group.members, missing: group.members, bytes })
    }
}
