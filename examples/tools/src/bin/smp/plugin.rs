//! Commands that are separate programs: `smp-NAME` on the PATH is `smp NAME`.

use anysmp_tools::errln as eprintln;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::Cli;
use crate::profile;

/// Runs the program that an unrecognised command line may name.
///
/// The program is given the words after its name and, in `SMP_OPTIONS`, the endpoint and the link
/// that preceded the name, so that it can run `smp` in turn. `SMP` is the path of this program.
pub fn run(words: &[OsString], error: &clap::Error) -> Option<ExitCode> {
    let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(name))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    else {
        return None;
    };
    let program = find(&format!("smp-{name}"))?;
    let at = words.iter().position(|word| word == name.as_str())?;
    let before = words.get(..at)?;
    // The words before the name form a command line, if a command that always exists is added.
    let cli = Cli::try_parse_from(before.iter().cloned().chain([OsString::from("params")])).ok()?;
    let mut options = match profile::added(&cli.link) {
        Ok(added) => added,
        Err(failure) => {
            crate::output(&cli.link).failure(&failure);
            return Some(ExitCode::from(failure.code()));
        }
    };
    let before: Vec<String> = before.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    options.extend(profile::options(&before));
    let mut command = Command::new(program);
    command.args(words.get(at + 1..)?).env("SMP_OPTIONS", options.join(" ")).env_remove("SMP_DEVICE");
    if let Ok(smp) = std::env::current_exe() {
        command.env("SMP", smp);
    }
    Some(match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| code.try_into().ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: smp-{name}: {error}");
            ExitCode::from(5)
        }
    })
}

fn find(name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.into_iter().map(|folder| folder.join(&name)).find(|path| path.is_file())
}
