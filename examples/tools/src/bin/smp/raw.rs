//! Any request of any group, including those without a command here.

use anysmp::framing::Framing;
use anysmp::smp::{Dynamic, Error, Group, Op};
use anysmp_tools::outln as println;
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
    let answer = device.call_raw(&Dynamic { op, group, command, payload: &payload })?;
    let text = diagnostic::print(answer);
    match Error::find(answer) {
        Ok(Some(refusal)) => {
            output.note(&text);
            Err(Failure::Refused { group, command, refusal, reason: None })
        }
        _ => {
            output.result(&json!({ "diagnostic": text, "payload": json::from_cbor(answer) }), || println!("{text}"));
            Ok(())
        }
    }
}
