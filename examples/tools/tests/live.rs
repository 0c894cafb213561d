//! `bsmp` and `s3mp` on a terminal and in pipes: the live table, incorrect use, and failures, each
//! with the message, remedy and exit code that `smp` has.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

use kit::terminal::{terminal, visible};
use kit::{Folder, Run};

const TOOLS: [(&str, &str); 3] =
    [("smp", env!("CARGO_BIN_EXE_smp")), ("bsmp", env!("CARGO_BIN_EXE_bsmp")), ("s3mp", env!("CARGO_BIN_EXE_s3mp"))];

fn tool(name: &str) -> Command {
    let path = TOOLS.iter().find(|(known, _)| *known == name).unwrap().1;
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("SMP_CONFIG", "/nonexistent/devices.json").env_remove("SMP_DEVICE").env_remove("SMP_OPTIONS");
    command
}

fn run(name: &str, words: &[&str]) -> Run {
    Run::of(tool(name).args(words).output().unwrap())
}

/// A harmless command of each.
fn ask(name: &str) -> &'static str {
    match name {
        "smp" => "params",
        "bsmp" => "version",
        _ => "status",
    }
}

/// What a person sees for some time on a terminal of these columns and rows; then Ctrl-C. The size
/// may change on the way.
fn seen(name: &str, words: &[&str], sizes: &[(u16, u16)], variables: &[(&str, &str)]) -> Vec<String> {
    let (mut user, program, _) = terminal();
    let set = |size: (u16, u16)| {
        let size = Winsize { ws_row: size.1, ws_col: size.0, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&program, size).unwrap();
    };
    set(sizes[0]);
    let mut command = tool(name);
    command.args(words).stdout(program.try_clone().unwrap()).env("TERM", "xterm").env_remove("NO_COLOR");
    command.envs(variables.iter().copied());
    let mut process = command.spawn().unwrap();
    drop(command);
    let mut parts = Vec::new();
    for (place, size) in sizes.iter().enumerate() {
        if place > 0 {
            set(*size);
        }
        // Until the table was drawn some times.
        let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
        let began = Instant::now();
        while String::from_utf8_lossy(&all).matches("\x1b[J").count() < 6 && all.len() < 100_000 {
            assert!(began.elapsed() < Duration::from_secs(20), "{}", String::from_utf8_lossy(&all));
            let count = user.read(&mut bytes).unwrap();
            all.extend_from_slice(&bytes[..count]);
        }
        parts.push(String::from_utf8_lossy(&all).into_owned());
    }
    let pid = Pid::from_raw(process.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = process.wait().unwrap();
    assert_eq!(status.signal(), Some(2), "{status:?}");
    parts
}

/// No line of the table is wider than the terminal. What happens beside it, which begins with the
/// time, may be.
fn fits(text: &str, columns: u16) {
    for line in text.split(['\r', '\n']) {
        let told = line.trim_start_matches("\x1b[J").trim_start();
        if told.starts_with(|char: char| char.is_ascii_digit()) && told.contains(".0") && !told.contains('▁') {
            continue;
        }
        assert!(visible(line) < columns.into(), "{columns}: {} in {line:?}", visible(line));
    }
}

/// Two nodes, of which the second is not there, by description.
const NODES: [&str; 15] = [
    "--simulated",
    "--framing",
    "packet",
    "--address",
    "1-2",
    "--timeout",
    "40",
    "--drain",
    "20",
    "--describe",
    "tests/snapshots/supply.txt",
    "watch",
    "--interval",
    "50",
    "--quiet",
];

#[test]
fn the_table_fits_every_terminal_and_shows_the_values_on_all_of_them() {
    for (columns, rows) in [(20, 24), (30, 10), (40, 24), (80, 24), (120, 50), (80, 5)] {
        for (name, words, value) in [
            (
                "bsmp",
                &[
                    "--simulated",
                    "--describe",
                    "tests/snapshots/supply.txt",
                    "watch",
                    "status",
                    "setpoint",
                    "--interval",
                    "50",
                ][..],
                "3.5",
            ),
            ("s3mp", &["--simulated", "watch", "--status", "200"], "18."),
        ] {
            let text = seen(name, words, &[(columns, rows)], &[]).concat();
            fits(&text, columns);
            let frame = text.rsplit("\x1b[J").nth(1).unwrap();
            assert!(frame.lines().count() < rows.into(), "{name} {columns} {rows}: {frame:?}");
            if rows > 8 {
                assert!(frame.contains(value), "{name} {columns}: {frame:?}");
            }
            // Where there is room, a curve and a rate.
            assert!(columns < 80 || rows < 8 || frame.contains('▁') && frame.contains("/s"), "{name}: {frame:?}");
        }
    }
}

#[test]
fn after_a_change_of_size_the_table_begins_below_and_nothing_else_is_overwritten() {
    let parts = seen("bsmp", &NODES, &[(120, 40), (60, 20), (130, 30)], &[]);
    fits(&parts[0], 120);
    // What was drawn at the size before may come first.
    for (part, columns) in [(&parts[1], 120_u16), (&parts[2], 130)] {
        fits(part, columns);
        let up: Vec<bool> =
            part.split("\x1b[J").filter(|frame| frame.contains("name")).map(|frame| frame.contains("A\r")).collect();
        assert_eq!(up.iter().filter(|up| !**up).count(), 1, "one frame begins again at the top: {part:?}");
    }
}

#[test]
fn a_dead_node_is_red_unless_colours_are_not_wanted_and_a_dumb_terminal_gets_lines() {
    let text = seen("bsmp", &NODES, &[(100, 30)], &[]).concat();
    assert!(text.contains("\x1b[31m") && text.contains("no answer"), "{text:?}");
    let plain = seen("bsmp", &NODES, &[(100, 30)], &[("NO_COLOR", "1")]).concat();
    assert!(!plain.contains("\x1b[31m") && plain.contains("no answer"), "{plain:?}");

    let (mut user, program, _) = terminal();
    let mut command = tool("bsmp");
    command.args(["--simulated", "watch", "1", "--interval", "10", "--count", "3"]).env("TERM", "dumb");
    command.stdout(program.try_clone().unwrap());
    let mut process = command.spawn().unwrap();
    drop((command, program));
    assert!(process.wait().unwrap().success());
    let mut text = String::new();
    // The end of a terminal is an error.
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = user.read(&mut bytes) {
        text += &String::from_utf8_lossy(&bytes[..count]);
    }
    assert!(!text.contains('\x1b') && text.lines().count() == 3, "{text:?}");
}

#[test]
fn in_a_pipe_there_are_lines_and_values_with_commas_stay_one_cell() {
    let run = run("s3mp", &["--simulated", "set", "label", "a,\"b\""]);
    assert_eq!(run.code, 0, "{run:?}");
    let slave = kit::Device::run(env!("CARGO_BIN_EXE_s3mp-slave"), ["--tcp", "127.0.0.1:0"]);
    let at = ["--tcp", &slave.address];
    let ok = |words: &[&str]| {
        let run = self::run("s3mp", &[&at, words].concat());
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout
    };
    ok(&["set", "label", "a,\"b\""]);
    let csv = ok(&["watch", "label", "--csv", "--count", "1"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "time,address,name,value,unit,error");
    assert!(lines[1].ends_with(",4,label,\"a,\"\"b\"\"\",,"), "{csv}");
    // What would move the cursor of a terminal is shown and not sent to it.
    ok(&["set", "label", "hex:651b5b324a41"]);
    let text = ok(&["get", "label"]);
    assert!(!text.contains('\x1b') && text.contains("[2JA"), "{text:?}");
}

#[test]
fn wrong_uses_have_the_same_messages_remedies_and_codes_in_all_tools() {
    let (_user, _program, silent) = terminal();
    let quick = ["--timeout", "30", "--retries", "1"];
    let cases: &[(&[&str], i32, &str, &str)] = &[
        (&[], 2, "no device given", "--simulated"),
        (&["--serial", "/dev/none"], 4, "cannot open /dev/none", "smp ports"),
        (&["--serial", "/etc"], 2, "/etc is a directory", "smp ports"),
        (&["--usb", "ffff:fffe"], 4, "cannot open ffff:fffe", "plugged in"),
        (&["--usb", "nonsense"], 2, "VID:PID", "smp ports"),
        (&["--tcp", "127.0.0.1:1"], 4, "cannot open 127.0.0.1:1: Connection refused", "Is the server running?"),
        (&["--tcp", "localhost"], 2, "localhost is not an address", "HOST:PORT"),
        (&["--tcp", "no.such.invalid:1"], 4, "no.such.invalid", ""),
        (&["--serial", &silent, quick[0], quick[1], quick[2], quick[3]], 3, "does not answer", "--timeout"),
        (&["--simulated", "--serial", "/dev/null"], 2, "cannot be used with", "Usage"),
        (&["--simulated", "--timeout", "0"], 2, "invalid value '0'", "--help"),
        (&["--simulated", "--quiet", "--verbose"], 2, "cannot be used with", "Usage"),
        (&["--simulated", "--log-file", "/none/log"], 5, "/none/log", "Check the path"),
        (&["--serial", &silent, "--baud", "0"], 2, "invalid value '0'", ""),
    ];
    for (words, code, cause, remedy) in cases {
        let mut errors = Vec::new();
        for (name, _) in TOOLS {
            let began = Instant::now();
            let run = run(name, &[words, &[ask(name)][..]].concat());
            assert_eq!(run.code, *code, "{name} {words:?}: {run:?}");
            assert!(run.stderr.contains(cause) && run.stderr.contains(remedy), "{name} {words:?}: {run:?}");
            assert!(!run.says("panicked") && began.elapsed() < Duration::from_secs(20), "{name} {words:?}");
            errors.push(run.stderr.lines().next().unwrap().to_owned());
            let run = self::run(name, &[&["--json"], *words, &[ask(name)][..]].concat());
            assert_eq!((run.code, &run.json()["exit"]), (*code, &(*code).into()), "{name} {words:?}: {run:?}");
            assert!(run.json()["error"].is_string(), "{run:?}");
        }
        // Word for word, but for what each calls the other end.
        let same: Vec<String> = errors
            .iter()
            .map(|text| text.replace("the node", "the device").replace("the slave", "the device"))
            .collect();
        assert!(same.iter().all(|text| *text == same[0]), "{words:?}: {errors:?}");
    }
}

#[test]
fn a_port_that_is_taken_or_of_another_user_is_told_alike() {
    let folder = Folder::new("live-busy");
    let (_user, program, path) = terminal();
    // Not by its own name, since pseudo-terminals are not locked.
    let port = folder.0.join("port");
    std::os::unix::fs::symlink(&path, &port).unwrap();
    rustix::fs::flock(&program, rustix::fs::FlockOperation::LockExclusive).unwrap();
    for (name, _) in TOOLS {
        let run = run(name, &["--serial", port.to_str().unwrap(), ask(name)]);
        assert_eq!(run.code, 4, "{name}: {run:?}");
        assert!(run.stderr.contains("close it first") && run.stderr.contains("live-busy"), "{name}: {run:?}");
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("not checked here: it takes root to become somebody else");
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let (_user, _program, path) = terminal();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for (name, program) in TOOLS {
        // A copy where everybody may run it.
        let copy = folder.0.join(name);
        std::fs::copy(program, &copy).unwrap();
        let mut command = Command::new(&copy);
        command.args(["--serial", &path, ask(name)]).stdin(Stdio::null()).uid(65_534).gid(65_534);
        let run = Run::of(command.output().unwrap());
        assert_eq!(run.code, 4, "{name}: {run:?}");
        assert!(run.stderr.contains("ermission denied") && run.stderr.contains("dialout"), "{name}: {run:?}");
    }
}

#[test]
fn a_full_disk_is_told_and_a_reader_that_goes_away_ends_what_would_go_on() {
    for (name, words) in [
        ("bsmp", &["--simulated", "watch", "1", "--interval", "20"][..]),
        ("bsmp", &["--simulated", "poll", "1", "--interval", "0", "--json"]),
        ("s3mp", &["--simulated", "watch", "--status", "100"]),
        ("s3mp", &["--simulated", "subscribe"]),
    ] {
        let mut process = tool(name).args(words).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        // Nobody reads any more.
        let began = Instant::now();
        let status = loop {
            if let Some(status) = process.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{name} {words:?} goes on");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(0), "{name} {words:?}");

        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = tool(name);
        command.args(words).stdout(full);
        let run = Run::of(command.output().unwrap());
        assert_eq!(run.code, 5, "{name} {words:?}: {run:?}");
        assert!(run.stderr.contains("No space left") || run.stderr.contains("no storage space"), "{run:?}");
    }
    let run = run("bsmp", &["--simulated", "--json", "curve", "get", "0", "/dev/full"]);
    assert_eq!((run.code, &run.json()["exit"]), (5, &5.into()), "{run:?}");
    assert!(run.stderr.contains("No space left") && run.stderr.contains("Check the path"), "{run:?}");
}

#[test]
fn a_watch_over_a_port_that_fails_goes_on_when_it_is_back() {
    let mut node = Some(kit::Device::run(env!("CARGO_BIN_EXE_bsmp-node"), ["--tcp", "127.0.0.1:0", "--fbp"]));
    let address = node.as_ref().unwrap().address.clone();
    let words = ["--tcp", &address, "--timeout", "200", "--json", "watch", "0", "--interval", "50"];
    let mut process = tool("bsmp").args(words).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let mut next = |key: &str| {
        lines.by_ref().take(1000).find(|line| !serde_json::from_str::<Value>(line).unwrap()[key].is_null()).unwrap()
    };
    next("value");
    node = None;
    assert!(next("note").contains("opening it again"));
    // The same port again; something else may have taken it for a moment.
    let began = Instant::now();
    while node.is_none() {
        assert!(began.elapsed() < Duration::from_secs(20));
        let mut again = Command::new(env!("CARGO_BIN_EXE_bsmp-node"));
        again.args(["--tcp", &address, "--fbp"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        node = kit::Device::of(again);
    }
    next("value");
    let pid = Pid::from_raw(process.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(process.wait().unwrap().signal(), Some(2));
}

#[test]
fn each_message_is_told_in_words_where_it_is_asked_for() {
    let folder = Folder::new("live-words");
    let log = folder.path("log");
    for (name, words, told) in [
        ("bsmp", &["--simulated", "--framing", "packet", "read", "1"][..], "-> node 1 READ_VARIABLE variable 1"),
        ("s3mp", &["--simulated", "get", "3"], "-> GET address 3 counter"),
    ] {
        let run = run(name, &[words, &["-v", "--log-file", &log]].concat());
        assert!(run.code == 0 && run.stderr.contains(told), "{run:?}");
        let kept = std::fs::read_to_string(&log).unwrap();
        assert!(kept.contains(told) && kept.contains(&format!("{name} --simulated")), "{kept}");
    }
}
