//! Failures in the words of all tools: the event, its object, the remedy, and the exit code.

use std::fmt;
use std::io;
use std::path::Path;

use crate::{errln as eprintln, outln as println};
use serde_json::json;

/// The reason why a command of `bsmp` or `s3mp` failed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// The text: what happened, and to which file, port or device.
    pub text: String,
    /// The remedy; may be empty.
    pub remedy: &'static str,
}

impl Failure {
    /// The device refused.
    pub fn refused(text: impl Into<String>, remedy: &'static str) -> Self {
        Self { code: 1, text: text.into(), remedy }
    }

    /// The command line is not valid, or not for this device.
    pub fn usage(text: impl Into<String>, remedy: &'static str) -> Self {
        Self { code: 2, text: text.into(), remedy }
    }

    /// No response arrived, or a malformed one did.
    pub fn silent(text: impl Into<String>, remedy: &'static str) -> Self {
        Self { code: 3, text: text.into(), remedy }
    }

    /// The response makes no sense.
    pub fn nonsense(text: impl Into<String>) -> Self {
        Self::silent(text, NONSENSE)
    }

    /// The port failed.
    pub fn port(error: &io::Error) -> Self {
        Self { code: 4, text: format!("port error: {error}"), remedy: port_remedy(error) }
    }

    /// The port cannot be opened; the text contains the name that the user gave it.
    pub fn unopened(name: &str, error: &io::Error) -> Self {
        Self::port(&io::Error::new(error.kind(), format!("cannot open {name}: {error}")))
    }

    /// The other side closed the connection.
    pub fn closed() -> Self {
        Self { code: 4, text: "the connection was closed".to_owned(), remedy: CLOSED }
    }

    /// A file on this computer cannot be read or written.
    pub fn file(path: &Path, error: impl fmt::Display) -> Self {
        Self { code: 5, text: format!("{}: {error}", path.display()), remedy: LOCAL }
    }

    /// The content of a file makes no sense.
    pub fn content(path: &Path, error: impl fmt::Display, remedy: &'static str) -> Self {
        Self { code: 5, text: format!("{}: {error}", path.display()), remedy }
    }

    /// Shows the failure: to people on stderr, to programs as the last object on stdout.
    pub fn show(&self, json: bool) {
        crate::journal::line(&format!("error: {}", self.text));
        let remedy = (!self.remedy.is_empty()).then_some(self.remedy);
        if json {
            println!("{}", json!({ "error": self.text, "exit": self.code, "remedy": remedy }));
        }
        eprintln!("error: {}", self.text);
        if let Some(remedy) = remedy {
            eprintln!("  {remedy}");
        }
    }
}

impl From<&'static str> for Failure {
    fn from(text: &'static str) -> Self {
        Self::usage(text, "")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// The remedy for a response that makes no sense.
pub const NONSENSE: &str = "Run it again with --verbose to see the messages.";
/// The remedy for a connection that was closed.
pub const CLOSED: &str = "The device may have restarted; try again.";
/// The remedy for a file that cannot be used.
pub const LOCAL: &str = "Check the path on this computer, and its permissions.";

/// Returns the remedy for an error of a file.
pub fn local_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "Make room there, and run it again."
        }
        _ => LOCAL,
    }
}

/// Returns the remedy for an error of a port.
pub fn port_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "You may need to be in the group that owns the port, often `dialout`.",
        _ if is_busy(error) => "Another program uses the port: close it first.",
        io::ErrorKind::ConnectionRefused => "Is the server running?",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::TimedOut => {
            "Check the address, and that the device is on the network."
        }
        _ if error.to_string().contains("lookup") => "Check the name of the host.",
        io::ErrorKind::NotFound => "Is the device plugged in? `smp ports` lists the serial ports of this computer.",
        _ => "Check that the device is plugged in, and that no other program uses the port.",
    }
}

/// Returns true if a port is in use. serialport reports such a port as missing.
fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ResourceBusy || error.to_string().to_lowercase().contains("busy")
}
