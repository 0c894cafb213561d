//! Keys as they are pressed: a terminal that passes them on, and a line that is edited here.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};

/// The user's terminal without its own line editing, until this is dropped.
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
            // The output of this program still ends its lines with a line feed alone.
            raw.output_modes |= before.output_modes & (OutputModes::OPOST | OutputModes::ONLCR);
            tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
            if let Ok(mut kept) = BEFORE.lock() {
                *kept = Some(before.clone());
            }
            Some(Self { before })
        }
        #[cfg(not(unix))]
        None
    }
}

/// The terminal as it was before it was last made raw.
#[cfg(unix)]
static BEFORE: std::sync::Mutex<Option<rustix::termios::Termios>> = std::sync::Mutex::new(None);

/// Restores the terminal, for a program that is about to end.
#[cfg(unix)]
pub fn restore() {
    if let Some(before) = BEFORE.lock().ok().and_then(|mut before| before.take()) {
        let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &before);
    }
}

#[cfg(unix)]
impl Drop for Raw {
    fn drop(&mut self) {
        if let Ok(mut kept) = BEFORE.lock() {
            *kept = None;
        }
        let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &self.before);
    }
}

/// The end of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// Enter.
    Line(String),
    /// Ctrl-C: the line does not count.
    Cancelled,
    /// Ctrl-D in an empty line, or the end of the input.
    Input,
}

/// A line that is being edited, and the earlier ones.
#[derive(Default)]
pub struct Editor {
    /// Keys that were typed before; they come ahead of the terminal's.
    typed: VecDeque<u8>,
    history: Vec<String>,
    line: Vec<char>,
    /// The place of the next character.
    at: usize,
    /// The index of the line of the history that is shown; after the last one, a new line.
    shown: usize,
    /// The bytes so far of a key that sends several.
    pending: Vec<u8>,
}

impl Editor {
    /// Reads a line from the terminal, key by key.
    pub fn read(&mut self, prompt: &str) -> io::Result<Ended> {
        let mut out = io::stderr();
        write!(out, "{prompt}")?;
        loop {
            let Some(byte) = self.next()? else { return Ok(Ended::Input) };
            let ended = self.press(byte);
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

    /// Puts back keys that were read together with the one that began a line.
    pub fn put_back(&mut self, keys: &[u8]) {
        self.typed.extend(keys);
    }

    /// Returns the keys that were typed after the end of a line.
    pub fn left(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.typed).into()
    }

    fn next(&mut self) -> io::Result<Option<u8>> {
        if let Some(byte) = self.typed.pop_front() {
            return Ok(Some(byte));
        }
        let mut byte = [0];
        Ok((io::stdin().read(&mut byte)? > 0).then_some(byte[0]))
    }

    /// Handles one byte of a key.
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
            [0x03] => {
                self.shown = self.history.len();
                return Some(Ended::Cancelled);
            }
            // The key that began this line, pressed a second time.
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
                // The rest of the character is still to come.
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
