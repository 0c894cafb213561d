//! The application's side of a node: the code behind its entities.

use core::num::NonZeroU8;

use super::Refusal;
use super::curve::{Curve, Digest};
use super::group::Members;

/// The purpose of the next access to variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "values are read or written")]
pub enum Access {
    /// Their values will be read.
    Read,
    /// Their values will be written.
    Write,
}

/// The application's side of a node: the code behind its entities.
///
/// All ids were checked against the [`Table`](super::Table). Only [`read`](Self::read) is required.
///
/// | command of the master | calls, in this order |
/// |---|---|
/// | read a variable or a group | `is_busy`, `sample`, `read` for each variable |
/// | write a variable or a group | `is_busy`, `check` for each, `write` for each, `apply` |
/// | combine with a mask | `is_busy`, `read` and `write` for each, `apply` |
/// | read, write a block | `read_block`; `write_block`, `checksum` |
/// | query, recalculate a checksum | `checksum`; `digest`, `checksum` |
/// | execute a function | `execute` |
pub trait Entities {
    /// Copies the value of a variable out; `value` is as long as the variable.
    fn read(&mut self, variable: u8, value: &mut [u8]);

    /// Stores the value of a variable; `value` is as long as the variable, and passed
    /// [`check`](Self::check).
    fn write(&mut self, variable: u8, value: &[u8]) {
        let _ = (variable, value);
    }

    /// Returns true if a value may be written. Not called before a binary operation.
    fn check(&mut self, variable: u8, value: &[u8]) -> bool {
        let _ = (variable, value);
        true
    }

    /// Returns true if these variables cannot be used now; called before anything is changed.
    fn is_busy(&mut self, access: Access, variables: &Members) -> bool {
        let _ = (access, variables);
        false
    }

    /// Takes a sample: these variables are read next.
    fn sample(&mut self, variables: &Members) {
        let _ = variables;
    }

    /// Applies these variables: all of them were written.
    fn apply(&mut self, variables: &Members) {
        let _ = variables;
    }

    /// Copies a block of a curve to the front of `data`, which is as long as the block size;
    /// returns the length of the block in bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Busy`], if the curve cannot be read now. A length above the block size is
    /// answered with the same.
    fn read_block(&mut self, curve: u8, block: u16, data: &mut [u8]) -> Result<usize, Refusal> {
        let _ = (curve, block, data);
        Err(Refusal::Busy)
    }

    /// Stores a block of a writable curve, 0 to block size bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Busy`], if the curve cannot be written now. Nothing may have been stored.
    fn write_block(&mut self, curve: u8, block: u16, data: &[u8]) -> Result<(), Refusal> {
        let _ = (curve, block, data);
        Err(Refusal::Busy)
    }

    /// Returns the memory for the checksum of a curve, 16 zeros at first. `None` if it is not
    /// stored: it then reads as zeros.
    fn checksum(&mut self, curve: u8) -> Option<&mut Digest> {
        let _ = curve;
        None
    }

    /// Calculates the checksum of a curve: the MD5 of the bytes of all of its blocks. `scratch` is
    /// the unused part of the buffer for the answer. With the feature `md5`, call
    /// [`curve::digest_of`](super::curve::digest_of) with a `curve::Md5`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unsupported`], if the device does not calculate checksums; [`Refusal::Busy`], if
    /// that is not possible now; [`Refusal::Memory`], if `scratch` is too small.
    fn digest(&mut self, id: u8, curve: Curve, scratch: &mut [u8]) -> Result<Digest, Refusal> {
        let _ = (id, curve, scratch);
        Err(Refusal::Unsupported)
    }

    /// Executes a function. `input` and `output` have the lengths in the table; `output` is zeroed.
    ///
    /// A function that restarts the device sets a flag here, and the loop around the link acts on
    /// it after the answer has left.
    ///
    /// # Errors
    ///
    /// An error of the device, for the master.
    fn execute(&mut self, function: u8, input: &[u8], output: &mut [u8]) -> Result<(), NonZeroU8> {
        let _ = (function, input, output);
        Ok(())
    }
}
