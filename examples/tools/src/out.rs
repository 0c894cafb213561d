//! Output that cannot end a job: a reader that goes away, or a full disk, is noted and no panic.
//!
//! Programs import the macros under the names that everybody knows:
//!
//! ```ignore
//! use anysmp_tools::{errln as eprintln, outln as println};
//! ```

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write as _};
use std::sync::Mutex;

/// The reason why stdout accepts nothing any more.
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

/// Prints to stdout. After the first failure nothing is printed any more.
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

/// Returns true while stdout accepts what is printed: a command without an end of its own ends when
/// nobody reads it any more.
#[must_use]
pub fn is_open() -> bool {
    FAILED.lock().is_ok_and(|failed| failed.is_none())
}

/// Prints to stderr. A failure is ignored: there is nobody to report it to.
pub fn tell(text: Arguments<'_>, end: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_fmt(text).and_then(|()| stderr.write_all(end.as_bytes()));
}

/// Succeeds if everything printed has arrived. A reader that has left did not want the rest: that
/// is no failure.
///
/// # Errors
///
/// Of the first output that failed, for example on a full disk.
pub fn check() -> io::Result<()> {
    let failed = FAILED.lock().ok().and_then(|failed| *failed);
    match failed {
        None | Some(ErrorKind::BrokenPipe) => Ok(()),
        Some(kind) => Err(kind.into()),
    }
}
