//! Exit codes, which are those of `smp`.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use anysmp::{bsmp, line};

/// A file could not be read or written.
#[derive(Debug)]
pub struct File(PathBuf, io::Error);

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.display(), self.1)
    }
}

impl Error for File {}

/// Some reads of many had no answer, or a refusal.
#[derive(Debug)]
pub struct Partly(pub String);

impl fmt::Display for Partly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Partly {}

/// Names the file in an error.
pub trait Of<T> {
    fn of(self, path: &Path) -> Result<T, File>;
}

impl<T> Of<T> for io::Result<T> {
    fn of(self, path: &Path) -> Result<T, File> {
        self.map_err(|error| File(path.to_owned(), error))
    }
}

const fn of_protocol(error: &bsmp::Error) -> u8 {
    match error {
        bsmp::Error::Remote(_) | bsmp::Error::Function(_) => 1,
        bsmp::Error::BufferFull
        | bsmp::Error::Argument
        | bsmp::Error::NoAnswer
        | bsmp::Error::TooLarge
        | bsmp::Error::Source => 2,
        _ => 3,
    }
}

fn of_line<P, E>(error: &line::Error<P, E>, of: impl FnOnce(&E) -> u8) -> u8 {
    match error {
        line::Error::Protocol(error) => of(error),
        line::Error::TimedOut => 3,
        line::Error::Port(_) | line::Error::WriteZero | line::Error::Closed => 4,
        _ => 2,
    }
}

/// The exit code of an error.
pub fn code(error: &(dyn Error + 'static)) -> u8 {
    if let Some(error) = error.downcast_ref::<bsmp::Error>() {
        of_protocol(error)
    } else if let Some(error) = error.downcast_ref::<line::Error<io::Error, bsmp::Error>>() {
        of_line(error, of_protocol)
    } else if let Some(error) = error.downcast_ref::<line::Error<io::Error>>() {
        of_line(error, |never| match *never {})
    } else if error.is::<io::Error>() {
        4
    } else if error.is::<Partly>() {
        3
    } else if error.is::<File>() {
        5
    } else {
        2
    }
}
