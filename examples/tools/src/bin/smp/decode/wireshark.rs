//! The dissector for Wireshark: a script in Lua, and the tables of this program in it.

use std::fmt::Write as _;
use std::path::Path;

use anysmp::smp::{Error, Group, Op};
use anysmp_tools::smp::commands::COMMANDS;
use serde_json::json;

use super::SMP;
use crate::failure::Failure;
use crate::output::Output;

/// The script, without its tables.
const SCRIPT: &str = include_str!("dissector.lua");

/// Writes the script to a directory, which is created if it does not exist.
pub fn install(output: Output, directory: &Path) -> Result<(), Failure> {
    let path = directory.join("mcumgr.lua");
    let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, script()));
    written.map_err(|error| Failure::Local(path.clone(), error))?;
    output.result(&json!({ "file": path }), || {
        output.note(&format!("written: {}", path.display()));
        output.note("Wireshark shows datagrams of port 1337 as SMP from its next start on; others by \"Decode As\".");
    });
    Ok(())
}

/// The script with the tables of groups, commands and errors.
fn script() -> String {
    let (mut groups, mut commands, mut errors) = (String::new(), String::new(), String::new());
    for (group, name) in (0..64).filter_map(|group| Some((group, Group(group).name()?))) {
        let _ = writeln!(groups, "    [{group}] = \"{name}\",");
    }
    for (group, command, name, op) in COMMANDS {
        let number = (u32::from(group.0) * 256 + u32::from(*command)) * 2 + u32::from(*op == Op::Write);
        let _ = writeln!(commands, "    [{number}] = \"{name}\",");
    }
    let mut table = |group: i32, error: &dyn Fn(u16) -> Error| {
        let names: Vec<String> =
            (1..256).filter_map(|rc| Some(format!("[{rc}] = \"{}\"", error(rc).name()?))).collect();
        if !names.is_empty() {
            let _ = writeln!(errors, "    [{group}] = {{ {} }},", names.join(", "));
        }
    };
    table(-1, &|rc| Error::Smp(rc.into()));
    for group in 0..64 {
        table(group.into(), &|rc| Error::Group { group: Group(group), rc });
    }
    SCRIPT
        .replace("@GROUPS@", &groups)
        .replace("@COMMANDS@", &commands)
        .replace("@ERRORS@", &errors)
        .replace("@PORT@", &SMP.to_string())
}
