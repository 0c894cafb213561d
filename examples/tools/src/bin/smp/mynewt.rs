//! The groups that only Mynewt's devices have: logs, crash tests, run-time tests.

use anysmp::framing::Framing;
use anysmp::smp::legacy::{Crash, LogClear, LogLevels, LogList, LogModules, LogShow, RunList, RunTest};
use serde_json::{Value, json};

use crate::cli::{Log, Run};
use crate::device::Device;
use crate::failure::Failure;
use crate::output::table;

/// The maximum number of responses with entries that are read: a device may never report the end of
/// its log.
const ANSWERS: usize = 10_000;

pub fn log<F: Framing>(device: &mut Device<F>, command: &Log) -> Result<(), Failure> {
    let output = device.output;
    match command {
        Log::List => {
            let answer = device.call(&LogList {})?;
            let names: Vec<String> = answer.response.logs.iter().map(|name| name.to_string()).collect();
            output.result(&answer.json(), || names.iter().for_each(|name| output.line(name)));
        }
        Log::Modules => {
            let answer = device.call(&LogModules {})?;
            let rows: Vec<_> =
                answer.response.modules.iter().map(|(name, number)| [number.to_string(), name.to_string()]).collect();
            output.result(&answer.json(), || table(["NUMBER", "MODULE"], &rows));
        }
        Log::Levels => {
            let answer = device.call(&LogLevels {})?;
            let rows: Vec<_> =
                answer.response.levels.iter().map(|(name, number)| [number.to_string(), name.to_string()]).collect();
            output.result(&answer.json(), || table(["NUMBER", "LEVEL"], &rows));
        }
        Log::Clear { name } => {
            let answer = device.call(&LogClear { name: name.as_deref().map(Into::into) })?;
            output.result(&answer.json(), || ());
        }
        Log::Show { name, from } => show(device, name.as_deref(), *from)?,
    }
    Ok(())
}

/// Shows the entries of one log or of all. A device sends only some of them at a time.
fn show<F: Framing>(device: &mut Device<F>, name: Option<&str>, from: u32) -> Result<(), Failure> {
    let output = device.output;
    let (mut index, mut all) = (from, Vec::new());
    for _ in 0..ANSWERS {
        let request = LogShow { name: name.map(Into::into), timestamp: Some(0), index: Some(index) };
        let answer = device.call(&request)?;
        for log in answer.response.logs.iter() {
            for entry in log.entries.iter() {
                // The message is text unless its kind says that it is CBOR or binary.
                let bytes: Vec<u8> = entry.message.chunks().into_iter().flatten().copied().collect();
                let message = if entry.kind == "str" || std::str::from_utf8(&bytes).is_ok() {
                    String::from_utf8_lossy(&bytes).into_owned()
                } else {
                    crate::diagnostic::print(&bytes)
                };
                all.push((log.name.to_string(), entry.index, entry.timestamp, entry.module, entry.level, message));
            }
        }
        match (answer.response.rc, answer.response.next_index) {
            // There are more, from a later entry on.
            (Some(1), Some(next)) if next > index => index = next,
            _ => break,
        }
    }
    let object = |(log, index, time, module, level, message): &(String, u32, i64, u32, u32, String)| json!({ "log": log, "index": index, "ts": time, "module": module, "level": level, "msg": message });
    let entries: Vec<Value> = all.iter().map(object).collect();
    output.result(&json!({ "entries": entries }), || {
        let row = |(log, index, time, module, level, message): &(String, u32, i64, u32, u32, String)| {
            [log.clone(), index.to_string(), time.to_string(), module.to_string(), level.to_string(), message.clone()]
        };
        let rows: Vec<_> = all.iter().map(row).collect();
        table(["LOG", "INDEX", "TIME", "MODULE", "LEVEL", "MESSAGE"], &rows);
    });
    Ok(())
}

/// Makes the device crash. It seldom responds; silence is the expected outcome.
pub fn crash<F: Framing>(device: &mut Device<F>, how: &str) -> Result<(), Failure> {
    let output = device.output;
    match device.call(&Crash { how: how.into() }).map(|answer| answer.json()) {
        Ok(json) => output.result(&json, || output.line("the device answered")),
        Err(Failure::TimedOut) => {
            output.result(&json!({ "answered": false }), || output.line("no answer: look whether it has restarted"));
        }
        Err(failure) => return Err(failure),
    }
    Ok(())
}

pub fn run<F: Framing>(device: &mut Device<F>, command: &Run) -> Result<(), Failure> {
    let output = device.output;
    match command {
        Run::List => {
            let answer = device.call(&RunList {})?;
            let names: Vec<String> = answer.response.tests.iter().map(|name| name.to_string()).collect();
            output.result(&answer.json(), || names.iter().for_each(|name| output.line(name)));
        }
        Run::Test { name, token } => {
            let request = RunTest { name: name.as_deref().map(Into::into), token: token.as_deref().map(Into::into) };
            let answer = device.call(&request)?;
            output.result(&answer.json(), || output.line("started: the log of the device has the outcome"));
        }
    }
    Ok(())
}
