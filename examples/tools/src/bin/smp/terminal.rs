//! The console of the device, while SMP runs on the same wire.
//!
//! What the device prints is shown, what is typed is sent. A line that begins with a colon is a
//! command of this program, whose messages travel between the text.

use anysmp_tools::errln as eprintln;
use std::io::{BufRead as _, Write as _};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use anysmp::framing::Framing;
use clap::Parser;

use crate::cli::Command;
use crate::device::Device;
use crate::failure::Failure;

/// For how long text is waited for after the input has ended.
const LINGER: Duration = Duration::from_millis(300);
/// How long one look at the line takes.
const LOOK: Duration = Duration::from_millis(20);

/// A line that begins with a colon.
#[derive(Parser)]
#[command(name = ":", no_binary_name = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

pub fn perform<F: Framing>(device: &mut Device<F>, seconds: Option<u64>) -> Result<(), Failure> {
    device.show_text(true);
    let result = talk(device, seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)));
    device.show_text(false);
    result
}

fn talk<F: Framing>(device: &mut Device<F>, mut until: Option<Instant>) -> Result<(), Failure> {
    if !device.output.json {
        eprintln!(
            "Lines go to the device's console; `:image list` and other commands of this program run on the same wire. Ctrl-D ends."
        );
    }
    let (sender, typed) = mpsc::channel();
    thread::spawn(move || std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    while until.is_none_or(|until| Instant::now() < until) {
        match typed.try_recv() {
            Ok(line) => enter(device, &line)?,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                until.get_or_insert_with(|| Instant::now() + LINGER);
            }
        }
        device.listen(LOOK)?;
        let _ = std::io::stdout().flush();
    }
    Ok(())
}

fn enter<F: Framing>(device: &mut Device<F>, line: &str) -> Result<(), Failure> {
    let Some(command) = line.strip_prefix(':') else { return device.type_line(line) };
    let outcome = match Line::try_parse_from(command.split_whitespace()) {
        Ok(Line { command: Command::Terminal { .. } }) => return Ok(()),
        // The input is taken.
        Ok(Line { command: Command::Shell { argv } }) if argv.is_empty() => return Ok(()),
        Ok(Line { command }) => crate::perform(device, &command),
        Err(error) => {
            let _ = error.print();
            return Ok(());
        }
    };
    match outcome {
        Err(failure @ (Failure::Port(_) | Failure::Closed)) => Err(failure),
        Err(failure) => {
            device.output.failure(&failure);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
