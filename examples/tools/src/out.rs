//! Output that cannot end a job: a closed reader or a full disk is recorded and causes no panic.
//!
//! Programs import the macros under the familiar names:
//!
//! ```ignore
//! use anysmp_tools::{errln as eprintln, outln as println};
//! ```

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write as _};
use std::sync::Mutex;

/// The error after which stdout accepts nothing more, if there was one.
static FAILED: Mutex<Option<ErrorKind>> = Mutex::new(None);

/// Prints to stdout, as `print!`, and never panics.
#[macro_export]
macro_rules! out {
    ($($text:tt)*) => { $crate::out::print(::std::format_args!($($text)*), "") };
}

/// Prints a line to stdout, as `println!`, and never panics.
#[macro_export]
macro_rules! outln {
    () => { $crate::out::print(::std::format_args!(""), "\n") };
    ($($text:tt)*) => { $crate::out::print(::std::format_args!($($text)*), "\n") };
}

/// Prints to stderr, as `eprint!`, and never panics.
#[macro_export]
macro_rules! err {
    ($($text:tt)*) => { $crate::out::tell(::std::format_args!($($text)*), "") };
}

/// Prints a line to stderr, as `eprintln!`, and never panics.
#[macro_export]
macro_rules! errln {
    () => { $crate::out::tell(::std::format_args!(""), "\n") };
    ($($text:tt)*) => { $crate::out::tell(::std::format_args!($($text)*), "\n") };
}

/// Prints to stdout. After the first failure nothing more is printed.
pub fn print(text: Arguments<'_>, end: &str) {
    let Ok(mut failed) = FAILED.lock() else { return };
    if failed.is_some() {
        return;
    }
    let mut stdout = io::stdout().lock();
    let written = stdout.write_fmt(text).and_then(|()| stdout.write_all(end.as_bytes())).and_then(|()| stdout.flush());
    if let Err(error) = written {
        *failed = Some(error.kind());
    }
}

/// Returns true while stdout accepts output. A command that has no end of its own ends when its
/// output is no longer read.
#[must_use]
pub fn is_open() -> bool {
    FAILED.lock().is_ok_and(|failed| failed.is_none())
}

/// Prints to stderr. A failure is ignored: there is nowhere left to report it.
pub fn tell(text: Arguments<'_>, end: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_fmt(text).and_then(|()| stderr.write_all(end.as_bytes()));
}

/// Succeeds if everything printed has arrived. A reader that has left did not want the rest, so
/// that is not a failure.
///
/// # Errors
///
/// Returns the error of the first output that failed, for example because of a full disk.
pub fn check() -> io::Result<()> {
    let failed = FAILED.lock().ok().and_then(|failed| *failed);
    match failed {
        None | Some(ErrorKind::BrokenPipe) => Ok(()),
        Some(kind) => Err(kind.into()),
    }
}
