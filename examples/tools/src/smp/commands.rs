//! The commands of SMP by number: the only table of names, for `smp decode`, for `--verbose`, for
//! the dissector of Wireshark, and for the test that compares README's table with the crate.

use anysmp::smp::{Group, Op, Request, enumeration, fs, image, legacy, os, settings, shell, stat, transport, zephyr};

/// A request: its group, its command, its name and its op.
pub type Command = (Group, u8, &'static str, Op);

macro_rules! commands {
    ($($request:ty: $name:literal,)*) => {
        /// Every request that the crate has, in the order of the specification.
        pub const COMMANDS: &[Command] =
            &[$((<$request as Request>::GROUP, <$request as Request>::COMMAND, $name, <$request as Request>::OP)),*];
    };
}

commands! {
    os::Echo<'_>: "echo",
    os::ConsoleEcho: "console echo",
    os::TaskStatistics: "task statistics",
    os::PoolStatistics: "pool statistics",
    os::ReadDateTime: "date and time",
    os::WriteDateTime<'_>: "date and time",
    os::Reset: "reset",
    os::Parameters: "parameters",
    os::Info<'_>: "info",
    os::BootLoader<'_>: "boot loader",
    image::ReadState: "state",
    image::WriteState<'_>: "state",
    image::Upload<'_>: "upload",
    image::CoreList: "core list",
    image::CoreLoad: "core load",
    image::CoreErase: "core erase",
    image::Erase: "erase",
    image::SlotInfo: "slot info",
    stat::Read<'_>: "read",
    stat::List: "list",
    settings::Read<'_>: "read",
    settings::Write<'_>: "write",
    settings::Delete<'_>: "delete",
    settings::Commit: "commit",
    settings::Load: "load",
    settings::Save<'_>: "save",
    legacy::LogShow<'_>: "show",
    legacy::LogClear<'_>: "clear",
    legacy::LogModules: "modules",
    legacy::LogLevels: "levels",
    legacy::LogList: "list",
    legacy::Crash<'_>: "crash",
    legacy::RunTest<'_>: "test",
    legacy::RunList: "list",
    fs::Download<'_>: "download",
    fs::Upload<'_>: "upload",
    fs::Status<'_>: "status",
    fs::Hash<'_>: "hash",
    fs::HashTypes: "hash types",
    fs::Close: "close",
    shell::Execute<'_>: "execute",
    enumeration::Count: "count",
    enumeration::List: "list",
    enumeration::Single: "single",
    enumeration::Details<'_>: "details",
    transport::Connect<'_>: "connect",
    transport::Disconnect: "disconnect",
    transport::Status: "status",
    transport::List: "list",
    transport::Modes: "modes",
    transport::Configuration: "configuration",
    zephyr::EraseStorage: "erase storage",
}

/// The name of a command, if the crate has it. Download and upload of a file have the same number,
/// so the op counts; for a command with only one op, some clients send the other one.
pub fn name(group: Group, command: u8, op: Op) -> Option<&'static str> {
    let mut its = COMMANDS.iter().filter(|entry| (entry.0, entry.1) == (group, command));
    its.clone().find(|entry| entry.3 == op).or_else(|| its.next()).map(|entry| entry.2)
}
