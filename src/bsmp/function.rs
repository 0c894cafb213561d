//! Functions: procedures of the node with an input and an output (BSMP 2.30, sections 3.4.13, 3.9).
//!
//! ```text
//!   list      0C                 0D │ input size │ output size, for each function; before 2.30 both in one byte, 4 bits each
//!   execute   50 │ id │ input    51 │ output       or    53 │ error, one byte of the device
//! ```
//!
//! Some functions of real devices never answer, as those that reset the node: send them with
//! [`Client::post`](super::Client::post) and do not wait.

use super::client::{Error, Request};
use super::{Command, Payload, Version};
use crate::shown::shown;

/// The largest number of functions of a node.
pub const MAX_COUNT: usize = 128;
/// The longest input in bytes.
pub const MAX_INPUT: u8 = 64;
/// The longest output in bytes.
pub const MAX_OUTPUT: u8 = 32;

/// What a function takes and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Function {
    /// Bytes of input, 0 to 64.
    pub input: u8,
    /// Bytes of output, 0 to 32.
    pub output: u8,
}

/// How a node lists its functions: by its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Layout {
    /// Before 2.30: one byte, the input size in its upper four bits.
    Nibbles,
    /// 2.30: two bytes.
    Bytes,
}

impl Layout {
    /// The layout that nodes of this version use.
    #[must_use]
    pub const fn of(version: Version) -> Self {
        if version.version > 2 || (version.version == 2 && version.subversion >= 30) {
            Self::Bytes
        } else {
            Self::Nibbles
        }
    }

    const fn width(self) -> usize {
        match self {
            Self::Nibbles => 1,
            Self::Bytes => 2,
        }
    }
}

/// Asks for the sizes of all functions, in the order of their ids.
///
/// Nodes exist that say 2.20 and have functions with more than 15 bytes of input: their list is wrong, use a static table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct List {
    /// How the node writes its list.
    pub layout: Layout,
}

impl Request for List {
    type Response<'m> = Functions<'m>;
    type Expect = Layout;
    const COMMAND: Command = Command::LIST_FUNCTIONS;
    const ANSWER: Command = Command::FUNCTIONS;

    fn expect(&self) -> Layout {
        self.layout
    }

    fn decode<'m>(layout: &Layout, payload: &'m [u8]) -> Result<Functions<'m>, Error> {
        if !payload.len().is_multiple_of(layout.width()) {
            Err(Error::WrongSize)
        } else if payload.len() > MAX_COUNT * layout.width() {
            Err(Error::TooMany)
        } else {
            Ok(Functions { rest: payload, layout: *layout })
        }
    }
}

/// The functions of a node, by ascending id from 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Functions<'m> {
    rest: &'m [u8],
    layout: Layout,
}

shown!(Functions<'_>, |functions| "Functions({})", functions.len());

impl Functions<'_> {
    /// How many, at most 128.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.layout {
            Layout::Nibbles => self.rest.len(),
            Layout::Bytes => self.rest.len() / 2,
        }
    }

    /// Whether the node has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Iterator for Functions<'_> {
    type Item = Function;

    fn next(&mut self) -> Option<Function> {
        match self.layout {
            Layout::Nibbles => {
                let (&byte, rest) = self.rest.split_first()?;
                self.rest = rest;
                Some(Function { input: byte >> 4, output: byte & 0xF })
            }
            Layout::Bytes => {
                let (&[input, output], rest) = self.rest.split_first_chunk()?;
                self.rest = rest;
                Some(Function { input, output })
            }
        }
    }
}

/// Executes a function and waits for its output. Never repeated: it may have been executed.
///
/// A function that fails answers with an error of the device: [`Error::Function`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// Which function.
    pub id: u8,
    /// Its input, at most 64 bytes.
    pub input: &'a [u8],
    /// How many bytes the output has to have; `None` takes 0 to 32.
    pub output: Option<u8>,
}

impl Request for Execute<'_> {
    type Response<'m> = &'m [u8];
    type Expect = Option<u8>;
    const COMMAND: Command = Command::EXECUTE;
    const ANSWER: Command = Command::OUTPUT;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        if self.input.len() > usize::from(MAX_INPUT) {
            return Err(Error::Argument);
        }
        payload.put(&[self.id])?;
        Ok(payload.put(self.input)?)
    }

    fn expect(&self) -> Option<u8> {
        self.output
    }

    fn decode<'m>(output: &Option<u8>, payload: &'m [u8]) -> Result<&'m [u8], Error> {
        let right = match *output {
            Some(output) => payload.len() == usize::from(output),
            None => payload.len() <= usize::from(MAX_OUTPUT),
        };
        if right { Ok(payload) } else { Err(Error::WrongSize) }
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}

impl core::fmt::Debug for Execute<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Execute {{ id: {}, {} bytes }}", self.id, self.input.len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Execute<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Execute {{ id: {=u8}, {=usize} bytes }}", self.id, self.input.len());
    }
}
