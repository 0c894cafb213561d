//! Variables with the type of their value.

use core::marker::PhantomData;

use super::field::Field;
use crate::bsmp::client::{Error, Request, done};
use crate::bsmp::variable::{MAX_SIZE, Variable};
use crate::bsmp::{Command, Payload};
use crate::shown::shown;

/// A variable whose value is a `T`: see [`variables!`](crate::bsmp::typed::variables).
pub struct Typed<T> {
    id: u8,
    writable: bool,
    value: PhantomData<fn() -> T>,
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Typed<T> {}

shown!([T] Typed<T>, |it| "Typed(variable {})", it.id);

impl<T: Field> Typed<T> {
    /// The size of the value in bytes; one that BSMP does not allow does not compile.
    const SIZE: u8 = {
        assert!(T::SIZE >= 1 && T::SIZE <= MAX_SIZE as usize, "a variable has 1 to 128 bytes");
        T::SIZE.to_le_bytes()[0]
    };

    /// The variable `id`, which the master may only read.
    #[must_use]
    pub const fn read_only(id: u8) -> Self {
        Self { id, writable: false, value: PhantomData }
    }

    /// The variable `id`, which the master may write.
    #[must_use]
    pub const fn writable(id: u8) -> Self {
        Self { id, writable: true, value: PhantomData }
    }

    /// The id of the variable.
    #[must_use]
    pub const fn id(self) -> u8 {
        self.id
    }

    /// The variable's entry in a node's table.
    #[must_use]
    pub const fn variable(self) -> Variable {
        Variable { size: Self::SIZE, writable: self.writable }
    }

    /// The request to read the variable. An answer of another size is foreign.
    #[must_use]
    pub const fn read(self) -> Read<T> {
        Read { id: self.id, value: PhantomData }
    }

    /// The request to write the variable.
    #[must_use]
    pub const fn write(self, value: T) -> Write<T> {
        Write { id: self.id, value }
    }

    /// The value of the bytes that [`Entities::write`](crate::bsmp::Entities::write) receives.
    ///
    /// # Errors
    ///
    /// [`Error::WrongSize`].
    pub fn get(self, bytes: &[u8]) -> Result<T, Error> {
        T::parse(bytes).ok_or(Error::WrongSize)
    }

    /// Writes the bytes of a value, for [`Entities::read`](crate::bsmp::Entities::read).
    ///
    /// # Errors
    ///
    /// [`Error::WrongSize`], if `bytes` has another length than the value; nothing is written then.
    pub fn put(self, value: T, bytes: &mut [u8]) -> Result<(), Error> {
        if value.emit(bytes) { Ok(()) } else { Err(Error::WrongSize) }
    }
}

/// Reads a variable as a `T`.
pub struct Read<T> {
    id: u8,
    value: PhantomData<fn() -> T>,
}

shown!([T] Read<T>, |it| "Read {{ id: {} }}", it.id);

impl<T: Field> Request for Read<T> {
    type Kind = Self;
    type Response<'m> = T;
    type Expectation = ();
    const COMMAND: Command = Command::READ_VARIABLE;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<T, Error> {
        T::parse(payload).ok_or(Error::WrongSize)
    }
}

/// Writes a `T` to a variable.
pub struct Write<T> {
    id: u8,
    value: T,
}

shown!([T] Write<T>, |it| "Write {{ id: {} }}", it.id);

impl<T: Field> Request for Write<T> {
    type Kind = Self;
    type Response<'m> = ();
    type Expectation = ();
    const COMMAND: Command = Command::WRITE_VARIABLE;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        payload.put(&[self.id])?;
        // The room is as long as the value, so it fits.
        if self.value.emit(payload.take(T::SIZE)?) { Ok(()) } else { Err(Error::Argument) }
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }
}
