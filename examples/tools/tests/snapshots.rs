//! What people and programs see, word for word: help, errors, results in text and JSON. A change is
//! looked at in the difference of `tests/snapshots`, which `ANYSMP_SNAPSHOTS=write` writes anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::process::{Command, Stdio};

fn seen(program: &str, words: &str) -> String {
    let program = match program {
        "smp" => env!("CARGO_BIN_EXE_smp"),
        "smp-device" => env!("CARGO_BIN_EXE_smp-device"),
        other => panic!("{other}"),
    };
    let output = Command::new(program)
        .args(words.split(' ').filter(|word| !word.is_empty()))
        .env("SMP_CONFIG", "/nonexistent/devices.json")
        .env_remove("SMP_DEVICE")
        .env_remove("SMP_OPTIONS")
        // Help is wrapped at this width where there is no terminal.
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        // Trailing blanks are nobody's business.
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>()
    };
    let mut shown = format!("$ smp {words}\n{}", text(&output.stdout));
    if !output.stderr.is_empty() {
        shown += &format!("--- stderr\n{}", text(&output.stderr));
    }
    shown + &format!("--- exit {}\n", output.status.code().unwrap())
}

/// Compares runs with a file.
fn compare(name: &str, program: &str, runs: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}.txt"));
    let shown = runs.iter().map(|words| seen(program, words)).collect::<Vec<_>>().join("\n");
    if std::env::var_os("ANYSMP_SNAPSHOTS").is_some_and(|value| value == "write") {
        std::fs::write(&path, &shown).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (kept, shown)) in kept.lines().zip(shown.lines()).enumerate() {
        assert_eq!(shown, kept, "{name}.txt line {}", number + 1);
    }
    assert_eq!(shown.lines().count(), kept.lines().count(), "{name}.txt");
}

#[test]
fn help_is_as_it_was() {
    let commands = ["--help", "fs download --help", "decode --help", "plan --help"];
    compare("help", "smp", &commands);
}

#[test]
fn errors_are_as_they_were() {
    let runs = [
        "echo hi",
        "eko",
        "--simulated --frming raw echo hi",
        "--simulated fs status /lfs1/no",
        "--simulated log list",
        "--simulated image test zz",
        "--tcp 127.0.0.1:1 echo hi",
        "--serial /dev/none echo hi",
        "--simulated upgrade /none",
        "-d nobody echo hi",
        "--usb x echo hi",
    ];
    compare("errors", "smp", &runs);
}

#[test]
fn results_are_as_they_were_in_text_and_json() {
    let runs = [
        "echo hi",
        "params",
        "bootloader",
        "mpstat",
        "image list",
        "image slots",
        "stat list",
        "enum list",
        "enum details",
        "fs status /lfs1/hello.txt",
        "fs hash /lfs1/hello.txt",
        "fs types",
        "settings read net/port",
        "info s",
        "fs status /lfs1/no",
        "shell false",
        "raw --group 0 --id 0 --op write {\"d\":\"x\"}",
    ];
    let text: Vec<String> = runs.iter().map(|run| format!("--simulated {run}")).collect();
    compare("text", "smp", &text.iter().map(String::as_str).collect::<Vec<_>>());
    let json: Vec<String> = runs.iter().map(|run| format!("--simulated --json {run}")).collect();
    compare("json", "smp", &json.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn plans_are_as_they_were() {
    let runs = [
        "plan --buf-size 1024 --size 262144",
        "--baud 921600 plan --buf-size 1024 --count 2 --size 65536 --flash nrf52840",
        "--framing raw --window 1 plan --buf-size 384 --size 1000 --turnaround 20",
        "--framing cobs --json plan --buf-size 1024 --size 65536 --flash stm32l4",
        "plan --buf-size 1024 --size 0",
        "plan --buf-size 96 --count 1 --size 1000",
        "plan --buf-size 1024 --size /none",
    ];
    compare("plan", "smp", &runs);
}
