//! The shell group: one command line, or several in turn.

use anysmp_tools::{out as print, outln as println};
use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anysmp::cbor::Text;
use anysmp::framing::Framing;
use anysmp::smp::shell::Execute;
use serde_json::json;

use crate::device::Device;
use crate::failure::Failure;
use crate::keys::{Editor, Ended, Raw};

pub fn perform<F: Framing>(device: &mut Device<F>, argv: &[String]) -> Result<(), Failure> {
    if argv.is_empty() { interact(device) } else { execute(device, argv) }
}

/// Runs one command line; a result other than 0 is a failure.
fn execute<F: Framing>(device: &mut Device<F>, argv: &[String]) -> Result<(), Failure> {
    let output = device.output;
    let argv: Vec<Text<'_>> = argv.iter().map(|word| word.as_str().into()).collect();
    let answer = device.call(&Execute { argv: argv.as_slice().into() })?;
    let text = answer.response.output.to_string();
    match answer.response.result.unwrap_or(0) {
        0 => output.result(&answer.json(), || print(&text)),
        result => {
            if !output.json {
                print(&text);
            }
            return Err(Failure::Command { output: text, result });
        }
    }
    Ok(())
}

/// Runs one line after another until the input ends. A failed or refused command does not end it. A
/// script whose last command has failed has failed as a whole, as with any shell.
fn interact<F: Framing>(device: &mut Device<F>) -> Result<(), Failure> {
    let output = device.output;
    let is_script = !std::io::stdin().is_terminal();
    let mut last = Ok(());
    let prompt = || {
        if std::io::stdin().is_terminal() && !output.json {
            print!("> ");
            let _ = std::io::stdout().flush();
        }
    };
    output.note("Lines are run on the device; Ctrl-D ends this.");
    let mut editor = Editor::default();
    // On a terminal the usual keys work: a history, and a cursor in the line.
    while std::io::stdin().is_terminal() && !output.json {
        let Some(raw) = Raw::begin() else { break };
        let ended = editor.read("> ").map_err(|error| Failure::Local("the standard input".into(), error))?;
        drop(raw);
        match ended {
            Ended::Line(line) => drop(line_of(device, &line)?),
            Ended::Cancelled => {}
            Ended::Input => return Ok(()),
        }
    }
    prompt();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::Local("the standard input".into(), error))?;
        if let Some(ended) = line_of(device, &line)? {
            last = ended;
        }
        prompt();
    }
    match last {
        // The failure was shown already.
        Err(failure) if is_script => Err(Failure::Shown(failure.code())),
        _ => Ok(()),
    }
}

/// Runs one line, and shows a failed or refused command without ending the shell. Returns how the
/// command ended, or `None` for an empty line.
fn line_of<F: Framing>(device: &mut Device<F>, line: &str) -> Result<Option<Result<(), Failure>>, Failure> {
    let output = device.output;
    let argv = words(line);
    if argv.is_empty() {
        return Ok(None);
    }
    let ended = execute(device, &argv);
    match &ended {
        Err(Failure::Command { output: text, result }) => {
            output.result(&json!({ "o": text, "ret": result }), || println!("(returned {result})"));
        }
        Err(failure @ (Failure::Refused { .. } | Failure::TooLong)) => output.failure(failure),
        Err(_) => return ended.map(|()| None),
        Ok(()) => {}
    }
    Ok(Some(ended))
}

fn print(text: &str) {
    print!("{text}");
    if !text.is_empty() && !text.ends_with('\n') {
        println!();
    }
}

/// Splits a line at its spaces, except between quotes. The quotes remain, because the device parses
/// the line again.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.trim().chars() {
        if quote.is_none() && c.is_whitespace() {
            words.push(String::new());
            continue;
        }
        if matches!(c, '"' | '\'') {
            quote = if quote == Some(c) { None } else { quote.or(Some(c)) };
        }
        words.last_mut().map(|word| word.push(c)).unwrap_or_default();
    }
    words.retain(|word| !word.is_empty());
    words
}
