//! Keys as they are pressed: a terminal that passes them on, and a line that is edited here.

use std::io::{self, Read as _, Write as _};

/// The terminal of the user without its own editing, until this is dropped.
pub struct Raw {
    #[cfg(unix)]
    before: rustix::termios::Termios,
}

impl Raw {
    /// `None` if the input is not a terminal.
    pub fn begin() -> Option<Self> {
        #[cfg(unix)]
        {
            use rustix::termios::{OptionalActions, OutputModes, tcgetattr, tcsetattr};
            let before = tcgetattr(io::stdin()).ok()?;
            let mut raw = before.clone();
            raw.make_raw();
            // What this program prints still ends its lines with a line feed alone.
            raw.output_modes |= before.output_modes & (OutputModes::OPOST | OutputModes::ONLCR);
            tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
            Some(Self { before })
        }
        #[cfg(not(unix))]
        None
    }
}

#[cfg(unix)]
impl Drop for Raw {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &self.before);
    }
}

/// How a line ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// Enter.
    Line(String),
    /// Ctrl-C: the line does not count.
    Cancelled,
    /// Ctrl-D in an empty line, or the end of the input.
    Input,
}

/// A line that is being edited, and those before it.
#[derive(Default)]
pub struct Editor {
    history: Vec<String>,
    line: Vec<char>,
    /// The place of the next character.
    at: usize,
    /// Which line of the history is shown; behind the last one, a new one.
    shown: usize,
    /// The bytes of a key that sends several.
    pending: Vec<u8>,
}

impl Editor {
    /// Reads a line from the terminal, key by key.
    pub fn read(&mut self, prompt: &str) -> io::Result<Ended> {
        let mut out = io::stderr();
        write!(out, "{prompt}")?;
        let mut byte = [0];
        loop {
            if io::stdin().read(&mut byte)? == 0 {
                return Ok(Ended::Input);
            }
            let ended = self.press(byte[0]);
            let place: String =
                if self.at < self.line.len() { format!("\x1b[{}D", self.line.len() - self.at) } else { String::new() };
            write!(out, "\r\x1b[K{prompt}{}{place}", self.line.iter().collect::<String>())?;
            if let Some(ended) = ended {
                self.line.clear();
                self.at = 0;
                writeln!(out)?;
                return Ok(ended);
            }
        }
    }

    /// One byte of a key.
    fn press(&mut self, byte: u8) -> Option<Ended> {
        self.pending.push(byte);
        let keys = std::mem::take(&mut self.pending);
        match keys[..] {
            [b'\r' | b'\n'] => {
                let line: String = self.line.iter().collect();
                if !line.trim().is_empty() && self.history.last() != Some(&line) {
                    self.history.push(line.clone());
                }
                self.shown = self.history.len();
                return Some(Ended::Line(line));
            }
            [0x03] => return Some(Ended::Cancelled),
            // Twice the key that began this.
            [0x1D] => return Some(Ended::Input),
            [0x04] if self.line.is_empty() => return Some(Ended::Input),
            [0x7F | 0x08] if self.at > 0 => {
                self.at -= 1;
                self.line.remove(self.at);
            }
            [0x04] | [0x1B, b'[', b'3', b'~'] if self.at < self.line.len() => {
                self.line.remove(self.at);
            }
            [0x01] | [0x1B, b'[', b'H'] => self.at = 0,
            [0x05] | [0x1B, b'[', b'F'] => self.at = self.line.len(),
            [0x15] => self.show(Vec::new()),
            [0x1B, b'[', b'A'] if self.shown > 0 => self.recall(self.shown - 1),
            [0x1B, b'[', b'B'] if self.shown < self.history.len() => self.recall(self.shown + 1),
            [0x1B, b'[', b'D'] => self.at = self.at.saturating_sub(1),
            [0x1B, b'[', b'C'] => self.at = self.line.len().min(self.at + 1),
            [0x1B] | [0x1B, b'['] | [0x1B, b'[', b'0'..=b'9'] => self.pending = keys,
            [first, ..] if first >= 0x20 && first != 0x7F => match std::str::from_utf8(&keys) {
                Ok(text) => {
                    for c in text.chars() {
                        self.line.insert(self.at, c);
                        self.at += 1;
                    }
                }
                // The rest of the character comes.
                Err(error) if error.error_len().is_none() => self.pending = keys,
                Err(_) => {}
            },
            _ => {}
        }
        None
    }

    fn show(&mut self, line: Vec<char>) {
        self.at = line.len();
        self.line = line;
    }

    fn recall(&mut self, index: usize) {
        self.shown = index;
        self.show(self.history.get(index).map(|line| line.chars().collect()).unwrap_or_default());
    }
}
