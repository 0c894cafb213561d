//! Group 9, shell: one command line, its output and its result.
//!
//! Specification: Zephyr Project, *Shell management*.
//!
//! | command | op | request | response |
//! |---|---|---|---|
//! | 0 | write | [`Execute`] | [`ExecuteResponse`] |
//!
//! # Interpretation
//!
//! * Old servers call the result `rc`, so that a failing command looks like a failing request. A
//!   response that has output is a success: its `rc` is the command's result.
//! * Zephyr joins the arguments with one space and parses the line again: an argument with spaces
//!   has to be quoted by the caller.

mod runner;

use core::time::Duration;

pub use runner::{Output, Runner, Shell};

use crate::cbor::{List, Text};
use crate::shown::shown;
use crate::smp::server::{Answer, Incoming, Reply};
use crate::smp::{Decode, Error, Group, Op, Request, client, error, payload};

/// Executes a command line.
#[derive(Clone, Copy, PartialEq)]
pub struct Execute<'b> {
    /// The command and its arguments.
    pub argv: List<'b, Text<'b>>,
}

// A line may contain a password, and an output anything that is stored on the device.
shown!(Execute<'_>, |request| "Execute({} arguments)", request.argv.iter().count());
shown!(ExecuteResponse<'_>, |it| "ExecuteResponse({} bytes, result {:?})", it.output.len(), it.result);

payload!(request Execute<'b> { argv: "argv" });

/// The output and the result of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecuteResponse<'b> {
    /// The output of the command, truncated to the server's buffer.
    pub output: Text<'b>,
    /// The result of the command; 0 is success.
    pub result: Option<i32>,
}

payload!(response ExecuteResponse<'b> { output: Text<'b> = "o", result: "ret" });

impl Request for Execute<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::SHELL;
    const COMMAND: u8 = 0;
    /// The response comes when the command has ended.
    const TIMEOUT: Duration = Duration::from_secs(30);
    type Kind = Execute<'static>;
    type Response<'m> = ExecuteResponse<'m>;

    /// Returns false: a command line may do anything.
    fn is_idempotent(&self) -> bool {
        false
    }

    fn response(payload: &[u8]) -> Result<ExecuteResponse<'_>, client::Error> {
        if error::beside::<Text<'_>>(payload, "o").is_some() {
            let mut response = ExecuteResponse::decode(payload)?;
            response.result = response.result.or_else(|| error::beside(payload, "rc"));
            return Ok(response);
        }
        match Error::find(payload)? {
            Some(error) => Err(client::Error::Remote(error)),
            None => Err(client::Error::Malformed),
        }
    }
}

/// The device's side of this group.
pub trait Commands {
    /// Runs a command line to its end.
    ///
    /// # Errors
    ///
    /// [`error::shell::EMPTY_COMMAND`] and similar codes.
    fn execute<'r>(&'r mut self, request: Execute<'r>) -> Result<ExecuteResponse<'r>, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }
}

/// Reads a request of this group, calls its command, and writes the response.
#[inline(never)] // A stack frame of its own: see *Stack* in `smp::server`.
pub fn dispatch<C: Commands + ?Sized>(commands: &mut C, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    match (incoming.op(), incoming.command()) {
        (Op::Write, Execute::COMMAND) => incoming.answer(reply, |request| commands.execute(request)),
        _ => reply.error(Error::NOT_SUPPORTED),
    }
}
