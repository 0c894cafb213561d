//! The console of the device, while SMP runs on the same wire.
//!
//! The output of the device is shown. On a terminal every key is passed on, including Ctrl-C, so
//! that the device's own completion and history work; only Ctrl-] is ours. Otherwise lines are
//! sent. A line that begins with a colon, or is typed after Ctrl-], is a command of this program,
//! whose messages travel between the text.

use anysmp_tools::errln as eprintln;
use std::io::{BufRead as _, Read as _, Write as _};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use anysmp::framing::Framing;
use clap::Parser;

use crate::cli::Command;
use crate::device::Device;
use crate::failure::Failure;
use crate::keys::{Editor, Ended, Raw};

/// The time to wait for text after the input has ended.
const LINGER: Duration = Duration::from_millis(300);
/// The duration of one look at the line.
const LOOK: Duration = Duration::from_millis(20);

/// A line that begins with a colon.
#[derive(Parser)]
#[command(name = ":", no_binary_name = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

pub fn perform<F: Framing>(device: &mut Device<F>, duration: Option<Duration>) -> Result<(), Failure> {
    device.show_text(true);
    let result = talk(device, duration.map(|duration| Instant::now() + duration));
    device.show_text(false);
    result
}

fn talk<F: Framing>(device: &mut Device<F>, until: Option<Instant>) -> Result<(), Failure> {
    match Raw::begin() {
        Some(raw) => pass_keys(device, raw, until),
        None => send_lines(device, until),
    }
}

/// The key that is ours: Ctrl-].
const OURS: u8 = 0x1D;

/// Passes every key on.
fn pass_keys<F: Framing>(device: &mut Device<F>, raw: Raw, until: Option<Instant>) -> Result<(), Failure> {
    let mut raw = Some(raw);
    eprintln!(
        "Keys go to the device. Ctrl-] and a command of this program, such as `image list`, runs it; Ctrl-] twice ends."
    );
    let (sender, keys) = mpsc::channel();
    // Keys are requested one at a time, so that an editor can have the next one.
    let (next, wanted) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 256];
        while wanted.recv().is_ok() {
            let count = std::io::stdin().read(&mut bytes).unwrap_or(0);
            if sender.send(bytes.get(..count).unwrap_or_default().to_vec()).is_err() {
                break;
            }
        }
    });
    let mut editor = Editor::default();
    let _ = next.send(());
    'keys: while until.is_none_or(|until| Instant::now() < until) {
        match keys.try_recv() {
            Ok(pressed) if pressed.is_empty() => break,
            Ok(mut pressed) => {
                // A paste, or fast typing, brings several keys in one read, possibly with ours
                // among them.
                while let Some(at) = pressed.iter().position(|key| *key == OURS) {
                    device.type_keys(pressed.get(..at).unwrap_or_default())?;
                    editor.put_back(pressed.get(at + 1..).unwrap_or_default());
                    match editor.read("\r\nsmp> ").map_err(Failure::Port)? {
                        Ended::Input => break 'keys,
                        Ended::Line(line) if !line.trim().is_empty() => {
                            // The command's output expects the terminal as it was.
                            drop(raw.take());
                            let done = enter(device, &format!(":{line}"));
                            raw = Raw::begin();
                            done?;
                        }
                        Ended::Line(_) | Ended::Cancelled => {}
                    }
                    pressed = editor.left();
                }
                device.type_keys(&pressed)?;
                let _ = next.send(());
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => break,
        }
        device.listen(LOOK)?;
        let _ = std::io::stdout().flush();
    }
    eprintln!();
    Ok(())
}

/// Sends one line after another.
fn send_lines<F: Framing>(device: &mut Device<F>, mut until: Option<Instant>) -> Result<(), Failure> {
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
        // The input is in use already.
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
