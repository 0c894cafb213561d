//! Variables: 1 to 128 bytes with a value (BSMP 2.30, sections 3.4.3, 3.5.1, 3.6.1, 3.6.3, 3.6.5).
//!
//! ```text
//!   list      02                              03 │ one byte each: bit 7 writable, bits 6..0 size, 0 stands for 128
//!   read      10 │ id                         11 │ value
//!   write     20 │ id │ value                 E0
//!   combine   24 │ id │ operation │ mask      E0
//!   both      28 │ id to write │ id to read │ value    11 │ value of the second, read after the first was written
//! ```
//!
//! Ids count from 0 without gaps on a node that follows the text; [`Read`] and [`Write`] take any id.

use super::client::{Error, Request, done};
use super::{Command, Payload};

/// The largest size of a variable in bytes.
pub const MAX_SIZE: u8 = 128;
/// The largest number of variables of a node.
pub const MAX_COUNT: usize = 128;

/// What a variable is: how large, and whether it can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Variable {
    /// Bytes of its value, 1 to 128.
    pub size: u8,
    /// Whether the master may write it.
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

    /// Its byte in the list of variables.
    #[must_use]
    pub const fn emit(self) -> u8 {
        (self.size & 0x7F) | ((self.writable as u8) << 7)
    }

    /// The variable of a byte in the list.
    #[must_use]
    pub const fn parse(byte: u8) -> Self {
        let size = match byte & 0x7F {
            0 => MAX_SIZE,
            size => size,
        };
        Self { size, writable: byte & 0x80 != 0 }
    }
}

/// How a binary operation combines each byte of a value with the byte of the mask at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
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

    /// The operation of this code, if it is one.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            b'A' => Self::And,
            b'O' => Self::Or,
            b'X' => Self::Xor,
            b'S' => Self::Set,
            b'C' => Self::Clear,
            b'T' => Self::Toggle,
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

    /// Whether to do it twice is the same as to do it once.
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Xor | Self::Toggle)
    }
}

/// Asks for the sizes and types of all variables, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct List;

impl Request for List {
    type Response<'m> = Variables<'m>;
    type Expect = ();
    const COMMAND: Command = Command::LIST_VARIABLES;
    const ANSWER: Command = Command::VARIABLES;

    fn expect(&self) {}

    fn decode<'m>((): &(), payload: &'m [u8]) -> Result<Variables<'m>, Error> {
        if payload.len() > MAX_COUNT { Err(Error::TooMany) } else { Ok(Variables(payload)) }
    }
}

/// The variables of a node, by ascending id from 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Variables<'m>(&'m [u8]);

impl Variables<'_> {
    /// How many, at most 128.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the node has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Iterator for Variables<'_> {
    type Item = Variable;

    fn next(&mut self) -> Option<Variable> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(Variable::parse(*first))
    }
}

impl core::fmt::Debug for Variables<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Variables<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Variables({=usize})", self.0.len());
    }
}

/// The size of a value is checked if it is known; an unknown one has to be that of some variable.
pub(super) fn value(size: Option<u8>, payload: &[u8]) -> Result<&[u8], Error> {
    let right = match size {
        Some(size) => payload.len() == usize::from(size),
        None => (1..=usize::from(MAX_SIZE)).contains(&payload.len()),
    };
    if right { Ok(payload) } else { Err(Error::WrongSize) }
}

/// The argument of a write has to be as long as some variable.
fn argument(value: &[u8]) -> Result<(), Error> {
    if (1..=usize::from(MAX_SIZE)).contains(&value.len()) { Ok(()) } else { Err(Error::Argument) }
}

/// Reads a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Read {
    /// Which variable.
    pub id: u8,
    /// How many bytes the answer has to have; `None` takes 1 to 128.
    pub size: Option<u8>,
}

impl Request for Read {
    type Response<'m> = &'m [u8];
    type Expect = Option<u8>;
    const COMMAND: Command = Command::READ_VARIABLE;
    const ANSWER: Command = Command::VARIABLE_VALUE;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expect(&self) -> Option<u8> {
        self.size
    }

    fn decode<'m>(size: &Option<u8>, payload: &'m [u8]) -> Result<&'m [u8], Error> {
        value(*size, payload)
    }
}

/// Writes a variable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Write<'a> {
    /// Which variable.
    pub id: u8,
    /// All bytes of the new value, 1 to 128.
    pub value: &'a [u8],
}

impl Request for Write<'_> {
    type Response<'m> = ();
    type Expect = ();
    const COMMAND: Command = Command::WRITE_VARIABLE;
    const ANSWER: Command = Command::OK;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        argument(self.value)?;
        payload.put(&[self.id])?;
        Ok(payload.put(self.value)?)
    }

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }
}

/// Combines a variable with a mask on the node, without a gap between reading and writing it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Combine<'a> {
    /// Which variable.
    pub id: u8,
    /// How.
    pub op: Op,
    /// As many bytes as the variable has.
    pub mask: &'a [u8],
}

impl Request for Combine<'_> {
    type Response<'m> = ();
    type Expect = ();
    const COMMAND: Command = Command::COMBINE_VARIABLE;
    const ANSWER: Command = Command::OK;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        argument(self.mask)?;
        payload.put(&[self.id, self.op.code()])?;
        Ok(payload.put(self.mask)?)
    }

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }

    fn is_idempotent(&self) -> bool {
        self.op.is_idempotent()
    }
}

/// Writes one variable, then reads another (or the same) in the same exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WriteRead<'a> {
    /// Which variable to write.
    pub write: u8,
    /// All bytes of its new value, 1 to 128.
    pub value: &'a [u8],
    /// Which variable to read afterwards.
    pub read: u8,
    /// How many bytes the answer has to have; `None` takes 1 to 128.
    pub size: Option<u8>,
}

impl Request for WriteRead<'_> {
    type Response<'m> = &'m [u8];
    type Expect = Option<u8>;
    const COMMAND: Command = Command::WRITE_READ;
    const ANSWER: Command = Command::VARIABLE_VALUE;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        argument(self.value)?;
        payload.put(&[self.write, self.read])?;
        Ok(payload.put(self.value)?)
    }

    fn expect(&self) -> Option<u8> {
        self.size
    }

    fn decode<'m>(size: &Option<u8>, payload: &'m [u8]) -> Result<&'m [u8], Error> {
        value(*size, payload)
    }
}

impl core::fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Write {{ id: {}, {} bytes }}", self.id, self.value.len())
    }
}

impl core::fmt::Debug for Combine<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Combine {{ id: {}, {:?}, {} bytes }}", self.id, self.op, self.mask.len())
    }
}

impl core::fmt::Debug for WriteRead<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "WriteRead {{ write: {}, {} bytes, read: {} }}", self.write, self.value.len(), self.read)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Write<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Write {{ id: {=u8}, {=usize} bytes }}", self.id, self.value.len());
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Combine<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Combine {{ id: {=u8}, {}, {=usize} bytes }}", self.id, self.op, self.mask.len());
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for WriteRead<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "WriteRead {{ write: {=u8}, {=usize} bytes, read: {=u8} }}",
            self.write,
            self.value.len(),
            self.read
        );
    }
}
