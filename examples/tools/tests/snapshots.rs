//! The output for people and programs, word for word: help, errors, results in text and JSON. A
//! change is reviewed in the difference of `tests/snapshots`, which `ANYSMP_SNAPSHOTS=write` writes
//! again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::process::{Command, Stdio};

fn seen(name: &str, words: &str) -> String {
    let program = match name {
        "smp" => env!("CARGO_BIN_EXE_smp"),
        "bsmp" => env!("CARGO_BIN_EXE_bsmp"),
        "s3mp" => env!("CARGO_BIN_EXE_s3mp"),
        other => panic!("{other}"),
    };
    let output = Command::new(program)
        .args(words.split(' ').filter(|word| !word.is_empty()))
        .env("SMP_CONFIG", "/nonexistent/devices.json")
        .env_remove("SMP_DEVICE")
        .env_remove("SMP_OPTIONS")
        // Help is wrapped at this width where there is no terminal.
        .env("COLUMNS", "100")
        // Descriptions are beside the snapshots.
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        // Trailing blanks are nobody's business.
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>()
    };
    let mut shown = format!("$ {name} {words}\n{}", text(&output.stdout));
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

// `tests/ble` looks at what the feature adds.
#[cfg_attr(feature = "ble", ignore = "the help has one option more")]
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
fn help_of_the_laboratory_is_as_it_was() {
    compare("bsmp_help", "bsmp", &["--help", "watch --help", "curve get --help"]);
    compare("s3mp_help", "s3mp", &["--help", "watch --help", "set --help"]);
}

#[test]
fn errors_of_the_laboratory_are_as_they_were() {
    let bsmp = [
        "version",
        "vesion",
        "--tcp 127.0.0.1:1 version",
        "--tcp localhost version",
        "--serial /dev/none version",
        "--simulated read current",
        "--simulated read 99",
        "--simulated write 1 00000000",
        "--simulated write 1 xy",
        "--simulated call 24 0900",
        "--simulated --framing packet --address 40 version",
        "--simulated --address 2 version",
        "--simulated scan",
        "--simulated --framing packet --address 3-2 version",
        "--simulated --framing packet --address 255 read 0",
        "--simulated --framing packet --address 1-2 version",
        "--simulated --describe supply.txt write setpoint three",
        "--simulated --describe none.txt read setpoint",
        "--simulated --describe greenhouse.txt read label",
        "--simulated watch",
        "--simulated curve put 0 /none",
        "--simulated --json read 99",
        "--json --simulated vesion",
    ];
    compare("bsmp_errors", "bsmp", &bsmp);
    let s3mp = [
        "status",
        "staus",
        "--tcp 127.0.0.1:1 status",
        "--tcp localhost status",
        "--serial /dev/none status",
        "--simulated get 9",
        "--simulated get pressure",
        "--simulated set relay 2",
        "--simulated set temperature 2",
        "--simulated --describe greenhouse.txt set label abcdefghijklmnopq",
        "--simulated --describe supply-be.txt get",
        "--simulated --json get 9",
    ];
    compare("s3mp_errors", "s3mp", &s3mp);
}

#[test]
fn results_of_the_laboratory_are_as_they_were_in_text_and_json() {
    let bsmp = [
        "version",
        "groups",
        "curves",
        "functions",
        "read 0 1",
        "--describe supply.txt read setpoint firmware",
        "group members 2",
        "group create 0 1",
        "call 16 00004040",
        "curve checksum 0 --now",
    ];
    let s3mp = [
        "describe",
        "get relay label",
        "set label north",
        "invert relay",
        "unsubscribe relay",
        "reset label",
        "--describe greenhouse.txt describe",
        "--describe greenhouse.txt get 3 label",
        "--describe greenhouse.txt set relay on",
    ];
    for (kind, option) in [("text", ""), ("json", "--json ")] {
        for (tool, runs) in [("bsmp", &bsmp[..]), ("s3mp", &s3mp)] {
            let runs: Vec<String> = runs.iter().map(|run| format!("--simulated {option}{run}")).collect();
            compare(&format!("{tool}_{kind}"), tool, &runs.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}

#[test]
fn plans_are_as_they_were() {
    let runs = [
        "plan --buf-size 1024 --size 262144",
        "--baud 921600 plan --buf-size 1024 --buf-count 2 --size 65536 --flash nrf52840",
        "--framing raw --window 1 plan --buf-size 384 --size 1000 --turnaround 20",
        "--framing cobs --json plan --buf-size 1024 --size 65536 --flash stm32l4",
        "plan --buf-size 1024 --size 0",
        "plan --buf-size 96 --buf-count 1 --size 1000",
        "plan --buf-size 1024 --size /none",
    ];
    compare("plan", "smp", &runs);
}
