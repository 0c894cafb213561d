//! The output for the user: plain values and tables, or JSON.

use anysmp_tools::{errln as eprintln, outln as println};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::failure::Failure;

/// The way in which results are shown.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// JSON objects instead of text.
    pub json: bool,
    /// True to show everything in full.
    pub verbose: bool,
    /// Stdout carries data: messages go to stderr.
    pub aside: bool,
}

impl Output {
    /// Shows a result: `json` to programs; to people, the text that `print` prints.
    pub fn result(self, json: &Value, print: impl FnOnce()) {
        match self {
            Self { json: true, .. } => self.line(&json.to_string()),
            // The text would be mistaken for data.
            Self { aside: true, .. } => {}
            _ => print(),
        }
    }

    /// Prints one line: to stderr if stdout carries data, otherwise to stdout.
    pub fn line(self, text: &str) {
        if self.aside { eprintln!("{text}") } else { println!("{text}") }
    }

    /// Returns the same output with all messages on stderr.
    pub const fn beside_data(self) -> Self {
        Self { aside: true, ..self }
    }

    /// Prints an intermediate message, for people only.
    pub fn note(self, text: &str) {
        crate::journal::line(text);
        if !self.json && !crate::journal::is_quiet() {
            self.line(text);
        }
    }

    /// Announces something that the user did not request, to people and to programs.
    pub fn warning(self, text: &str) {
        crate::journal::line(&format!("note: {text}"));
        if self.json {
            self.line(&json!({ "note": text }).to_string());
        } else {
            eprintln!("{} {text}", painted("note:", YELLOW));
        }
    }

    /// Shows the reason why a command failed, and the remedy.
    pub fn failure(self, failure: &Failure) {
        if let Failure::Shown(_) = failure {
            return;
        }
        crate::journal::line(&format!("error: {failure}"));
        let remedy = failure.remedy();
        if self.json {
            let mut object = json!({ "error": failure.to_string(), "exit": failure.code(), "remedy": remedy });
            let mut failure = failure;
            while let Failure::Of(image, inner, _) = failure {
                if let (Some(image), Some(object)) = (image, object.as_object_mut()) {
                    object.insert("image".into(), (*image).into());
                }
                failure = inner;
            }
            if let (Failure::Refused { group, command, refusal, reason }, Some(object)) =
                (failure, object.as_object_mut())
            {
                let (table, rc) = match refusal {
                    anysmp::smp::Error::Smp(rc) => (Value::Null, *rc),
                    anysmp::smp::Error::Group { group, rc } => (group.0.into(), i32::from(*rc)),
                };
                object.insert("group".into(), table);
                object.insert("rc".into(), rc.into());
                object.insert("rsn".into(), reason.clone().into());
                object.insert("name".into(), refusal.name().into());
                object.insert("request".into(), json!({ "group": group.0, "command": command }));
            }
            if let (Failure::Command { output, result }, Some(object)) = (failure, object.as_object_mut()) {
                object.insert("o".into(), output.as_str().into());
                object.insert("ret".into(), (*result).into());
            }
            self.line(&object.to_string());
        }
        eprintln!("{} {failure}", painted("error:", RED));
        if let Some(remedy) = remedy {
            eprintln!("  {remedy}");
        }
    }

    /// A hash in hex: the first half of a short one unless everything is to be shown.
    pub fn hash(self, hex: &str) -> String {
        match hex.get(..16) {
            Some(front) if !self.verbose && hex.len() > 16 => format!("{front}…"),
            _ => hex.to_owned(),
        }
    }

    /// The progress of a transfer, in bytes: a bar for people, objects for programs.
    pub fn progress(self, len: u64) -> Progress {
        let bar = if self.json || crate::journal::is_quiet() || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(len)
        };
        // With the units of the result, and never longer than a line.
        let style = match columns() {
            0..60 => "{wide_bar} {percent:>3} %",
            60..100 => "{wide_bar} {percent:>3} %  {decimal_bytes_per_sec}  {eta} left",
            _ => {
                "{wide_bar} {percent:>3} %  {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left"
            }
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        Progress { bar, output: self, len, started: Instant::now(), logged: Instant::now(), shown: None }
    }
}

/// The progress of a transfer.
pub struct Progress {
    bar: ProgressBar,
    output: Output,
    len: u64,
    started: Instant,
    /// The time at which the last line was written.
    logged: Instant,
    /// The time at which the last object was printed.
    shown: Option<Instant>,
}

impl Progress {
    /// Shows the number of acknowledged bytes. Prints at most one object every 100 ms.
    pub fn at(&mut self, bytes: u64) {
        self.bar.set_position(bytes);
        if bytes == self.len || self.logged.elapsed() >= Duration::from_secs(5) {
            self.logged = Instant::now();
            crate::journal::line(&format!("{bytes} of {} bytes", self.len));
            // Without a bar, prints a line from time to time.
            if self.bar.is_hidden() && !self.output.json && !crate::journal::is_quiet() && bytes < self.len {
                eprintln!("{bytes} of {} bytes", self.len);
            }
        }
        if self.output.json && self.shown.is_none_or(|shown| shown.elapsed() >= Duration::from_millis(100)) {
            self.shown = Some(Instant::now());
            self.output.line(&json!({ "off": bytes, "len": self.len }).to_string());
        }
    }

    /// Ends the transfer; returns its duration in seconds.
    pub fn finish(&self) -> f64 {
        self.bar.finish_and_clear();
        self.started.elapsed().as_secs_f64()
    }
}

const RED: u8 = 31;
const YELLOW: u8 = 33;

/// A word in colour, if the terminal has colours and the user has not switched them off.
fn painted(word: &str, colour: u8) -> String {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let is_plain = variable("NO_COLOR").is_some() || variable("TERM").is_none_or(|term| term == "dumb");
    if is_plain || !std::io::stderr().is_terminal() {
        return word.to_owned();
    }
    format!("\x1b[1;{colour}m{word}\x1b[0m")
}

/// The width of the terminal.
fn columns() -> u16 {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stderr()) {
        return if size.ws_col == 0 { 80 } else { size.ws_col };
    }
    80
}

/// Prints rows in aligned columns; the first row is the heading.
pub fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    let heading = heading.map(str::to_owned);
    let all = || std::iter::once(&heading).chain(rows);
    let widths: [usize; N] = std::array::from_fn(|column| {
        all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    for row in all() {
        let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        println!("{}", line.trim_end());
    }
}
