//! Any request of any group: what the other commands do not know.

use std::time::Duration;

use anysmp::framing::Framing;
use anysmp::line::{Caller, Verdict};
use anysmp::smp::client::{self, Client};
use anysmp::smp::{Error, Group, Header, Op};
use serde_json::json;

use crate::cli;
use crate::device::Device;
use crate::diagnostic;
use crate::failure::Failure;
use crate::json;

pub fn perform<F: Framing>(device: &mut Device<F>, options: &cli::Raw) -> Result<(), Failure> {
    const NOTATION: &str = "Write it as {\"key\": \"text\", \"number\": 1, \"bytes\": h'00ff'}.";
    let output = device.output;
    let payload = diagnostic::parse(&options.payload).map_err(|error| Failure::Usage(error, NOTATION))?;
    let op = match options.op {
        cli::RawOp::Read => Op::Read,
        cli::RawOp::Write => Op::Write,
    };
    let (group, command) = (Group(options.group), options.id);
    let answer = device.call_raw(&Message { op, group, command, payload })?;
    let text = diagnostic::print(answer);
    match Error::find(answer) {
        Ok(Some(refusal)) => {
            output.note(&text);
            Err(Failure::Refused { group, command, refusal })
        }
        _ => {
            output.result(&json!({ "diagnostic": text, "payload": json::from_cbor(answer) }), || println!("{text}"));
            Ok(())
        }
    }
}

/// A request, whatever it is.
pub struct Message {
    op: Op,
    group: Group,
    command: u8,
    payload: Vec<u8>,
}

impl Message {
    /// The group and the command that are asked.
    pub const fn asks(&self) -> (Group, u8) {
        (self.group, self.command)
    }
}

/// Makes such requests, with the time-outs and the version of a client.
pub struct RawClient {
    pub client: Client,
    pub sequence: u8,
}

/// What was sent, and how often it may be repeated.
pub struct Pending {
    header: Header,
    retries: u8,
}

impl Caller<Message> for RawClient {
    type Pending = Pending;
    type Response<'m> = &'m [u8];
    type Error = client::Error;

    fn request(&mut self, request: &Message, tx: &mut [u8]) -> Result<(usize, Pending), client::Error> {
        let full = client::Error::BufferFull;
        let length = u16::try_from(request.payload.len()).or(Err(full))?;
        let &Message { op, group, command, .. } = request;
        let header = Header { op, version: self.client.version(), length, group, sequence: self.sequence, command };
        self.sequence = self.sequence.wrapping_add(1);
        let message = [&header.emit(), request.payload.as_slice()].concat();
        tx.get_mut(..message.len()).ok_or(full)?.copy_from_slice(&message);
        Ok((message.len(), Pending { header, retries: self.client.retries() }))
    }

    fn timeout(&self, _: &Pending) -> Duration {
        self.client.timeout()
    }

    fn receive(&mut self, pending: &mut Pending, message: &[u8], _: &mut [u8]) -> Verdict {
        let expected = pending.header.response();
        let ours = Header::parse(message).is_ok_and(|(header, _)| {
            (header.op, header.group, header.command, header.sequence)
                == (expected.op, expected.group, expected.command, expected.sequence)
        });
        if ours { Verdict::Answer } else { Verdict::Foreign }
    }

    fn retry(&mut self, pending: &mut Pending, _: &mut [u8]) -> Option<usize> {
        pending.retries = pending.retries.checked_sub(1)?;
        Some(Header::LEN + usize::from(pending.header.length))
    }

    fn decode<'m>(&self, _: &Pending, message: &'m [u8]) -> Result<&'m [u8], client::Error> {
        let (header, rest) = Header::parse(message).or(Err(client::Error::Malformed))?;
        rest.get(..usize::from(header.length)).ok_or(client::Error::Malformed)
    }
}
