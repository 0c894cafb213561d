//! Installs the manual pages and the shell completions where a system looks for them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::Output;

/// Installs them below a directory, by default `~/.local`.
pub fn perform(output: Output, prefix: Option<&Path>) -> Result<(), Failure> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local"));
    let Some(prefix) = prefix.map(Path::to_owned).or_else(home) else {
        return Err(Failure::Usage("no directory to install to".to_owned(), "Give one with --prefix."));
    };
    let mut files = Vec::new();
    for (shell, place) in [
        (Shell::Bash, "share/bash-completion/completions/smp"),
        (Shell::Zsh, "share/zsh/site-functions/_smp"),
        (Shell::Fish, "share/fish/vendor_completions.d/smp.fish"),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "smp", &mut script);
        files.push((place.to_owned(), script));
    }
    let mut command = Cli::command();
    command.build();
    pages(&command, "smp", &mut files);
    for (place, content) in &files {
        let path = prefix.join(place);
        let written =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, content));
        written.map_err(|error| Failure::Local(path, error))?;
    }
    let places: Vec<_> = files.iter().map(|(place, _)| place).collect();
    output.result(&json!({ "prefix": prefix, "files": places }), || {
        output.note(&format!("{} files below {}: try `man smp`, and a new shell", files.len(), prefix.display()));
    });
    Ok(())
}

/// Adds the page of a command, and those of its subcommands.
fn pages(command: &Command, name: &str, files: &mut Vec<(String, Vec<u8>)>) {
    files.push((format!("share/man/man1/{name}.1"), page(command, name).into_bytes()));
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        pages(command, &format!("{name}-{}", command.get_name()), files);
    }
}

/// Returns a page in the language of `man`.
fn page(command: &Command, name: &str) -> String {
    let text =
        |text: String| text.replace('\\', "\\e").replace('-', "\\-").lines().map(quoted).collect::<Vec<_>>().join("\n");
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = format!(".TH {} 1 \"\" \"anysmp {}\"\n", name.to_uppercase(), env!("CARGO_PKG_VERSION"));
    let _ = writeln!(page, ".SH NAME\n{} \\- {}", text(name.to_owned()), text(about));
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(page, ".SH SYNOPSIS\n.nf\n{}\n.fi", text(usage.trim_start_matches("Usage: ").to_owned()));
    if let Some(long) = command.get_long_about() {
        let _ = writeln!(page, ".SH DESCRIPTION\n{}", text(long.to_string()));
    }
    let _ = writeln!(page, ".SH OPTIONS");
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let shown = argument.to_string();
        let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
        let _ = writeln!(page, ".TP\n\\fB{}\\fR\n{}", text(format!("{short}{shown}")), text(help));
        let values: Vec<_> = argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if argument.get_action().takes_values() && !values.is_empty() {
            let _ = writeln!(page, "One of: {}.", text(values.join(", ")));
        }
    }
    if command.get_subcommands().next().is_some() {
        let _ = writeln!(page, ".SH COMMANDS");
        for sub in command.get_subcommands() {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(page, ".TP\n\\fB{}\\fR(1)\n{}", text(format!("{name}-{}", sub.get_name())), text(about));
        }
    }
    if let Some(after) = command.get_after_help() {
        let _ = writeln!(page, ".SH NOTES\n.nf\n{}\n.fi", text(after.to_string()));
    }
    page
}

/// Escapes a line that `man` would take for a request.
fn quoted(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}
