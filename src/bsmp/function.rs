//! Functions: procedures of the node with an input and an output (BSMP 2.30, sections 3.4.13, 3.9).
//!
//! ```text
//!   list      0C                 0D │ input size │ output size, for each function;
//!                                     before 2.30 both in one byte, 4 bits each
//!   execute   50 │ id │ input    51 │ output       or    53 │ error, one byte of the device
//! ```
//!
//! Some functions of real devices never answer, for example those that reset the node: send them
//! with [`Client::post`](super::Client::post) and do not wait.

use super::client::{Error, Request};
use super::list::{Entries, Entry};
use super::payload::{put_values, values};
use super::{Command, Payload, Version};
use crate::shown::shown;

/// The largest number of functions of a node.
pub const MAX_COUNT: usize = 128;
/// The longest input in bytes.
pub const MAX_INPUT: u8 = 64;
/// The longest output in bytes.
pub const MAX_OUTPUT: u8 = 32;

/// The sizes of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Function {
    /// The length of the input in bytes, 0 to 64.
    pub input: u8,
    /// The length of the output in bytes, 0 to 32.
    pub output: u8,
}

/// The layout of a list of functions, which depends on the version of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the two layouts of the document")]
pub enum Layout {
    /// Before 2.30: one byte, the input size in its upper four bits.
    Nibbles,
    /// 2.30: two bytes.
    Bytes,
}

impl Layout {
    /// The layout used by nodes of this version.
    #[must_use]
    pub const fn of(version: Version) -> Self {
        // Four bits are too few for the sizes that 2.30 allows.
        if version.version > 2 || (version.version == 2 && version.subversion >= 30) {
            Self::Bytes
        } else {
            Self::Nibbles
        }
    }
}

/// Asks for the sizes of all functions, in the order of their ids.
///
/// Some nodes report version 2.20 and have functions with more than 15 bytes of input: their list
/// is wrong, so use a static table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct List {
    /// The layout of the node's list.
    pub layout: Layout,
}

impl Request for List {
    type Kind = Self;
    type Response<'m> = Functions<'m>;
    type Expectation = Layout;
    const COMMAND: Command = Command::LIST_FUNCTIONS;

    fn expectation(&self) -> Layout {
        self.layout
    }

    fn decode<'m>(layout: &Layout, payload: &'m [u8]) -> Result<Functions<'m>, Error> {
        Entries::of(payload, *layout, MAX_COUNT)
    }
}

/// The functions of a node, at most 128.
pub type Functions<'m> = Entries<'m, Function>;

impl Entry for Function {
    type Context = Layout;

    fn width(layout: Layout) -> usize {
        match layout {
            Layout::Nibbles => 1,
            Layout::Bytes => 2,
        }
    }

    fn split_first(bytes: &[u8], layout: Layout) -> Option<(Self, &[u8], Layout)> {
        let (function, rest) = match layout {
            Layout::Nibbles => {
                let (&byte, rest) = bytes.split_first()?;
                (Self { input: byte >> 4, output: byte & 0xF }, rest)
            }
            Layout::Bytes => {
                let (&[input, output], rest) = bytes.split_first_chunk()?;
                (Self { input, output }, rest)
            }
        };
        Some((function, rest, layout))
    }
}

/// Executes a function and waits for its output. Never repeated: it may have run.
///
/// A function that fails answers with an error of the device: [`Error::Function`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Execute<'a> {
    /// The id of the function: its place in the node's list, from 0.
    pub id: u8,
    /// The input, at most 64 bytes.
    pub input: &'a [u8],
    /// The length that the output must have in bytes; `None` accepts 0 to 32.
    pub output: Option<u8>,
}

shown!(Execute<'_>, |it| "Execute {{ id: {}, {} bytes }}", it.id, it.input.len());

impl Request for Execute<'_> {
    type Kind = Execute<'static>;
    type Response<'m> = &'m [u8];
    type Expectation = Option<u8>;
    const COMMAND: Command = Command::EXECUTE;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        put_values(payload, &[self.id], self.input, 0..=usize::from(MAX_INPUT))
    }

    fn expectation(&self) -> Option<u8> {
        self.output
    }

    fn decode<'m>(output: &Option<u8>, payload: &'m [u8]) -> Result<&'m [u8], Error> {
        values(payload, *output, 0..=usize::from(MAX_OUTPUT))
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}
