//! The commands of the OS group.

use anysmp_tools::outln as println;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anysmp::cbor::Text;
use anysmp::framing::Framing;
use anysmp::smp::os;
use anysmp_tools::smp::clock::{self, Clock};
use serde_json::{Value, json};

use crate::device::Device;
use crate::failure::Failure;
use crate::output::table;

pub fn echo<F: Framing>(device: &mut Device<F>, text: &str) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&os::Echo::new(text))?;
    output.result(&answer.json(), || println!("{}", answer.response.text));
    Ok(())
}

pub fn params<F: Framing>(device: &mut Device<F>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&os::Parameters {})?;
    let os::ParametersResponse { buf_size, buf_count, .. } = answer.response;
    output.result(&answer.json(), || println!("{buf_count} buffers of {buf_size} bytes"));
    Ok(())
}

/// The parts of `info`: the letter that requests each, and its name.
const PARTS: [(&str, &str); 9] = [
    ("s", "kernel name"),
    ("n", "node name"),
    ("r", "kernel release"),
    ("v", "kernel version"),
    ("b", "build time"),
    ("m", "machine"),
    ("p", "processor"),
    ("i", "platform"),
    ("o", "operating system"),
];

/// Shows the text as the device sends it, if there is a format; otherwise all parts with their
/// names. The parts contain spaces, so each is requested separately.
pub fn info<F: Framing>(device: &mut Device<F>, format: Option<&str>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&os::Info { format: Some(format.unwrap_or("a").into()) })?;
    if format.is_some() {
        output.result(&answer.json(), || println!("{}", answer.response.output));
        return Ok(());
    }
    let (mut json, mut named) = (answer.json(), Vec::new());
    for (letter, name) in PARTS {
        match device.call(&os::Info { format: Some(letter.into()) }) {
            Ok(answer) => named.push((name, answer.response.output.to_string())),
            // Some firmware lacks some of them.
            Err(Failure::Refused { .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    if let Value::Object(all) = &mut json {
        all.extend(named.iter().map(|(name, text)| (name.replace(' ', "_"), text.as_str().into())));
    }
    output.result(&json, || {
        let width = PARTS.iter().map(|(_, name)| name.len()).max().unwrap_or(0);
        named.iter().for_each(|(name, text)| println!("{name:<width$}  {text}"));
    });
    Ok(())
}

pub fn bootloader<F: Framing>(device: &mut Device<F>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&os::BootLoader { query: None })?;
    let name = answer.response.bootloader.map_or_else(|| "unknown".to_owned(), |name| name.to_string());
    let mut json = answer.json();
    // Other boot loaders have no mode, and need not answer.
    let mode = match device.call(&os::BootLoader { query: Some("mode".into()) }) {
        Ok(answer) => {
            if let (Value::Object(all), Value::Object(more)) = (&mut json, answer.json()) {
                all.extend(more);
            }
            answer.response.mode.map(|mode| (mode, answer.response.no_downgrade == Some(true)))
        }
        Err(Failure::Refused { .. }) => None,
        Err(failure) => return Err(failure),
    };
    output.result(&json, || {
        println!("{name}");
        if let Some((mode, no_downgrade)) = mode {
            let name = os::mode_name(mode).unwrap_or("unknown");
            println!("mode {mode}: {name}{}", if no_downgrade { ", no downgrade" } else { "" });
        }
    });
    Ok(())
}

pub fn taskstat<F: Framing>(device: &mut Device<F>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&os::TaskStatistics {})?;
    output.result(&answer.json(), || {
        let row = |(name, task): (Text<'_>, os::Task)| {
            // Stacks are counted in words of 4 bytes.
            let bytes = |words: Option<u64>| optional(words.map(|words| words.saturating_mul(4)));
            [
                name.to_string(),
                task.id.to_string(),
                task.priority.to_string(),
                format!("{:#04x}", task.state),
                bytes(task.stack_use),
                bytes(task.stack_size),
                optional(task.runtime),
            ]
        };
        let rows: Vec<_> = answer.response.tasks.iter().map(row).collect();
        table(["TASK", "ID", "PRIORITY", "STATE", "STACK USED", "STACK SIZE", "RUN TIME"], &rows);
    });
    Ok(())
}

pub fn mpstat<F: Framing>(device: &mut Device<F>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&os::PoolStatistics {})?;
    output.result(&answer.json(), || {
        let row = |(name, pool): (Text<'_>, os::Pool)| {
            let counts = [optional(pool.block_size), pool.blocks.to_string(), pool.free.to_string()];
            let [size, blocks, free] = counts;
            [name.to_string(), size, blocks, free, optional(pool.min)]
        };
        let rows: Vec<_> = answer.response.iter().map(row).collect();
        table(["POOL", "BLOCK SIZE", "BLOCKS", "FREE", "LEAST FREE"], &rows);
    });
    Ok(())
}

pub fn datetime<F: Framing>(device: &mut Device<F>, set: Option<&str>) -> Result<(), Failure> {
    let output = device.output;
    let Some(set) = set else {
        let answer = device.call(&os::ReadDateTime {})?;
        output.result(&answer.json(), || println!("{}", answer.response.datetime));
        return Ok(());
    };
    // Zephyr drops a zone silently.
    let now = if set == "now" { Some(Clock::of_host().show()) } else { clock::to_utc(set) };
    let Some(now) = now else {
        let remedy = "Write it as 2026-11-29T17:30:00, with a fraction and a zone such as +01:00 if need be, or `now`.";
        return Err(Failure::Usage(format!("{set:?} is not a date and time"), remedy));
    };
    let answer = device.call(&os::WriteDateTime { datetime: now.as_str().into() })?;
    output.result(&answer.json(), || println!("set to {now}"));
    Ok(())
}

pub fn reset<F: Framing>(device: &mut Device<F>, force: bool, bootloader: bool) -> Result<(), Failure> {
    let output = device.output;
    let request = os::Reset { force: force.then_some(os::Force(true)), boot_mode: bootloader.then_some(1) };
    match device.call(&request) {
        Ok(answer) => output.result(&answer.json(), || println!("the device resets")),
        Err(failure @ (Failure::TimedOut | Failure::Closed | Failure::Port(_))) => {
            return evidence(device, &request, &failure);
        }
        Err(failure) => return Err(failure),
    }
    Ok(())
}

/// The time within which a device has to come back.
const BACK: Duration = Duration::from_secs(10);

/// Finds out whether a reset without a response has happened. The port often vanishes with the
/// device before the response has been read; then the port comes back, and a device responds there.
/// If the port has stayed, nothing shows whether the device has reset, so the reset is requested
/// once more.
fn evidence<F: Framing>(device: &mut Device<F>, request: &os::Reset, failure: &Failure) -> Result<(), Failure> {
    const REMEDY: &str = "Check endpoint and framing; `params` shows whether the device responds.";
    let output = device.output;
    let unknown =
        |text: &str| Failure::Unknown(format!("{text}: it is not known whether the device has reset"), REMEDY);
    // A refused datagram does not mean that the port has vanished: no program listens there.
    let stayed = match failure {
        Failure::Port(error) => error.kind() == ErrorKind::ConnectionRefused,
        failure => matches!(failure, Failure::TimedOut),
    };
    let (until, vanished) = (Instant::now() + BACK, !stayed);
    if vanished {
        device.reopen(until).map_err(|failure| unknown(&failure.to_string()))?;
    }
    // Any response proves that the device is there.
    let mut is_there = false;
    while !is_there {
        match device.call(&os::Parameters {}) {
            Ok(_) | Err(Failure::Refused { .. }) => is_there = true,
            Err(failure) if Instant::now() >= until || !vanished => return Err(unknown(&failure.to_string())),
            Err(Failure::TimedOut) => {}
            Err(_) => device.reopen(until).map_err(|failure| unknown(&failure.to_string()))?,
        }
    }
    if vanished {
        let json = json!({ "answered": false, "evidence": "the port vanished and came back" });
        output.result(&json, || println!("the device has reset: its port vanished and came back"));
        return Ok(());
    }
    match device.call(request) {
        Ok(answer) => output.result(&answer.json(), || println!("the device resets")),
        Err(failure @ Failure::Refused { .. }) => return Err(failure),
        Err(failure) => return Err(unknown(&failure.to_string())),
    }
    Ok(())
}

/// Formats a number that may be missing.
fn optional(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}
