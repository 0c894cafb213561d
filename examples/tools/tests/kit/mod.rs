//! What the tests of the tools share: a running device, a directory, the outcome of a run, an
//! image, and packages.
#![allow(dead_code, unreachable_pub, reason = "each test binary needs a part of it")]

pub mod package;
#[cfg(unix)]
pub mod terminal;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use anysmp::mcuboot::Version;
use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use serde_json::Value;

/// The outcome of a run.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(), // It ends by itself, not by a signal.
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The last line of stdout, as JSON.
    pub fn json(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_else(|| panic!("no output: {self:?}"));
        serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The same, of a run that went well.
    pub fn ok(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        self.json()
    }

    pub fn says(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }
}

/// A program that plays a device, until this is dropped.
pub struct Device {
    process: Child,
    /// Where it listens.
    pub address: String,
}

impl Device {
    /// Runs it until it is ready.
    pub fn run<'w>(program: &str, options: impl IntoIterator<Item = &'w str>) -> Self {
        let mut command = Command::new(program);
        command.args(options).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self::of(command).unwrap()
    }

    /// The same; `None` if it ends before that.
    pub fn of(mut command: Command) -> Option<Self> {
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.strip_prefix("ready: ") else {
            let _ = process.wait();
            return None;
        };
        Some(Self { process, address: address.trim().to_owned() })
    }

    /// Runs an `smp-device` with options as in a shell.
    pub fn start(options: &str) -> Self {
        Self::run(env!("CARGO_BIN_EXE_smp-device"), options.split(' '))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A directory that is removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("anysmp-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file; returns its path.
    pub fn put(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.0.join(name), bytes).unwrap();
        self.path(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// The names of what is in it, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An image file around this program.
pub fn image_of(version: Version, program: &[u8]) -> Vec<u8> {
    let mut image = vec![0; program.len() + 1000];
    let len = Builder::new(version).build(program, &mut Sha256::new(), &mut image).unwrap();
    image.truncate(len);
    image
}

/// An image file around `len` bytes that differ from version to version.
pub fn image(version: Version, len: usize) -> Vec<u8> {
    let body: Vec<u8> = (0..u32::try_from(len).unwrap())
        .map(|i| i.wrapping_add(version.major.into()).wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    image_of(version, &body)
}
