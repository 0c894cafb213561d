//! Functions with the types of their input and output.

use core::marker::PhantomData;

use super::field::Field;
use crate::bsmp::client::{Error, Request};
use crate::bsmp::{Command, Payload, function};
use crate::shown::shown;

/// A function that takes an `I` and returns an `O`; `()` for nothing.
///
/// ```
/// use anysmp::bsmp::{Client, Error, typed::Function};
///
/// /// Sets the slew rate, in A/s, and returns the one that was set.
/// const SET_SLEW_RATE: Function<f32, f32> = Function::new(7);
///
/// let mut tx = [0; 16];
/// let (len, pending) = Client::new().request(&SET_SLEW_RATE.call(2.0), &mut tx)?;
/// assert_eq!(tx[..len], [0x50, 0, 5, 7, 0, 0, 0, 0x40]);
/// assert_eq!(pending.decode(&[0x51, 0, 4, 0, 0, 0, 0x40]), Ok(2.0));
/// assert_eq!(pending.decode(&[0x53, 0, 1, 9]), Err(Error::Function(9)));
/// # Ok::<(), Error>(())
/// ```
pub struct Function<I, O> {
    id: u8,
    values: PhantomData<fn(I) -> O>,
}

impl<I, O> Clone for Function<I, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, O> Copy for Function<I, O> {}

shown!([I, O] Function<I, O>, |it| "Function({})", it.id);

impl<I: Field, O: Field> Function<I, O> {
    /// The sizes of the function; those that BSMP does not allow do not compile.
    const SIZES: function::Function = {
        use function::{Function, MAX_INPUT, MAX_OUTPUT};
        assert!(I::SIZE <= MAX_INPUT as usize, "a function has at most 64 bytes of input");
        assert!(O::SIZE <= MAX_OUTPUT as usize, "a function has at most 32 bytes of output");
        Function { input: I::SIZE.to_le_bytes()[0], output: O::SIZE.to_le_bytes()[0] }
    };

    /// The function `id`.
    #[must_use]
    pub const fn new(id: u8) -> Self {
        Self { id, values: PhantomData }
    }

    /// The id of the function.
    #[must_use]
    pub const fn id(self) -> u8 {
        self.id
    }

    /// The function's entry in a node's table.
    #[must_use]
    pub const fn function(self) -> function::Function {
        Self::SIZES
    }

    /// The request to execute the function. Never repeated: it may have run.
    #[must_use]
    pub const fn call(self, input: I) -> Execute<I, O> {
        Execute { id: self.id, input, output: PhantomData }
    }
}

/// Executes a function with an `I` and returns its `O`.
pub struct Execute<I, O> {
    id: u8,
    input: I,
    output: PhantomData<fn() -> O>,
}

shown!([I, O] Execute<I, O>, |it| "Execute {{ id: {} }}", it.id);

impl<I: Field, O: Field> Request for Execute<I, O> {
    type Kind = Self;
    type Response<'m> = O;
    type Expectation = ();
    const COMMAND: Command = Command::EXECUTE;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        payload.put(&[self.id])?;
        if self.input.emit(payload.take(I::SIZE)?) { Ok(()) } else { Err(Error::Argument) }
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<O, Error> {
        O::parse(payload).ok_or(Error::WrongSize)
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}
