//! The shell group over a function that runs one line.

use core::fmt;

use super::{Commands, Execute, ExecuteResponse};
use crate::bytes::copy;
use crate::cbor::Text;
use crate::shown::shown;
use crate::smp::{Error, error};

/// A shell: anything that runs a line.
pub trait Shell {
    /// Runs a command line to its end and returns its result; its output goes to `output`.
    fn run(&mut self, line: &str, output: &mut Output<'_>) -> i32;
}

impl<F: FnMut(&str, &mut Output<'_>) -> i32> Shell for F {
    fn run(&mut self, line: &str, output: &mut Output<'_>) -> i32 {
        self(line, output)
    }
}

/// The output of a command. Output that does not fit is cut off, as on Zephyr.
pub struct Output<'o> {
    buffer: &'o mut [u8],
    len: usize,
}

shown!(Output<'_>, |output| "Output({} of {} bytes)", output.len, output.buffer.len());

impl fmt::Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.buffer.get_mut(self.len..).unwrap_or_default();
        // Cut between two characters, so that the output stays text.
        let len = (0..=text.len().min(room.len())).rev().find(|len| text.is_char_boundary(*len)).unwrap_or(0);
        copy(text.as_bytes().get(..len).unwrap_or_default(), room);
        self.len = self.len.saturating_add(len);
        if len < text.len() {
            // Once truncated, drop the rest, so that the output has no gap.
            self.buffer = core::mem::take(&mut self.buffer).get_mut(..self.len).unwrap_or_default();
        }
        Ok(())
    }
}

/// Serves the shell group from a [`Shell`]. `line` bounds the length of a command line, `output`
/// that of its output.
pub struct Runner<'b, S> {
    shell: S,
    line: &'b mut [u8],
    output: &'b mut [u8],
}

shown!(['b, S] Runner<'b, S>, |it| "Runner({} + {} bytes)", it.line.len(), it.output.len());

impl<'b, S: Shell> Runner<'b, S> {
    /// Serves `shell`, with buffers for the command line and its output.
    #[must_use]
    pub const fn new(shell: S, line: &'b mut [u8], output: &'b mut [u8]) -> Self {
        Self { shell, line, output }
    }
}

impl<S: Shell> Commands for Runner<'_, S> {
    fn execute<'r>(&'r mut self, request: Execute<'r>) -> Result<ExecuteResponse<'r>, Error> {
        let mut len = 0usize;
        for (index, argument) in request.argv.iter().enumerate() {
            let space: &[u8] = if index > 0 { b" " } else { b"" };
            for piece in core::iter::once(space).chain(argument.as_bytes().iter()) {
                let end = len.saturating_add(piece.len());
                let room = self.line.get_mut(len..end).ok_or(error::shell::COMMAND_TOO_LONG)?;
                copy(piece, room);
                len = end;
            }
        }
        let line = core::str::from_utf8(self.line.get(..len).unwrap_or_default()).or(Err(Error::INVALID))?;
        if line.trim().is_empty() {
            return Err(error::shell::EMPTY_COMMAND);
        }
        let mut output = Output { buffer: self.output, len: 0 };
        let result = self.shell.run(line, &mut output);
        let Output { buffer, len } = output;
        Ok(ExecuteResponse { output: Text::from_bytes(buffer.get(..len).unwrap_or_default()), result: Some(result) })
    }
}
